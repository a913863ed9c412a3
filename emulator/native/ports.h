/* The switch's ports and the loop that runs a compiled pipeline between them: what Python calls.
 *
 * One thread runs fpn_run; every other function may be called from any other thread. Functions that can fail take an
 * `error` buffer of FPN_ERROR bytes, fill it with one sentence, and return -1. */
#ifndef FPISA_PORTS_H
#define FPISA_PORTS_H
#include "pipeline.h"
#include <stdint.h>

#define FPN_ERROR 256

/* Why a packet did not go on. Names and sentences: fpn_drop_name, fpn_drop_sentence. */
enum fpn_drop {
    FPN_RX_RING_FULL,
    FPN_RX_TRUNCATED,
    FPN_RX_TOO_LONG,
    FPN_RX_BAD_OFFLOAD,
    FPN_RX_BAD_DESCRIPTOR,
    FPN_RX_IMPAIRED,
    FPN_NO_PIPELINE,
    FPN_NO_ROOM,
    FPN_NO_SUCH_PORT,
    FPN_TX_IMPAIRED,
    FPN_TX_QUEUE_FULL,
    FPN_TX_LINK_DOWN,
    FPN_TX_TOO_LONG,
    FPN_TX_REFUSED,
    FPN_TX_BAD_OFFLOAD,
    FPN_DROPS
};

struct fpn_stats {
    uint64_t rx_packets, rx_bytes; /* as handed to the pipeline */
    uint64_t tx_packets, tx_bytes; /* as accepted by the link */
    uint64_t rx_batches, tx_batches;
    uint64_t in_lost, in_duplicated, in_reordered, in_delayed;     /* by impairment */
    uint64_t out_lost, out_duplicated, out_reordered, out_delayed; /* by impairment */
    uint64_t drops[32];                                            /* by enum fpn_drop */
    int32_t state;                                                 /* enum fpn_link */
};

enum fpn_link { FPN_UP = 0, FPN_DOWN = 1, FPN_GONE = 2 };

struct fpn_loop_stats {
    uint64_t batches, packets, sleeps, spins;
    uint64_t no_such_port; /* outputs for a port number that no port has */
    uint64_t no_pipeline;  /* packets that came before any pipeline was set */
    uint64_t no_room;      /* packets whose outputs exceed the whole arena */
};

/* What befalls packets on a port, in one direction. Probabilities are per packet (per copy of a multicast) and independent;
 * the sequence of decisions depends on seed, port number and direction alone. */
struct fpn_impairment {
    double loss, duplicate, reorder; /* 0..1 */
    int32_t reorder_gap;             /* a reordered packet lets this many later ones overtake it */
    int32_t reorder_us;              /* ... but waits no longer than this where none come */
    int32_t delay_us;                /* every packet */
    uint64_t seed;
};

struct fpn_interface_options {
    int32_t ring_frames;  /* receive ring; 0: 4096 */
    int32_t queue_bytes;  /* what may wait for a slow link; 0: 2 MiB */
    int32_t bypass_qdisc; /* 1: past the traffic control of the interface (link rates are then not kept) */
    int32_t trains;       /* 1: UDP packets alike may leave as one super-frame from the start; 0: once the other side sends such */
    int32_t pipeline, pipelines; /* more than one: only the share of this one is received (pipeline_filter.c) */
};

struct fpn_runner;

struct fpn_runner *fpn_new(int32_t spin_us);
void fpn_free(struct fpn_runner *runner); /* after fpn_run returned */

/* Ports are added before fpn_run. */
int32_t fpn_add_interface(struct fpn_runner *runner, int32_t number, const char *interface,
                          const struct fpn_interface_options *options, char *error);
int32_t fpn_add_queue(struct fpn_runner *runner, int32_t number, int32_t packets, char *error);
int32_t fpn_add_pcap(struct fpn_runner *runner, int32_t number, const char *in_path, const char *out_path, char *error);
/* Listens on a Unix socket for one worker at a time (rings.h). slots: a power of two; slot_bytes: a multiple of 64. */
int32_t fpn_add_memory(struct fpn_runner *runner, int32_t number, const char *socket_path, int32_t slots,
                       int32_t slot_bytes, char *error);
int32_t fpn_set_impairment(struct fpn_runner *runner, int32_t number, int32_t outward,
                           const struct fpn_impairment *impairment, char *error);
int32_t fpn_log_pcap(struct fpn_runner *runner, int32_t number, const char *in_path, const char *out_path, char *error);

void fpn_set_pipeline(struct fpn_runner *runner, fp_process_fn process, void *state); /* between two batches */
/* Packets that wait within the pipeline until their time has come: appends those that are due by now_us to `out`, tells when the
 * next will be (UINT64_MAX: none waits), and returns 1 where it must be called again with fresh space. */
typedef int32_t (*fp_serve_fn)(void *queues, uint64_t now_us, struct fp_packet *out, int32_t out_capacity, int32_t *n_out,
                               uint8_t *arena, int64_t arena_size, uint64_t *next_us);
void fpn_set_departures(struct fpn_runner *runner, fp_serve_fn serve, void *queues); /* between two batches; NULL: none */
void fpn_wake(struct fpn_runner *runner); /* looks for what is due anew */
/* Whether TCP super-frames are cut into their segments before the pipeline (they are not, to begin with). */
void fpn_cut_super_frames(struct fpn_runner *runner, int32_t cut);
void fpn_set_clock_base(struct fpn_runner *runner, int64_t base_us); /* now_us = CLOCK_MONOTONIC - base */

/* Runs until fpn_stop; 0, or -1 with a sentence. */
int32_t fpn_run(struct fpn_runner *runner, char *error);
void fpn_stop(struct fpn_runner *runner);

/* No batch is processed between the two. May nest, also inside a pipeline's callback. */
void fpn_pause(struct fpn_runner *runner);
void fpn_resume(struct fpn_runner *runner);

/* A packet as if it had arrived at the port number (which need not be a port); or one that leaves without the pipeline.
 * -1: more than FP_MAX_FRAME bytes or the queue of 65,536 is full. */
int32_t fpn_inject(struct fpn_runner *runner, int32_t number, const uint8_t *data, int32_t length);
int32_t fpn_emit(struct fpn_runner *runner, int32_t number, const uint8_t *data, int32_t length);

/* The next packet that left by a queue port: its length, 0 after timeout_ms, -1 when the runner has stopped, -2 when the
 * buffer is too small, -3 when the number is no queue port. */
int32_t fpn_take(struct fpn_runner *runner, int32_t number, uint8_t *buffer, int32_t capacity, int32_t timeout_ms);

int32_t fpn_get_stats(struct fpn_runner *runner, int32_t number, struct fpn_stats *stats); /* -1: no such port */
void fpn_get_loop_stats(struct fpn_runner *runner, struct fpn_loop_stats *stats);
const char *fpn_drop_name(int32_t drop);     /* NULL past the last */
const char *fpn_drop_sentence(int32_t drop);

/* Pipelines without a program, for tests and as a yardstick. State: fpn_cross_state, to[port] is the egress port. */
struct fpn_cross_state {
    uint16_t to[512];
    uint32_t flood; /* 0: to[] ; else every port below this number but the ingress port */
};
int32_t fpn_cross(void *state, const struct fp_packet *in, int32_t n_in, struct fp_packet *out, int32_t out_capacity,
                  int32_t *n_out, uint8_t *arena, int64_t arena_size, uint64_t now_us);
#endif
