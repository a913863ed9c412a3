/* Leaves of the ternary tree: chains of blocks, best entry first along the whole chain. */
#include "tables_tree.h"
#include <stdlib.h>

static void clear_block(struct tree *tree, uint32_t block)
{
    memset(block_value(tree, block), 0xff, 8 * (size_t)tree->lanes); /* agrees with no key: the masks are zero */
    memset(block_care(tree, block), 0, 8 * (size_t)(tree->block_words - tree->lanes));
}

static uint32_t new_block(struct tree *tree)
{
    uint32_t block = tree->free_block;
    if (block)
        tree->free_block = block_head(tree, block)->next;
    else {
        if (tree->n_blocks == tree->block_room) {
            uint32_t room = tree->block_room ? tree->block_room * 2 : 16;
            size_t bytes = 8 * (size_t)room * (size_t)tree->block_words;
            uint64_t *blocks = room >= TO_NODE ? NULL : table_memory(bytes);
            if (!blocks)
                return 0;
            if (tree->n_blocks)
                memcpy(blocks, tree->blocks, 8 * (size_t)tree->n_blocks * (size_t)tree->block_words);
            free(tree->blocks);
            tree->blocks = blocks;
            tree->block_room = room;
            tree->n_blocks += !tree->n_blocks; /* 0 means none */
        }
        block = tree->n_blocks++;
    }
    clear_block(tree, block);
    return block;
}

static void give_block(struct tree *tree, uint32_t block)
{
    block_head(tree, block)->next = tree->free_block;
    tree->free_block = block;
}

/* Moves n entries of a block, also within it. */
static void move(const struct tree *tree, uint32_t to_block, uint32_t to, uint32_t from_block, uint32_t from, uint32_t n)
{
    size_t bytes = 8 * (size_t)tree->words, w = (size_t)tree->words;
    memmove(block_value(tree, to_block) + to * w, block_value(tree, from_block) + from * w, n * bytes);
    memmove(block_care(tree, to_block) + to * w, block_care(tree, from_block) + from * w, n * bytes);
    memmove(block_rank(tree, to_block) + to, block_rank(tree, from_block) + from, n * sizeof(uint64_t));
    memmove(block_slot(tree, to_block) + to, block_slot(tree, from_block) + from, n * sizeof(uint32_t));
}

static void empty(const struct tree *tree, uint32_t block, uint32_t at)
{
    size_t w = (size_t)tree->words;
    memset(block_value(tree, block) + at * w, 0xff, 8 * w);
    memset(block_care(tree, block) + at * w, 0, 8 * w);
}

static void write(const struct tree *tree, uint32_t block, uint32_t at, uint32_t slot)
{
    size_t w = (size_t)tree->words;
    memcpy(block_value(tree, block) + at * w, rule_value(tree, slot), 8 * w);
    memcpy(block_care(tree, block) + at * w, rule_care(tree, slot), 8 * w);
    block_rank(tree, block)[at] = rule_rank(tree, slot);
    block_slot(tree, block)[at] = slot;
}

/* Room in a full block: its second half goes to a new block behind it. */
static bool halve(struct tree *tree, uint32_t block)
{
    uint32_t fresh = new_block(tree);
    if (!fresh)
        return false;
    struct block_head *head = block_head(tree, block), *behind = block_head(tree, fresh);
    uint32_t keep = head->count / 2;
    behind->count = head->count - keep;
    behind->next = head->next;
    move(tree, fresh, 0, block, keep, behind->count);
    for (uint32_t at = keep; at < head->count; at++)
        empty(tree, block, at);
    head->count = keep;
    head->next = fresh;
    return true;
}

static bool put(struct tree *tree, uint32_t block, uint32_t slot)
{
    if (block_head(tree, block)->count == (uint32_t)tree->per_block && tree->per_block > 1) {
        if (!halve(tree, block))
            return false;
        uint32_t count = block_head(tree, block)->count;
        if (block_rank(tree, block)[count - 1] < rule_rank(tree, slot))
            block = block_head(tree, block)->next;
    }
    struct block_head *head = block_head(tree, block);
    uint32_t at = 0;
    while (at < head->count && block_rank(tree, block)[at] < rule_rank(tree, slot))
        at++;
    move(tree, block, at + 1, block, at, head->count - at);
    write(tree, block, at, slot);
    head->count++;
    return true;
}

/* Blocks of one entry are linked anew instead. */
static bool put_alone(struct tree *tree, uint32_t *first, uint32_t slot)
{
    uint32_t fresh = new_block(tree), before = 0, at = *first;
    if (!fresh)
        return false;
    write(tree, fresh, 0, slot);
    block_head(tree, fresh)->count = 1;
    for (; at && block_rank(tree, at)[0] < rule_rank(tree, slot); at = block_head(tree, at)->next)
        before = at;
    block_head(tree, fresh)->next = at;
    if (before)
        block_head(tree, before)->next = fresh;
    else {
        block_head(tree, fresh)->retry = at ? block_head(tree, at)->retry : 0;
        *first = fresh;
    }
    return true;
}

bool chain_add(struct tree *tree, uint32_t *first, uint32_t slot)
{
    if (!*first || tree->per_block == 1)
        return put_alone(tree, first, slot);
    uint32_t block = *first;
    for (uint32_t next; (next = block_head(tree, block)->next) && block_rank(tree, next)[0] < rule_rank(tree, slot);)
        block = next;
    return put(tree, block, slot);
}

void chain_remove(struct tree *tree, uint32_t *first, uint32_t slot)
{
    uint32_t before = 0, block = *first, at;
    for (; block; before = block, block = block_head(tree, block)->next) {
        struct block_head *head = block_head(tree, block);
        if (block_rank(tree, block)[head->count - 1] >= rule_rank(tree, slot))
            break;
    }
    if (!block)
        return;
    struct block_head *head = block_head(tree, block);
    for (at = 0; at < head->count && block_slot(tree, block)[at] != slot;)
        at++;
    if (at == head->count)
        return;
    move(tree, block, at, block, at + 1, head->count - at - 1);
    empty(tree, block, --head->count);
    if (head->count)
        return;
    if (before)
        block_head(tree, before)->next = head->next;
    else {
        *first = head->next;
        if (*first)
            block_head(tree, *first)->retry = head->retry;
    }
    give_block(tree, block);
}

void chain_free(struct tree *tree, uint32_t first)
{
    while (first) {
        uint32_t next = block_head(tree, first)->next;
        give_block(tree, first);
        first = next;
    }
}

uint32_t chain_count(const struct tree *tree, uint32_t first)
{
    uint32_t count = 0;
    for (; first; first = block_head(tree, first)->next)
        count += block_head(tree, first)->count;
    return count;
}

bool chain_make(struct tree *tree, const uint32_t *slots, uint32_t n, uint32_t *first)
{
    uint32_t last = 0;
    *first = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!last || block_head(tree, last)->count == (uint32_t)tree->per_block) {
            uint32_t fresh = new_block(tree);
            if (!fresh) {
                chain_free(tree, *first);
                *first = 0;
                return false;
            }
            if (last)
                block_head(tree, last)->next = fresh;
            else
                *first = fresh;
            last = fresh;
        }
        write(tree, last, block_head(tree, last)->count++, slots[i]);
    }
    return true;
}
