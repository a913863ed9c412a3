/* Leaves of the ternary tree. As many entries as are compared at once lie side by side on as few cache lines as can be; how
 * many they are stands in the reference. More, which no bits tell apart, are a chain of blocks. */
#include "tables_tree.h"
#include <stdlib.h>

static uint32_t lines_of(const struct tree *tree, uint32_t n)
{
    return (uint32_t)(n * (8 * (2 * (uint32_t)tree->words + 1) + sizeof(uint32_t)) + 63) / 64;
}

/* Room for n entries; its number, 0 when memory is short. */
static uint32_t take_room(struct tree *tree, uint32_t n)
{
    uint32_t lines = lines_of(tree, n), at = tree->free_small[lines];
    if (at) {
        tree->free_small[lines] = *(uint32_t *)(void *)small_at(tree, at);
        return at;
    }
    if (tree->n_small + lines > tree->small_room) {
        uint32_t room = tree->small_room ? tree->small_room * 2 : 32;
        uint64_t *small = room > SMALL_NUMBER ? NULL : table_memory(64 * (size_t)room);
        if (!small)
            return 0;
        if (tree->n_small)
            memcpy(small, tree->small, 64 * (size_t)tree->n_small);
        free(tree->small);
        tree->small = small;
        tree->small_room = room;
        tree->n_small += !tree->n_small; /* 0 means none */
    }
    at = tree->n_small;
    tree->n_small += lines;
    return at;
}

static void give_room(struct tree *tree, uint32_t at, uint32_t n)
{
    *(uint32_t *)(void *)small_at(tree, at) = tree->free_small[lines_of(tree, n)];
    tree->free_small[lines_of(tree, n)] = at;
}

/* Entries of a leaf of few, in order; returns how many. */
static uint32_t read_small(const struct tree *tree, uint32_t ref, uint32_t *slots)
{
    uint32_t n = small_count(ref);
    if (n)
        memcpy(slots, small_slots(tree, small_of(tree, ref), n), n * sizeof *slots);
    return n;
}

bool leaf_make(struct tree *tree, const uint32_t *slots, uint32_t n, uint32_t *ref)
{
    *ref = 0;
    if (!n)
        return true;
    if (n > tree->few)
        return chain_make(tree, slots, n, ref);
    uint32_t at = take_room(tree, n), words = (uint32_t)tree->words;
    if (!at)
        return false;
    uint64_t *own = small_at(tree, at);
    for (uint32_t i = 0; i < n; i++) {
        memcpy(own + i * words, rule_value(tree, slots[i]), 8 * words);
        memcpy(own + (n + i) * words, rule_care(tree, slots[i]), 8 * words);
        own[2 * n * words + i] = rule_rank(tree, slots[i]);
        small_slots(tree, own, n)[i] = slots[i];
    }
    *ref = n << SMALL_SHIFT | at;
    return true;
}

bool leaf_add(struct tree *tree, uint32_t *ref, uint32_t slot)
{
    if (is_chain(*ref))
        return chain_add(tree, ref, slot);
    uint32_t slots[MOST_SMALL + 1], n = read_small(tree, *ref, slots), at = n, made;
    for (; at > 0 && rule_rank(tree, slots[at - 1]) > rule_rank(tree, slot); at--)
        slots[at] = slots[at - 1];
    slots[at] = slot;
    if (!leaf_make(tree, slots, n + 1, &made))
        return false;
    leaf_free(tree, *ref);
    *ref = made;
    return true;
}

bool leaf_remove(struct tree *tree, uint32_t *ref, uint32_t slot)
{
    if (is_chain(*ref)) {
        chain_remove(tree, ref, slot);
        return true;
    }
    uint32_t slots[MOST_SMALL], n = read_small(tree, *ref, slots), kept = 0, made;
    for (uint32_t i = 0; i < n; i++)
        if (slots[i] != slot)
            slots[kept++] = slots[i];
    if (kept == n)
        return true;
    if (!leaf_make(tree, slots, kept, &made))
        return false;
    leaf_free(tree, *ref);
    *ref = made;
    return true;
}

void leaf_free(struct tree *tree, uint32_t ref)
{
    if (small_count(ref))
        give_room(tree, ref & SMALL_NUMBER, small_count(ref));
    else
        chain_free(tree, ref);
}

bool leaf_overfull(const struct tree *tree, uint32_t ref)
{
    return is_chain(ref) && chain_count(tree, ref) > block_head(tree, ref)->retry;
}

void leaf_walk(struct tree *tree, uint32_t ref, struct list *into)
{
    uint32_t slots[MOST_SMALL], n = read_small(tree, ref, slots);
    for (uint32_t i = 0; i < n; i++)
        list_slot(tree, slots[i], into);
    for (uint32_t block = is_chain(ref) ? ref : 0; block; block = block_head(tree, block)->next)
        for (uint32_t i = 0; i < block_head(tree, block)->count; i++)
            list_slot(tree, block_slot(tree, block)[i], into);
}
