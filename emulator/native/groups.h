/* Sums by the first characters of text, over Arrow columns: what a worker does to its rows before it packs them. One pass, an
 * open-addressing table; the same in SQL is workers/query/plans_combined.py. */
#ifndef FPISA_GROUPS_H
#define FPISA_GROUPS_H
#include <stdint.h>

#define FPG_MOST_CHARACTERS 8 /* of UTF-8, so 32 bytes */
#define FPG_MOST_BYTES 32

struct fpg_batch { /* Arrow columns of `count` rows. Bitmaps say which rows are there; NULL: all. */
    const uint8_t *text;
    int64_t text_bytes;
    const int32_t *offsets;    /* count + 1 */
    const void *values;        /* float, or double where `wide` */
    const uint8_t *text_valid; /* from bit text_first on */
    const uint8_t *value_valid;
    int64_t text_first, value_first, count;
    int32_t wide, spare;
};

struct fpg_groups;

/* room: bytes that it may take. NULL: memory is short. */
struct fpg_groups *fpg_open(int32_t characters, int64_t room);
void fpg_close(struct fpg_groups *groups);
/* 0; -1 where the groups need more than their room (nothing can be read then), -2 where offsets lie outside the text. */
int32_t fpg_add(struct fpg_groups *groups, const struct fpg_batch *batch);
int64_t fpg_count(const struct fpg_groups *groups, int64_t *text_bytes);
/* All groups in order of their first row, a column each: names (offsets has one more), number of rows, number of values that
 * are there, sum of these and of their magnitudes. Returns the group of rows without a text, or -1. */
int64_t fpg_read(const struct fpg_groups *groups, uint8_t *text, int32_t *offsets, int64_t *rows, int64_t *numbers,
                 double *totals, double *sizes);
#endif
