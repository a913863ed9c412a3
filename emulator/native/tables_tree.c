/* Ternary tables: entries come and go in the tree of tables_tree.h. Subtrees are built anew when they have doubled or lost
 * most of their entries since their bits were chosen, so that an entry pays for a few rebuildings on the average. A table
 * that has no tree for want of memory is searched entry by entry. */
#define _GNU_SOURCE
#include "tables_tree.h"
#include <stdlib.h>

#define PAUSE_FROM 64
#define GROWN 2
#define SHRUNK 4

/* ---- rebuilding ---- */

static int by_rank(const void *a, const void *b, void *tree)
{
    uint64_t x = rule_rank(tree, *(const uint32_t *)a), y = rule_rank(tree, *(const uint32_t *)b);
    return x < y ? -1 : x > y;
}

void list_slot(struct tree *tree, uint32_t slot, struct list *into)
{
    if (tree->seen[slot] != tree->walk)
        into->slots[into->n++] = slot;
    tree->seen[slot] = tree->walk;
}

static void collect(struct tree *tree, uint32_t ref, struct list *into)
{
    if (!is_node(ref)) {
        leaf_walk(tree, ref, into);
        return;
    }
    const struct node *node = node_of(tree, ref);
    for (uint32_t i = 0; i < 1u << node->bits; i++)
        if (node->cells[i].ref)
            collect(tree, node->cells[i].ref, into);
    if (node->rest.ref)
        collect(tree, node->rest.ref, into);
}

/* The subtree anew from its entries. false when memory is short. */
static bool rebuild(struct tree *tree, uint32_t *ref, int depth)
{
    struct list list = {malloc(sizeof(uint32_t) * (tree->rule_room + 1)), 0};
    if (!list.slots)
        return false;
    if (!++tree->walk) { /* after 2^32 walks the marks would lie */
        memset(tree->seen, 0, sizeof *tree->seen * tree->rule_room);
        tree->walk = 1;
    }
    collect(tree, *ref, &list);
    subtree_free(tree, *ref);
    *ref = 0;
    qsort_r(list.slots, list.n, sizeof *list.slots, by_rank, tree);
    bool done = build(tree, list.slots, list.n, depth, ref);
    free(list.slots);
    return done;
}

/* ---- an entry more, an entry less ---- */

static bool add_below(struct tree *tree, uint32_t *ref, uint32_t slot, int depth);

/* The tree's memory may move while an entry is added: nodes are named by reference, and a cell is changed as a copy. */
static bool add_to_cell(struct tree *tree, uint32_t ref, struct cell_of_node *cell, uint32_t slot, int depth)
{
    struct cell_of_node changed = *cell;
    admit(tree, node_of(tree, ref), &changed, slot);
    bool done = add_below(tree, &changed.ref, slot, depth);
    *cell = changed;
    return done;
}

static bool add_to_node(struct tree *tree, uint32_t ref, uint32_t slot, int depth)
{
    struct place place = place_of(tree, node_of(tree, ref), slot);
    if (place.in_rest) {
        struct cell_of_node rest = node_of(tree, ref)->rest;
        bool done = add_to_cell(tree, ref, &rest, slot, depth);
        node_of(tree, ref)->rest = rest;
        return done;
    }
    struct cell_of_node *cells = node_of(tree, ref)->cells;
    uint32_t cell = first_cell(place);
    do {
        if (!add_to_cell(tree, ref, &cells[cell], slot, depth))
            return false;
    } while (next_cell(place, &cell));
    return true;
}

static bool add_below(struct tree *tree, uint32_t *ref, uint32_t slot, int depth)
{
    if (!is_node(*ref))
        return leaf_add(tree, ref, slot) && (!leaf_overfull(tree, *ref) || rebuild(tree, ref, depth));
    struct node *node = node_of(tree, *ref);
    bool grown = ++node->count > GROWN * node->built + LANES;
    return add_to_node(tree, *ref, slot, depth + 1) && (!grown || rebuild(tree, ref, depth));
}

static bool remove_below(struct tree *tree, uint32_t *ref, uint32_t slot, int depth);

static bool remove_from_node(struct tree *tree, uint32_t ref, uint32_t slot, int depth)
{
    struct place place = place_of(tree, node_of(tree, ref), slot);
    if (place.in_rest) {
        struct cell_of_node rest = node_of(tree, ref)->rest;
        bool done = remove_below(tree, &rest.ref, slot, depth);
        node_of(tree, ref)->rest = rest;
        return done;
    }
    struct cell_of_node *cells = node_of(tree, ref)->cells;
    uint32_t cell = first_cell(place);
    do {
        if (!remove_below(tree, &cells[cell].ref, slot, depth))
            return false;
    } while (next_cell(place, &cell));
    return true;
}

static bool remove_below(struct tree *tree, uint32_t *ref, uint32_t slot, int depth)
{
    if (!is_node(*ref))
        return leaf_remove(tree, ref, slot);
    struct node *node = node_of(tree, *ref);
    bool shrunk = --node->count < node->built / SHRUNK;
    return remove_from_node(tree, *ref, slot, depth + 1) && (!shrunk || rebuild(tree, ref, depth));
}

/* ---- the table's side ---- */

void tree_free(struct fpt_table *t)
{
    tree_destroy(t->tree);
    t->tree = NULL;
}

/* All entries into a new tree; without the memory for it there is none. */
static void plant(struct fpt_table *t)
{
    uint32_t *slots = malloc(sizeof *slots * (t->used + 1)), n = 0;
    tree_free(t);
    t->tree = slots ? tree_new(t) : NULL;
    bool done = t->tree != NULL;
    for (uint32_t slot = 0; slot < t->used && done; slot++)
        if (slot_entry(t, slot)->hit) {
            slots[n++] = slot;
            done = write_rule(t, t->tree, slot);
        }
    if (done) {
        qsort_r(slots, n, sizeof *slots, by_rank, t->tree);
        done = build(t->tree, slots, n, 0, &t->tree->root);
    }
    if (!done)
        tree_free(t);
    free(slots);
}

bool tree_pause(struct fpt_table *t, int64_t n)
{
    if (t->paused || n < PAUSE_FROM || n < t->count)
        return false;
    tree_free(t);
    return t->paused = true;
}

void tree_resume(struct fpt_table *t)
{
    t->paused = false;
    plant(t);
}

struct wanted {
    const uint64_t *words;
    int32_t priority;
};

static bool equal_match(const struct fpt_table *t, uint32_t slot, const void *key)
{
    const struct wanted *wanted = key;
    return slot_entry(t, slot)->priority == wanted->priority &&
           same_words(slot_value(t, slot), wanted->words, 2 * t->key_words);
}

static uint32_t match_hash(const struct fpt_table *t, uint32_t slot)
{
    return hash_words(slot_value(t, slot), 2 * t->key_words) ^ (uint32_t)slot_entry(t, slot)->priority * 0x9e3779b9u;
}

int32_t tree_link(struct fpt_table *t, uint32_t slot)
{
    struct wanted wanted = {slot_value(t, slot), slot_entry(t, slot)->priority};
    uint32_t hash = match_hash(t, slot);
    if (index_find(&t->exact, t, hash, equal_match, &wanted) != NO_SLOT)
        return FPT_EXISTS;
    if (!index_reserve(&t->exact))
        return FPT_NO_MEMORY;
    index_add(&t->exact, hash, slot);
    if (t->paused)
        return FPT_OK;
    if (!t->tree)
        plant(t);
    else if (!write_rule(t, t->tree, slot) || !add_below(t->tree, &t->tree->root, slot, 0))
        tree_free(t);
    return FPT_OK;
}

void tree_unlink(struct fpt_table *t, uint32_t slot)
{
    index_remove(&t->exact, match_hash(t, slot), slot);
    if (t->tree && !remove_below(t->tree, &t->tree->root, slot, 0))
        tree_free(t);
}
