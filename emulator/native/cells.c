#include "cells.h"
#include <string.h>

static uint64_t cell(const uint8_t *at, int32_t width)
{
    uint32_t four;
    uint16_t two;
    uint64_t eight;
    switch (width) {
    case 1: return *at;
    case 2: memcpy(&two, at, 2); return two;
    case 4: memcpy(&four, at, 4); return four;
    default: memcpy(&eight, at, 8); return eight;
    }
}

/* Bytes of a number without leading zeros; at least one. */
static uint32_t bytes_of(uint64_t value) { return value ? 8 - (uint32_t)__builtin_clzll(value) / 8 : 1; }

static uint8_t *write_index(const struct fpc_tags *tags, uint32_t index, uint8_t *out)
{
    uint8_t *size = out + 1;
    out[0] = tags->index;
    out += 2;
    if (index) { /* protobuf leaves a zero out */
        *out++ = tags->number;
        for (; index > 127; index >>= 7)
            *out++ = (uint8_t)(index | 128);
        *out++ = (uint8_t)index;
    }
    *size = (uint8_t)(out - size - 1);
    return out;
}

int64_t fpc_write(const struct fpc_tags *tags, const uint8_t *cells, int64_t stride, int32_t width, uint32_t first,
                  int64_t count, uint8_t *out)
{
    const uint8_t *start = out;
    for (int64_t i = 0; i < count; i++, cells += stride) {
        uint64_t value = cell(cells, width);
        uint32_t used = bytes_of(value);
        uint8_t *entity = out;
        memcpy(out + 4, tags->head, FPC_MOST_HEAD);
        out = write_index(tags, first + (uint32_t)i, out + 4 + tags->head_size);
        out[0] = tags->data;
        out[1] = (uint8_t)(used + 2);
        out[2] = tags->bits;
        out[3] = (uint8_t)used;
        uint64_t digits = __builtin_bswap64(value << (64 - 8 * used)); /* the first `used` bytes of these are the number */
        memcpy(out + 4, &digits, 8);
        out += 4 + used;
        entity[0] = tags->entities;
        entity[1] = (uint8_t)(out - entity - 2);
        entity[2] = tags->entry;
        entity[3] = (uint8_t)(out - entity - 4);
    }
    return out - start;
}
