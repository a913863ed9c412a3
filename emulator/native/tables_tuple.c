/* One hash index per prefix length in use, over the masked key: all of a longest-prefix table's entries are in one. */
#include "tables_core.h"
#include <stdlib.h>

static inline void mask_key(const struct tuple *tuple, const uint64_t *key, int32_t words, uint64_t *masked)
{
    for (int32_t i = 0; i < words; i++)
        masked[i] = key[i] & tuple->mask[i];
}

struct masked_key {
    const uint64_t *mask, *value;
};

static inline bool equal_masked(const struct fpt_table *t, uint32_t slot, const void *key)
{
    const struct masked_key *want = key;
    const uint64_t *value = slot_value(t, slot);
    uint64_t difference = 0;
    for (int32_t i = 0; i < t->key_words; i++)
        difference |= (value[i] & want->mask[i]) ^ want->value[i];
    return difference == 0;
}

uint32_t tuple_probe(const struct fpt_table *t, const struct tuple *tuple, const uint64_t *key)
{
    uint64_t small[8], *masked = t->key_words <= 8 ? small : t->scratch;
    mask_key(tuple, key, t->key_words, masked);
    struct masked_key want = {tuple->mask, masked};
    return index_find(&tuple->index, t, hash_words(masked, t->key_words), equal_masked, &want);
}

int32_t slot_prefix(const struct fpt_table *t, uint32_t slot)
{
    const uint64_t *mask = slot_mask(t, slot) + t->field_word[t->lpm_field];
    int32_t bits = 0;
    for (int32_t i = 0; i < (t->fields[t->lpm_field].width + 63) / 64; i++)
        bits += __builtin_popcountll(mask[i]);
    return bits;
}

static inline bool equal_mask(const struct fpt_table *t, uint32_t position, const void *mask)
{
    return same_words(t->tuples[position]->mask, mask, t->key_words);
}

/* Puts a tuple that has become used into `order`. */
static void enter_order(struct fpt_table *t, uint32_t position)
{
    uint32_t at = t->n_order++;
    for (; at > 0 && t->tuples[t->order[at - 1]]->prefix < t->tuples[position]->prefix; at--)
        t->order[at] = t->order[at - 1];
    t->order[at] = position;
}

static bool grow_tuples(struct fpt_table *t)
{
    if (t->n_tuples & (t->n_tuples - 1)) /* arrays grow at powers of two */
        return true;
    uint32_t room = t->n_tuples ? t->n_tuples * 2 : 1;
    struct tuple **tuples = realloc(t->tuples, room * sizeof *tuples);
    if (tuples)
        t->tuples = tuples;
    uint32_t *order = realloc(t->order, room * sizeof *order);
    if (order)
        t->order = order;
    return tuples && order;
}

static struct tuple *tuple_for(struct fpt_table *t, const uint64_t *mask, uint32_t *position)
{
    uint32_t hash = hash_words(mask, t->key_words);
    *position = index_find(&t->by_mask, t, hash, equal_mask, mask);
    if (*position != NO_SLOT)
        return t->tuples[*position];
    if (!grow_tuples(t) || !index_reserve(&t->by_mask))
        return NULL;
    size_t mask_bytes = sizeof *mask * (size_t)t->key_words;
    struct tuple *tuple = calloc(1, sizeof *tuple + mask_bytes);
    if (!tuple)
        return NULL;
    memcpy(tuple->mask, mask, mask_bytes);
    *position = t->n_tuples;
    t->tuples[t->n_tuples++] = tuple;
    index_add(&t->by_mask, hash, *position);
    return tuple;
}

int32_t tuple_link(struct fpt_table *t, uint32_t slot)
{
    uint32_t position;
    struct tuple *tuple = tuple_for(t, slot_mask(t, slot), &position);
    if (!tuple || !index_reserve(&tuple->index))
        return FPT_NO_MEMORY;
    const uint64_t *value = slot_value(t, slot);
    if (tuple_probe(t, tuple, value) != NO_SLOT)
        return FPT_EXISTS;
    if (!tuple->index.count) {
        tuple->prefix = slot_prefix(t, slot);
        enter_order(t, position);
    }
    index_add(&tuple->index, hash_words(value, t->key_words), slot);
    t->tuple_of[slot] = position;
    lpm_root_add(t, slot);
    return FPT_OK;
}

static void leave_order(struct fpt_table *t, uint32_t position)
{
    uint32_t at = 0;
    while (t->order[at] != position)
        at++;
    memmove(t->order + at, t->order + at + 1, sizeof *t->order * (t->n_order - at - 1));
    t->n_order--;
}

void tuple_unlink(struct fpt_table *t, uint32_t slot)
{
    struct tuple *tuple = t->tuples[t->tuple_of[slot]];
    index_remove(&tuple->index, hash_words(slot_value(t, slot), t->key_words), slot);
    if (!tuple->index.count)
        leave_order(t, t->tuple_of[slot]);
    lpm_root_remove(t, slot);
}

void tuples_free(struct fpt_table *t)
{
    for (uint32_t i = 0; i < t->n_tuples; i++) {
        index_free(&t->tuples[i]->index);
        free(t->tuples[i]);
    }
    free(t->tuples);
    free(t->order);
    t->tuples = NULL;
    t->order = NULL;
    t->n_tuples = t->n_order = 0;
    index_free(&t->by_mask);
}
