/* Which tuple an entry joins. One tuple for every mask in use makes a look-up as slow as there are masks; so from a few masks
 * on, entries share tuples whose mask is a part of theirs. What the tuple's mask leaves out is compared entry by entry, along
 * a chain that is kept short: an entry that would make it too long goes to a tuple that compares more bits. */
#include "tables_core.h"

#define SEPARATE 8 /* so many tuples have exactly their entries' mask */
#define CHAIN 8    /* entries that share a masked value, before a finer mask is used */
#define FEW_BITS 20
#define MORE_BITS 12

bool mask_within(const uint64_t *inner, const uint64_t *outer, int32_t words)
{
    uint64_t beyond = 0;
    for (int32_t i = 0; i < words; i++)
        beyond |= inner[i] & ~outer[i];
    return beyond == 0;
}

static int32_t bits_of(const uint64_t *mask, int32_t words)
{
    int32_t bits = 0;
    for (int32_t i = 0; i < words; i++)
        bits += __builtin_popcountll(mask[i]);
    return bits;
}

/* Whole bytes of the mask, a field's highest first and wide fields first, until there are `enough` bits; all of the mask when
 * its whole bytes do not suffice. */
static void relax(const struct fpt_table *t, const uint64_t *mask, int32_t enough, uint64_t *relaxed)
{
    memset(relaxed, 0, 8 * (size_t)t->key_words);
    int32_t bits = 0;
    for (int32_t least = 32; least >= 0 && bits < enough; least = least > 8 ? least / 2 : least > 0 ? 0 : -1)
        for (int32_t f = 0; f < t->n_fields && bits < enough; f++) {
            int32_t width = t->fields[f].width;
            if (width < least || (least < 32 && width >= (least == 0 ? 8 : 2 * least)))
                continue;
            for (int32_t low = (width - 1) / 8 * 8; low >= 0 && bits < enough; low -= 8) {
                int32_t at = t->field_word[f] + low / 64;
                uint64_t byte = (uint64_t)0xff << low % 64;
                int32_t here = width - low < 8 ? width - low : 8;
                if (__builtin_popcountll(mask[at] & byte) < here)
                    break;
                relaxed[at] |= mask[at] & byte;
                bits += here;
            }
        }
    if (bits < 8)
        memcpy(relaxed, mask, 8 * (size_t)t->key_words);
}

static uint32_t chain_length(const struct fpt_table *t, const struct tuple *tuple, uint32_t slot)
{
    uint32_t length = 0;
    for (uint32_t at = tuple_probe(t, tuple, slot_value(t, slot)); at != NO_SLOT && length < CHAIN; at = t->next[at])
        length++;
    return length;
}

/* The tuple in use with the most bits whose mask is a part of this one and whose chain has room. */
static bool existing(const struct fpt_table *t, uint32_t slot, const uint64_t *mask, uint64_t *chosen)
{
    const struct tuple *best = NULL;
    int32_t best_bits = -1;
    for (uint32_t i = 0; i < t->n_order; i++) {
        const struct tuple *tuple = t->tuples[t->order[i]];
        int32_t bits = bits_of(tuple->mask, t->key_words);
        if (bits > best_bits && mask_within(tuple->mask, mask, t->key_words) && chain_length(t, tuple, slot) < CHAIN) {
            best = tuple;
            best_bits = bits;
        }
    }
    if (best)
        memcpy(chosen, best->mask, 8 * (size_t)t->key_words);
    return best != NULL;
}

void merged_mask(struct fpt_table *t, uint32_t slot, uint64_t *mask)
{
    uint32_t position;
    if (t->kind == FPT_LPM || t->n_order < SEPARATE)
        return;
    struct tuple *own = tuple_for(t, mask, false, &position);
    if (own && own->index.count && chain_length(t, own, slot) < CHAIN)
        return;
    uint64_t *chosen = t->scratch + 2 * t->key_words;
    if (existing(t, slot, mask, chosen)) {
        memcpy(mask, chosen, 8 * (size_t)t->key_words);
        t->merged = true;
        return;
    }
    int32_t all = bits_of(mask, t->key_words);
    for (int32_t enough = FEW_BITS; enough < all; enough += MORE_BITS) {
        relax(t, mask, enough, chosen);
        own = tuple_for(t, chosen, false, &position);
        if (own && own->index.count && chain_length(t, own, slot) >= CHAIN)
            continue;
        t->merged |= !same_words(chosen, mask, t->key_words);
        memcpy(mask, chosen, 8 * (size_t)t->key_words);
        return;
    }
}

bool merged_duplicate(const struct fpt_table *t, uint32_t slot)
{
    if (!t->merged)
        return false;
    for (uint32_t i = 0; i < t->n_order; i++) {
        const struct tuple *tuple = t->tuples[t->order[i]];
        if (!mask_within(tuple->mask, slot_mask(t, slot), t->key_words) && !t->has_range)
            continue;
        for (uint32_t at = tuple_probe(t, tuple, slot_value(t, slot)); at != NO_SLOT; at = t->next[at])
            if (same_entry(t, at, slot))
                return true;
    }
    return false;
}
