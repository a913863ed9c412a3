/* Storage of entries: a slot each, taken and given back, and found by handle. What a look-up gives lies apart from what
 * only the control plane reads, so that an entry with its action data takes few cache lines. */
#include "tables_core.h"
#include <stdlib.h>

static uint8_t *grown(const uint8_t *old, uint32_t used, uint32_t capacity, size_t stride)
{
    uint8_t *memory = table_memory(capacity * stride);
    if (memory && used)
        memcpy(memory, old, used * stride);
    return memory;
}

static bool grow(struct fpt_table *t)
{
    uint32_t capacity = t->capacity ? t->capacity * 2 : 8;
    if (capacity > (uint32_t)1 << 30)
        return false;
    uint32_t *next = realloc(t->next, capacity * sizeof *next);
    if (next)
        t->next = next;
    uint32_t *tuple_of = realloc(t->tuple_of, capacity * sizeof *tuple_of);
    if (tuple_of)
        t->tuple_of = tuple_of;
    uint8_t *slots = grown(t->slots, t->used, capacity, t->stride);
    uint8_t *keys = t->has_mask ? grown(t->keys, t->used, capacity, t->key_stride) : slots;
    if (!slots || !keys || !next || !tuple_of) {
        if (t->has_mask)
            free(keys);
        free(slots);
        return false;
    }
    free(t->slots);
    if (t->has_mask)
        free(t->keys);
    t->slots = slots;
    t->keys = t->has_mask ? keys : slots + FPT_ENTRY_HEADER + 8 * (size_t)t->args_words;
    t->capacity = capacity;
    return true;
}

void slots_free(struct fpt_table *t)
{
    index_free(&t->handles);
    free(t->slots);
    if (t->has_mask)
        free(t->keys);
    free(t->next);
    free(t->tuple_of);
    t->slots = t->keys = NULL;
    t->next = t->tuple_of = NULL;
    t->capacity = t->used = t->count = 0;
    t->free_slot = NO_SLOT;
}

uint32_t take_slot(struct fpt_table *t)
{
    uint32_t slot = t->free_slot;
    if (slot != NO_SLOT) {
        t->free_slot = t->next[slot];
        return slot;
    }
    if (t->used == t->capacity && !grow(t))
        return NO_SLOT;
    return t->used++;
}

void give_slot(struct fpt_table *t, uint32_t slot)
{
    memset(slot_entry(t, slot), 0, t->stride);
    if (t->has_mask)
        memset(slot_value(t, slot), 0, t->key_stride);
    t->next[slot] = t->free_slot;
    t->free_slot = slot;
}

static bool equal_handle(const struct fpt_table *t, uint32_t slot, const void *handle)
{
    return slot_entry(t, slot)->handle == *(const uint32_t *)handle;
}

uint32_t handle_hash(uint32_t handle)
{
    uint64_t word = handle;
    return hash_words(&word, 1);
}

uint32_t slot_of(const struct fpt_table *t, uint32_t handle)
{
    return index_find(&t->handles, t, handle_hash(handle), equal_handle, &handle);
}
