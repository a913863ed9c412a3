/* Inside the ternary tables: a tree that tells entries apart by chosen bits of the key.
 *
 * Keys are packed: fields side by side in few words. A node picks some bits of the packed key; their value chooses a cell.
 * An entry that does not compare some of them lies in all cells it agrees with if those are few, else in the node's rest,
 * which is searched besides. A leaf is a chain of blocks, each with a few entries that are compared together, best first.
 * A cell says of a few more bits what all entries below it want, so that most look-ups that find nothing there end early. */
#ifndef FPISA_TABLES_TREE_H
#define FPISA_TABLES_TREE_H
#include "tables_core.h"

#define LANES 8             /* words compared at once */
/* A reference: 0: nothing; TO_NODE | number; entries side by side: how many << SMALL_SHIFT | the first; else a chain's first
 * block. */
#define TO_NODE 0x80000000u
#define MOST_SMALL 7u
#define SMALL_SHIFT 28
#define SMALL_NUMBER ((1u << SMALL_SHIFT) - 1)
#define MOST_DEPTH 40
#define MOST_BITS 16        /* picked by a node */

struct cell_of_node {
    uint32_t ref;
    uint16_t value, care; /* of the node's check: the sixteen bits from one place on */
};

/* Bits taken out of two words of the packed key, the first word's lowest. */
struct picked {
    uint64_t mask[2];
};

struct node {
    struct picked pick;
    struct cell_of_node *cells;
    struct cell_of_node rest;
    uint32_t count, built; /* entries below, now and when the bits were chosen */
    uint8_t word[2];
    uint8_t shift; /* bits of the first word */
    uint8_t check_word, check_at;
    uint8_t bits;               /* picked in all */
    uint8_t spare;              /* an entry may leave so many of them open before it goes to the rest */
};
_Static_assert(sizeof(struct node) <= 64, "a node is at most one cache line");

/* Behind a block's words: value[lanes], care[lanes], then this, then rank[per_block], slot[per_block]. */
struct block_head {
    uint32_t next, count;
    uint32_t retry; /* in a chain's first block: so many entries before a node is tried again */
    uint32_t unused;
};

struct tree {
    int32_t words;      /* of a packed key */
    int32_t per_block;  /* entries in a block of a chain */
    int32_t lanes;      /* words of the entries in a block, rounded up to LANES */
    int32_t block_words;
    uint8_t agree[256]; /* lanes that differ -> entries that agree; for words <= LANES */
    uint32_t few;       /* so many entries may lie side by side: value[n], care[n], rank[n], slot[n], from a new line on */
    uint64_t *small;    /* their memory; line 0 is not used */
    uint32_t n_small, small_room, free_small[5]; /* lines; free ones by how many there are together */
    uint64_t *blocks;   /* number 0 is not used */
    uint32_t n_blocks, block_room, free_block;
    struct node *nodes;
    uint32_t n_nodes, node_room, free_node;
    uint32_t root;
    uint64_t *rules;    /* by slot: value[words], care[words], rank: the smallest is preferred */
    uint32_t *seen;     /* by slot: the last walk that came across it */
    uint32_t rule_room, walk;
    uint16_t *into;     /* key word -> packed word */
    uint8_t *up;        /* and its place there */
    struct choice *choice; /* room to choose bits in */
    bool wide;          /* the processor has what tables_tree_find.c's fast form needs */
    /* Keys of up to LANES words packed at once: word k goes up_lanes[k] bits up; lane l of the packed key, which is repeated for
     * each entry of a block, takes the words source[0][l], source[1][l], ... where has_source says so. */
    uint64_t up_lanes[LANES], source[LANES][LANES];
    uint8_t has_source[LANES];
    int32_t n_sources;
};

/* Entries met on a walk. */
struct list {
    uint32_t *slots;
    uint32_t n;
};

static inline uint64_t *rule_value(const struct tree *tree, uint32_t slot)
{
    return tree->rules + (size_t)slot * (size_t)(2 * tree->words + 1);
}
static inline uint64_t *rule_care(const struct tree *tree, uint32_t slot) { return rule_value(tree, slot) + tree->words; }
static inline uint64_t rule_rank(const struct tree *tree, uint32_t slot) { return rule_care(tree, slot)[tree->words]; }

static inline bool is_node(uint32_t ref) { return (ref & TO_NODE) != 0; }
static inline struct node *node_of(const struct tree *tree, uint32_t ref) { return &tree->nodes[ref & ~TO_NODE]; }

static inline uint32_t small_count(uint32_t ref) { return ref >> SMALL_SHIFT & 7; }
static inline bool is_chain(uint32_t leaf) { return leaf && !small_count(leaf); }
static inline uint64_t *small_at(const struct tree *tree, uint32_t number)
{
    return tree->small + (size_t)number * LANES;
}
static inline uint64_t *small_of(const struct tree *tree, uint32_t ref) { return small_at(tree, ref & SMALL_NUMBER); }
static inline uint32_t *small_slots(const struct tree *tree, uint64_t *few, uint32_t n)
{
    return (uint32_t *)(few + n * (2 * (uint32_t)tree->words + 1));
}

static inline uint64_t *block_value(const struct tree *tree, uint32_t block)
{
    return tree->blocks + (size_t)block * (size_t)tree->block_words;
}
static inline uint64_t *block_care(const struct tree *tree, uint32_t block) { return block_value(tree, block) + tree->lanes; }
static inline struct block_head *block_head(const struct tree *tree, uint32_t block)
{
    return (struct block_head *)(block_care(tree, block) + tree->lanes);
}
static inline uint64_t *block_rank(const struct tree *tree, uint32_t block)
{
    return (uint64_t *)(block_head(tree, block) + 1);
}
static inline uint32_t *block_slot(const struct tree *tree, uint32_t block)
{
    return (uint32_t *)(block_rank(tree, block) + tree->per_block);
}

/* The word's bits under the mask, moved together: what processors with BMI2 do in one instruction. */
static inline uint64_t extract(uint64_t word, uint64_t mask)
{
    uint64_t low = mask & -mask;
    if (!((mask + low) & mask)) /* no gaps */
        return mask ? (word & mask) / low : 0;
    uint64_t out = 0;
    for (int at = 0; mask; mask &= mask - 1, at++)
        out |= (uint64_t)((word & mask & -mask) != 0) << at;
    return out;
}

static inline uint32_t picked_bits(const struct node *node, const uint64_t *words)
{
    return (uint32_t)(extract(words[node->word[0]], node->pick.mask[0]) |
                      extract(words[node->word[1]], node->pick.mask[1]) << node->shift);
}
static inline uint16_t check_bits(const struct node *node, const uint64_t *words)
{
    return (uint16_t)(words[node->check_word] >> node->check_at);
}

/* Where an entry lies below a node: in its rest, or in each cell whose number has `fixed` where the entry compares a picked bit
 * and anything in the bits of `open`. */
struct place {
    uint32_t fixed, open;
    bool in_rest;
};
static inline uint32_t first_cell(struct place place) { return place.fixed | place.open; }
/* From one of an entry's cells to another one. false after the last. */
static inline bool next_cell(struct place place, uint32_t *cell)
{
    uint32_t open = *cell & place.open;
    *cell = place.fixed | ((open - 1) & place.open);
    return open != 0;
}

/* tables_tree_new.c: a tree without entries, NULL when memory is short; packed keys; an entry's rule, false when memory is
 * short. */
struct tree *tree_new(const struct fpt_table *table);
void tree_destroy(struct tree *tree);
void tree_pack(const struct tree *tree, const uint64_t *key, int32_t key_words, uint64_t *packed);
bool write_rule(struct fpt_table *table, struct tree *tree, uint32_t slot);

/* tables_tree_blocks.c: chains. *first is 0 for an empty one. false when memory is short. */
bool chain_add(struct tree *tree, uint32_t *first, uint32_t slot);
void chain_remove(struct tree *tree, uint32_t *first, uint32_t slot);
void chain_free(struct tree *tree, uint32_t first);
uint32_t chain_count(const struct tree *tree, uint32_t first);
bool chain_make(struct tree *tree, const uint32_t *slots, uint32_t n, uint32_t *first); /* slots: best first */

/* tables_tree_leaf.c. false when memory is short; the leaf is as before then. */
bool leaf_make(struct tree *tree, const uint32_t *slots, uint32_t n, uint32_t *ref); /* slots: best first */
bool leaf_add(struct tree *tree, uint32_t *ref, uint32_t slot);
bool leaf_remove(struct tree *tree, uint32_t *ref, uint32_t slot);
void leaf_free(struct tree *tree, uint32_t ref);
bool leaf_overfull(const struct tree *tree, uint32_t ref); /* a node may do better by now */
void leaf_walk(struct tree *tree, uint32_t ref, struct list *into);
void list_slot(struct tree *tree, uint32_t slot, struct list *into); /* tables_tree.c: once in a walk */

/* tables_tree_choose.c. Room to work in, given back by free(). */
struct choice *choice_new(void);
/* Which bits tell the entries apart. false: none do well enough. Fills all but cells and rest. */
bool choose_bits(const struct tree *tree, const uint32_t *slots, uint32_t n, struct node *node);

/* tables_tree_build.c: the subtree for n entries, best first, at *ref. false when memory is short. */
bool build(struct tree *tree, const uint32_t *slots, uint32_t n, int depth, uint32_t *ref);
void subtree_free(struct tree *tree, uint32_t ref);
struct place place_of(const struct tree *tree, const struct node *node, uint32_t slot);
/* The cell's check lets keys of this entry pass, too; of this one alone where the cell is empty. */
void admit(const struct tree *tree, const struct node *node, struct cell_of_node *cell, uint32_t slot);
#endif
