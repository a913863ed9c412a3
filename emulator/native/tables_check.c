/* What a match may look like, whether a key fits it, and which of two entries is preferred. */
#include "tables_core.h"

bool fields_valid(const struct fpt_field *fields, int32_t n)
{
    int32_t lpm = 0;
    for (int32_t i = 0; i < n; i++) {
        if (fields[i].width < 1 || fields[i].width > 2048 || fields[i].kind > FPT_RANGE)
            return false;
        lpm += fields[i].kind == FPT_LPM;
    }
    return n >= 0 && lpm <= 1;
}

uint64_t word_limit(int32_t width, int32_t word)
{
    int32_t bits = width - 64 * word;
    return bits >= 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
}

static bool prefix_contiguous(const uint64_t *mask, int32_t words, int32_t width)
{
    bool ended = false; /* from the top: ones, then zeros */
    for (int32_t i = words - 1; i >= 0; i--) {
        uint64_t zeros = ~mask[i] & word_limit(width, i);
        if ((zeros & (zeros + 1)) || (ended && mask[i]))
            return false;
        ended |= zeros != 0;
    }
    return true;
}

static bool range_ordered(const uint64_t *low, const uint64_t *high, int32_t words)
{
    for (int32_t i = words - 1; i >= 0; i--)
        if (low[i] != high[i])
            return low[i] < high[i];
    return true;
}

static bool field_valid(const struct fpt_field *field, const uint64_t *value, const uint64_t *mask)
{
    int32_t words = (field->width + 63) / 64;
    for (int32_t i = 0; i < words; i++) {
        uint64_t limit = word_limit(field->width, i);
        if (value[i] & ~limit || (field->kind != FPT_EXACT && mask[i] & ~limit))
            return false;
        if ((field->kind == FPT_LPM || field->kind == FPT_TERNARY) && value[i] & ~mask[i])
            return false;
    }
    if (field->kind == FPT_LPM)
        return prefix_contiguous(mask, words, field->width);
    return field->kind != FPT_RANGE || range_ordered(value, mask, words);
}

bool match_valid(const struct fpt_table *t, const uint64_t *value, const uint64_t *mask)
{
    if (t->has_mask && !mask)
        return false;
    for (int32_t f = 0; f < t->n_fields; f++) {
        int32_t at = t->field_word[f];
        if (!field_valid(&t->fields[f], value + at, mask ? mask + at : NULL))
            return false;
    }
    return true;
}

/* low <= key <= high for a field of several words, compared from the top */
static bool in_range(const uint64_t *key, const uint64_t *low, const uint64_t *high, int32_t words)
{
    bool above = false, below = false;
    for (int32_t i = words - 1; i >= 0; i--) {
        if (!above && key[i] != low[i]) {
            if (key[i] < low[i])
                return false;
            above = true;
        }
        if (!below && key[i] != high[i]) {
            if (key[i] > high[i])
                return false;
            below = true;
        }
    }
    return true;
}

bool slot_matches(const struct fpt_table *t, uint32_t slot, const uint64_t *key)
{
    const uint64_t *value = slot_value(t, slot), *mask = slot_mask(t, slot);
    if (!t->has_range) {
        for (int32_t i = 0; i < t->key_words; i++)
            if ((key[i] & mask[i]) != value[i])
                return false;
        return true;
    }
    for (int32_t f = 0; f < t->n_fields; f++) {
        int32_t at = t->field_word[f], words = (t->fields[f].width + 63) / 64;
        if (t->fields[f].kind == FPT_RANGE) {
            if (!in_range(key + at, value + at, mask + at, words))
                return false;
            continue;
        }
        for (int32_t i = at; i < at + words; i++)
            if ((key[i] & mask[i]) != value[i])
                return false;
    }
    return true;
}

bool slot_before(const struct fpt_table *t, uint32_t a, uint32_t b)
{
    const struct fpt_entry *ea = slot_entry(t, a), *eb = slot_entry(t, b);
    if (t->kind == FPT_LPM) {
        int32_t pa = slot_prefix(t, a), pb = slot_prefix(t, b);
        return pa != pb ? pa > pb : ea->handle < eb->handle;
    }
    return ea->priority != eb->priority ? ea->priority > eb->priority : ea->handle < eb->handle;
}
