/* Measuring: a plain forwarder as the yardstick of packet rate, and a load that drives either it or the switch. */
#ifndef FPISA_TRAFFIC_H
#define FPISA_TRAFFIC_H
#include <stdint.h>

struct fpn_load_result {
    uint64_t sent, received, lost; /* packets */
    double seconds, cpu_seconds;   /* of this thread */
};

/* What a C programmer would write who needs to move packets between two interfaces and nothing else: a mapped receive
 * ring, sendmmsg straight from it, no copy, no program. Runs until *stop is non-zero. Fills error and returns -1 where an
 * interface cannot be opened. */
int32_t fpn_forward(const char *interface_a, const char *interface_b, volatile int32_t *stop, uint64_t *packets,
                    char *error);

/* Sends frames (n_frames of `length` bytes each, in turn) into one interface and counts what comes out of another,
 * keeping at most `window` under way; frames missing for `patience_us` count as lost. number_at: where a frame carries its
 * 32-bit big-endian number, which then counts on from 0; -1: frames stay as they are. */
int32_t fpn_load(const char *send_interface, const char *receive_interface, uint8_t *frames, int32_t n_frames,
                 int32_t length, int32_t number_at, int32_t window, double seconds, int32_t patience_us, struct fpn_load_result *result,
                 char *error);
#endif
