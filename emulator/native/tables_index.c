/* The hash index of the native tables. */
#include "tables_core.h"
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

void *table_memory(size_t bytes)
{
    size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : 64;
    void *memory;
    if (posix_memalign(&memory, align, bytes ? bytes : 1))
        return NULL;
    if (align == HUGE_PAGE)
        madvise(memory, bytes, MADV_HUGEPAGE); /* random look-ups in a large table are bound by address translation */
    memset(memory, 0, bytes);
    return memory;
}

static void place(struct cell *cells, uint32_t mask, struct cell cell)
{
    uint32_t at = cell.tag & mask;
    while (cells[at].slot_plus_1)
        at = (at + 1) & mask;
    cells[at] = cell;
}

bool index_reserve(struct index *index)
{
    uint64_t capacity = index->cells ? (uint64_t)index->mask + 1 : 0;
    if ((uint64_t)index->count + 1 <= capacity / 2)
        return true;
    uint64_t grown = capacity ? capacity * 2 : 4;
    if (grown > (uint64_t)1 << 32)
        return false;
    struct cell *cells = table_memory(grown * sizeof *cells);
    if (!cells)
        return false;
    for (uint64_t i = 0; i < capacity; i++)
        if (index->cells[i].slot_plus_1)
            place(cells, (uint32_t)(grown - 1), index->cells[i]);
    free(index->cells);
    index->cells = cells;
    index->mask = (uint32_t)(grown - 1);
    return true;
}

void index_add(struct index *index, uint32_t hash, uint32_t slot)
{
    place(index->cells, index->mask, (struct cell){hash, slot + 1});
    index->count++;
}

static uint32_t position_of(const struct index *index, uint32_t hash, uint32_t slot)
{
    uint32_t at = hash & index->mask;
    while (index->cells[at].slot_plus_1 != slot + 1)
        at = (at + 1) & index->mask;
    return at;
}

void index_replace(struct index *index, uint32_t hash, uint32_t slot, uint32_t by)
{
    index->cells[position_of(index, hash, slot)].slot_plus_1 = by + 1;
}

void index_remove(struct index *index, uint32_t hash, uint32_t slot)
{
    uint32_t mask = index->mask, hole = position_of(index, hash, slot);
    for (uint32_t at = (hole + 1) & mask; index->cells[at].slot_plus_1; at = (at + 1) & mask) {
        uint32_t home = index->cells[at].tag & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) { /* its home is at or before the hole: it may move there */
            index->cells[hole] = index->cells[at];
            hole = at;
        }
    }
    index->cells[hole] = (struct cell){0, 0};
    index->count--;
}

void index_free(struct index *index)
{
    free(index->cells);
    *index = (struct index){0};
}
