/* Native match tables: what compiled pipelines call to look a key up, and what the control plane calls to fill them.
 *
 * KEY. An array of 64-bit words. Every match field starts a fresh word; a field of W bits takes (W+63)/64 words, least
 * significant word first; bits above W are zero (the caller's duty, never checked on the fast path). So a table whose
 * fields are bit<9>, bit<128>, bit<32> has a key of 1 + 2 + 1 = 4 words.
 *
 * ENTRY. A look-up always returns an entry, never NULL: on a miss it is the table's default entry, whose `hit` is 0.
 * Action data follows the header: parameter words, each parameter from a fresh word as in the key, FPT_ENTRY_HEADER bytes
 * from the entry's start. The pointer is good until the table is next written; writes and look-ups exclude each other
 * (the runner's mutex, one batch at a time).
 *
 * ORDER. All fields exact: the one equal entry. Exactly one lpm field and the rest exact: the longest prefix. Otherwise
 * (any ternary or range field; an lpm field then counts as ternary with its prefix mask): the largest priority; equal
 * priorities: the lower handle. */
#ifndef FPISA_TABLES_H
#define FPISA_TABLES_H
#include <stdint.h>

enum fpt_kind { FPT_EXACT = 0, FPT_LPM = 1, FPT_TERNARY = 2, FPT_RANGE = 3 };

/* Answers of the writing functions; every refused write leaves the table as it was. */
enum fpt_status {
    FPT_OK = 0,
    FPT_EXISTS = -1,    /* same match (and, where priorities count, same priority), or the handle is taken */
    FPT_NOT_FOUND = -2, /* no entry with this handle */
    FPT_INVALID = -3,   /* value has bits outside its mask or width, prefix not contiguous, or low > high */
    FPT_NO_MEMORY = -4
};

struct fpt_field {
    uint16_t width; /* bits, 1..2048 */
    uint16_t kind;  /* enum fpt_kind; an optional field is FPT_TERNARY with a mask of all ones or zero */
};

struct fpt_entry {
    uint32_t action;   /* the owner's number of the action */
    uint32_t handle;   /* the owner's number of the entry; 0xffffffff in the default entry */
    uint32_t hit;      /* 1; 0 in the default entry */
    int32_t priority;
    uint64_t *counter; /* owner's memory: packets, bytes; NULL where the table has no direct counter */
    uint64_t last_hit; /* microseconds; written by the pipeline where the table has idle timeouts */
    /* uint64_t args[args_words] follows */
};
#define FPT_ENTRY_HEADER 32
#define FPT_DEFAULT_HANDLE 0xffffffff

struct fpt_table;

/* The only function on the packet path. `key` has fpt_key_words(table) words. */
struct fpt_entry *fpt_lookup(struct fpt_table *table, const uint64_t *key);

/* NULL when a field is malformed or memory is short. args_words: room for action data in every entry. */
struct fpt_table *fpt_new(const struct fpt_field *fields, int32_t n_fields, int32_t args_words);
void fpt_free(struct fpt_table *table);
int32_t fpt_key_words(const struct fpt_table *table);
int64_t fpt_count(const struct fpt_table *table);

/* value/mask: key words. exact: mask ignored. lpm: the prefix mask. ternary: value & ~mask must be 0. range: value is low,
 * mask is high, both inclusive. priority is ignored in exact and lpm tables. args: args_words words (NULL: zeros).
 * counter may be NULL. Handles are the owner's, below 2^31, dense from 0 for economy. */
int32_t fpt_insert(struct fpt_table *table, const uint64_t *value, const uint64_t *mask, int32_t priority,
                   uint32_t handle, uint32_t action, const uint64_t *args, uint64_t *counter);

/* n entries from row-major arrays (value[n][key_words], args[n][args_words], ...); NULL for mask, priority, args or
 * counter: as above (counter: row i's pair at counter + 2*handle[i]). Stops at the first refusal, whose status it
 * returns; *done says how many were inserted. */
int32_t fpt_insert_many(struct fpt_table *table, int64_t n, const uint64_t *value, const uint64_t *mask,
                        const int32_t *priority, const uint32_t *handle, const uint32_t *action, const uint64_t *args,
                        uint64_t *counter, int64_t *done);

int32_t fpt_modify(struct fpt_table *table, uint32_t handle, uint32_t action, const uint64_t *args);
int32_t fpt_delete(struct fpt_table *table, uint32_t handle);
int32_t fpt_delete_many(struct fpt_table *table, int64_t n, const uint32_t *handle, int64_t *done);
void fpt_clear(struct fpt_table *table); /* all entries; the default stays */
int32_t fpt_set_default(struct fpt_table *table, uint32_t action, const uint64_t *args, uint64_t *counter);

/* The entry with this handle, or NULL; for last_hit and for tests. */
struct fpt_entry *fpt_find(struct fpt_table *table, uint32_t handle);

/* Where a key word usually lies in a packet: eight bytes from `byte` on, read as a big-endian number, shifted right, masked. */
#define FPT_GUESS_WORDS 8
#define FPT_GUESS_REACH 512
struct fpt_guess_word {
    uint32_t byte;
    uint32_t shift;
    uint64_t mask;
    uint64_t constant; /* or'ed in */
};
struct fpt_guess {
    struct fpt_table *table;
    uint32_t least; /* bytes that a packet must have; above FPT_GUESS_REACH the guess is not used */
    uint32_t n_words; /* as many as the table's key has, at most FPT_GUESS_WORDS */
    struct fpt_guess_word words[FPT_GUESS_WORDS];
};

/* LOOKING AHEAD. Before a batch the keys of its packets are guessed and looked up together, where the table is large, so
 * that their memory arrives side by side. What was found lies in the table's rows, row i % FPT_AHEAD for packet i:
 *   all fields exact: one word, the address of an entry that may be the key's. It is if its own key, the key words
 *     behind its action data, equals the packet's.
 *   otherwise: the address of an entry (also the default entry), then the key words for which it is the answer.
 * Address 0: nothing was found out. A write to the table voids all rows. Whoever finds no fitting row calls fpt_lookup. */
#define FPT_AHEAD 512
uint64_t *fpt_ahead_rows(struct fpt_table *table); /* made at the first call; NULL when memory is short */

/* Called by whoever processes the batch at packets 0, FPT_CHUNK, 2 * FPT_CHUNK, ...: fills the rows of the chunk after this
 * one, and at packet 0 of this one as well. packets: struct fp_packet[n], of the whole batch. Tables whose rows were never
 * asked for are left out. */
#define FPT_CHUNK 64
struct fpt_guesses {
    const struct fpt_guess *list;
    int32_t n;
};
void fpt_look_ahead(const struct fpt_guesses *guesses, const void *packets, int32_t n, int32_t at);

/* Looks up n keys, row-major, and writes each winner's handle: tests and benchmarks without a compiled pipeline. Keys of
 * prefix and ternary tables go side by side, as when looking ahead. */
void fpt_lookup_many(struct fpt_table *table, int64_t n, const uint64_t *keys, uint32_t *handles);

/* For tests: ternary tables filled from now on do without instructions that only some processors have (1), or use them (0). */
void fpt_plain(int32_t on);
#endif
