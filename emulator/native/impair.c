/* Loss, duplication, reordering and delay on a port. Every packet consumes the same number of random words whatever is
 * decided, so the fate of the n-th packet depends on the seed and n alone. */
#include "port.h"
#include <stdlib.h>
#include <string.h>

struct held {
    struct held *next;
    uint64_t due;      /* nanoseconds */
    uint64_t after;    /* packets seen by then also release it */
    uint32_t length;
    bool has_offload;
    struct virtio_net_hdr offload;
    uint8_t data[];
};

struct impair {
    uint64_t state; /* of the random sequence */
    uint64_t loss, duplicate, reorder; /* thresholds of a 64-bit draw */
    uint64_t delay_ns, reorder_ns;
    uint64_t gap, seen;
    struct held *held; /* in order of arrival */
    struct held **tail;
    struct held *spent; /* delivered, but their bytes are still in use */
    bool outward;
};

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014) */
static uint64_t draw(struct impair *impair)
{
    uint64_t z = impair->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t threshold(double probability) { return (uint64_t)(probability * 18446744073709549568.0); }

static bool probability(double p) { return p >= 0 && p <= 1; }

struct impair *impair_new(const struct fpn_impairment *s, uint16_t port, bool outward, char *error)
{
    if (!probability(s->loss) || !probability(s->duplicate) || !probability(s->reorder)) {
        fail(error, "an impairment's probability must lie between 0 and 1");
        return NULL;
    }
    if (s->delay_us < 0 || s->reorder_us < 0 || s->reorder_gap < 1) {
        fail(error, "an impairment's times must not be negative and its gap at least 1");
        return NULL;
    }
    struct impair *impair = calloc(1, sizeof *impair);
    if (!impair) {
        fail(error, "memory is short");
        return NULL;
    }
    impair->state = s->seed;
    impair->state = draw(impair) ^ ((uint64_t)port << 1 | outward); /* neighbouring seeds and ports: unrelated sequences */
    impair->loss = threshold(s->loss);
    impair->duplicate = threshold(s->duplicate);
    impair->reorder = threshold(s->reorder);
    impair->delay_ns = (uint64_t)s->delay_us * 1000;
    impair->reorder_ns = (uint64_t)s->reorder_us * 1000;
    impair->gap = (uint64_t)s->reorder_gap;
    impair->outward = outward;
    impair->tail = &impair->held;
    return impair;
}

static void free_all(struct held *held)
{
    while (held) {
        struct held *next = held->next;
        free(held);
        held = next;
    }
}

void impair_reap(struct impair *impair)
{
    free_all(impair->spent);
    impair->spent = NULL;
}

void impair_free(struct impair *impair)
{
    if (!impair)
        return;
    free_all(impair->held);
    free_all(impair->spent);
    free(impair);
}

static bool hold(struct impair *impair, const uint8_t *data, uint32_t length, const struct virtio_net_hdr *offload,
                 uint64_t due, uint64_t after)
{
    struct held *held = malloc(sizeof *held + length);
    if (!held)
        return false;
    *held = (struct held){.due = due, .after = after, .length = length, .has_offload = offload != NULL};
    if (offload)
        held->offload = *offload;
    memcpy(held->data, data, length);
    *impair->tail = held;
    impair->tail = &held->next;
    return true;
}

static void count(struct impair *impair, uint64_t *in, uint64_t *out) { ++*(impair->outward ? out : in); }

static void pass(struct impair *impair, struct port *port, uint8_t *data, uint32_t length,
                 const struct virtio_net_hdr *offload, uint64_t now, bool overtaken, deliver_fn deliver)
{
    struct fpn_stats *stats = &port->stats;
    uint64_t due = now + impair->delay_ns;
    if (overtaken && hold(impair, data, length, offload, due + impair->reorder_ns, impair->seen + impair->gap))
        count(impair, &stats->in_reordered, &stats->out_reordered);
    else if (impair->delay_ns && hold(impair, data, length, offload, due, UINT64_MAX))
        count(impair, &stats->in_delayed, &stats->out_delayed);
    else
        deliver(port, data, length, offload);
}

void impair_packet(struct impair *impair, struct port *port, uint8_t *data, uint32_t length,
                   const struct virtio_net_hdr *offload, uint64_t now, deliver_fn deliver)
{
    uint64_t lost = draw(impair), doubled = draw(impair), overtaken = draw(impair);
    struct fpn_stats *stats = &port->stats;
    impair->seen++;
    if (lost < impair->loss) {
        count(impair, &stats->in_lost, &stats->out_lost);
        stats->drops[impair->outward ? FPN_TX_IMPAIRED : FPN_RX_IMPAIRED]++;
    } else {
        pass(impair, port, data, length, offload, now, overtaken < impair->reorder, deliver);
        if (doubled < impair->duplicate) {
            count(impair, &stats->in_duplicated, &stats->out_duplicated);
            pass(impair, port, data, length, offload, now, false, deliver);
        }
    }
    if (impair->held)
        impair_due(impair, port, now, deliver);
}

uint64_t impair_due(struct impair *impair, struct port *port, uint64_t now, deliver_fn deliver)
{
    uint64_t next = UINT64_MAX;
    struct held **at = &impair->held;
    while (*at) {
        struct held *held = *at;
        if (held->due > now && held->after > impair->seen) {
            if (held->due < next)
                next = held->due;
            at = &held->next;
            continue;
        }
        *at = held->next;
        deliver(port, held->data, held->length, held->has_offload ? &held->offload : NULL);
        held->next = impair->spent;
        impair->spent = held;
    }
    impair->tail = at;
    return next;
}
