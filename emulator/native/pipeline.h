/* The contract between the compiled pipeline and whoever feeds it packets (rings, memory, Python).
 *
 * A pipeline takes packets in order and appends what leaves to `out`. Output bytes lie in `arena`, which
 * the caller owns; input bytes are only read. One input may yield many outputs (multicast), so the caller
 * may be told to come back with fresh space: the return value says how many inputs were consumed. */
#ifndef FPISA_PIPELINE_H
#define FPISA_PIPELINE_H
#include <stdint.h>

struct fp_packet {
    uint8_t *data;
    uint32_t length; /* bytes */
    uint16_t port;   /* in: ingress port; out: egress port */
    uint16_t flags;  /* zero for now */
};
_Static_assert(sizeof(struct fp_packet) == 16, "fp_packet is written by generated code");

/* Returns the number of inputs consumed (0..n_in); less than n_in only when `out` or `arena` is full.
 * A packet that needs the slow path (clone, digest, ...) is finished through the state's own callback. */
typedef int32_t (*fp_process_fn)(void *state, const struct fp_packet *in, int32_t n_in,
                                 struct fp_packet *out, int32_t out_capacity, int32_t *n_out,
                                 uint8_t *arena, int64_t arena_size, uint64_t now_us);

/* Longest packet a pipeline accepts or emits, in bytes: a TCP super-frame (segmentation left to the receiver, 65,535 bytes
 * of IP) with Ethernet, VLAN tags and room for headers that a program adds. Almost every packet is far shorter. */
#define FP_MAX_FRAME 66560
#endif
