/* Frames of the slot protocol: headers once per job, then what changes per chunk; results checked before they are believed. */
#include "worker_core.h"
#include <string.h>

#define VERSION 1
#define AT_FPISA 42
#define AT_POOL_INDEX (AT_FPISA + 6)
#define AT_CHUNK (AT_FPISA + 8)
#define AT_FLAGS (AT_FPISA + 12)
#define AT_EXPONENT (AT_FPISA + 13)
#define NO_EXPONENT (-128)

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}
static uint32_t get16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static uint32_t get32(const uint8_t *p) { return get16(p) << 16 | get16(p + 2); }

static void ip_checksum(uint8_t *ip)
{
    uint32_t sum = 0;
    for (int i = 0; i < 20; i += 2)
        sum += get16(ip + i);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    put16(ip + 10, ~sum);
}

void make_headers(struct lane *lane)
{
    const struct fpw_options *o = &lane->engine->options;
    uint8_t *h = lane->headers, *ip = h + 14, *udp = h + 34, *fpisa = h + AT_FPISA;
    uint32_t udp_bytes = 8 + 16 + lane->engine->payload;
    memset(h, 0, FPW_HEADERS);
    memcpy(h, o->switch_mac, 6);
    memcpy(h + 6, o->source_mac, 6);
    put16(h + 12, 0x0800);
    ip[0] = 0x45;
    put16(ip + 2, 20 + udp_bytes);
    ip[8] = 64;
    ip[9] = 17;
    put32(ip + 12, o->source_ip);
    put32(ip + 16, o->switch_ip);
    ip_checksum(ip);
    put16(udp, o->udp_port + (uint32_t)lane->queue);
    put16(udp + 2, o->switch_port);
    put16(udp + 4, udp_bytes);
    fpisa[0] = VERSION << 4;
    fpisa[1] = o->format;
    put16(fpisa + 2, o->job);
    fpisa[4] = o->rank;
    fpisa[5] = (uint8_t)lane->queue;
    put16(fpisa + 14, o->elements);
}

uint32_t pool_index_of(const struct lane *lane, int64_t chunk)
{
    uint32_t number = lane->first + (uint32_t)chunk;
    return (lane->share_first + slot_of(lane, number)) * 2 + round_of(lane, number) % 2;
}

/* The values of a block, in full or, at the end, in part. */
static uint32_t block_values(const struct lane *lane, int64_t block)
{
    int64_t left = lane->count - block * lane->engine->options.elements;
    return left < lane->engine->options.elements ? (uint32_t)left : lane->engine->options.elements;
}

static void encode(struct lane *lane, int64_t block, uint8_t *payload)
{
    const struct fpw_engine *engine = lane->engine;
    uint32_t n = block_values(lane, block), bytes = engine->options.value_bytes;
    const uint8_t *values = lane->values + (size_t)block * engine->payload;
    if (engine->representation == FPW_RAW)
        memcpy(payload, values, (size_t)n * bytes);
    else if (engine->representation == FPW_SWAPPED)
        fpw_swap(values, payload, n);
    else
        fpw_quantise((const float *)(const void *)values, payload, n, lane->scales[block]);
    if (n < engine->options.elements)
        memset(payload + (size_t)n * bytes, 0, (size_t)(engine->options.elements - n) * bytes);
}

void build_headers(struct lane *lane, int64_t chunk, uint8_t *frame)
{
    memcpy(frame, lane->headers, FPW_HEADERS);
    put16(frame + AT_POOL_INDEX, pool_index_of(lane, chunk));
    put32(frame + AT_CHUNK, lane->first + (uint32_t)chunk);
    if (lane->engine->representation == FPW_QUANTISED)
        frame[AT_EXPONENT] = (uint8_t)(chunk < lane->blocks ? lane->exponents[chunk] : NO_EXPONENT);
}

void build_frame(struct lane *lane, int64_t chunk, uint8_t *frame)
{
    build_headers(lane, chunk, frame);
    uint64_t start = begin_values(lane);
    if (chunk >= lane->lag)
        encode(lane, chunk - lane->lag, frame + FPW_HEADERS);
    else
        memset(frame + FPW_HEADERS, 0, lane->engine->payload);
    charge_values(lane, start);
}

bool sent_again(const struct received *frame) { return (frame->data[AT_FPISA] & 15) == 2; }

int64_t match_result(const struct lane *lane, const struct received *received)
{
    const uint8_t *f = received->data, *fpisa = f + AT_FPISA, *mine = lane->headers;
    if (received->segmented || received->length < lane->engine->frame)
        return -1;
    bool ours = get16(f + 12) == 0x0800 && f[14] == 0x45 && f[23] == 17 && !(get16(f + 20) & 0x3fff) &&
                get16(f + 36) == lane->engine->options.udp_port + (uint32_t)lane->queue &&
                get16(f + 38) == get16(mine + 38) && (fpisa[0] == (VERSION << 4 | 1) || fpisa[0] == (VERSION << 4 | 2)) &&
                !memcmp(fpisa + 1, mine + AT_FPISA + 1, 5) && get16(fpisa + 14) == lane->engine->options.elements;
    if (!ours)
        return -1;
    int64_t chunk = (uint32_t)(get32(f + AT_CHUNK) - lane->first);
    return chunk < lane->total && get16(f + AT_POOL_INDEX) == (pool_index_of(lane, chunk) & 0xffff) ? chunk : -1;
}

static void decode(struct lane *lane, int64_t block, const uint8_t *payload)
{
    const struct fpw_engine *engine = lane->engine;
    uint32_t n = block_values(lane, block);
    uint8_t *values = lane->values + (size_t)block * engine->payload;
    if (engine->representation == FPW_RAW)
        memcpy(values, payload, (size_t)n * engine->options.value_bytes);
    else if (engine->representation == FPW_SWAPPED)
        fpw_swap(payload, values, n);
    else
        fpw_dequantise(payload, (float *)(void *)values, n, lane->scales[block]);
}

void take_result(struct lane *lane, int64_t chunk, const uint8_t *frame, bool placed)
{
    lane->flags |= frame[AT_FLAGS];
    if (lane->engine->representation == FPW_QUANTISED && chunk < lane->blocks)
        lane->scales[chunk] = fpw_scale((int8_t)frame[AT_EXPONENT], lane->engine->options.workers);
    if (placed)
        return;
    uint64_t start = begin_values(lane);
    if (chunk >= lane->lag)
        decode(lane, chunk - lane->lag, frame + FPW_HEADERS);
    charge_values(lane, start);
}
