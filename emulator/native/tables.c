/* The native tables' public face. */
#include "tables_core.h"
#include <stdlib.h>

_Static_assert(sizeof(struct fpt_entry) <= FPT_ENTRY_HEADER, "generated code finds the arguments after the header");

/* ---- look-up ---- */

struct fpt_entry *fpt_lookup(struct fpt_table *t, const uint64_t *key)
{
    if (!t->count)
        return (struct fpt_entry *)t->default_entry;
    uint32_t slot = t->find(t, key);
    return slot == NO_SLOT ? (struct fpt_entry *)t->default_entry : slot_entry(t, slot);
}

static void lookup_chunk(struct fpt_table *t, int n, const uint64_t *keys, uint32_t *handles)
{
    uint32_t slots[FPT_CHUNK];
    if (t->kind == FPT_TERNARY)
        tree_ahead(t, keys, t->key_words, n, slots);
    else if (t->blocks)
        blocks_ahead(t, keys, t->key_words, n, slots);
    else
        lpm_ahead(t, keys, t->key_words, n, slots);
    for (int i = 0; i < n; i++)
        handles[i] = slots[i] == NO_SLOT ? FPT_DEFAULT_HANDLE : slot_entry(t, slots[i])->handle;
}

void fpt_lookup_many(struct fpt_table *t, int64_t n, const uint64_t *keys, uint32_t *handles)
{
    bool single = t->kind == FPT_EXACT || !t->count || (t->kind == FPT_LPM && t->flat_valid);
    for (int64_t i = 0; i < n; i += single ? 1 : FPT_CHUNK) {
        if (single)
            handles[i] = fpt_lookup(t, keys + i * t->key_words)->handle;
        else
            lookup_chunk(t, n - i < FPT_CHUNK ? (int)(n - i) : FPT_CHUNK, keys + i * t->key_words, handles + i);
    }
}

static void choose_find(struct fpt_table *t)
{
    if (t->kind == FPT_EXACT)
        t->find = t->key_words == 1 ? exact_find_1 : t->key_words == 2 ? exact_find_2 : exact_find;
    else if (t->kind == FPT_TERNARY)
        t->find = tree_find;
    else if (t->flat_valid)
        t->find = t->key_words == 1 ? flat_find_1 : flat_find;
    else
        t->find = t->blocks ? blocks_find : lpm_find;
}

/* ---- making and freeing ---- */

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
    t->flat = flat_new();
    if (t->fields && t->field_word)
        describe(t, fields, n_fields);
    t->scratch = calloc(3 * (size_t)t->key_words + 1, sizeof *t->scratch);
    if (!t->fields || !t->field_word || !t->default_entry || !t->flat || !t->scratch) {
        fpt_free(t);
        return NULL;
    }
    t->args_words = args_words;
    size_t key_bytes = 8 * (size_t)t->key_words, bytes = FPT_ENTRY_HEADER + 8 * (size_t)args_words;
    t->stride = (bytes + (t->has_mask ? 0 : key_bytes) + 63) & ~(size_t)63; /* as few cache lines as can be */
    t->key_stride = t->has_mask ? 2 * key_bytes : t->stride;
    t->ahead_words = t->kind == FPT_EXACT ? 1 : 1 + t->key_words;
    t->free_slot = NO_SLOT;
    t->flat_valid = true;
    ((struct fpt_entry *)t->default_entry)->handle = FPT_DEFAULT_HANDLE;
    choose_find(t);
    return t;
}

void fpt_clear(struct fpt_table *t)
{
    ahead_forget(t);
    tree_free(t);
    tuples_free(t);
    lpm_root_free(t);
    blocks_free(t);
    t->no_blocks = false;
    index_free(&t->exact);
    slots_free(t);
    t->flat_valid = true;
    choose_find(t);
}

void fpt_free(struct fpt_table *t)
{
    if (!t)
        return;
    fpt_clear(t);
    free(t->fields);
    free(t->field_word);
    free(t->default_entry);
    free(t->flat);
    free(t->scratch);
    free(t->ahead);
    free(t->ahead_hashes);
    free(t);
}

struct fpt_entry *fpt_find(struct fpt_table *t, uint32_t handle)
{
    uint32_t slot = slot_of(t, handle);
    return slot == NO_SLOT ? NULL : slot_entry(t, slot);
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

static int32_t link_slot(struct fpt_table *t, uint32_t slot)
{
    if (t->kind == FPT_EXACT)
        return exact_link(t, slot);
    return t->kind == FPT_LPM ? tuple_link(t, slot) : tree_link(t, slot);
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
    ahead_forget(t);
    int32_t status = link_slot(t, slot);
    if (status) {
        give_slot(t, slot);
        return status;
    }
    index_add(&t->handles, handle_hash(handle), slot);
    t->count++;
    if (t->kind == FPT_LPM)
        flat_update(t, slot, true);
    choose_find(t);
    return FPT_OK;
}

int32_t fpt_insert_many(struct fpt_table *t, int64_t n, const uint64_t *value, const uint64_t *mask,
                        const int32_t *priority, const uint32_t *handle, const uint32_t *action, const uint64_t *args,
                        uint64_t *counter, int64_t *done)
{
    int32_t status = FPT_OK;
    bool paused = t->kind == FPT_TERNARY && tree_pause(t, n);
    for (*done = 0; *done < n; ++*done) {
        int64_t i = *done;
        status = fpt_insert(t, value + i * t->key_words, mask ? mask + i * t->key_words : NULL, priority ? priority[i] : 0,
                            handle[i], action[i], args ? args + i * t->args_words : NULL,
                            counter ? counter + 2 * (uint64_t)handle[i] : NULL);
        if (status)
            break;
    }
    if (paused)
        tree_resume(t);
    return status;
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
    ahead_forget(t);
    if (t->kind == FPT_LPM)
        flat_update(t, slot, false);
    if (t->kind == FPT_EXACT)
        exact_unlink(t, slot);
    else if (t->kind == FPT_LPM)
        tuple_unlink(t, slot);
    else
        tree_unlink(t, slot);
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
