/* A ternary tree without entries: how keys are packed and leaves laid out, and what it keeps of each entry, its rule. */
#include "tables_tree.h"
#include <stdlib.h>

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

void tree_destroy(struct tree *tree)
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

struct tree *tree_new(const struct fpt_table *t)
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
bool write_rule(struct fpt_table *t, struct tree *tree, uint32_t slot)
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
