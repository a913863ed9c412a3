/* Longest prefix over one field of 32 bits, for large tables: the top 16 bits index a root, the next 8 and the last 8 a block
 * each where longer prefixes need one. A block covers 256 addresses with few different answers: it keeps one bit for each
 * address at which the answer changes, and the answers in order; so most blocks fill one cache line. The tuples stay, to
 * find what a deleted prefix had hidden. */
#include "tables_core.h"
#include <stdlib.h>

#define ROOT_SIZE 65536u
#define BLOCK_SIZE 256
#define TO_BLOCK 0x80000000u
#define BLOCKS_FROM 256 /* entries; below, the root's memory is not worth it */
#define INSIDE 6        /* answers that fit a block's own line */
#define NOBODY UINT32_MAX

#if defined(__x86_64__) && defined(__gnu_linux__)
#define COUNTS_BITS __attribute__((target_clones("popcnt", "default"))) /* the instruction where there is one */
#else
#define COUNTS_BITS
#endif

/* An answer: 0: none; slot + 1; or TO_BLOCK | number. */
struct block {
    uint64_t starts[4]; /* bit i: the answer at i differs from that at i - 1; bit 0 is set */
    uint8_t before[4];  /* bits set in the words before this one */
    uint32_t n;
    union {
        uint32_t inside[INSIDE];
        uint32_t *outside; /* where n > INSIDE */
    };
};
_Static_assert(sizeof(struct block) == 64, "a block is one cache line");

struct lpm_blocks {
    uint32_t *root;
    struct block *blocks;
    uint32_t n_blocks, room;
    uint32_t stale; /* deletions since the last rebuilding: blocks are not given back one by one */
    uint8_t *lengths; /* of the prefix in each slot */
    uint32_t length_room;
};

/* A block spread out to be changed: answer to[k] from address at[k] up to at[k + 1]. */
struct runs {
    int n;
    uint16_t at[BLOCK_SIZE + 1];
    uint32_t to[BLOCK_SIZE];
};

static inline struct block *block_of(const struct lpm_blocks *b, uint32_t cell) { return b->blocks + (cell & ~TO_BLOCK); }

static inline const uint32_t *answers(const struct block *block)
{
    return block->n > INSIDE ? block->outside : block->inside;
}

static inline __attribute__((always_inline)) uint32_t answer(const struct block *block, uint32_t address)
{
    uint64_t upto = block->starts[address >> 6] & (((uint64_t)2 << (address & 63)) - 1);
    return answers(block)[block->before[address >> 6] + __builtin_popcountll(upto) - 1];
}

COUNTS_BITS uint32_t blocks_find(struct fpt_table *t, const uint64_t *key)
{
    const struct lpm_blocks *b = t->blocks;
    uint32_t cell = b->root[key[0] >> 16];
    if (cell & TO_BLOCK)
        cell = answer(block_of(b, cell), key[0] >> 8 & 0xff);
    if (cell & TO_BLOCK)
        cell = answer(block_of(b, cell), key[0] & 0xff);
    return cell - 1; /* 0 becomes NO_SLOT */
}

COUNTS_BITS void blocks_ahead(struct fpt_table *t, const uint64_t *keys, int stride, int n, uint32_t *slots)
{
    const struct lpm_blocks *b = t->blocks;
    uint32_t deeper[FPT_CHUNK];
    int n_deeper = 0;
    for (int i = 0; i < n; i++) {
        slots[i] = b->root[keys[i * stride] >> 16];
        if (slots[i] & TO_BLOCK)
            __builtin_prefetch(block_of(b, slots[i]), 0, 2);
    }
    for (int i = 0; i < n; i++) {
        if (slots[i] & TO_BLOCK)
            slots[i] = answer(block_of(b, slots[i]), keys[i * stride] >> 8 & 0xff);
        if (slots[i] & TO_BLOCK) {
            deeper[n_deeper++] = (uint32_t)i;
            __builtin_prefetch(block_of(b, slots[i]), 0, 2);
        } else
            __builtin_prefetch(slot_entry(t, --slots[i]), 0, 2);
    }
    for (int k = 0; k < n_deeper; k++) {
        uint32_t i = deeper[k];
        slots[i] = answer(block_of(b, slots[i]), keys[i * stride] & 0xff) - 1;
        __builtin_prefetch(slot_entry(t, slots[i]), 0, 2);
    }
}

/* ---- changing a block ---- */

static void spread(const struct block *block, struct runs *runs)
{
    runs->n = 0;
    for (int word = 0; word < 4; word++)
        for (uint64_t bits = block->starts[word]; bits; bits &= bits - 1)
            runs->at[runs->n++] = (uint16_t)(64 * word + __builtin_ctzll(bits));
    memcpy(runs->to, answers(block), sizeof *runs->to * (size_t)runs->n);
    runs->at[runs->n] = BLOCK_SIZE;
}

/* Writes runs back, neighbours of one answer joined. false when memory is short; the block is as before then. */
static bool gather(struct block *block, struct runs *runs)
{
    int n = 0;
    for (int k = 0; k < runs->n; k++)
        if (!n || runs->to[k] != runs->to[n - 1]) {
            runs->at[n] = runs->at[k];
            runs->to[n++] = runs->to[k];
        }
    uint32_t *outside = n > INSIDE ? malloc(sizeof *outside * (size_t)n) : NULL;
    if (n > INSIDE && !outside)
        return false;
    if (block->n > INSIDE)
        free(block->outside);
    memset(block->starts, 0, sizeof block->starts);
    for (int k = 0; k < n; k++)
        block->starts[runs->at[k] >> 6] |= (uint64_t)1 << (runs->at[k] & 63);
    for (int word = 0, sum = 0; word < 4; word++) {
        block->before[word] = (uint8_t)sum;
        sum += __builtin_popcountll(block->starts[word]);
    }
    block->n = (uint32_t)n;
    memcpy(outside ? outside : block->inside, runs->to, sizeof *runs->to * (size_t)n);
    if (outside)
        block->outside = outside;
    return true;
}

/* A run begins at the address from now on; its number. */
static int cut_at(struct runs *runs, int address)
{
    int k = 0;
    while (runs->at[k] < address)
        k++;
    if (runs->at[k] == address)
        return k;
    memmove(runs->at + k + 1, runs->at + k, sizeof *runs->at * (size_t)(runs->n + 1 - k));
    memmove(runs->to + k, runs->to + k - 1, sizeof *runs->to * (size_t)(runs->n + 1 - k));
    runs->at[k] = (uint16_t)address;
    runs->n++;
    return k;
}

struct change {
    struct lpm_blocks *b;
    uint32_t from; /* NOBODY: in place of every shorter prefix; else of this answer only */
    uint32_t to;
    int32_t prefix;
};

static bool change_block(const struct change *c, uint32_t cell, int from, int to);

static bool change_answer(const struct change *c, uint32_t *cell)
{
    if (*cell & TO_BLOCK)
        return change_block(c, *cell, 0, BLOCK_SIZE);
    if (c->from != NOBODY ? *cell == c->from : !*cell || c->b->lengths[*cell - 1] <= c->prefix)
        *cell = c->to;
    return true;
}

/* Applies the change to the block's addresses from <= address < to. */
static bool change_block(const struct change *c, uint32_t cell, int from, int to)
{
    struct runs runs;
    spread(block_of(c->b, cell), &runs);
    int first = cut_at(&runs, from), end = to == BLOCK_SIZE ? runs.n : cut_at(&runs, to);
    for (int k = first; k < end; k++)
        if (!change_answer(c, &runs.to[k]))
            return false;
    return gather(block_of(c->b, cell), &runs);
}

static bool room_for_two(struct lpm_blocks *b)
{
    if (b->n_blocks + 2 <= b->room)
        return true;
    uint32_t room = b->room ? b->room * 2 : 64;
    struct block *blocks = room >= TO_BLOCK ? NULL : table_memory(room * sizeof *blocks);
    if (!blocks)
        return false;
    if (b->n_blocks)
        memcpy(blocks, b->blocks, b->n_blocks * sizeof *blocks);
    free(b->blocks);
    b->blocks = blocks;
    b->room = room;
    return true;
}

/* The block behind an answer, made where there is none: all its addresses take over the answer so far. */
static uint32_t entered(struct lpm_blocks *b, uint32_t cell)
{
    if (cell & TO_BLOCK)
        return cell;
    b->blocks[b->n_blocks] = (struct block){.starts = {1}, .before = {0, 1, 1, 1}, .n = 1, .inside = {cell}};
    return TO_BLOCK | b->n_blocks++;
}

/* The block for the next eight bits below one address of a block. */
static bool enter_below(struct lpm_blocks *b, uint32_t cell, int address, uint32_t *below)
{
    struct runs runs;
    spread(block_of(b, cell), &runs);
    int k = cut_at(&runs, address);
    if (address + 1 < BLOCK_SIZE)
        cut_at(&runs, address + 1);
    *below = runs.to[k] = entered(b, runs.to[k]);
    return gather(block_of(b, cell), &runs);
}

/* Applies the change to all addresses below the prefix. false when memory is short. */
static bool change_below(const struct change *c, uint32_t value)
{
    struct lpm_blocks *b = c->b;
    uint32_t *root = &b->root[value >> 16], cell;
    if (!room_for_two(b))
        return false;
    if (c->prefix <= 16) {
        for (uint32_t i = 0; i < 1u << (16 - c->prefix); i++)
            if (!change_answer(c, &root[i]))
                return false;
        return true;
    }
    cell = *root = entered(b, *root);
    int at = value >> 8 & 0xff;
    if (c->prefix <= 24)
        return change_block(c, cell, at, at + (1 << (24 - c->prefix)));
    if (!enter_below(b, cell, at, &cell))
        return false;
    at = value & 0xff;
    return change_block(c, cell, at, at + (1 << (32 - c->prefix)));
}

/* ---- entries ---- */

/* The blocks are given up, here for want of memory: the table is searched by its tuples from now on. */
static bool give_up(struct fpt_table *t)
{
    blocks_free(t);
    t->no_blocks = true;
    return false;
}

static bool enter(struct fpt_table *t, uint32_t slot)
{
    struct lpm_blocks *b = t->blocks;
    if (b->length_room < t->capacity) {
        uint8_t *lengths = realloc(b->lengths, t->capacity);
        if (!lengths)
            return give_up(t);
        b->lengths = lengths;
        b->length_room = t->capacity;
    }
    b->lengths[slot] = (uint8_t)slot_prefix(t, slot);
    struct change change = {b, NOBODY, slot + 1, b->lengths[slot]};
    return change_below(&change, (uint32_t)slot_value(t, slot)[0]) || give_up(t);
}

static void forget_blocks(struct lpm_blocks *b)
{
    for (uint32_t i = 0; i < b->n_blocks; i++)
        if (b->blocks[i].n > INSIDE)
            free(b->blocks[i].outside);
    b->n_blocks = b->stale = 0;
}

static void rebuild(struct fpt_table *t)
{
    memset(t->blocks->root, 0, ROOT_SIZE * sizeof *t->blocks->root);
    forget_blocks(t->blocks);
    for (uint32_t slot = 0; slot < t->used; slot++)
        if (slot_entry(t, slot)->hit && !enter(t, slot))
            return;
}

bool blocks_add(struct fpt_table *t, uint32_t slot)
{
    if (t->n_fields != 1 || t->fields[0].width != 32 || t->no_blocks)
        return false;
    if (t->blocks)
        return enter(t, slot);
    if (t->count < BLOCKS_FROM)
        return true;
    t->blocks = calloc(1, sizeof *t->blocks);
    if (t->blocks)
        t->blocks->root = table_memory(ROOT_SIZE * sizeof *t->blocks->root);
    if (!t->blocks || !t->blocks->root) {
        blocks_free(t);
        return true; /* slower, not wrong */
    }
    rebuild(t);
    return t->blocks != NULL;
}

void blocks_remove(struct fpt_table *t, uint32_t slot)
{
    struct lpm_blocks *b = t->blocks;
    uint32_t by = NO_SLOT;
    for (uint32_t i = 0; i < t->n_order && by == NO_SLOT; i++) /* longest first */
        if (t->tuples[t->order[i]]->prefix < b->lengths[slot])
            by = tuple_probe(t, t->tuples[t->order[i]], slot_value(t, slot));
    struct change change = {b, slot + 1, by + 1, b->lengths[slot]};
    if (!change_below(&change, (uint32_t)slot_value(t, slot)[0])) {
        give_up(t);
        return;
    }
    if (++b->stale > ROOT_SIZE && b->stale > t->count) {
        slot_entry(t, slot)->hit = 0; /* it must not be entered again */
        rebuild(t);
    }
}

void blocks_free(struct fpt_table *t)
{
    if (t->blocks) {
        forget_blocks(t->blocks);
        free(t->blocks->root);
        free(t->blocks->blocks);
        free(t->blocks->lengths);
    }
    free(t->blocks);
    t->blocks = NULL;
}
