/* Egress queues of a compiled pipeline: per port a rate, and a queue for each priority. What emulator/switch/queues.py does
 * for any engine, here without Python: a packet that must wait keeps its state and its bytes in memory, and the compiled
 * egress and deparser run on it when its turn has come. */
#ifndef FPISA_EGRESS_QUEUES_H
#define FPISA_EGRESS_QUEUES_H
#include "pipeline.h"
#include <stdint.h>

#define FPQ_PRIORITIES 8
#define FPQ_PORTS 65536
#define FPQ_PLACES 15

enum fpq_field { /* variables of a packet's state that queues read or write */
    FPQ_PRIORITY = 0,
    FPQ_ENQ_TIMESTAMP = 1,
    FPQ_ENQ_QDEPTH = 2,
    FPQ_DEQ_TIMEDELTA = 3,
    FPQ_DEQ_QDEPTH = 4,
    FPQ_EGRESS_PORT = 5,
    FPQ_EGRESS_SPEC = 6,
    FPQ_PACKET_LENGTH = 7,
    FPQ_EGRESS_TIME = 8,
    FPQ_INSTANCE_TYPE = 9,
    FPQ_EGRESS_RID = 10,
    FPQ_LENGTH = 11,
    FPQ_TRUNCATE = 12,
    FPQ_CLONE = 13,
    FPQ_RECIRCULATE = 14
};

struct fpq_place {
    uint32_t offset, bits, width; /* bits of the cell and of the value; bits 0: the program has no such field */
};

struct fpq_program {
    struct fpq_place fields[FPQ_PLACES];
    uint32_t phv_size, buffers; /* bytes of a packet's state; where the varbits' bytes begin in it */
    uint32_t drop_port, growth; /* growth: bytes that a packet can become longer by */
    uint64_t egress, deparse, state; /* addresses: the compiled stages and the table they start from */
    uint64_t slow;                   /* the callback that finishes a packet in Python */
    uint64_t memory[2];              /* where compiled code and that callback expect a packet's state */
    uint64_t now, packet_now;        /* addresses of 64-bit cells: the time, the packet's arrival */
    uint64_t told; /* address of two: of a packet that the callback gets, bytes that may leave (0: all) and its turn + 1 */
    uint64_t drop_egress, queue_full, bad_priority; /* addresses of 64-bit counts */
};

struct fpq;

/* rates: FPQ_PORTS numbers of packets a second, 0 unlimited. depths: FPQ_PRIORITIES rows of FPQ_PORTS numbers of packets. Both
 * stay the caller's, who calls fpq_configure after a change. NULL where memory is short. */
struct fpq *fpq_new(const struct fpq_program *program, const uint32_t *rates, const uint32_t *depths, int32_t priorities);
void fpq_free(struct fpq *queues);
void fpq_configure(struct fpq *queues);
void fpq_clear(struct fpq *queues); /* forgets what waits */
void fpq_rest(struct fpq *queues);  /* that, and no packet is asked to wait until fpq_configure */

/* A packet on its way to port `ports` >> 16 (in by the lower half): FPQ_WAITS, FPQ_GONE (dropped, counted) or FPQ_GOES (the port
 * has no rate and nothing waits there). rid, kind: egress_rid, -1 to leave it; instance_type, -1 to leave it. now_us: time; arrived_us: when it came to the
 * switch; cut: bytes that may leave, 0 all. */
#define FPQ_WAITS 0
#define FPQ_GONE 1
#define FPQ_GOES 2
int32_t fpq_offer(struct fpq *queues, const uint8_t *phv, const uint8_t *data, int64_t length, uint32_t ports, int32_t rid,
                  int32_t kind, uint64_t now_us, uint64_t arrived_us, int64_t cut, int32_t priority);

/* An fp_serve_fn (ports.h). */
int32_t fpq_serve(void *queues, uint64_t now_us, struct fp_packet *out, int32_t out_capacity, int32_t *n_out, uint8_t *arena,
                  int64_t arena_size, uint64_t *next_us);
uint64_t fpq_next_us(const struct fpq *queues); /* UINT64_MAX: none waits */
uint32_t fpq_waiting(const struct fpq *queues, uint32_t port);
#endif
