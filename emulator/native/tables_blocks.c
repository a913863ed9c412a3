/* Longest prefix over one field of 32 bits, for large tables: the top 16 bits index a root, the next 8 and the last 8 a block
 * each where longer prefixes need one. A cell holds the answer for all addresses below it, or leads to a block; so a
 * look-up reads two or three cells. The tuples stay, to find what a deleted prefix had hidden. */
#include "tables_core.h"
#include <stdlib.h>

#define ROOT_SIZE 65536u
#define BLOCK_SIZE 256u
#define TO_BLOCK 0x80000000u
#define BLOCKS_FROM 256     /* entries; below, the root's memory is not worth it */
#define MOST_BLOCKS (1u << 17) /* 128 MiB */
#define MOST 64

struct lpm_blocks {
    uint32_t *root;  /* 0: none; slot + 1; or TO_BLOCK | number */
    uint32_t *cells; /* BLOCK_SIZE of each block */
    uint32_t n_blocks, room;
    uint32_t stale; /* deletions since the last rebuilding: blocks are not given back one by one */
};

static inline uint32_t *block(const struct lpm_blocks *b, uint32_t cell)
{
    return b->cells + (size_t)(cell & ~TO_BLOCK) * BLOCK_SIZE;
}

uint32_t blocks_find(struct fpt_table *t, const uint64_t *key)
{
    const struct lpm_blocks *b = t->blocks;
    uint32_t cell = b->root[key[0] >> 16];
    if (cell & TO_BLOCK)
        cell = block(b, cell)[key[0] >> 8 & 0xff];
    if (cell & TO_BLOCK)
        cell = block(b, cell)[key[0] & 0xff];
    return cell - 1; /* 0 becomes NO_SLOT */
}

static bool room_for_two(struct lpm_blocks *b)
{
    if (b->n_blocks + 2 <= b->room)
        return true;
    uint32_t room = b->room ? b->room * 2 : 64;
    uint32_t *cells = room > MOST_BLOCKS ? NULL : table_memory((size_t)room * BLOCK_SIZE * sizeof *cells);
    if (!cells)
        return false;
    if (b->n_blocks)
        memcpy(cells, b->cells, (size_t)b->n_blocks * BLOCK_SIZE * sizeof *cells);
    free(b->cells);
    b->cells = cells;
    b->room = room;
    return true;
}

/* The block behind a cell, made where there is none; its cells take over the answer so far. */
static uint32_t *entered(struct lpm_blocks *b, uint32_t *cell)
{
    if (!(*cell & TO_BLOCK)) {
        uint32_t number = b->n_blocks++, *fresh = block(b, number);
        for (uint32_t i = 0; i < BLOCK_SIZE; i++)
            fresh[i] = *cell;
        *cell = TO_BLOCK | number;
    }
    return block(b, *cell);
}

struct change {
    const struct fpt_table *t;
    uint32_t from; /* 0: in place of every shorter prefix; else of this cell value only */
    uint32_t to;
    int32_t prefix;
};

static void change_cells(const struct change *c, uint32_t *cells, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (cells[i] & TO_BLOCK)
            change_cells(c, block(c->t->blocks, cells[i]), BLOCK_SIZE);
        else if (c->from ? cells[i] == c->from : !cells[i] || slot_prefix(c->t, cells[i] - 1) <= c->prefix)
            cells[i] = c->to;
    }
}

/* Applies the change to all cells below the slot's prefix. */
static void change_below(const struct change *c, uint32_t slot)
{
    struct lpm_blocks *b = c->t->blocks;
    uint32_t value = (uint32_t)slot_value(c->t, slot)[0], *cells = b->root, at = value >> 16;
    int32_t bits = 16;
    if (c->prefix > 16) {
        cells = entered(b, &b->root[at]);
        at = value >> 8 & 0xff;
        bits = 24;
    }
    if (c->prefix > 24) {
        cells = entered(b, &cells[at]);
        at = value & 0xff;
        bits = 32;
    }
    change_cells(c, cells + at, 1u << (bits - c->prefix));
}

/* false where the blocks have become too many; the table is then searched by its tuples. */
static bool enter(struct fpt_table *t, uint32_t slot)
{
    if (!room_for_two(t->blocks)) {
        blocks_free(t);
        t->no_blocks = true;
        return false;
    }
    struct change change = {t, 0, slot + 1, slot_prefix(t, slot)};
    change_below(&change, slot);
    return true;
}

static void rebuild(struct fpt_table *t)
{
    memset(t->blocks->root, 0, ROOT_SIZE * sizeof *t->blocks->root);
    t->blocks->n_blocks = t->blocks->stale = 0;
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
    int32_t prefix = slot_prefix(t, slot);
    uint32_t by = NO_SLOT;
    for (uint32_t i = 0; i < t->n_order && by == NO_SLOT; i++) /* longest first */
        if (t->tuples[t->order[i]]->prefix < prefix)
            by = tuple_probe(t, t->tuples[t->order[i]], slot_value(t, slot));
    struct change change = {t, slot + 1, by + 1, prefix};
    change_below(&change, slot);
    if (++t->blocks->stale > ROOT_SIZE && t->blocks->stale > t->count) {
        slot_entry(t, slot)->hit = 0; /* it must not be entered again */
        rebuild(t);
    }
}

void blocks_free(struct fpt_table *t)
{
    if (t->blocks) {
        free(t->blocks->root);
        free(t->blocks->cells);
    }
    free(t->blocks);
    t->blocks = NULL;
}

void blocks_prefetch(const struct fpt_table *t, const uint64_t *keys, int n)
{
    const struct lpm_blocks *b = t->blocks;
    uint32_t cells[MOST];
    for (int i = 0; i < n; i++) {
        cells[i] = b->root[keys[i] >> 16];
        if (cells[i] & TO_BLOCK)
            __builtin_prefetch(&block(b, cells[i])[keys[i] >> 8 & 0xff]);
    }
    for (int i = 0; i < n; i++) {
        if (cells[i] & TO_BLOCK)
            cells[i] = block(b, cells[i])[keys[i] >> 8 & 0xff];
        if (cells[i] & TO_BLOCK)
            cells[i] = block(b, cells[i])[keys[i] & 0xff];
        if (cells[i])
            __builtin_prefetch(slot_entry(t, cells[i] - 1));
    }
}
