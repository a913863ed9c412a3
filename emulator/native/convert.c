/* The baseline's arithmetic: block exponent, quantisation with byte swap, and back. Vector code is chosen once, by what the
 * processor has; the plain code is what it must equal. */
#include "worker.h"
#include <immintrin.h>
#include <math.h>
#include <string.h>

static int32_t exponent_of_bits(uint32_t largest) { return (int32_t)(largest >> 23) - 126; }

float fpw_scale(int32_t exponent, int32_t workers)
{
    float scale = (float)ldexp(2147483647.0 / workers, -exponent);
    return isfinite(scale) ? scale : 0;
}

/* ---- plain ---- */

static uint32_t largest_plain(const float *values, int64_t n)
{
    uint32_t largest = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, 4);
        bits &= 0x7fffffff;
        largest = bits > largest ? bits : largest;
    }
    return largest;
}

static void quantise_plain(const float *values, uint8_t *out, int64_t n, float scale)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t word = __builtin_bswap32((uint32_t)_mm_cvtss_si32(_mm_set_ss(values[i] * scale)));
        memcpy(out + 4 * i, &word, 4);
    }
}

static void dequantise_plain(const uint8_t *in, float *values, int64_t n, float divisor)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t word;
        memcpy(&word, in + 4 * i, 4);
        values[i] = (float)(int32_t)__builtin_bswap32(word) / divisor;
    }
}

/* ---- AVX2 ---- */

#define SWAP_LANE 12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3

__attribute__((target("avx2"))) static uint32_t largest_avx2(const float *values, int64_t n)
{
    __m256i largest = _mm256_setzero_si256(), magnitude = _mm256_set1_epi32(0x7fffffff);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        largest = _mm256_max_epu32(largest,
                                   _mm256_and_si256(_mm256_loadu_si256((const void *)(values + i)), magnitude));
    uint32_t lanes[8], result = largest_plain(values + i, n - i);
    _mm256_storeu_si256((void *)lanes, largest);
    for (int lane = 0; lane < 8; lane++)
        result = lanes[lane] > result ? lanes[lane] : result;
    return result;
}

__attribute__((target("avx2"))) static void quantise_avx2(const float *values, uint8_t *out, int64_t n, float scale)
{
    const __m256i swap = _mm256_set_epi8(SWAP_LANE, SWAP_LANE);
    const __m256 factor = _mm256_set1_ps(scale);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i integers = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(values + i), factor));
        _mm256_storeu_si256((void *)(out + 4 * i), _mm256_shuffle_epi8(integers, swap));
    }
    quantise_plain(values + i, out + 4 * i, n - i, scale);
}

__attribute__((target("avx2"))) static void dequantise_avx2(const uint8_t *in, float *values, int64_t n, float divisor)
{
    const __m256i swap = _mm256_set_epi8(SWAP_LANE, SWAP_LANE);
    const __m256 by = _mm256_set1_ps(divisor);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i integers = _mm256_shuffle_epi8(_mm256_loadu_si256((const void *)(in + 4 * i)), swap);
        _mm256_storeu_ps(values + i, _mm256_div_ps(_mm256_cvtepi32_ps(integers), by));
    }
    dequantise_plain(in + 4 * i, values + i, n - i, divisor);
}

/* ---- AVX-512 ---- */

#define SWAP_512                                                                                                       \
    _mm512_broadcast_i32x4(_mm_set_epi8(SWAP_LANE))

__attribute__((target("avx512f,avx512bw"))) static void quantise_avx512(const float *values, uint8_t *out, int64_t n,
                                                                        float scale)
{
    const __m512i swap = SWAP_512;
    const __m512 factor = _mm512_set1_ps(scale);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512i integers = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(values + i), factor));
        _mm512_storeu_si512(out + 4 * i, _mm512_shuffle_epi8(integers, swap));
    }
    quantise_plain(values + i, out + 4 * i, n - i, scale);
}

__attribute__((target("avx512f,avx512bw"))) static void dequantise_avx512(const uint8_t *in, float *values, int64_t n,
                                                                          float divisor)
{
    const __m512i swap = SWAP_512;
    const __m512 by = _mm512_set1_ps(divisor);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512i integers = _mm512_shuffle_epi8(_mm512_loadu_si512(in + 4 * i), swap);
        _mm512_storeu_ps(values + i, _mm512_div_ps(_mm512_cvtepi32_ps(integers), by));
    }
    dequantise_plain(in + 4 * i, values + i, n - i, divisor);
}

/* ---- choice ---- */

static int chosen = -1;

static int widest(void) { return __builtin_cpu_supports("avx512bw") ? 2 : __builtin_cpu_supports("avx2") ? 1 : 0; }

static int level(void)
{
    if (chosen < 0)
        chosen = widest();
    return chosen;
}

int32_t fpw_set_vectors(int32_t wanted)
{
    chosen = wanted < 0 || wanted > widest() ? widest() : wanted;
    return chosen;
}

int32_t fpw_exponent(const float *values, int64_t n)
{
    return exponent_of_bits(level() ? largest_avx2(values, n) : largest_plain(values, n));
}

void fpw_quantise(const float *values, uint8_t *out, int64_t n, float scale)
{
    if (level() == 2)
        quantise_avx512(values, out, n, scale);
    else if (level() == 1)
        quantise_avx2(values, out, n, scale);
    else
        quantise_plain(values, out, n, scale);
}

void fpw_dequantise(const uint8_t *in, float *values, int64_t n, float scale)
{
    float divisor = scale == 0 ? INFINITY : scale;
    if (level() == 2)
        dequantise_avx512(in, values, n, divisor);
    else if (level() == 1)
        dequantise_avx2(in, values, n, divisor);
    else
        dequantise_plain(in, values, n, divisor);
}

__attribute__((target("avx2"))) static void swap_avx2(const uint8_t *from, uint8_t *to, int64_t n)
{
    const __m256i swap = _mm256_set_epi8(SWAP_LANE, SWAP_LANE);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_si256((void *)(to + 4 * i),
                            _mm256_shuffle_epi8(_mm256_loadu_si256((const void *)(from + 4 * i)), swap));
    for (; i < n; i++) {
        uint32_t word;
        memcpy(&word, from + 4 * i, 4);
        word = __builtin_bswap32(word);
        memcpy(to + 4 * i, &word, 4);
    }
}

void fpw_swap(const void *from, void *to, int64_t n)
{
    if (level()) {
        swap_avx2(from, to, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        uint32_t word;
        memcpy(&word, (const uint8_t *)from + 4 * i, 4);
        word = __builtin_bswap32(word);
        memcpy((uint8_t *)to + 4 * i, &word, 4);
    }
}
