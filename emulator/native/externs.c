#include "externs.h"
#include <string.h>

static uint64_t reflect(uint64_t value, uint32_t width)
{
    uint64_t result = 0;
    for (uint32_t i = 0; i < width; i++)
        result |= (value >> i & 1) << (width - 1 - i);
    return result;
}

static uint64_t crc(const struct fpx_hash_spec *spec, const uint8_t *data, uint64_t n)
{
    uint32_t width = spec->width, shift = width - 8;
    uint64_t ones = width == 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1, value = spec->init;
    if (spec->reflect_in) {
        value = reflect(value, width);
        for (uint64_t i = 0; i < n; i++)
            value = spec->table[(value ^ data[i]) & 0xff] ^ value >> 8;
    } else {
        for (uint64_t i = 0; i < n; i++)
            value = spec->table[(value >> shift ^ data[i]) & 0xff] ^ (value << 8 & ones);
    }
    if (!spec->reflect_in != !spec->reflect_out)
        value = reflect(value, width);
    return value ^ spec->xor_out;
}

/* Big-endian words of `size` bytes, the last one filled with zeros. */
static uint64_t xor_words(const uint8_t *data, uint64_t n, uint32_t size)
{
    uint64_t result = 0;
    for (uint64_t i = 0; i < n; i++)
        result ^= (uint64_t)data[i] << 8 * (size - 1 - i % size);
    return result;
}

static uint64_t identity(const uint8_t *data, uint64_t n)
{
    uint64_t result = 0;
    for (uint64_t i = 0; i < n && i < 8; i++)
        result = result << 8 | data[i];
    return result;
}

static const uint64_t XX1 = 0x9E3779B185EBCA87, XX2 = 0xC2B2AE3D27D4EB4F, XX3 = 0x165667B19E3779F9, XX4 = 0x85EBCA77C2B2AE63,
                      XX5 = 0x27D4EB2F165667C5;

static inline uint64_t rotate(uint64_t value, int count) { return value << count | value >> (64 - count); }
static inline uint64_t xx_round(uint64_t lane, uint64_t word) { return rotate(lane + word * XX2, 31) * XX1; }
static inline uint64_t word64(const uint8_t *data)
{
    uint64_t word;
    memcpy(&word, data, sizeof word);
    return word;
}

static uint64_t xx_finish(uint64_t state, const uint8_t *data, uint64_t n)
{
    for (; n >= 8; data += 8, n -= 8)
        state = rotate(state ^ xx_round(0, word64(data)), 27) * XX1 + XX4;
    if (n >= 4) {
        uint32_t word;
        memcpy(&word, data, sizeof word);
        state = rotate(state ^ word * XX1, 23) * XX2 + XX3;
        data += 4;
        n -= 4;
    }
    for (; n; data++, n--)
        state = rotate(state ^ *data * XX5, 11) * XX1;
    state = (state ^ state >> 33) * XX2;
    state = (state ^ state >> 29) * XX3;
    return state ^ state >> 32;
}

static uint64_t xxh64(const uint8_t *data, uint64_t n)
{
    uint64_t state = XX5, left = n;
    if (n >= 32) {
        uint64_t lanes[4] = {XX1 + XX2, XX2, 0, -XX1};
        for (; left >= 32; data += 32, left -= 32)
            for (int i = 0; i < 4; i++)
                lanes[i] = xx_round(lanes[i], word64(data + 8 * i));
        state = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
        for (int i = 0; i < 4; i++)
            state = (state ^ xx_round(0, lanes[i])) * XX1 + XX4;
    }
    return xx_finish(state + n, data, left);
}

static const uint8_t TOEPLITZ_KEY[] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
                                       0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
                                       0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static uint64_t toeplitz(const uint8_t *data, uint64_t n)
{
    uint32_t result = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t window = 0; /* the 40 bits of the key from this byte on */
        for (uint64_t k = 0; k < 5; k++)
            window = window << 8 | TOEPLITZ_KEY[(i + k) % sizeof TOEPLITZ_KEY];
        for (int j = 0; j < 8; j++)
            if (data[i] & 0x80 >> j)
                result ^= (uint32_t)(window >> (8 - j));
    }
    return result;
}

static uint64_t next_number(struct fpx_random *source)
{
    if (source->next >= source->count) {
        source->refill();
        source->next = 0;
    }
    return source->numbers[source->next++];
}

uint64_t fpx_hash(struct fpx_hash_spec *spec, const uint8_t *data, uint64_t n)
{
    switch (spec->kind) {
    case FPX_CRC: return crc(spec, data, n);
    case FPX_XOR16: return xor_words(data, n, 2);
    case FPX_XOR32: return xor_words(data, n, 4);
    case FPX_XXH64: return xxh64(data, n);
    case FPX_TOEPLITZ: return toeplitz(data, n);
    case FPX_ROUND_ROBIN: return (uint32_t)spec->table[0]++;
    case FPX_RANDOM: return next_number((struct fpx_random *)(uintptr_t)spec->table[0]);
    default: return identity(data, n);
    }
}

uint64_t fpx_append(uint8_t *to, uint64_t at, const uint8_t *from, uint64_t bits)
{
    uint32_t shift = at & 7, rest = bits & 7;
    uint64_t n = (bits + 7) / 8;
    uint8_t carry = shift ? to[at / 8] : 0;
    to += at / 8;
    for (uint64_t i = 0; i < n; i++) {
        uint8_t byte = i == n - 1 && rest ? from[i] & (uint8_t)(0xff << (8 - rest)) : from[i];
        to[i] = carry | (uint8_t)(byte >> shift);
        carry = shift ? (uint8_t)(byte << (8 - shift)) : 0;
    }
    if (n && shift)
        to[n] = carry;
    return at + bits;
}

enum { METER_KIND, CIR, CBURST, PIR, PBURST, CTOKENS, PTOKENS, LAST };
enum { NOT_CONFIGURED, TWO_RATES, ONE_RATE };
enum { GREEN, YELLOW, RED };
#define MICRO ((__int128)1000000)

static int64_t least(__int128 tokens, int64_t burst)
{
    __int128 full = MICRO * burst;
    return (int64_t)(tokens < full ? tokens : full);
}

/* RFC 2698, colour-blind: the peak bucket first, then the committed one. */
static uint32_t two_rates(int64_t *row, __int128 earned, int64_t elapsed, __int128 cost)
{
    row[CTOKENS] = least(earned, row[CBURST]);
    row[PTOKENS] = least(row[PTOKENS] + (__int128)row[PIR] * elapsed, row[PBURST]);
    if (row[PTOKENS] < cost)
        return RED;
    row[PTOKENS] -= (int64_t)cost;
    if (row[CTOKENS] < cost)
        return YELLOW;
    row[CTOKENS] -= (int64_t)cost;
    return GREEN;
}

/* RFC 2697, colour-blind: what the committed bucket cannot hold flows into the excess bucket. */
static uint32_t one_rate(int64_t *row, __int128 earned, __int128 cost)
{
    row[CTOKENS] = least(earned, row[CBURST]);
    row[PTOKENS] = least(row[PTOKENS] + (earned - row[CTOKENS]), row[PBURST]);
    int bucket = row[CTOKENS] >= cost ? CTOKENS : PTOKENS;
    if (row[bucket] < cost)
        return RED;
    row[bucket] -= (int64_t)cost;
    return bucket == CTOKENS ? GREEN : YELLOW;
}

uint32_t fpx_meter(int64_t *row, int64_t units, int64_t now_us)
{
    if (row[METER_KIND] == NOT_CONFIGURED)
        return GREEN;
    int64_t last = row[LAST], elapsed = last >= 0 && now_us > last ? now_us - last : 0;
    __int128 earned = row[CTOKENS] + (__int128)row[CIR] * elapsed, cost = MICRO * units;
    row[LAST] = now_us > last ? now_us : last;
    return row[METER_KIND] == ONE_RATE ? one_rate(row, earned, cost) : two_rates(row, earned, elapsed, cost);
}

uint64_t fpx_draw(struct fpx_random *source, uint64_t span)
{
    uint64_t number = next_number(source);
    return (uint64_t)(((unsigned __int128)number * span + number) >> 64);
}
