#include "groups.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 1024
#define NO_TEXT (FPG_MOST_BYTES + 1) /* the length of the key that is NULL */
#define HIGH_BITS 0x8080808080808080u
#define BLOCK 64 /* rows whose slots and groups are fetched ahead */

struct key { /* zeros beyond its length, which tells keys apart that end in zero bytes */
    uint64_t words[FPG_MOST_BYTES / 8];
    uint32_t length;
};

struct group { /* what every row of it touches: one cache line */
    uint64_t first;
    double total, size;
    int64_t rows, numbers;
    uint32_t length, hash;
};

struct fpg_groups {
    struct group *groups;
    uint64_t (*rest)[FPG_MOST_BYTES / 8 - 1]; /* of keys longer than 8 bytes */
    uint32_t *slots;                          /* a group's number + 1; 0: free */
    int64_t count, capacity, slot_count, room, text_bytes;
    int32_t characters;
};

struct fpg_groups *fpg_open(int32_t characters, int64_t room)
{
    struct fpg_groups *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->characters = characters < FPG_MOST_CHARACTERS ? characters : FPG_MOST_CHARACTERS;
    g->room = room;
    g->slot_count = FIRST_SLOTS;
    g->slots = calloc(FIRST_SLOTS, sizeof *g->slots);
    if (!g->slots) {
        free(g);
        return NULL;
    }
    return g;
}

void fpg_close(struct fpg_groups *g)
{
    if (!g)
        return;
    free(g->groups);
    free(g->rest);
    free(g->slots);
    free(g);
}

static uint32_t hash_of(const struct key *key)
{
    uint64_t h = (key->words[0] ^ key->length) * 0x9E3779B97F4A7C15u;
    if (key->length > 8)
        for (int i = 1; i < FPG_MOST_BYTES / 8; i++)
            h = (h ^ h >> 32 ^ key->words[i]) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(h >> 32);
}

/* Twice the slots and groups; what is in them is placed anew. */
static bool grow(struct fpg_groups *g)
{
    int64_t slots = g->slot_count * 2, capacity = slots / 2;
    int64_t bytes = slots * (int64_t)sizeof *g->slots + capacity * (int64_t)(sizeof *g->groups + sizeof *g->rest);
    if (bytes > g->room || capacity > INT32_MAX)
        return false;
    void *groups = realloc(g->groups, (size_t)capacity * sizeof *g->groups);
    g->groups = groups ? groups : g->groups;
    void *rest = realloc(g->rest, (size_t)capacity * sizeof *g->rest);
    g->rest = rest ? rest : g->rest;
    uint32_t *fresh = calloc((size_t)slots, sizeof *fresh);
    if (!groups || !rest || !fresh) {
        free(fresh);
        return false;
    }
    for (int64_t i = 0; i < g->count; i++) {
        uint32_t at = g->groups[i].hash & (uint32_t)(slots - 1);
        while (fresh[at])
            at = (at + 1) & (uint32_t)(slots - 1);
        fresh[at] = (uint32_t)i + 1;
    }
    free(g->slots);
    g->slots = fresh;
    g->slot_count = slots;
    g->capacity = capacity;
    return true;
}

static struct group *insert(struct fpg_groups *g, const struct key *key, uint32_t hash, uint32_t at)
{
    if (g->text_bytes > INT32_MAX - FPG_MOST_BYTES)
        return NULL;
    if (g->count == g->capacity) {
        if (!grow(g))
            return NULL;
        at = hash & (uint32_t)(g->slot_count - 1);
        while (g->slots[at])
            at = (at + 1) & (uint32_t)(g->slot_count - 1);
    }
    struct group *own = &g->groups[g->count];
    *own = (struct group){.first = key->words[0], .length = key->length, .hash = hash};
    memcpy(g->rest[g->count], key->words + 1, sizeof *g->rest);
    g->slots[at] = (uint32_t)++g->count;
    g->text_bytes += key->length == NO_TEXT ? 0 : key->length;
    return own;
}

static inline struct group *find(struct fpg_groups *g, const struct key *key, uint32_t hash)
{
    uint32_t mask = (uint32_t)(g->slot_count - 1), at = hash & mask;
    for (uint32_t slot; (slot = g->slots[at]); at = (at + 1) & mask) {
        struct group *own = &g->groups[slot - 1];
        if (own->first == key->words[0] && own->length == key->length &&
            (key->length <= 8 || !memcmp(g->rest[slot - 1], key->words + 1, sizeof *g->rest)))
            return own;
    }
    return insert(g, key, hash, at);
}

/* Bytes of the first characters: a byte that does not continue a character begins one. */
static uint32_t prefix_bytes(const uint8_t *text, int64_t length, int32_t characters)
{
    int64_t at = 0;
    for (; at < length && at < FPG_MOST_BYTES; at++)
        if ((text[at] & 0xC0) != 0x80 && characters-- == 0)
            break;
    return (uint32_t)at;
}

static inline void key_of(const struct fpg_groups *g, const uint8_t *text, int64_t length, int64_t left, struct key *key)
{
    int64_t most = length < g->characters ? length : g->characters;
    key->words[0] = 0;
    if (left >= 8)
        memcpy(key->words, text, 8);
    else
        memcpy(key->words, text, (size_t)left);
    uint64_t mask = most == 8 ? ~(uint64_t)0 : ((uint64_t)1 << 8 * most) - 1; /* the host is little-endian */
    if (!(key->words[0] & mask & HIGH_BITS)) {
        key->words[0] &= mask;
        key->length = (uint32_t)most;
        return;
    }
    key->length = prefix_bytes(text, length, g->characters);
    memset(key->words, 0, sizeof key->words);
    memcpy(key->words, text, key->length);
}

static inline bool there(const uint8_t *bitmap, int64_t bit) { return !bitmap || (bitmap[bit >> 3] >> (bit & 7) & 1); }

/* The keys of rows first .. first + count - 1, and their hashes. -2 where one lies outside the text. */
static int32_t keys_of(struct fpg_groups *g, const struct fpg_batch *b, int64_t first, int32_t count, struct key *keys,
                       uint32_t *hashes)
{
    for (int32_t n = 0; n < count; n++) {
        int64_t i = first + n;
        if (there(b->text_valid, b->text_first + i)) {
            int64_t from = b->offsets[i], to = b->offsets[i + 1];
            if (from < 0 || to < from || to > b->text_bytes)
                return -2;
            key_of(g, b->text + from, to - from, b->text_bytes - from, &keys[n]);
        } else {
            keys[n] = (struct key){{0}, NO_TEXT};
        }
        hashes[n] = hash_of(&keys[n]);
        __builtin_prefetch(&g->slots[hashes[n] & (uint32_t)(g->slot_count - 1)]);
    }
    return 0;
}

static void prefetch_groups(const struct fpg_groups *g, const uint32_t *hashes, int32_t count)
{
    for (int32_t n = 0; n < count; n++) {
        uint32_t slot = g->slots[hashes[n] & (uint32_t)(g->slot_count - 1)];
        __builtin_prefetch(&g->groups[slot ? slot - 1 : 0], 1);
    }
}

static inline void add(struct group *own, const struct fpg_batch *b, int64_t i)
{
    own->rows++;
    if (there(b->value_valid, b->value_first + i)) {
        double value = b->wide ? ((const double *)b->values)[i] : (double)((const float *)b->values)[i];
        own->numbers++;
        own->total += value;
        own->size += fabs(value);
    }
}

int32_t fpg_add(struct fpg_groups *g, const struct fpg_batch *b)
{
    struct key keys[BLOCK];
    uint32_t hashes[BLOCK];
    if (!g->capacity && !grow(g))
        return -1;
    for (int64_t first = 0; first < b->count; first += BLOCK) {
        int32_t count = b->count - first < BLOCK ? (int32_t)(b->count - first) : BLOCK;
        int32_t status = keys_of(g, b, first, count, keys, hashes);
        if (status)
            return status;
        prefetch_groups(g, hashes, count);
        for (int32_t n = 0; n < count; n++) {
            struct group *own = find(g, &keys[n], hashes[n]);
            if (!own)
                return -1;
            add(own, b, first + n);
        }
    }
    return 0;
}

int64_t fpg_count(const struct fpg_groups *g, int64_t *text_bytes)
{
    *text_bytes = g->text_bytes;
    return g->count;
}

int64_t fpg_read(const struct fpg_groups *g, uint8_t *text, int32_t *offsets, int64_t *rows, int64_t *numbers, double *totals,
                 double *sizes)
{
    int64_t nameless = -1;
    int32_t at = 0;
    for (int64_t i = 0; i < g->count; i++) {
        const struct group *own = &g->groups[i];
        offsets[i] = at;
        rows[i] = own->rows;
        numbers[i] = own->numbers;
        totals[i] = own->total;
        sizes[i] = own->size;
        if (own->length == NO_TEXT) {
            nameless = i;
            continue;
        }
        uint32_t low = own->length < 8 ? own->length : 8;
        memcpy(text + at, &own->first, low);
        memcpy(text + at + low, g->rest[i], own->length - low);
        at += (int32_t)own->length;
    }
    offsets[g->count] = at;
    return nameless;
}
