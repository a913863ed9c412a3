/* The short sorted list that small longest-prefix tables use. Behind the slots lie the values and masks of keys of one word. */
#include "tables_core.h"

uint32_t flat_find(struct fpt_table *t, const uint64_t *key)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (slot_matches(t, t->flat[i], key))
            return t->flat[i];
    return NO_SLOT;
}

uint32_t flat_find_1(struct fpt_table *t, const uint64_t *key)
{
    const uint64_t *value = (const uint64_t *)(t->flat + FLAT_LIMIT), *mask = value + FLAT_LIMIT;
    for (uint32_t i = 0; i < t->count; i++)
        if ((key[0] & mask[i]) == value[i])
            return t->flat[i];
    return NO_SLOT;
}

void *flat_new(void) { return table_memory(FLAT_LIMIT * (sizeof(uint32_t) + 2 * sizeof(uint64_t))); }

static void place(struct fpt_table *t, uint32_t slot)
{
    uint32_t at = t->count - 1;
    for (; at > 0 && slot_before(t, slot, t->flat[at - 1]); at--)
        t->flat[at] = t->flat[at - 1];
    t->flat[at] = slot;
}

static void take_out(struct fpt_table *t, uint32_t slot)
{
    uint32_t at = 0;
    while (t->flat[at] != slot)
        at++;
    memmove(t->flat + at, t->flat + at + 1, sizeof *t->flat * (t->count - at));
}

void flat_update(struct fpt_table *t, uint32_t slot, bool added)
{
    if (!t->count)
        t->flat_valid = true;
    else if (t->count > FLAT_LIMIT)
        t->flat_valid = false;
    if (!t->flat_valid || !t->count)
        return;
    if (added)
        place(t, slot);
    else
        take_out(t, slot);
    uint64_t *value = (uint64_t *)(t->flat + FLAT_LIMIT), *mask = value + FLAT_LIMIT;
    for (uint32_t i = 0; i < t->count && t->key_words == 1; i++) {
        value[i] = slot_value(t, t->flat[i])[0];
        mask[i] = slot_mask(t, t->flat[i])[0];
    }
}
