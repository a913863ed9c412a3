/* Exact match: one hash index over the whole key. */
#include "tables_core.h"

static inline bool equal_value(const struct fpt_table *t, uint32_t slot, const void *key)
{
    return same_words(slot_value(t, slot), key, t->key_words);
}

static inline bool equal_word(const struct fpt_table *t, uint32_t slot, const void *key)
{
    return slot_value(t, slot)[0] == *(const uint64_t *)key;
}

uint32_t exact_find(struct fpt_table *t, const uint64_t *key)
{
    return index_find(&t->exact, t, hash_words(key, t->key_words), equal_value, key);
}

uint32_t exact_find_1(struct fpt_table *t, const uint64_t *key)
{
    return index_find(&t->exact, t, hash_words(key, 1), equal_word, key);
}

int32_t exact_link(struct fpt_table *t, uint32_t slot)
{
    const uint64_t *value = slot_value(t, slot);
    if (exact_find(t, value) != NO_SLOT)
        return FPT_EXISTS;
    if (!index_reserve(&t->exact))
        return FPT_NO_MEMORY;
    index_add(&t->exact, hash_words(value, t->key_words), slot);
    return FPT_OK;
}

void exact_unlink(struct fpt_table *t, uint32_t slot)
{
    index_remove(&t->exact, hash_words(slot_value(t, slot), t->key_words), slot);
}
