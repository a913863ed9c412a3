/* Adding vectors of floats into FPISA registers (32-bit mantissas), and reading them, for the IEEE-like formats. */
#include <stdint.h>
#include <string.h>

enum { INEXACT = 1, OVERFLOW_ = 2, INVALID = 4, OVERWRITTEN = 8, LEFT_OVERFLOW = 16 };
enum { EXACT = 0, APPROX = 1, FIRST = 2 };

/* Not an event: a block holds infinities or NaN and has not been touched. */
#define SPECIAL_SEEN 0x80000000u

/* Elements between two looks for specials: words and registers of a block stay in the first-level cache. */
#define BLOCK 2048

/* One copy of the hot loops per instruction set, chosen when the library is loaded: the same build runs on
 * any x86-64. Elsewhere the baseline has vectors already. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) && __GNUC__ >= 12
#define VECTORISED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), noinline)) static
#elif defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) && __GNUC__ >= 6
/* Older compilers know the instruction sets, not the levels. */
#define VECTORISED __attribute__((target_clones("avx512f", "avx2", "default"), noinline)) static
#else
#define VECTORISED __attribute__((noinline)) static
#endif

#define COUNT_ZEROS(x) ((x) ? __builtin_clz(x) : 32)

static int any_set(const uint8_t *bytes, int64_t n)
{
    uint8_t all = 0;
    for (int64_t i = 0; i < n; i++)
        all |= bytes[i];
    return all != 0;
}

#define WORD uint32_t
#define E 8
#define M 23
#define NAME(x) fp32_##x
#include "accumulate.h"
#undef WORD
#undef E
#undef M
#undef NAME

#define WORD uint16_t
#define E 5
#define M 10
#define NAME(x) fp16_##x
#include "accumulate.h"
#undef E
#undef M
#undef NAME

#define E 8
#define M 7
#define NAME(x) bf16_##x
#include "accumulate.h"
