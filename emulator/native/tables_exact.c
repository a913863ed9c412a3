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

static inline bool equal_pair(const struct fpt_table *t, uint32_t slot, const void *key)
{
    const uint64_t *value = slot_value(t, slot), *words = key;
    return ((value[0] ^ words[0]) | (value[1] ^ words[1])) == 0;
}

uint32_t exact_find(struct fpt_table *t, const uint64_t *key)
{
    return index_find(&t->exact, t, hash_words(key, t->key_words), equal_value, key);
}

uint32_t exact_find_1(struct fpt_table *t, const uint64_t *key)
{
    return index_find(&t->exact, t, hash_words(key, 1), equal_word, key);
}

uint32_t exact_find_2(struct fpt_table *t, const uint64_t *key)
{
    return index_find(&t->exact, t, hash_words(key, 2), equal_pair, key);
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

void exact_ask(const struct fpt_table *t, const uint64_t *keys, int n, uint32_t *hashes)
{
    const struct index *index = &t->exact;
    for (int i = 0; i < n; i++) {
        hashes[i] = t->key_words == 1 ? hash_words(keys + i, 1) : hash_words(keys + i * t->key_words, t->key_words);
        __builtin_prefetch(&index->cells[hashes[i] & index->mask], 0, 2);
    }
}

void exact_ahead(const struct fpt_table *t, const uint32_t *hashes, int n, uint64_t *rows)
{
    const struct index *index = &t->exact;
    for (int i = 0; i < n; i++) {
        rows[i] = 0;
        for (uint32_t at = hashes[i] & index->mask; index->cells[at].slot_plus_1; at = (at + 1) & index->mask)
            if (index->cells[at].tag == hashes[i]) {
                struct fpt_entry *entry = slot_entry(t, index->cells[at].slot_plus_1 - 1);
                rows[i] = (uint64_t)(uintptr_t)entry;
                __builtin_prefetch(entry, 0, 2);
                break;
            }
    }
}
