/* Tuple-space search: entries with one mask share a hash index over the masked key. A look-up probes the masks in use,
 * best first, and stops when no later one can win. A range contributes the bits that its ends share to the mask and is
 * compared in full on the few candidates left. */
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

/* low <= key <= high for a field of several words, compared from the top */
static bool in_range(const uint64_t *key, const uint64_t *low, const uint64_t *high, int32_t words)
{
    bool above = false, below = false;
    for (int32_t i = words - 1; i >= 0; i--) {
        if (!above && key[i] != low[i]) {
            if (key[i] < low[i])
                return false;
            above = true;
        }
        if (!below && key[i] != high[i]) {
            if (key[i] > high[i])
                return false;
            below = true;
        }
    }
    return true;
}

bool slot_matches(const struct fpt_table *t, uint32_t slot, const uint64_t *key)
{
    const uint64_t *value = slot_value(t, slot), *mask = slot_mask(t, slot);
    if (!t->has_range) {
        for (int32_t i = 0; i < t->key_words; i++)
            if ((key[i] & mask[i]) != value[i])
                return false;
        return true;
    }
    for (int32_t f = 0; f < t->n_fields; f++) {
        int32_t at = t->field_word[f], words = (t->fields[f].width + 63) / 64;
        if (t->fields[f].kind == FPT_RANGE) {
            if (!in_range(key + at, value + at, mask + at, words))
                return false;
            continue;
        }
        for (int32_t i = at; i < at + words; i++)
            if ((key[i] & mask[i]) != value[i])
                return false;
    }
    return true;
}

/* Bits above the highest one in which low and high differ, within the field's width. */
static void common_prefix(const uint64_t *low, const uint64_t *high, int32_t words, int32_t width, uint64_t *mask)
{
    bool differs = false;
    for (int32_t i = words - 1; i >= 0; i--) {
        uint64_t all = i == words - 1 && width % 64 ? ((uint64_t)1 << width % 64) - 1 : UINT64_MAX;
        uint64_t difference = low[i] ^ high[i];
        if (differs)
            mask[i] = 0;
        else if (!difference)
            mask[i] = all;
        else {
            int top = 63 - __builtin_clzll(difference);
            mask[i] = top == 63 ? 0 : all & ~(((uint64_t)2 << top) - 1);
            differs = true;
        }
    }
}

void slot_tuple_mask(const struct fpt_table *t, uint32_t slot, uint64_t *mask)
{
    const uint64_t *own = slot_mask(t, slot), *value = slot_value(t, slot);
    memcpy(mask, own, sizeof *mask * (size_t)t->key_words);
    for (int32_t f = 0; f < t->n_fields; f++)
        if (t->fields[f].kind == FPT_RANGE) {
            int32_t at = t->field_word[f], width = t->fields[f].width;
            common_prefix(value + at, own + at, (width + 63) / 64, width, mask + at);
        }
}

int32_t slot_prefix(const struct fpt_table *t, uint32_t slot)
{
    const uint64_t *mask = slot_mask(t, slot) + t->field_word[t->lpm_field];
    int32_t bits = 0;
    for (int32_t i = 0; i < (t->fields[t->lpm_field].width + 63) / 64; i++)
        bits += __builtin_popcountll(mask[i]);
    return bits;
}

bool slot_before(const struct fpt_table *t, uint32_t a, uint32_t b)
{
    const struct fpt_entry *ea = slot_entry(t, a), *eb = slot_entry(t, b);
    if (t->kind == FPT_LPM) {
        int32_t pa = slot_prefix(t, a), pb = slot_prefix(t, b);
        return pa != pb ? pa > pb : ea->handle < eb->handle;
    }
    return ea->priority != eb->priority ? ea->priority > eb->priority : ea->handle < eb->handle;
}

static inline bool equal_mask(const struct fpt_table *t, uint32_t position, const void *mask)
{
    return same_words(t->tuples[position]->mask, mask, t->key_words);
}

/* Moves the tuple from its place in `order`, or from the end where it is not in it yet, forward to keep best first. */
static void order_tuple(struct fpt_table *t, uint32_t position, bool fresh)
{
    uint32_t at = t->n_order;
    if (fresh)
        t->n_order++;
    else
        for (at = 0; t->order[at] != position;)
            at++;
    const struct tuple *tuple = t->tuples[position];
    for (; at > 0; at--) {
        const struct tuple *before = t->tuples[t->order[at - 1]];
        if (t->kind == FPT_LPM ? before->prefix >= tuple->prefix : before->max_priority >= tuple->max_priority)
            break;
        t->order[at] = t->order[at - 1];
    }
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

struct tuple *tuple_for(struct fpt_table *t, const uint64_t *mask, bool create, uint32_t *position)
{
    uint32_t hash = hash_words(mask, t->key_words);
    *position = index_find(&t->by_mask, t, hash, equal_mask, mask);
    if (*position != NO_SLOT)
        return t->tuples[*position];
    if (!create || !grow_tuples(t) || !index_reserve(&t->by_mask))
        return NULL;
    size_t mask_bytes = sizeof *mask * (size_t)t->key_words;
    struct tuple *tuple = calloc(1, sizeof *tuple + mask_bytes);
    if (!tuple)
        return NULL;
    memcpy(tuple->mask, mask, mask_bytes);
    tuple->max_priority = INT32_MIN;
    *position = t->n_tuples;
    t->tuples[t->n_tuples++] = tuple;
    index_add(&t->by_mask, hash, *position);
    return tuple;
}

bool same_entry(const struct fpt_table *t, uint32_t a, uint32_t b)
{
    return same_words(slot_value(t, a), slot_value(t, b), 2 * t->key_words) &&
           (t->kind == FPT_LPM || slot_entry(t, a)->priority == slot_entry(t, b)->priority);
}

/* Puts the slot into the chain that starts at head; returns the new head, or NO_SLOT where an equal entry is there. */
static uint32_t chain_insert(struct fpt_table *t, uint32_t head, uint32_t slot)
{
    for (uint32_t at = head; at != NO_SLOT; at = t->next[at])
        if (same_entry(t, at, slot))
            return NO_SLOT;
    if (slot_before(t, slot, head)) {
        t->next[slot] = head;
        return slot;
    }
    uint32_t at = head;
    while (t->next[at] != NO_SLOT && slot_before(t, t->next[at], slot))
        at = t->next[at];
    t->next[slot] = t->next[at];
    t->next[at] = slot;
    return head;
}

static int32_t link_in_tuple(struct fpt_table *t, struct tuple *tuple, uint32_t slot)
{
    uint32_t head = tuple_probe(t, tuple, slot_value(t, slot));
    uint64_t *masked = t->scratch;
    mask_key(tuple, slot_value(t, slot), t->key_words, masked);
    uint32_t hash = hash_words(masked, t->key_words);
    if (head == NO_SLOT) {
        t->next[slot] = NO_SLOT;
        index_add(&tuple->index, hash, slot);
        return FPT_OK;
    }
    uint32_t first = chain_insert(t, head, slot);
    if (first == NO_SLOT)
        return FPT_EXISTS;
    if (first != head)
        index_replace(&tuple->index, hash, head, first);
    return FPT_OK;
}

int32_t tuple_link(struct fpt_table *t, uint32_t slot)
{
    uint64_t *mask = t->scratch + t->key_words;
    slot_tuple_mask(t, slot, mask);
    if (merged_duplicate(t, slot))
        return FPT_EXISTS;
    merged_mask(t, slot, mask);
    uint32_t position;
    struct tuple *tuple = tuple_for(t, mask, true, &position);
    if (!tuple || !index_reserve(&tuple->index))
        return FPT_NO_MEMORY;
    bool fresh = tuple->index.count == 0;
    if (fresh) {
        tuple->prefix = t->kind == FPT_LPM ? slot_prefix(t, slot) : 0;
        tuple->max_priority = slot_entry(t, slot)->priority;
        order_tuple(t, position, true);
    }
    int32_t status = link_in_tuple(t, tuple, slot);
    if (status)
        return status;
    t->tuple_of[slot] = position;
    if (!fresh && slot_entry(t, slot)->priority > tuple->max_priority) {
        tuple->max_priority = slot_entry(t, slot)->priority;
        order_tuple(t, position, false);
    }
    if (t->kind == FPT_LPM)
        lpm_root_add(t, slot);
    else
        sieve_add(t, slot);
    return FPT_OK;
}

/* Masks that came and went would pile up: once most tuples are empty they are dropped. A longest-prefix table is exempt;
 * it has at most one tuple per length, and its root points at them. */
static bool drop_empty_tuples(struct fpt_table *t)
{
    if (t->kind == FPT_LPM || t->n_tuples < 64 || t->n_tuples < 2 * t->n_order)
        return false;
    uint32_t *moved = malloc(t->n_tuples * sizeof *moved), kept = 0;
    if (!moved)
        return false; /* another deletion will try again */
    for (uint32_t i = 0; i < t->n_tuples; i++) {
        moved[i] = kept;
        if (t->tuples[i]->index.count) {
            t->tuples[kept++] = t->tuples[i];
            continue;
        }
        index_free(&t->tuples[i]->index);
        free(t->tuples[i]);
    }
    for (uint32_t i = 0; i < t->n_order; i++)
        t->order[i] = moved[t->order[i]];
    index_free(&t->by_mask);
    for (uint32_t i = 0; i < kept; i++)
        if (index_reserve(&t->by_mask))
            index_add(&t->by_mask, hash_words(t->tuples[i]->mask, t->key_words), i);
    for (uint32_t slot = 0; slot < t->used; slot++)
        if (slot_entry(t, slot)->hit)
            t->tuple_of[slot] = moved[t->tuple_of[slot]];
    t->n_tuples = kept;
    free(moved);
    return true;
}

static void leave_order(struct fpt_table *t, uint32_t position)
{
    uint32_t at = 0;
    while (t->order[at] != position)
        at++;
    memmove(t->order + at, t->order + at + 1, sizeof *t->order * (t->n_order - at - 1));
    t->n_order--;
}

static void unchain(struct fpt_table *t, struct tuple *tuple, uint32_t head, uint32_t slot)
{
    mask_key(tuple, slot_value(t, slot), t->key_words, t->scratch);
    uint32_t hash = hash_words(t->scratch, t->key_words);
    if (head == slot && t->next[slot] == NO_SLOT)
        index_remove(&tuple->index, hash, slot);
    else if (head == slot)
        index_replace(&tuple->index, hash, slot, t->next[slot]);
    else {
        while (t->next[head] != slot)
            head = t->next[head];
        t->next[head] = t->next[slot];
    }
}

void tuple_unlink(struct fpt_table *t, uint32_t slot)
{
    struct tuple *tuple = t->tuples[t->tuple_of[slot]];
    unchain(t, tuple, tuple_probe(t, tuple, slot_value(t, slot)), slot);
    if (!tuple->index.count)
        leave_order(t, t->tuple_of[slot]);
    if (t->kind == FPT_LPM)
        lpm_root_remove(t, slot);
    slot_entry(t, slot)->hit = 0;
    bool renumbered = !tuple->index.count && drop_empty_tuples(t);
    if (t->kind != FPT_LPM)
        sieve_remove(t, renumbered);
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

/* Tuples probed together: their hash cells are fetched from memory at the same time. */
#define GROUP 8

struct probe {
    const struct tuple *tuple;
    uint32_t hash;
};

static inline int prepare_group(const struct fpt_table *t, uint32_t from, const uint64_t *key, struct probe *probes)
{
    uint64_t small[8], *masked = t->key_words <= 8 ? small : t->scratch;
    int n = 0;
    for (uint32_t i = from; i < t->n_order && n < GROUP; i++, n++) {
        const struct tuple *tuple = t->tuples[t->order[i]];
        mask_key(tuple, key, t->key_words, masked);
        probes[n] = (struct probe){tuple, hash_words(masked, t->key_words)};
        __builtin_prefetch(&tuple->index.cells[probes[n].hash & tuple->index.mask]);
    }
    return n;
}

/* The head of the chain that matches under the tuple's mask. The cell's tag is compared before the key is masked again. */
static inline uint32_t probe_chain(const struct fpt_table *t, const struct probe *probe, const uint64_t *key)
{
    const struct index *index = &probe->tuple->index;
    for (uint32_t at = probe->hash & index->mask;; at = (at + 1) & index->mask) {
        struct cell cell = index->cells[at];
        if (!cell.slot_plus_1)
            return NO_SLOT;
        if (cell.tag != probe->hash)
            continue;
        const uint64_t *value = slot_value(t, cell.slot_plus_1 - 1), *mask = probe->tuple->mask;
        uint64_t difference = 0;
        for (int32_t i = 0; i < t->key_words; i++)
            difference |= (value[i] ^ key[i]) & mask[i];
        if (!difference)
            return cell.slot_plus_1 - 1;
    }
}

struct winner {
    uint32_t slot;
    int32_t priority;
};

static inline void probe_into(const struct fpt_table *t, const struct probe *probe, const uint64_t *key, bool in_full,
                              struct winner *best)
{
    uint32_t slot = probe_chain(t, probe, key);
    while (in_full && slot != NO_SLOT && !slot_matches(t, slot, key))
        slot = t->next[slot];
    if (slot != NO_SLOT && (best->slot == NO_SLOT || slot_before(t, slot, best->slot)))
        *best = (struct winner){slot, slot_entry(t, slot)->priority};
}

static uint32_t all_tuples(struct fpt_table *t, const uint64_t *key)
{
    struct probe probes[GROUP];
    struct winner best = {NO_SLOT, INT32_MIN};
    const bool in_full = t->has_range || t->merged;
    for (uint32_t from = 0; from < t->n_order; from += GROUP) {
        int n = prepare_group(t, from, key, probes);
        for (int i = 0; i < n; i++) {
            if (best.slot != NO_SLOT && best.priority > probes[i].tuple->max_priority)
                return best.slot;
            probe_into(t, &probes[i], key, in_full, &best);
        }
    }
    return best.slot;
}

static uint32_t sieved_tuples(struct fpt_table *t, const uint64_t *key)
{
    uint64_t small[8], *masked = t->key_words <= 8 ? small : t->scratch;
    struct winner best = {NO_SLOT, INT32_MIN};
    const bool in_full = t->has_range || t->merged;
    for (uint64_t left = sieve_pass(t->sieve, key); left; left &= left - 1)
        for (uint32_t i = (uint32_t)__builtin_ctzll(left); i < t->n_tuples; i += 64) {
            const struct tuple *tuple = t->tuples[i];
            if (!tuple->index.count || (best.slot != NO_SLOT && best.priority > tuple->max_priority))
                continue;
            mask_key(tuple, key, t->key_words, masked);
            struct probe probe = {tuple, hash_words(masked, t->key_words)};
            probe_into(t, &probe, key, in_full, &best);
        }
    return best.slot;
}

uint32_t ternary_find(struct fpt_table *t, const uint64_t *key)
{
    return t->sieve ? sieved_tuples(t, key) : all_tuples(t, key);
}
