/* Ternary tables: entries come and go in the tree of tables_tree.h. Subtrees are built anew when they have doubled or lost
 * most of their entries since their bits were chosen, so that an entry pays for a few rebuildings on the average. A table
 * that has no tree for want of memory is searched entry by entry. */
#define _GNU_SOURCE
#include "tables_tree.h"
#include <stdlib.h>

#define PAUSE_FROM 64
#define GROWN 2
#define SHRUNK 4

static bool plain;

void fpt_plain(int32_t on) { plain = on != 0; }

/* ---- packed keys ---- */

void tree_pack(const struct tree *tree, const uint64_t *key, int32_t key_words, uint64_t *packed)
{
    for (int32_t i = 0; i < tree->words; i++)
        packed[i] = 0;
    for (int32_t i = 0; i < key_words; i++)
        packed[tree->into[i]] |= key[i] << tree->up[i];
}

/* Every key word goes to the first packed word with room for it. */
static void plan_words(const struct fpt_table *t, struct tree *tree)
{
    uint8_t *used = calloc((size_t)t->key_words + 1, 1);
    tree->words = 1;
    for (int32_t f = 0; used && f < t->n_fields; f++)
        for (int32_t i = 0; i < (t->fields[f].width + 63) / 64; i++) {
            int32_t rest = t->fields[f].width - 64 * i, at = 0;
            uint8_t width = (uint8_t)(rest < 64 ? rest : 64);
            while (used[at] + width > 64)
                at++;
            tree->into[t->field_word[f] + i] = (uint16_t)at;
            tree->up[t->field_word[f] + i] = used[at];
            used[at] = (uint8_t)(used[at] + width);
            tree->words = at >= tree->words ? at + 1 : tree->words;
        }
    if (!used)
        tree->words = 0;
    free(used);
}

static void plan_leaves(struct tree *tree)
{
    tree->per_block = tree->words >= LANES ? 1 : LANES / tree->words;
    tree->few = tree->words > LANES ? 0 : tree->per_block < (int)MOST_SMALL ? (uint32_t)tree->per_block : MOST_SMALL;
    tree->lanes = (tree->words * tree->per_block + LANES - 1) / LANES * LANES;
    size_t head = sizeof(struct block_head) + (sizeof(uint64_t) + sizeof(uint32_t)) * (size_t)tree->per_block;
    tree->block_words = 2 * tree->lanes + (int32_t)((head + 63) / 64 * 8);
    for (int differ = 0; differ < 256; differ++)
        for (int32_t k = 0; k < tree->per_block && tree->words <= LANES; k++)
            if (!(differ >> (k * tree->words) & ((1 << tree->words) - 1)))
                tree->agree[differ] |= (uint8_t)(1 << k);
}

static void plan_lanes(struct tree *tree, int32_t key_words)
{
    if (key_words > LANES)
        return;
    int32_t found[LANES] = {0};
    for (int32_t k = 0; k < key_words; k++) {
        int32_t word = tree->into[k], number = found[word]++;
        tree->up_lanes[k] = tree->up[k];
        tree->n_sources = number >= tree->n_sources ? number + 1 : tree->n_sources;
        for (int32_t lane = word; lane < LANES; lane += tree->words) {
            tree->source[number][lane] = (uint64_t)k;
            tree->has_source[number] |= (uint8_t)(1 << lane);
        }
    }
}

static void tree_destroy(struct tree *tree)
{
    if (!tree)
        return;
    for (uint32_t i = 0; i < tree->n_nodes; i++)
        free(tree->nodes[i].cells);
    free(tree->nodes);
    free(tree->small);
    free(tree->blocks);
    free(tree->rules);
    free(tree->seen);
    free(tree->into);
    free(tree->up);
    free(tree->choice);
    free(tree);
}

static struct tree *tree_new(const struct fpt_table *t)
{
    struct tree *tree = calloc(1, sizeof *tree);
    if (!tree)
        return NULL;
    tree->into = calloc((size_t)t->key_words + 1, sizeof *tree->into);
    tree->up = calloc((size_t)t->key_words + 1, 1);
    tree->choice = choice_new();
    tree->free_node = NO_SLOT;
    if (tree->into && tree->up && tree->choice)
        plan_words(t, tree);
    if (!tree->words) {
        tree_destroy(tree);
        return NULL;
    }
    plan_leaves(tree);
    plan_lanes(tree, t->key_words);
#if defined(__x86_64__)
    tree->wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("bmi2") &&
                 !plain;
#endif
    return tree;
}

/* ---- rules ---- */

/* Bits above the highest one in which low and high differ, within the field's width. */
static void common_prefix(const uint64_t *low, const uint64_t *high, int32_t words, int32_t width, uint64_t *mask)
{
    bool differs = false;
    for (int32_t i = words - 1; i >= 0; i--) {
        uint64_t all = word_limit(width, i), difference = low[i] ^ high[i];
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

static bool rule_room(struct fpt_table *t, struct tree *tree)
{
    if (tree->rule_room >= t->capacity)
        return true;
    uint64_t *rules = realloc(tree->rules, sizeof *rules * t->capacity * (size_t)(2 * tree->words + 1));
    if (rules)
        tree->rules = rules;
    uint32_t *seen = realloc(tree->seen, sizeof *seen * t->capacity);
    if (seen)
        tree->seen = seen;
    if (!rules || !seen)
        return false;
    memset(seen + tree->rule_room, 0, sizeof *seen * (t->capacity - tree->rule_room));
    tree->rule_room = t->capacity;
    return true;
}

/* A range takes part with the bits that its ends share; the rest is compared in full on what is left. */
static bool write_rule(struct fpt_table *t, struct tree *tree, uint32_t slot)
{
    if (!rule_room(t, tree))
        return false;
    uint64_t *mask = t->scratch, *value = t->scratch + t->key_words;
    memcpy(mask, slot_mask(t, slot), 8 * (size_t)t->key_words);
    memcpy(value, slot_value(t, slot), 8 * (size_t)t->key_words);
    for (int32_t f = 0; f < t->n_fields && t->has_range; f++)
        if (t->fields[f].kind == FPT_RANGE) {
            int32_t at = t->field_word[f], width = t->fields[f].width, words = (width + 63) / 64;
            common_prefix(slot_value(t, slot) + at, slot_mask(t, slot) + at, words, width, mask + at);
            for (int32_t i = at; i < at + words; i++)
                value[i] &= mask[i];
        }
    tree_pack(tree, value, t->key_words, rule_value(tree, slot));
    tree_pack(tree, mask, t->key_words, rule_care(tree, slot));
    const struct fpt_entry *entry = slot_entry(t, slot);
    rule_care(tree, slot)[tree->words] = (uint64_t)((int64_t)INT32_MAX - entry->priority) << 32 | entry->handle;
    return true;
}

static int by_rank(const void *a, const void *b, void *tree)
{
    uint64_t x = rule_rank(tree, *(const uint32_t *)a), y = rule_rank(tree, *(const uint32_t *)b);
    return x < y ? -1 : x > y;
}

/* ---- rebuilding ---- */

void list_slot(struct tree *tree, uint32_t slot, struct list *into)
{
    if (tree->seen[slot] != tree->walk)
        into->slots[into->n++] = slot;
    tree->seen[slot] = tree->walk;
}

static void collect(struct tree *tree, uint32_t ref, struct list *into)
{
    if (!(ref & TO_NODE)) {
        leaf_walk(tree, ref, into);
        return;
    }
    const struct node *node = &tree->nodes[ref & ~TO_NODE];
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

static bool add_below(struct tree *tree, uint32_t *ref, uint32_t slot, int depth);

static bool add_to_cell(struct tree *tree, uint32_t number, struct cell_of_node *cell, uint32_t slot, int depth)
{
    struct cell_of_node changed = *cell;
    narrow(tree, &tree->nodes[number], &changed, slot);
    bool done = add_below(tree, &changed.ref, slot, depth);
    *cell = changed;
    return done;
}

static bool add_to_node(struct tree *tree, uint32_t number, uint32_t slot, int depth)
{
    uint32_t fixed, open;
    if (route(tree, &tree->nodes[number], slot, &fixed, &open)) {
        struct cell_of_node rest = tree->nodes[number].rest;
        bool done = add_to_cell(tree, number, &rest, slot, depth);
        tree->nodes[number].rest = rest;
        return done;
    }
    struct cell_of_node *cells = tree->nodes[number].cells;
    for (uint32_t some = open;; some = (some - 1) & open) {
        if (!add_to_cell(tree, number, &cells[fixed | some], slot, depth))
            return false;
        if (!some)
            return true;
    }
}

static bool add_below(struct tree *tree, uint32_t *ref, uint32_t slot, int depth)
{
    if (*ref & TO_NODE) {
        uint32_t number = *ref & ~TO_NODE;
        struct node *node = &tree->nodes[number];
        bool grown = ++node->count > GROWN * node->built + LANES;
        return add_to_node(tree, number, slot, depth + 1) && (!grown || rebuild(tree, ref, depth));
    }
    return leaf_add(tree, ref, slot) && (!leaf_overfull(tree, *ref) || rebuild(tree, ref, depth));
}

static bool remove_below(struct tree *tree, uint32_t *ref, uint32_t slot, int depth)
{
    if (!(*ref & TO_NODE))
        return leaf_remove(tree, ref, slot);
    uint32_t number = *ref & ~TO_NODE, fixed, open;
    struct node *node = &tree->nodes[number];
    bool shrunk = --node->count < node->built / SHRUNK, done = true;
    if (route(tree, node, slot, &fixed, &open)) {
        struct cell_of_node rest = node->rest;
        done = remove_below(tree, &rest.ref, slot, depth + 1);
        tree->nodes[number].rest = rest;
    } else {
        struct cell_of_node *cells = node->cells;
        for (uint32_t some = open; done; some = (some - 1) & open) {
            done = remove_below(tree, &cells[fixed | some].ref, slot, depth + 1);
            if (!some)
                break;
        }
    }
    return done && (!shrunk || rebuild(tree, ref, depth));
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
