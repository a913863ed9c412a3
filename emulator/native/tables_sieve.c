/* A sieve before tuple-space search. For the top bits of every field it keeps, as a set of 64 bits, in which tuples some entry
 * agrees with those bits; the sets' intersection leaves few tuples to probe. Bits may outlive their entry: that costs a probe. */
#include "tables_core.h"
#include <stdlib.h>

#define TOP_BITS 16
#define MOST_FIELDS 8
#define LEAST_CARE 8 /* compared bits of a field's top; with fewer, the entry counts for every value */
#define FROM_TUPLES 6

struct sieve_field {
    uint64_t any;    /* tuples with an entry that hardly looks at this field */
    uint64_t *cells; /* by top bits */
    int32_t word, shift;
    uint32_t bits;
};
struct sieve {
    int32_t n_fields;
    uint32_t stale; /* deletions since the bits were last right */
    struct sieve_field fields[MOST_FIELDS];
};

static inline uint32_t top(const struct sieve_field *field, const uint64_t *words)
{
    return (uint32_t)(words[field->word] >> field->shift) & ((1u << field->bits) - 1);
}

uint64_t sieve_pass(const struct sieve *sieve, const uint64_t *key)
{
    uint64_t left = UINT64_MAX;
    for (int32_t f = 0; f < sieve->n_fields; f++)
        left &= sieve->fields[f].any | sieve->fields[f].cells[top(&sieve->fields[f], key)];
    return left;
}

static void enter(struct fpt_table *t, uint32_t slot)
{
    uint64_t *mask = t->scratch + t->key_words, bit = (uint64_t)1 << t->tuple_of[slot] % 64;
    slot_tuple_mask(t, slot, mask);
    for (int32_t f = 0; f < t->sieve->n_fields; f++) {
        struct sieve_field *field = &t->sieve->fields[f];
        uint32_t care = top(field, mask), value = top(field, slot_value(t, slot)) & care;
        uint32_t free_bits = ~care & ((1u << field->bits) - 1);
        if (field->bits - (uint32_t)__builtin_popcount(free_bits) < LEAST_CARE) {
            field->any |= bit;
            continue;
        }
        for (uint32_t rest = free_bits;; rest = (rest - 1) & free_bits) { /* every setting of the free bits */
            field->cells[value | rest] |= bit;
            if (!rest)
                break;
        }
    }
}

static bool make(struct fpt_table *t)
{
    struct sieve *sieve = t->sieve = calloc(1, sizeof *sieve);
    for (int32_t f = 0; sieve && f < t->n_fields && sieve->n_fields < MOST_FIELDS; f++) {
        int32_t width = t->fields[f].width, words = (width + 63) / 64, rest = width - 64 * (words - 1);
        if (width < LEAST_CARE)
            continue;
        struct sieve_field *field = &sieve->fields[sieve->n_fields];
        field->bits = (uint32_t)(rest < TOP_BITS ? rest : TOP_BITS);
        field->word = t->field_word[f] + words - 1;
        field->shift = rest - (int32_t)field->bits;
        if (field->bits < LEAST_CARE)
            continue;
        field->cells = table_memory(sizeof *field->cells << field->bits);
        if (!field->cells) {
            sieve_free(t);
            return false;
        }
        sieve->n_fields++;
    }
    return sieve != NULL;
}

static void fill(struct fpt_table *t)
{
    t->sieve->stale = 0;
    for (int32_t f = 0; f < t->sieve->n_fields; f++) {
        t->sieve->fields[f].any = 0;
        memset(t->sieve->fields[f].cells, 0, sizeof(uint64_t) << t->sieve->fields[f].bits);
    }
    for (uint32_t slot = 0; slot < t->used; slot++)
        if (slot_entry(t, slot)->hit)
            enter(t, slot);
}

void sieve_add(struct fpt_table *t, uint32_t slot)
{
    if (t->sieve)
        enter(t, slot);
    else if (t->n_order >= FROM_TUPLES && t->count >= FLAT_LIMIT && make(t)) /* without it the table is slower, not wrong */
        fill(t);
}

void sieve_remove(struct fpt_table *t, bool renumbered)
{
    if (t->sieve && (renumbered || (++t->sieve->stale > 1024 && t->sieve->stale > t->count)))
        fill(t);
}

void sieve_free(struct fpt_table *t)
{
    for (int32_t f = 0; t->sieve && f < t->sieve->n_fields; f++)
        free(t->sieve->fields[f].cells);
    free(t->sieve);
    t->sieve = NULL;
}

void sieve_prefetch(const struct fpt_table *t, const uint64_t *keys, int n)
{
    for (int i = 0; t->sieve && i < n; i++)
        for (int32_t f = 0; f < t->sieve->n_fields; f++)
            __builtin_prefetch(&t->sieve->fields[f].cells[top(&t->sieve->fields[f], keys + i * t->key_words)]);
}
