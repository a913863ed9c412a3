/* Inside the native tables: storage of entries and the hash index, shared by the match kinds. */
#ifndef FPISA_TABLES_CORE_H
#define FPISA_TABLES_CORE_H
#include "tables.h"
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define NO_SLOT UINT32_MAX
/* Up to this many entries a sorted list beats every hash: it is what stays in the first-level cache. */
#define FLAT_LIMIT 32

/* Open addressing with linear probing. A cell keeps 32 bits of the hash, which give its home as well, so neither growth
 * nor deletion (by shifting back, no tombstones) looks at keys. */
struct cell {
    uint32_t tag;
    uint32_t slot_plus_1; /* 0: empty */
};
struct index {
    struct cell *cells;
    uint32_t mask; /* capacity - 1; cells is NULL while count is 0 and nothing was ever inserted */
    uint32_t count;
};

/* A prefix length (lpm) or a mask (ternary) in use, with the entries that have it. */
struct tuple {
    struct index index;
    int32_t max_priority; /* upper bound: a deletion does not lower it */
    int32_t prefix;       /* lpm only */
    uint64_t mask[];      /* key words */
};

struct fpt_table {
    uint32_t (*find)(struct fpt_table *table, const uint64_t *key); /* slot of the winner or NO_SLOT */
    uint8_t *slots; /* stride bytes each: entry header, args, value, mask */
    size_t stride;
    int32_t key_words, args_words, n_fields;
    bool has_mask, has_range;
    bool merged; /* some tuple's mask is a part only of its entries' masks (tables_merge.c) */
    int32_t lpm_field; /* -1: none */
    enum fpt_kind kind; /* exact, lpm or ternary: how the whole table is searched */
    struct fpt_field *fields;
    int32_t *field_word; /* first key word of each field */
    uint32_t *next;      /* ternary: chain of entries with equal masked value, best first; else free list */
    uint32_t *tuple_of;  /* not exact: position in tuples */
    uint32_t capacity, used, free_slot, count;
    struct index handles;
    struct index exact;
    struct tuple **tuples; /* in order of creation; lpm: at most one per prefix length */
    uint32_t n_tuples, n_order;
    uint32_t *order;      /* tuples that have entries, best first: longest prefix, largest max_priority */
    struct index by_mask; /* tuples by mask */
    uint32_t *flat;       /* slots best first, while count <= FLAT_LIMIT; flat_valid says whether in use */
    bool flat_valid;
    struct lpm_root *root; /* lpm: first step by the top bits, built once the table is large */
    struct lpm_blocks *blocks; /* lpm, one field of 32 bits: instead of root */
    bool no_blocks;            /* they would become too many */
    struct sieve *sieve;   /* ternary: which tuples are worth a probe, built once there are many */
    uint8_t *default_entry;
    uint64_t *scratch; /* three times the key words */
};

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint32_t hash_words(const uint64_t *words, int32_t n)
{
    uint64_t h = 0x9e3779b97f4a7c15u;
    for (int32_t i = 0; i < n; i++)
        h = fold(h ^ words[i], 0xd6e8feb86659fd93u + ((uint64_t)i << 1));
    return (uint32_t)(h ^ (h >> 32));
}

static inline struct fpt_entry *slot_entry(const struct fpt_table *t, uint32_t slot)
{
    return (struct fpt_entry *)(t->slots + (size_t)slot * t->stride);
}
static inline uint64_t *slot_args(const struct fpt_table *t, uint32_t slot)
{
    return (uint64_t *)((uint8_t *)slot_entry(t, slot) + FPT_ENTRY_HEADER);
}
static inline uint64_t *slot_value(const struct fpt_table *t, uint32_t slot)
{
    return slot_args(t, slot) + t->args_words;
}
static inline uint64_t *slot_mask(const struct fpt_table *t, uint32_t slot)
{
    return slot_value(t, slot) + t->key_words;
}

static inline bool same_words(const uint64_t *a, const uint64_t *b, int32_t n)
{
    uint64_t difference = 0;
    for (int32_t i = 0; i < n; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

typedef bool (*slot_equal)(const struct fpt_table *t, uint32_t slot, const void *key);

static inline __attribute__((always_inline)) uint32_t index_find(const struct index *index, const struct fpt_table *t,
                                                                 uint32_t hash, slot_equal equal, const void *key)
{
    if (!index->count)
        return NO_SLOT;
    for (uint32_t at = hash & index->mask;; at = (at + 1) & index->mask) {
        struct cell cell = index->cells[at];
        if (!cell.slot_plus_1)
            return NO_SLOT;
        if (cell.tag == hash && equal(t, cell.slot_plus_1 - 1, key))
            return cell.slot_plus_1 - 1;
    }
}

/* false when memory is short; nothing is changed then */
bool index_reserve(struct index *index);
void index_add(struct index *index, uint32_t hash, uint32_t slot); /* after index_reserve */
void index_remove(struct index *index, uint32_t hash, uint32_t slot);
void index_replace(struct index *index, uint32_t hash, uint32_t slot, uint32_t by);
void index_free(struct index *index);

/* Zeroed memory, aligned for cache lines; huge pages where large. */
void *table_memory(size_t bytes);

/* Each match kind: link a filled slot in (the slot's own fields and key are written), or take it out. */
int32_t exact_link(struct fpt_table *t, uint32_t slot);
void exact_unlink(struct fpt_table *t, uint32_t slot);
uint32_t exact_find(struct fpt_table *t, const uint64_t *key);
uint32_t exact_find_1(struct fpt_table *t, const uint64_t *key);

int32_t tuple_link(struct fpt_table *t, uint32_t slot); /* lpm and ternary */
void tuple_unlink(struct fpt_table *t, uint32_t slot);
struct tuple *tuple_for(struct fpt_table *t, const uint64_t *mask, bool create, uint32_t *position);
void tuples_free(struct fpt_table *t);
uint32_t ternary_find(struct fpt_table *t, const uint64_t *key);
void slot_tuple_mask(const struct fpt_table *t, uint32_t slot, uint64_t *mask);
bool same_entry(const struct fpt_table *t, uint32_t a, uint32_t b);
/* tables_merge.c: the mask of the tuple that the slot is to join, from its own; whether an equal entry is in any tuple. */
void merged_mask(struct fpt_table *t, uint32_t slot, uint64_t *mask);
bool merged_duplicate(const struct fpt_table *t, uint32_t slot);
int32_t slot_prefix(const struct fpt_table *t, uint32_t slot);

/* tables_blocks.c. blocks_add: false where the table needs the general root. */
uint32_t blocks_find(struct fpt_table *t, const uint64_t *key);
bool blocks_add(struct fpt_table *t, uint32_t slot);
void blocks_remove(struct fpt_table *t, uint32_t slot);
void blocks_free(struct fpt_table *t);
void blocks_prefetch(const struct fpt_table *t, const uint64_t *keys, int n);

/* tables_sieve.c. Bit i % 64 of the answer: tuple i is worth a probe. */
struct sieve;
uint64_t sieve_pass(const struct sieve *sieve, const uint64_t *key);
void sieve_add(struct fpt_table *t, uint32_t slot);
void sieve_remove(struct fpt_table *t, bool renumbered);
void sieve_free(struct fpt_table *t);
void sieve_prefetch(const struct fpt_table *t, const uint64_t *keys, int n);

uint32_t lpm_find(struct fpt_table *t, const uint64_t *key);
uint32_t tuple_probe(const struct fpt_table *t, const struct tuple *tuple, const uint64_t *key);
bool slot_matches(const struct fpt_table *t, uint32_t slot, const uint64_t *key);
bool slot_before(const struct fpt_table *t, uint32_t a, uint32_t b);
void lpm_root_add(struct fpt_table *t, uint32_t slot);
void lpm_root_remove(struct fpt_table *t, uint32_t slot);
void lpm_root_free(struct fpt_table *t);
void lpm_prefetch(const struct fpt_table *t, const uint64_t *keys, int n); /* at most 64 keys */
#endif
