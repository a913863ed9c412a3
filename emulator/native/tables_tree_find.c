/* Searching the ternary tree: one key, or many side by side. Two forms of the same code: for any processor, and for those that
 * compare eight words and take bits out of a word in one instruction each. */
#include "tables_tree.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define MOST_FOUND 768

struct wanted_key {
    uint64_t *packed; /* repeated to fill LANES words */
    const uint64_t *words;
};
struct best {
    uint64_t rank; /* UINT64_MAX: nothing yet */
    uint32_t slot;
};
/* Keys searched side by side, at most FPT_CHUNK; columns: their packed words. */
struct batch {
    int n, n_words;
    struct wanted_key keys[FPT_CHUNK];
    uint64_t columns[LANES][FPT_CHUNK];
};
/* Subtrees that keys have to look at: the reference, and from bit 32 on the key's number. */
struct work {
    uint64_t found[MOST_FOUND + LANES], nodes[MOST_FOUND];
    uint32_t n_found, n_nodes;
};

/* As if all were leaves of few entries, which nearly all are. */
static void ask_for_found(const struct tree *tree, const struct work *work)
{
    for (uint32_t i = 0; i < work->n_found; i++) {
        uint32_t ref = (uint32_t)work->found[i], n = small_count(ref);
        const uint64_t *first = small_of(tree, ref);
        __builtin_prefetch(first, 0, 2);
        __builtin_prefetch(first + LANES * (uint32_t)(n > 1), 0, 2);
        __builtin_prefetch(first + 2 * LANES * (uint32_t)(n > 2), 0, 2);
    }
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

static inline uint32_t differ_few_plain(const uint64_t *key, const uint64_t *value, const uint64_t *care, uint32_t n)
{
    uint32_t differ = 0;
    for (uint32_t i = 0; i < n; i++)
        differ |= (uint32_t)(((key[i] & care[i]) ^ value[i]) != 0) << i;
    return differ;
}

/* One node for all keys: notes what their cells, and the rest where it is a chain, have for them; returns how much. */
static uint32_t visit_plain(const struct node *node, const struct batch *batch, uint64_t *found)
{
    const uint64_t *first = batch->columns[node->word[0]], *second = batch->columns[node->word[1]];
    const uint64_t *check = batch->columns[node->check_word];
    const bool rest = node->rest.ref && !is_node(node->rest.ref);
    uint32_t n = 0;
    for (int i = 0; i < batch->n; i++) {
        uint64_t at = extract(first[i], node->pick.mask[0]) | extract(second[i], node->pick.mask[1]) << node->shift;
        struct cell_of_node cell = node->cells[at];
        uint16_t bits = (uint16_t)(check[i] >> node->check_at);
        found[n] = (uint64_t)i << 32 | cell.ref;
        n += (cell.ref != 0) & (((cell.value ^ bits) & cell.care) == 0);
        found[n] = (uint64_t)i << 32 | node->rest.ref;
        n += rest & (((node->rest.value ^ bits) & node->rest.care) == 0);
    }
    return n;
}

#define FORM(name) name##_plain
#define TAKE(word, mask) extract(word, mask)
#define PACK(tree, key, key_words, packed) pack_plain(tree, key, key_words, packed)
#define DIFFER(key, value, care) differ_plain(key, value, care)
#define DIFFER_FEW(key, value, care, n) differ_few_plain(key, value, care, n)
#include "tables_tree_find.h"
#undef FORM
#undef TAKE
#undef PACK
#undef DIFFER
#undef DIFFER_FEW

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,bmi,bmi2,popcnt")
static inline uint32_t differ_wide(const uint64_t *key, const uint64_t *value, const uint64_t *care)
{
    __m512i k = _mm512_loadu_si512(key), v = _mm512_load_si512(value), c = _mm512_load_si512(care);
    __m512i difference = _mm512_ternarylogic_epi64(k, c, v, 0x6a); /* (k & c) ^ v */
    return _mm512_test_epi64_mask(difference, difference);
}
static inline uint32_t differ_few_wide(const uint64_t *key, const uint64_t *value, const uint64_t *care, uint32_t n)
{
    const __mmask8 here = (__mmask8)((1u << n) - 1);
    __m512i k = _mm512_loadu_si512(key), v = _mm512_maskz_loadu_epi64(here, value), c = _mm512_maskz_loadu_epi64(here, care);
    __m512i difference = _mm512_ternarylogic_epi64(k, c, v, 0x6a);
    return _mm512_test_epi64_mask(difference, difference);
}

/* Every key word moved to its place, then brought to all lanes of its packed word. */
static inline void pack_wide(const struct tree *tree, const uint64_t *key, int32_t key_words, uint64_t *packed)
{
    const __mmask8 here = (__mmask8)((1 << key_words) - 1);
    __m512i words = _mm512_sllv_epi64(_mm512_maskz_loadu_epi64(here, key), _mm512_loadu_si512(tree->up_lanes));
    __m512i lanes = _mm512_setzero_si512();
    for (int32_t k = 0; k < tree->n_sources; k++)
        lanes = _mm512_or_si512(lanes, _mm512_maskz_permutexvar_epi64(tree->has_source[k],
                                                                      _mm512_loadu_si512(tree->source[k]), words));
    _mm512_storeu_si512(packed, lanes);
}

/* Eight keys' cells: those with something for their key, behind one another. */
static inline uint32_t note_wide(__m512i cells, __m512i bits, int first, int n, uint64_t *found)
{
    const __m512i low = _mm512_set1_epi64(0xffffffff), ids = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    __m512i value = _mm512_srli_epi64(cells, 32), care = _mm512_srli_epi64(cells, 48);
    __m512i refs = _mm512_and_epi64(cells, low), numbers = _mm512_add_epi64(ids, _mm512_set1_epi64(first));
    __mmask8 here = (__mmask8)(n - first >= LANES ? 0xff : (1 << (n - first)) - 1);
    __mmask8 passed = _mm512_mask_testn_epi64_mask(here, _mm512_xor_epi64(value, bits), care);
    passed = _mm512_mask_test_epi64_mask(passed, refs, refs);
    _mm512_storeu_si512(found, _mm512_maskz_compress_epi64(passed, _mm512_or_epi64(refs, _mm512_slli_epi64(numbers, 32))));
    return (uint32_t)__builtin_popcount(passed);
}

static uint32_t visit_wide(const struct node *node, const struct batch *batch, uint64_t *found)
{
    const uint64_t *first = batch->columns[node->word[0]], *second = batch->columns[node->word[1]];
    const uint64_t *check = batch->columns[node->check_word], *cells = (const uint64_t *)(const void *)node->cells;
    const struct picked pick = node->pick;
    const int n = batch->n, shift = node->shift;
    uint64_t own[FPT_CHUNK], rest;
    if (pick.mask[1])
        for (int i = 0; i < n; i++)
            own[i] = cells[_pext_u64(first[i], pick.mask[0]) | _pext_u64(second[i], pick.mask[1]) << shift];
    else
        for (int i = 0; i < n; i++)
            own[i] = cells[_pext_u64(first[i], pick.mask[0])];
    uint32_t count = 0;
    memcpy(&rest, &node->rest, sizeof rest);
    const __m128i at = _mm_cvtsi32_si128(node->check_at);
    const bool with_rest = node->rest.ref && !is_node(node->rest.ref);
    for (int i = 0; i < n; i += LANES) {
        __m512i bits = _mm512_srl_epi64(_mm512_loadu_si512(check + i), at);
        count += note_wide(_mm512_loadu_si512(own + i), bits, i, n, found + count);
        if (with_rest)
            count += note_wide(_mm512_set1_epi64((int64_t)rest), bits, i, n, found + count);
    }
    return count;
}

#define FORM(name) name##_wide
#define TAKE(word, mask) _pext_u64(word, mask)
#define PACK(tree, key, key_words, packed) pack_wide(tree, key, key_words, packed)
#define DIFFER(key, value, care) differ_wide(key, value, care)
#define DIFFER_FEW(key, value, care, n) differ_few_wide(key, value, care, n)
#include "tables_tree_find.h"
#undef FORM
#undef TAKE
#undef PACK
#undef DIFFER
#undef DIFFER_FEW
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

void tree_ahead(struct fpt_table *t, const uint64_t *keys, int stride, int n, uint32_t *slots)
{
    if (t->tree && t->key_words <= LANES)
        EITHER(t->tree, find_many, t, keys, stride, n, slots);
    else
        for (int i = 0; i < n; i++)
            slots[i] = tree_find(t, keys + i * stride);
    for (int i = 0; i < n; i++)
        __builtin_prefetch(slot_entry(t, slots[i]), 0, 2);
}
