/* Looking a batch's keys up together, before its packets are processed. Where a key's fields usually lie in the packet is
 * known beforehand; so the keys of a whole batch are guessed, and what they lead to is asked for from memory at once instead of
 * one packet after the other waiting for it. A wrong guess costs time only: whoever reads a row compares the key.
 * Requests go to the second-level cache (locality 2), which takes more of them at once than the first. */
#include "pipeline.h"
#include "tables_core.h"
#include <stdlib.h>

#define WORTHWHILE ((size_t)1 << 18) /* bytes; a smaller table stays in the near caches */

static inline uint64_t guessed_word(const struct fpt_guess_word *word, const uint8_t *data)
{
    uint64_t raw;
    memcpy(&raw, data + word->byte, sizeof raw);
    return (__builtin_bswap64(raw) >> word->shift & word->mask) | word->constant;
}

/* Guessed keys, stride words apart. Of a packet that is too short the key is 0, and the result has no bit for it. */
static uint64_t guess_keys(const struct fpt_guess *guess, const struct fp_packet *packets, int n, uint64_t *keys, int stride)
{
    static const uint8_t nothing[FPT_GUESS_REACH];
    const uint8_t *data[FPT_CHUNK];
    uint64_t guessed = 0;
    for (int i = 0; i < n; i++) {
        bool enough = packets[i].length >= guess->least;
        data[i] = enough ? packets[i].data : nothing;
        guessed |= (uint64_t)enough << i;
    }
    for (uint32_t k = 0; k < guess->n_words; k++) {
        const struct fpt_guess_word word = guess->words[k];
        for (int i = 0; i < n; i++)
            keys[i * stride + (int)k] = guessed_word(&word, data[i]);
    }
    return guessed;
}

uint64_t *fpt_ahead_rows(struct fpt_table *t)
{
    if (!t->ahead_hashes)
        t->ahead_hashes = table_memory(sizeof(uint32_t) * FPT_AHEAD);
    if (!t->ahead && t->ahead_hashes)
        t->ahead = table_memory(sizeof(uint64_t) * FPT_AHEAD * (size_t)t->ahead_words);
    return t->ahead;
}

void ahead_forget(struct fpt_table *t)
{
    if (!t->ahead_filled)
        return;
    for (int32_t i = 0; i < FPT_AHEAD; i++)
        t->ahead[i * t->ahead_words] = 0;
    t->ahead_filled = false;
}

static inline uint64_t address_of(const struct fpt_table *t, uint32_t slot)
{
    return (uint64_t)(uintptr_t)(slot == NO_SLOT ? (void *)t->default_entry : slot_entry(t, slot));
}

static void look_up(const struct fpt_guess *guess, const struct fp_packet *packets, int n, uint64_t *rows)
{
    struct fpt_table *t = guess->table;
    uint32_t slots[FPT_CHUNK];
    const int stride = t->ahead_words;
    uint64_t guessed = guess_keys(guess, packets, n, rows + 1, stride);
    if (t->kind == FPT_TERNARY)
        tree_ahead(t, rows + 1, stride, n, slots);
    else if (t->blocks)
        blocks_ahead(t, rows + 1, stride, n, slots);
    else
        lpm_ahead(t, rows + 1, stride, n, slots);
    for (int i = 0; i < n; i++)
        rows[i * stride] = guessed >> i & 1 ? address_of(t, slots[i]) : 0;
}

static bool worthwhile(const struct fpt_guess *guess)
{
    const struct fpt_table *t = guess->table;
    if (!t->ahead || !t->count || guess->least > FPT_GUESS_REACH)
        return false;
    return t->kind == FPT_TERNARY ? t->count > FLAT_LIMIT : t->count * t->stride >= WORTHWHILE;
}

/* What the chunk's rows need is asked for (exact tables), or the rows are filled. */
static void chunk(const struct fpt_guesses *guesses, const struct fp_packet *packets, int32_t n, int32_t at, bool ask)
{
    int32_t count = n - at < FPT_CHUNK ? n - at : FPT_CHUNK, row = at % FPT_AHEAD;
    uint64_t keys[FPT_CHUNK * FPT_GUESS_WORDS];
    for (int32_t g = 0; g < guesses->n && count > 0; g++) {
        struct fpt_table *t = guesses->list[g].table;
        if (!worthwhile(&guesses->list[g])) {
            ahead_forget(t);
        } else if (ask && t->kind == FPT_EXACT) {
            guess_keys(&guesses->list[g], packets + at, count, keys, t->key_words);
            exact_ask(t, keys, count, t->ahead_hashes + row);
        } else if (!ask) {
            t->ahead_filled = true;
            if (t->kind == FPT_EXACT)
                exact_ahead(t, t->ahead_hashes + row, count, t->ahead + row);
            else
                look_up(&guesses->list[g], packets + at, count, t->ahead + row * t->ahead_words);
        }
    }
}

void fpt_look_ahead(const struct fpt_guesses *guesses, const void *packets, int32_t n, int32_t at)
{
    if (!at) {
        chunk(guesses, packets, n, 0, true);
        chunk(guesses, packets, n, FPT_CHUNK, true);
        chunk(guesses, packets, n, 0, false);
    }
    chunk(guesses, packets, n, at + 2 * FPT_CHUNK, true);
    chunk(guesses, packets, n, at + FPT_CHUNK, false);
}
