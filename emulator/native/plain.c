/* A pipeline without a program: every packet goes to the port opposite, or to all others. */
#include "ports.h"
#include <string.h>

struct outputs {
    struct fp_packet *packets;
    int32_t count, capacity;
    uint8_t *arena;
    int64_t used, size;
};

static int copy_to(struct outputs *out, const struct fp_packet *packet, uint16_t port)
{
    if (out->count == out->capacity || out->used + packet->length > out->size)
        return 0;
    memcpy(out->arena + out->used, packet->data, packet->length);
    out->packets[out->count++] = (struct fp_packet){out->arena + out->used, packet->length, port, 0};
    out->used += (packet->length + 63) & ~63u;
    return 1;
}

static int forward(struct outputs *out, const struct fpn_cross_state *cross, const struct fp_packet *packet)
{
    if (!cross->flood)
        return packet->port >= 512 || copy_to(out, packet, cross->to[packet->port]);
    for (uint32_t port = 0; port < cross->flood; port++)
        if (port != packet->port && !copy_to(out, packet, (uint16_t)port))
            return 0;
    return 1;
}

int32_t fpn_cross(void *state, const struct fp_packet *in, int32_t n_in, struct fp_packet *out, int32_t out_capacity,
                  int32_t *n_out, uint8_t *arena, int64_t arena_size, uint64_t now_us)
{
    (void)now_us;
    struct outputs outputs = {out, 0, out_capacity, arena, 0, arena_size};
    int32_t i = 0;
    for (; i < n_in; i++) {
        int32_t before = outputs.count;
        if (!forward(&outputs, state, &in[i])) {
            outputs.count = before; /* all copies of a packet or none */
            break;
        }
    }
    *n_out = outputs.count;
    return i;
}
