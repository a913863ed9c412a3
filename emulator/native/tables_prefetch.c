/* Fetching into the cache what a batch's look-ups will want. Where a key's fields usually lie in the packet is known
 * beforehand; so the keys of a whole batch are guessed and their memory requested at once, instead of one packet after the
 * other waiting for it. A wrong guess costs time only. */
#include "pipeline.h"
#include "tables_core.h"

/* Into the second-level cache, which takes more requests at once and holds a whole batch (locality 2 below). */
#define CHUNK 64
#define WORTHWHILE ((size_t)1 << 19) /* bytes; a smaller table stays in the second-level cache */

static inline uint64_t guessed_word(const struct fpt_guess_word *word, const uint8_t *data)
{
    uint64_t raw;
    memcpy(&raw, data + word->byte, sizeof raw);
    return (__builtin_bswap64(raw) >> word->shift & word->mask) | word->constant;
}

/* Guessed keys side by side; packets too short for it are left out. Returns their number. */
static inline int guess_keys(const struct fpt_guess *guess, const struct fp_packet *packets, int n, uint64_t *keys)
{
    int found = 0;
    for (int i = 0; i < n; i++) {
        if (packets[i].length < guess->least)
            continue;
        for (uint32_t k = 0; k < guess->n_words; k++)
            keys[found * guess->n_words + k] = guessed_word(&guess->words[k], packets[i].data);
        found++;
    }
    return found;
}

static void prefetch_exact(const struct fpt_table *t, const uint64_t *keys, int n)
{
    const struct index *index = &t->exact;
    uint32_t hashes[CHUNK];
    for (int i = 0; i < n; i++) {
        hashes[i] = t->key_words == 1 ? hash_words(keys + i, 1) : hash_words(keys + i * t->key_words, t->key_words);
        __builtin_prefetch(&index->cells[hashes[i] & index->mask], 0, 2);
    }
    for (int i = 0; i < n; i++)
        for (uint32_t at = hashes[i] & index->mask; index->cells[at].slot_plus_1; at = (at + 1) & index->mask)
            if (index->cells[at].tag == hashes[i]) {
                __builtin_prefetch(slot_entry(t, index->cells[at].slot_plus_1 - 1), 0, 2);
                break;
            }
}

void fpt_prefetch(const struct fpt_guess *guesses, int32_t n_guesses, const void *packets, int32_t n)
{
    uint64_t keys[CHUNK * FPT_GUESS_WORDS];
    for (int32_t g = 0; g < n_guesses; g++) {
        const struct fpt_table *t = guesses[g].table;
        if (t->sieve == NULL && t->count * t->stride < WORTHWHILE)
            continue;
        for (int32_t from = 0; from < n; from += CHUNK) {
            int32_t count = n - from < CHUNK ? n - from : CHUNK;
            count = guess_keys(&guesses[g], (const struct fp_packet *)packets + from, count, keys);
            if (t->kind == FPT_EXACT)
                prefetch_exact(t, keys, count);
            else if (t->sieve)
                sieve_prefetch(t, keys, count);
            else if (t->blocks)
                blocks_prefetch(t, keys, count);
            else if (t->kind == FPT_LPM)
                lpm_prefetch(t, keys, count);
        }
    }
}
