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

/* A prefix length in use, with the entries that have it. */
struct tuple {
    struct index index;
    int32_t prefix;
    uint64_t mask[]; /* key words */
};

struct fpt_table {
    uint32_t (*find)(struct fpt_table *table, const uint64_t *key); /* slot of the winner or NO_SLOT */
    uint8_t *slots; /* stride bytes each: entry header, args, and in exact tables the value */
    uint8_t *keys;  /* key_stride bytes from one slot's to the next's: value, mask; exact: within slots */
    size_t stride, key_stride;
    int32_t key_words, args_words, n_fields;
    bool has_mask, has_range;
    int32_t lpm_field; /* -1: none */
    enum fpt_kind kind; /* exact, lpm or ternary: how the whole table is searched */
    struct fpt_field *fields;
    int32_t *field_word; /* first key word of each field */
    uint32_t *next;     /* free list */
    uint32_t *tuple_of; /* lpm: position in tuples */
    uint32_t capacity, used, free_slot, count;
    struct index handles;
    struct index exact;
    struct tuple **tuples; /* lpm: in order of creation, one per prefix length */
    uint32_t n_tuples, n_order;
    uint32_t *order;      /* tuples that have entries, longest prefix first */
    struct index by_mask; /* tuples by mask */
    uint32_t *flat;       /* slots best first, while count <= FLAT_LIMIT; flat_valid says whether in use */
    bool flat_valid;
    struct lpm_root *root; /* lpm: first step by the top bits, built once the table is large */
    struct lpm_blocks *blocks; /* lpm, one field of 32 bits: instead of root */
    bool no_blocks;            /* they would become too many */
    struct tree *tree;         /* ternary; NULL: there was no memory for it */
    bool paused;               /* many insertions are under way: the tree is built at their end */
    uint64_t *ahead;           /* FPT_AHEAD rows; NULL: nobody reads them */
    uint32_t *ahead_hashes;    /* exact: of the rows' keys */
    int32_t ahead_words;
    bool ahead_filled; /* some row may hold an address */
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
    return (uint64_t *)(t->keys + (size_t)slot * t->key_stride);
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

/* tables_slots.c: storage of entries, and their handles. */
uint32_t take_slot(struct fpt_table *t); /* NO_SLOT when memory is short */
void give_slot(struct fpt_table *t, uint32_t slot);
uint32_t slot_of(const struct fpt_table *t, uint32_t handle);
uint32_t handle_hash(uint32_t handle);
void slots_free(struct fpt_table *t);

/* tables_check.c */
bool fields_valid(const struct fpt_field *fields, int32_t n);
bool match_valid(const struct fpt_table *t, const uint64_t *value, const uint64_t *mask);
uint64_t word_limit(int32_t width, int32_t word); /* the bits of a field that lie in its word */
bool slot_matches(const struct fpt_table *t, uint32_t slot, const uint64_t *key);
bool slot_before(const struct fpt_table *t, uint32_t a, uint32_t b);

/* tables_flat.c: what tables of up to FLAT_LIMIT entries use. */
uint32_t flat_find(struct fpt_table *t, const uint64_t *key);
uint32_t flat_find_1(struct fpt_table *t, const uint64_t *key);
void *flat_new(void);
void flat_update(struct fpt_table *t, uint32_t slot, bool added); /* count is already the new one */

/* Each match kind: link a filled slot in (the slot's own fields and key are written), or take it out. */
int32_t exact_link(struct fpt_table *t, uint32_t slot);
void exact_unlink(struct fpt_table *t, uint32_t slot);
uint32_t exact_find(struct fpt_table *t, const uint64_t *key);
uint32_t exact_find_1(struct fpt_table *t, const uint64_t *key);
uint32_t exact_find_2(struct fpt_table *t, const uint64_t *key);

int32_t tuple_link(struct fpt_table *t, uint32_t slot); /* lpm */
void tuple_unlink(struct fpt_table *t, uint32_t slot);
uint32_t tuple_probe(const struct fpt_table *t, const struct tuple *tuple, const uint64_t *key);
void tuples_free(struct fpt_table *t);
int32_t slot_prefix(const struct fpt_table *t, uint32_t slot);

uint32_t lpm_find(struct fpt_table *t, const uint64_t *key);
void lpm_root_add(struct fpt_table *t, uint32_t slot);
void lpm_root_remove(struct fpt_table *t, uint32_t slot);
void lpm_root_free(struct fpt_table *t);

/* tables_blocks.c. blocks_add: false where the table needs the general root. */
uint32_t blocks_find(struct fpt_table *t, const uint64_t *key);
bool blocks_add(struct fpt_table *t, uint32_t slot);
void blocks_remove(struct fpt_table *t, uint32_t slot);
void blocks_free(struct fpt_table *t);

/* tables_tree.c */
int32_t tree_link(struct fpt_table *t, uint32_t slot); /* ternary */
void tree_unlink(struct fpt_table *t, uint32_t slot);
/* Around many insertions, at least as many as there are entries: true when the tree is built anew at their end. */
bool tree_pause(struct fpt_table *t, int64_t n);
void tree_resume(struct fpt_table *t);
uint32_t tree_find(struct fpt_table *t, const uint64_t *key);
void tree_free(struct fpt_table *t);

/* Looking ahead. Exact: the cells of n keys are asked for from memory; later, entries that may be theirs are put into rows
 * and asked for. Others: the winning slot, or NO_SLOT, for each of n <= FPT_CHUNK keys, which begin
 * stride words apart; the slots' memory is asked for. */
void exact_ask(const struct fpt_table *t, const uint64_t *keys, int n, uint32_t *hashes);
void exact_ahead(const struct fpt_table *t, const uint32_t *hashes, int n, uint64_t *rows);
void lpm_ahead(struct fpt_table *t, const uint64_t *keys, int stride, int n, uint32_t *slots);
void blocks_ahead(struct fpt_table *t, const uint64_t *keys, int stride, int n, uint32_t *slots);
void tree_ahead(struct fpt_table *t, const uint64_t *keys, int stride, int n, uint32_t *slots);
void ahead_forget(struct fpt_table *t); /* voids all rows */
#endif
