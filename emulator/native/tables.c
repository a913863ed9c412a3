/* The native tables' public face: checks, storage of entries, and the short sorted list that small tables use. */
#include "tables_core.h"
#include <stdlib.h>

_Static_assert(sizeof(struct fpt_entry) <= FPT_ENTRY_HEADER, "generated code finds the arguments after the header");

/* ---- look-up ---- */

static uint32_t flat_find(struct fpt_table *t, const uint64_t *key)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (slot_matches(t, t->flat[i], key))
            return t->flat[i];
    return NO_SLOT;
}

static uint32_t flat_find_1(struct fpt_table *t, const uint64_t *key)
{
    const uint64_t *value = (const uint64_t *)(t->flat + FLAT_LIMIT), *mask = value + FLAT_LIMIT;
    for (uint32_t i = 0; i < t->count; i++)
        if ((key[0] & mask[i]) == value[i])
            return t->flat[i];
    return NO_SLOT;
}

struct fpt_entry *fpt_lookup(struct fpt_table *t, const uint64_t *key)
{
    if (!t->count)
        return (struct fpt_entry *)t->default_entry;
    uint32_t slot = t->find(t, key);
    return slot == NO_SLOT ? (struct fpt_entry *)t->default_entry : slot_entry(t, slot);
}

void fpt_lookup_many(struct fpt_table *t, int64_t n, const uint64_t *keys, uint32_t *handles)
{
    for (int64_t i = 0; i < n; i++)
        handles[i] = fpt_lookup(t, keys + i * t->key_words)->handle;
}

static void choose_find(struct fpt_table *t)
{
    if (t->kind == FPT_EXACT)
        t->find = t->key_words == 1 ? exact_find_1 : exact_find;
    else if (t->flat_valid)
        t->find = t->key_words == 1 && !t->has_range ? flat_find_1 : flat_find;
    else
        t->find = t->blocks ? blocks_find : t->kind == FPT_LPM ? lpm_find : ternary_find;
}

/* Keeps the sorted list right after slot was linked (added) or unlinked; count is already the new one. */
static void update_flat(struct fpt_table *t, uint32_t slot, bool added)
{
    if (t->kind == FPT_EXACT)
        return;
    if (!t->count)
        t->flat_valid = true;
    else if (t->count > FLAT_LIMIT)
        t->flat_valid = false;
    if (t->flat_valid && t->count) {
        uint32_t before = added ? t->count - 1 : t->count + 1, at = 0;
        if (added) {
            for (at = before; at > 0 && slot_before(t, slot, t->flat[at - 1]); at--)
                t->flat[at] = t->flat[at - 1];
            t->flat[at] = slot;
        } else {
            while (t->flat[at] != slot)
                at++;
            memmove(t->flat + at, t->flat + at + 1, sizeof *t->flat * (before - at - 1));
        }
        uint64_t *value = (uint64_t *)(t->flat + FLAT_LIMIT), *mask = value + FLAT_LIMIT;
        for (uint32_t i = 0; i < t->count && t->key_words == 1; i++) {
            value[i] = slot_value(t, t->flat[i])[0];
            mask[i] = slot_mask(t, t->flat[i])[0];
        }
    }
    choose_find(t);
}

/* ---- making and freeing ---- */

static bool fields_valid(const struct fpt_field *fields, int32_t n)
{
    int32_t lpm = 0;
    for (int32_t i = 0; i < n; i++) {
        if (fields[i].width < 1 || fields[i].width > 2048 || fields[i].kind > FPT_RANGE)
            return false;
        lpm += fields[i].kind == FPT_LPM;
    }
    return n >= 0 && lpm <= 1;
}

static void describe(struct fpt_table *t, const struct fpt_field *fields, int32_t n)
{
    bool ordered = false;
    t->n_fields = n;
    t->lpm_field = -1;
    for (int32_t i = 0; i < n; i++) {
        t->fields[i] = fields[i];
        t->field_word[i] = t->key_words;
        t->key_words += (fields[i].width + 63) / 64;
        ordered |= fields[i].kind == FPT_TERNARY || fields[i].kind == FPT_RANGE;
        t->has_range |= fields[i].kind == FPT_RANGE;
        if (fields[i].kind == FPT_LPM)
            t->lpm_field = i;
    }
    t->kind = ordered ? FPT_TERNARY : t->lpm_field >= 0 ? FPT_LPM : FPT_EXACT;
    t->has_mask = t->kind != FPT_EXACT;
}

struct fpt_table *fpt_new(const struct fpt_field *fields, int32_t n_fields, int32_t args_words)
{
    if (!fields_valid(fields, n_fields) || args_words < 0)
        return NULL;
    struct fpt_table *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->fields = calloc((size_t)n_fields + 1, sizeof *t->fields);
    t->field_word = calloc((size_t)n_fields + 1, sizeof *t->field_word);
    t->default_entry = calloc(1, FPT_ENTRY_HEADER + 8 * ((size_t)args_words + 1));
    t->flat = table_memory(sizeof *t->flat * FLAT_LIMIT + 16 * FLAT_LIMIT);
    if (t->fields && t->field_word)
        describe(t, fields, n_fields);
    t->scratch = calloc(3 * (size_t)t->key_words + 1, sizeof *t->scratch);
    if (!t->fields || !t->field_word || !t->default_entry || !t->flat || !t->scratch) {
        fpt_free(t);
        return NULL;
    }
    t->args_words = args_words;
    size_t bytes = FPT_ENTRY_HEADER + 8 * ((size_t)args_words + (size_t)t->key_words * (t->has_mask ? 2 : 1));
    t->stride = (bytes + 63) & ~(size_t)63; /* an entry's action data then lies on as few lines as can be */
    t->free_slot = NO_SLOT;
    t->flat_valid = true;
    ((struct fpt_entry *)t->default_entry)->handle = FPT_DEFAULT_HANDLE;
    choose_find(t);
    return t;
}

static void forget_entries(struct fpt_table *t)
{
    tuples_free(t);
    sieve_free(t);
    lpm_root_free(t);
    blocks_free(t);
    t->no_blocks = false;
    index_free(&t->exact);
    index_free(&t->handles);
    free(t->slots);
    free(t->next);
    free(t->tuple_of);
    t->slots = NULL;
    t->next = t->tuple_of = NULL;
    t->capacity = t->used = t->count = 0;
    t->free_slot = NO_SLOT;
    t->flat_valid = true;
    t->merged = false;
}

void fpt_clear(struct fpt_table *t)
{
    forget_entries(t);
    choose_find(t);
}

void fpt_free(struct fpt_table *t)
{
    if (!t)
        return;
    forget_entries(t);
    free(t->fields);
    free(t->field_word);
    free(t->default_entry);
    free(t->flat);
    free(t->scratch);
    free(t);
}

/* ---- storage ---- */

static bool grow(struct fpt_table *t)
{
    uint32_t capacity = t->capacity ? t->capacity * 2 : 8;
    if (capacity > (uint32_t)1 << 30)
        return false;
    uint8_t *slots = table_memory(capacity * t->stride);
    uint32_t *next = realloc(t->next, capacity * sizeof *next);
    if (next)
        t->next = next;
    uint32_t *tuple_of = realloc(t->tuple_of, capacity * sizeof *tuple_of);
    if (tuple_of)
        t->tuple_of = tuple_of;
    if (!slots || !next || !tuple_of) {
        free(slots);
        return false;
    }
    if (t->used)
        memcpy(slots, t->slots, t->used * t->stride);
    free(t->slots);
    t->slots = slots;
    t->capacity = capacity;
    return true;
}

static uint32_t take_slot(struct fpt_table *t)
{
    uint32_t slot = t->free_slot;
    if (slot != NO_SLOT) {
        t->free_slot = t->next[slot];
        return slot;
    }
    if (t->used == t->capacity && !grow(t))
        return NO_SLOT;
    return t->used++;
}

static void give_slot(struct fpt_table *t, uint32_t slot)
{
    memset(slot_entry(t, slot), 0, t->stride);
    t->next[slot] = t->free_slot;
    t->free_slot = slot;
}

static bool equal_handle(const struct fpt_table *t, uint32_t slot, const void *handle)
{
    return slot_entry(t, slot)->handle == *(const uint32_t *)handle;
}

static uint32_t handle_hash(uint32_t handle)
{
    uint64_t word = handle;
    return hash_words(&word, 1);
}

static uint32_t slot_of(const struct fpt_table *t, uint32_t handle)
{
    return index_find(&t->handles, t, handle_hash(handle), equal_handle, &handle);
}

struct fpt_entry *fpt_find(struct fpt_table *t, uint32_t handle)
{
    uint32_t slot = slot_of(t, handle);
    return slot == NO_SLOT ? NULL : slot_entry(t, slot);
}

/* ---- checks ---- */

static uint64_t word_limit(int32_t width, int32_t word)
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

static bool match_valid(const struct fpt_table *t, const uint64_t *value, const uint64_t *mask)
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

/* ---- writing ---- */

static void write_mask(struct fpt_table *t, uint32_t slot, const uint64_t *mask)
{
    memcpy(slot_mask(t, slot), mask, 8 * (size_t)t->key_words);
    for (int32_t f = 0; f < t->n_fields; f++) /* an exact field's mask is all ones, whatever the caller sent */
        for (int32_t i = 0; t->fields[f].kind == FPT_EXACT && i < (t->fields[f].width + 63) / 64; i++)
            slot_mask(t, slot)[t->field_word[f] + i] = word_limit(t->fields[f].width, i);
}

static void write_args(struct fpt_entry *entry, const uint64_t *args, int32_t words)
{
    uint64_t *into = (uint64_t *)((uint8_t *)entry + FPT_ENTRY_HEADER);
    if (args && words)
        memcpy(into, args, 8 * (size_t)words);
    else
        memset(into, 0, 8 * (size_t)words);
}

int32_t fpt_insert(struct fpt_table *t, const uint64_t *value, const uint64_t *mask, int32_t priority, uint32_t handle,
                   uint32_t action, const uint64_t *args, uint64_t *counter)
{
    if (handle >= (uint32_t)1 << 31 || !match_valid(t, value, mask))
        return FPT_INVALID;
    if (slot_of(t, handle) != NO_SLOT)
        return FPT_EXISTS;
    uint32_t slot;
    if (!index_reserve(&t->handles) || (slot = take_slot(t)) == NO_SLOT)
        return FPT_NO_MEMORY;
    struct fpt_entry *entry = slot_entry(t, slot);
    *entry = (struct fpt_entry){action, handle, 1, t->kind == FPT_TERNARY ? priority : 0, counter, 0};
    write_args(entry, args, t->args_words);
    memcpy(slot_value(t, slot), value, 8 * (size_t)t->key_words);
    if (t->has_mask)
        write_mask(t, slot, mask);
    int32_t status = t->kind == FPT_EXACT ? exact_link(t, slot) : tuple_link(t, slot);
    if (status) {
        give_slot(t, slot);
        return status;
    }
    index_add(&t->handles, handle_hash(handle), slot);
    t->count++;
    update_flat(t, slot, true);
    return FPT_OK;
}

int32_t fpt_insert_many(struct fpt_table *t, int64_t n, const uint64_t *value, const uint64_t *mask,
                        const int32_t *priority, const uint32_t *handle, const uint32_t *action, const uint64_t *args,
                        uint64_t *counter, int64_t *done)
{
    for (*done = 0; *done < n; ++*done) {
        int64_t i = *done;
        int32_t status = fpt_insert(t, value + i * t->key_words, mask ? mask + i * t->key_words : NULL,
                                    priority ? priority[i] : 0, handle[i], action[i],
                                    args ? args + i * t->args_words : NULL,
                                    counter ? counter + 2 * (uint64_t)handle[i] : NULL);
        if (status)
            return status;
    }
    return FPT_OK;
}

int32_t fpt_modify(struct fpt_table *t, uint32_t handle, uint32_t action, const uint64_t *args)
{
    struct fpt_entry *entry = fpt_find(t, handle);
    if (!entry)
        return FPT_NOT_FOUND;
    entry->action = action;
    write_args(entry, args, t->args_words);
    return FPT_OK;
}

int32_t fpt_delete(struct fpt_table *t, uint32_t handle)
{
    uint32_t slot = slot_of(t, handle);
    if (slot == NO_SLOT)
        return FPT_NOT_FOUND;
    index_remove(&t->handles, handle_hash(handle), slot);
    t->count--;
    update_flat(t, slot, false);
    if (t->kind == FPT_EXACT)
        exact_unlink(t, slot);
    else
        tuple_unlink(t, slot);
    give_slot(t, slot);
    if (!t->count)
        fpt_clear(t);
    choose_find(t); /* unlinking may have given up a structure */
    return FPT_OK;
}

int32_t fpt_delete_many(struct fpt_table *t, int64_t n, const uint32_t *handle, int64_t *done)
{
    for (*done = 0; *done < n; ++*done) {
        int32_t status = fpt_delete(t, handle[*done]);
        if (status)
            return status;
    }
    return FPT_OK;
}

int32_t fpt_set_default(struct fpt_table *t, uint32_t action, const uint64_t *args, uint64_t *counter)
{
    struct fpt_entry *entry = (struct fpt_entry *)t->default_entry;
    entry->action = action;
    entry->counter = counter;
    write_args(entry, args, t->args_words);
    return FPT_OK;
}

int32_t fpt_key_words(const struct fpt_table *t) { return t->key_words; }
int64_t fpt_count(const struct fpt_table *t) { return t->count; }
