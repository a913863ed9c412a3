#include "cells.h"
#include <stdbool.h>
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

/* ---- reading ---- */

struct span {
    const uint8_t *at, *end;
};

/* False at the end of the span, or where a number is longer than 64 bits. */
static bool read_varint(struct span *s, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && s->at < s->end; shift += 7) {
        uint8_t byte = *s->at++;
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

/* The field that comes next, if its tag is `tag` and its length fits. */
static bool read_part(struct span *s, uint8_t tag, struct span *part)
{
    uint64_t length;
    if (s->at == s->end || *s->at != tag)
        return false;
    s->at++;
    if (!read_varint(s, &length) || length > (uint64_t)(s->end - s->at))
        return false;
    *part = (struct span){s->at, s->at + length};
    s->at = part->end;
    return true;
}

static bool read_index(const struct fpc_tags *tags, struct span part, uint64_t *index)
{
    *index = 0;
    if (part.at == part.end)
        return true;
    return *part.at++ == tags->number && read_varint(&part, index) && part.at == part.end;
}

static bool read_bits(const struct fpc_tags *tags, struct span part, uint64_t *value)
{
    struct span digits;
    *value = 0;
    if (!read_part(&part, tags->bits, &digits) || part.at != part.end)
        return false;
    for (; digits.at < digits.end; digits.at++) {
        if (*value >> 56)
            return false;
        *value = *value << 8 | *digits.at;
    }
    return true;
}

/* The fields of a register entry, each at most once, in any order. */
static bool read_entry(const struct fpc_tags *tags, struct span entry, uint64_t *id, uint64_t *index, uint64_t *value)
{
    struct span part;
    *id = *index = *value = 0;
    while (entry.at < entry.end) {
        bool fine = false;
        if (*entry.at == tags->head[0]) {
            entry.at++;
            fine = read_varint(&entry, id);
        } else if (*entry.at == tags->index) {
            fine = read_part(&entry, tags->index, &part) && read_index(tags, part, index);
        } else if (*entry.at == tags->data) {
            fine = read_part(&entry, tags->data, &part) && read_bits(tags, part, value);
        }
        if (!fine)
            return false;
    }
    return true;
}

int64_t fpc_read(const struct fpc_tags *tags, const uint8_t *bytes, int64_t length, const struct fpc_arrays *arrays)
{
    struct span all = {bytes, bytes + length}, entity, entry;
    uint64_t id, index, value;
    int64_t found = 0;
    int32_t row = 0;
    for (; all.at < all.end; found++) {
        if (!read_part(&all, tags->entities, &entity) || !read_part(&entity, tags->entry, &entry) ||
            entity.at != entity.end || !read_entry(tags, entry, &id, &index, &value))
            return -1;
        if (row >= arrays->count || arrays->ids[row] != id) /* cells of a register come one after the other */
            for (row = 0; row < arrays->count && arrays->ids[row] != id;)
                row++;
        if (row == arrays->count || index >= (uint64_t)arrays->size)
            return -1;
        int64_t place = row * arrays->size + (int64_t)index;
        if (arrays->seen[place])
            return -1;
        arrays->seen[place] = 1;
        arrays->values[place] = value;
    }
    return found;
}
