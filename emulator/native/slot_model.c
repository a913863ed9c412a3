/* See slot_model.h. One function per question of the protocol's table. */
#include "slot_core.h"
#include <stdlib.h>
#include <string.h>

struct fpn_slot_model *fpn_slot_model_new(int32_t job, int32_t workers, int32_t slots, int32_t elements, int32_t format,
                                          int32_t first_port)
{
    struct fpn_slot_model *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    *m = (struct fpn_slot_model){job, workers, slots, elements, format, first_port, 0, NULL, NULL, {0}};
    m->sets = calloc((size_t)slots * 2, sizeof *m->sets);
    m->values = calloc((size_t)slots * 2 * (size_t)elements, sizeof *m->values);
    if (!m->sets || !m->values) {
        fpn_slot_model_free(m);
        return NULL;
    }
    return m;
}

void fpn_slot_model_free(struct fpn_slot_model *m)
{
    if (!m)
        return;
    free(m->sets);
    free(m->values);
    free(m);
}

void fpn_slot_model_fates(const struct fpn_slot_model *m, uint64_t *fates) { memcpy(fates, m->fates, sizeof m->fates); }

bool slot_admitted(const struct fpn_slot_model *m, const struct fp_packet *p)
{
    const uint8_t *f = p->data + AT_FPISA;
    return p->length >= HEADERS + 4u * (uint32_t)m->elements && f[0] == 0x10 && f[1] == m->format &&
           get16(f + 14) == (uint32_t)m->elements && get16(f + 2) == (uint32_t)m->job && f[4] >= m->first_rank &&
           f[4] < m->first_rank + m->workers && p->port == m->first_port + f[4] && get16(f + 6) < 2u * (uint32_t)m->slots;
}

enum fate slot_judge(const struct fpn_slot_model *m, const uint8_t *f)
{
    const struct set *set = &m->sets[get16(f + 6)];
    uint32_t chunk = get32(f + 8), bit = 1u << f[4];
    if (set->used && set->chunk == chunk) {
        bool complete = !set->missing;
        if (set->seen & bit)
            return complete ? RESENT : DUPLICATE;
        return complete ? STALE : set->missing == 1 ? COMPLETED : ABSORBED;
    }
    if (set->used && (int32_t)(chunk - set->chunk) < 0)
        return STALE;
    if (set->used && set->seen)
        return EARLY;
    return m->workers == 1 ? COMPLETED : ABSORBED;
}

static uint32_t add(const struct fpn_slot_model *m, uint32_t a, uint32_t b)
{
    if (m->format == 0)
        return a + b;
    float x, y;
    memcpy(&x, &a, 4);
    memcpy(&y, &b, 4);
    x += y;
    memcpy(&a, &x, 4);
    return a;
}

void slot_absorb(struct fpn_slot_model *m, const uint8_t *f)
{
    uint32_t index = get16(f + 6), chunk = get32(f + 8), bit = 1u << f[4];
    struct set *set = &m->sets[index];
    uint32_t *values = m->values + (size_t)index * (size_t)m->elements;
    bool first = !set->used || set->chunk != chunk;
    if (first)
        *set = (struct set){chunk, 0, (uint32_t)m->workers, (int8_t)f[13], true, false};
    for (int32_t i = 0; i < m->elements; i++) {
        uint32_t value;
        memcpy(&value, f + 16 + 4 * i, 4);
        value = m->format == 0 ? __builtin_bswap32(value) : value;
        values[i] = first ? value : add(m, values[i], value);
    }
    if ((int8_t)f[13] > set->exponent)
        set->exponent = (int8_t)f[13];
    set->seen |= bit;
    set->missing--;
    m->sets[index ^ 1].seen &= ~bit;
}

static void swap_bytes(uint8_t *a, uint8_t *b, size_t n)
{
    uint8_t keep[8];
    memcpy(keep, a, n);
    memcpy(a, b, n);
    memcpy(b, keep, n);
}

/* The result for one rank, made from the packet that asked for it. */
void slot_reply(const struct fpn_slot_model *m, const struct fp_packet *p, int rank, bool again, struct fp_packet *out)
{
    uint8_t *d = out->data, *f = d + AT_FPISA;
    uint32_t index = get16(p->data + AT_FPISA + 6);
    memcpy(d, p->data, HEADERS);
    swap_bytes(d, d + 6, 6);
    swap_bytes(d + 26, d + 30, 4);
    swap_bytes(d + 34, d + 36, 2);
    f[0] = (uint8_t)(0x10 | (again ? 2 : 1));
    f[4] = (uint8_t)rank;
    f[13] = (uint8_t)m->sets[index].exponent;
    for (int32_t i = 0; i < m->elements; i++) {
        uint32_t value = m->values[(size_t)index * (size_t)m->elements + (size_t)i];
        value = m->format == 0 ? __builtin_bswap32(value) : value;
        memcpy(f + 16 + 4 * i, &value, 4);
    }
    out->length = HEADERS + 4 * (uint32_t)m->elements;
    out->port = (uint16_t)(m->first_port + rank);
    out->flags = 0;
}

int32_t fpn_slot_model_run(void *state, const struct fp_packet *in, int32_t n_in, struct fp_packet *out,
                           int32_t out_capacity, int32_t *n_out, uint8_t *arena, int64_t arena_size, uint64_t now_us)
{
    struct fpn_slot_model *m = state;
    int64_t size = (HEADERS + 4 * m->elements + 63) & ~63, used = 0;
    (void)now_us;
    *n_out = 0;
    for (int32_t i = 0; i < n_in; i++) {
        if (*n_out + m->workers > out_capacity || used + size * m->workers > arena_size)
            return i;
        enum fate fate = slot_admitted(m, &in[i]) ? slot_judge(m, in[i].data + AT_FPISA) : REFUSED;
        m->fates[fate]++;
        if (fate == ABSORBED || fate == COMPLETED)
            slot_absorb(m, in[i].data + AT_FPISA);
        for (int rank = 0; rank < m->workers; rank++) {
            if (fate != COMPLETED && !(fate == RESENT && rank == in[i].data[AT_FPISA + 4]))
                continue;
            out[*n_out].data = arena + used;
            used += size;
            slot_reply(m, &in[i], rank, fate == RESENT, &out[(*n_out)++]);
        }
    }
    return n_in;
}
