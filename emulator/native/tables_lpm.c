/* Longest prefix: one hash index per prefix length in use (tables_tuple.c), longest first. A large table of one field gets
 * a root indexed by the top ROOT_BITS of the key, which says which lengths are worth a probe and holds the answer where
 * none of them matches. */
#include "tables_core.h"
#include <stdlib.h>

#define ROOT_BITS 16
#define ROOT_SIZE (1u << ROOT_BITS)
#define ROOT_FROM 256     /* entries; below, the root's memory is not worth it */
#define ROOT_MAX_WIDTH 128 /* lengths above ROOT_BITS fit two words */

struct root_cell {
    uint64_t longer[2]; /* bit l - ROOT_BITS - 1: some entry of length l lies below; may outlive the entry */
    uint32_t best;      /* slot of the longest prefix of at most ROOT_BITS bits, or NO_SLOT */
};
struct lpm_root {
    struct root_cell cells[ROOT_SIZE];
    struct tuple *by_length[ROOT_MAX_WIDTH + 1];
    uint32_t stale; /* deletions since the bits were last right */
};

static inline uint32_t top_bits(const uint64_t *key, int32_t width)
{
    if (width <= 64)
        return (uint32_t)(key[0] >> (width - ROOT_BITS));
    int32_t shift = width - 64 - ROOT_BITS;
    if (shift >= 0)
        return (uint32_t)(key[1] >> shift);
    return (uint32_t)(key[1] << -shift | key[0] >> (64 + shift)) & (ROOT_SIZE - 1);
}

static inline uint32_t probe_longer(struct fpt_table *t, const struct root_cell *cell, int word, const uint64_t *key)
{
    for (uint64_t bits = cell->longer[word]; bits;) {
        int bit = 63 - __builtin_clzll(bits);
        bits &= ~((uint64_t)1 << bit);
        uint32_t slot = tuple_probe(t, t->root->by_length[word * 64 + bit + ROOT_BITS + 1], key);
        if (slot != NO_SLOT)
            return slot;
    }
    return NO_SLOT;
}

static uint32_t root_find(struct fpt_table *t, const uint64_t *key)
{
    const struct root_cell *cell = &t->root->cells[top_bits(key, t->fields[0].width)];
    uint32_t slot = NO_SLOT;
    if (cell->longer[1])
        slot = probe_longer(t, cell, 1, key);
    if (slot == NO_SLOT)
        slot = probe_longer(t, cell, 0, key);
    return slot != NO_SLOT ? slot : cell->best;
}

uint32_t lpm_find(struct fpt_table *t, const uint64_t *key)
{
    if (t->root)
        return root_find(t, key);
    for (uint32_t i = 0; i < t->n_order; i++) {
        uint32_t slot = tuple_probe(t, t->tuples[t->order[i]], key);
        if (slot != NO_SLOT)
            return slot;
    }
    return NO_SLOT;
}

static void enter(struct fpt_table *t, uint32_t slot)
{
    struct lpm_root *root = t->root;
    int32_t prefix = slot_prefix(t, slot);
    uint32_t first = top_bits(slot_value(t, slot), t->fields[0].width);
    root->by_length[prefix] = t->tuples[t->tuple_of[slot]];
    if (prefix > ROOT_BITS) {
        int32_t bit = prefix - ROOT_BITS - 1;
        root->cells[first].longer[bit / 64] |= (uint64_t)1 << bit % 64;
        return;
    }
    for (uint32_t i = first; i < first + (1u << (ROOT_BITS - prefix)); i++) {
        uint32_t *best = &root->cells[i].best;
        if (*best == NO_SLOT || slot_prefix(t, *best) < prefix)
            *best = slot;
    }
}

static void fill(struct fpt_table *t)
{
    struct lpm_root *root = t->root;
    memset(root, 0, sizeof *root);
    for (uint32_t i = 0; i < ROOT_SIZE; i++)
        root->cells[i].best = NO_SLOT;
    for (uint32_t slot = 0; slot < t->used; slot++)
        if (slot_entry(t, slot)->hit)
            enter(t, slot);
}

void lpm_root_add(struct fpt_table *t, uint32_t slot)
{
    if (blocks_add(t, slot))
        return;
    if (t->root) {
        enter(t, slot);
        return;
    }
    int32_t width = t->fields[0].width;
    if (t->n_fields > 1 || width <= ROOT_BITS || width > ROOT_MAX_WIDTH || t->count < ROOT_FROM)
        return;
    t->root = table_memory(sizeof *t->root); /* without it the table is slower, not wrong */
    if (t->root)
        fill(t);
}

/* The next shorter prefix that covers the slot's. */
static uint32_t covering(struct fpt_table *t, uint32_t slot, int32_t prefix)
{
    for (int32_t shorter = prefix - 1; shorter >= 0; shorter--) {
        const struct tuple *tuple = t->root->by_length[shorter];
        uint32_t found = tuple ? tuple_probe(t, tuple, slot_value(t, slot)) : NO_SLOT;
        if (found != NO_SLOT)
            return found;
    }
    return NO_SLOT;
}

void lpm_root_remove(struct fpt_table *t, uint32_t slot)
{
    if (t->blocks)
        blocks_remove(t, slot);
    if (!t->root)
        return;
    int32_t prefix = slot_prefix(t, slot);
    if (prefix <= ROOT_BITS) {
        uint32_t by = covering(t, slot, prefix), first = top_bits(slot_value(t, slot), t->fields[0].width);
        for (uint32_t i = first; i < first + (1u << (ROOT_BITS - prefix)); i++)
            if (t->root->cells[i].best == slot)
                t->root->cells[i].best = by;
    }
    if (++t->root->stale > ROOT_SIZE && t->root->stale > t->count) {
        slot_entry(t, slot)->hit = 0; /* fill must not see it */
        fill(t);
    }
}

void lpm_root_free(struct fpt_table *t)
{
    free(t->root);
    t->root = NULL;
}

/* Memory is asked for along the longest length only: most packets match it or the next. */
static void ask_longest(const struct fpt_table *t, const uint64_t *key, const struct root_cell *cell)
{
    int word = cell->longer[1] ? 1 : 0;
    if (!cell->longer[word])
        return;
    int bit = 63 - __builtin_clzll(cell->longer[word]);
    const struct tuple *tuple = t->root->by_length[word * 64 + bit + ROOT_BITS + 1];
    uint64_t masked[2] = {key[0] & tuple->mask[0], t->key_words > 1 ? key[1] & tuple->mask[1] : 0};
    __builtin_prefetch(&tuple->index.cells[hash_words(masked, t->key_words) & tuple->index.mask]);
}

void lpm_ahead(struct fpt_table *t, const uint64_t *keys, int stride, int n, uint32_t *slots)
{
    if (t->root) {
        for (int i = 0; i < n; i++)
            __builtin_prefetch(&t->root->cells[top_bits(keys + i * stride, t->fields[0].width)]);
        for (int i = 0; i < n; i++) {
            const uint64_t *key = keys + i * stride;
            ask_longest(t, key, &t->root->cells[top_bits(key, t->fields[0].width)]);
        }
    }
    for (int i = 0; i < n; i++) {
        slots[i] = lpm_find(t, keys + i * stride);
        __builtin_prefetch(slot_entry(t, slots[i]));
    }
}
