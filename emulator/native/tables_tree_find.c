/* Searching the ternary tree: one key, or many side by side. Two forms of the same code: for any processor, and for those that
 * compare eight words and take bits out of a word in one instruction each. */
#include "tables_tree.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define MOST_ITEMS 512

struct wanted_key {
    uint64_t *packed; /* repeated to fill LANES words */
    const uint64_t *words;
};
struct best {
    uint64_t rank; /* UINT64_MAX: nothing yet */
    uint32_t slot;
};
/* Subtrees that keys have to look at: the reference, and from bit 32 on the key's number. */
struct work {
    uint64_t items[2][MOST_ITEMS + 1], chains[MOST_ITEMS + 1];
    uint32_t n, n_chains, turn; /* items[turn] is being filled */
};
/* Where to go on filling; its numbers are meant to stay in registers. */
struct noted {
    uint64_t *items, *chains;
    uint32_t n, n_chains;
};

static inline struct noted noted_so_far(struct work *work)
{
    return (struct noted){work->items[work->turn], work->chains, work->n, work->n_chains};
}

static inline bool has_room(const struct work *work, int more)
{
    return work->n + (uint32_t)more <= MOST_ITEMS && work->n_chains + (uint32_t)more <= MOST_ITEMS;
}

static inline void ask_for_block(const struct tree *tree, uint32_t block)
{
    __builtin_prefetch(block_value(tree, block));
    __builtin_prefetch(block_care(tree, block));
    __builtin_prefetch(block_head(tree, block));
}

static inline void pack_plain(const struct tree *tree, const uint64_t *key, int32_t key_words, uint64_t *packed)
{
    tree_pack(tree, key, key_words, packed);
    for (int32_t i = tree->words; i < LANES; i++)
        packed[i] = packed[i - tree->words];
}

static inline uint32_t differ_plain(const uint64_t *key, const uint64_t *value, const uint64_t *care)
{
    uint32_t differ = 0;
    for (int i = 0; i < LANES; i++)
        differ |= (uint32_t)(((key[i] & care[i]) ^ value[i]) != 0) << i;
    return differ;
}

#define FORM(name) name##_plain
#define TAKE(word, mask) extract(word, mask)
#define PACK(tree, key, key_words, packed) pack_plain(tree, key, key_words, packed)
#define DIFFER(key, value, care) differ_plain(key, value, care)
#include "tables_tree_find.h"
#undef FORM
#undef TAKE
#undef PACK
#undef DIFFER

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,bmi,bmi2,popcnt")
static inline uint32_t differ_wide(const uint64_t *key, const uint64_t *value, const uint64_t *care)
{
    __m512i k = _mm512_loadu_si512(key), v = _mm512_load_si512(value), c = _mm512_load_si512(care);
    __m512i difference = _mm512_ternarylogic_epi64(k, c, v, 0x6a); /* (k & c) ^ v */
    return _mm512_test_epi64_mask(difference, difference);
}
/* Every key word moved to its place, then brought to all lanes of its packed word. */
static inline void pack_wide(const struct tree *tree, const uint64_t *key, int32_t key_words, uint64_t *packed)
{
    __m512i words = _mm512_sllv_epi64(_mm512_maskz_loadu_epi64((__mmask8)((1 << key_words) - 1), key), _mm512_loadu_si512(tree->up_lanes));
    __m512i lanes = _mm512_setzero_si512();
    for (int32_t k = 0; k < tree->n_sources; k++)
        lanes = _mm512_or_si512(lanes, _mm512_maskz_permutexvar_epi64(tree->has_source[k],
                                                                      _mm512_loadu_si512(tree->source[k]), words));
    _mm512_storeu_si512(packed, lanes);
}

#define FORM(name) name##_wide
#define TAKE(word, mask) _pext_u64(word, mask)
#define PACK(tree, key, key_words, packed) pack_wide(tree, key, key_words, packed)
#define DIFFER(key, value, care) differ_wide(key, value, care)
#include "tables_tree_find.h"
#undef FORM
#undef TAKE
#undef PACK
#undef DIFFER
#pragma GCC pop_options
#define EITHER(tree, name, ...) ((tree)->wide ? name##_wide(__VA_ARGS__) : name##_plain(__VA_ARGS__))
#else
#define EITHER(tree, name, ...) name##_plain(__VA_ARGS__)
#endif

/* Without a tree: every entry. */
static uint32_t scan_all(const struct fpt_table *t, const uint64_t *key)
{
    uint32_t best = NO_SLOT;
    for (uint32_t slot = 0; slot < t->used; slot++)
        if (slot_entry(t, slot)->hit && slot_matches(t, slot, key) && (best == NO_SLOT || slot_before(t, slot, best)))
            best = slot;
    return best;
}

uint32_t tree_find(struct fpt_table *t, const uint64_t *key)
{
    return t->tree ? EITHER(t->tree, find, t, key) : scan_all(t, key);
}

void tree_ahead(struct fpt_table *t, const uint64_t *keys, int n, uint32_t *slots)
{
    if (t->tree && t->key_words <= LANES)
        EITHER(t->tree, find_many, t, keys, n, slots);
    else
        for (int i = 0; i < n; i++)
            slots[i] = tree_find(t, keys + i * t->key_words);
    for (int i = 0; i < n; i++)
        __builtin_prefetch(slot_entry(t, slots[i]));
}
