/* One format's kernels for 32-bit mantissa registers: include with NAME(x), WORD, E and M defined.
 *
 * A register i is exponent[i], mantissa[i] and special[i] (1 +inf, 2 -inf, 4 NaN). Words without specials take
 * loops without branches, which the compiler turns into vector code; a block with a special in it takes
 * the element-wise path. Events are ORed over all elements: 1 inexact, 2 overflow, 8 overwritten, 16 left-shift
 * overflow. Shift distances are clamped to 31, which C defines; what a longer one would have shifted out is
 * then looked at apart. */

#define FIELD_MASK ((1u << E) - 1)
#define HIDDEN (1 << M)
#define MAGNITUDE_MASK ((1u << (E + M)) - 1)
#define FIRST_SPECIAL (FIELD_MASK << M)

/* The word's exponent and signed mantissa; it must not be special. */
static inline __attribute__((always_inline)) void NAME(split)(uint32_t word, int guard, int32_t *exponent,
                                                              int32_t *mantissa)
{
    int32_t field = (int32_t)(word >> M & FIELD_MASK);
    int32_t significand = (int32_t)(word & (HIDDEN - 1)) | (field ? HIDDEN : 0);
    int32_t sign = (int32_t)(word << (31 - E - M)) >> 31;
    *exponent = field ? field : 1;
    *mantissa = ((int32_t)((uint32_t)significand << guard) ^ sign) - sign;
}

/* 1 +inf, 2 -inf, 4 NaN, 0 a number. */
static inline uint8_t NAME(special)(uint32_t word)
{
    uint32_t magnitude = word & MAGNITUDE_MASK;
    if (magnitude < FIRST_SPECIAL)
        return 0;
    return magnitude > FIRST_SPECIAL ? 4 : (word >> (E + M) & 1) ? 2 : 1;
}

static inline __attribute__((always_inline)) int NAME(any_special)(const WORD *words, int64_t n)
{
    uint32_t top = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t magnitude = words[i] & MAGNITUDE_MASK;
        top = magnitude > top ? magnitude : top;
    }
    return top >= FIRST_SPECIAL;
}

/* lost: bits shifted out; over: the sign bit tells of a clamp; both ORed into. */
static inline __attribute__((always_inline)) void NAME(add_exact)(int32_t *exponent, int32_t *mantissa, int32_t e_in,
                                                                  int32_t m_in, int32_t *lost, int32_t *over)
{
    int32_t e = *exponent, m = *mantissa;
    int32_t rise = e_in - e, distance = rise < 0 ? -rise : rise;
    int32_t moved = rise > 0 ? m : m_in, still = rise > 0 ? m_in : m;
    int32_t top = rise > 0 ? e_in : e;
    int32_t near = distance > 31 ? 31 : distance;
    int32_t shifted = moved >> near;
    *lost |= (int32_t)((uint32_t)shifted << near) ^ moved;
    *lost |= moved & (31 - distance) >> 31;
    int32_t total = (int32_t)((uint32_t)shifted + (uint32_t)still);
    int32_t clamp = (shifted ^ total) & (still ^ total);
    *over |= clamp;
    *mantissa = clamp < 0 ? (still >> 31) ^ INT32_MAX : total;
    *exponent = top;
}

static inline __attribute__((always_inline)) void NAME(add_approx)(int32_t *exponent, int32_t *mantissa, int32_t e_in,
                                                                   int32_t m_in, int headroom, int32_t *lost,
                                                                   int32_t *over, int32_t *overwritten,
                                                                   int32_t *left_over)
{
    int32_t e = *exponent, m = *mantissa, distance = e_in - e;
    int32_t right = distance < 0 ? -distance : 0, near = right > 31 ? 31 : right;
    int32_t left = (distance < 0 ? 0 : distance) & ~((headroom - distance) >> 31);
    int32_t shifted = m_in >> near;
    *lost |= (int32_t)((uint32_t)shifted << near) ^ m_in;
    *lost |= m_in & (31 - right) >> 31;
    int32_t replaces = (headroom - distance) >> 31; /* all ones or zero: a mask, which vectorises */
    *overwritten |= m & replaces;
    int32_t base = m & ~replaces;
    int32_t operand = (int32_t)((uint32_t)shifted << left);
    int32_t total = (int32_t)((uint32_t)base + (uint32_t)operand);
    int32_t clamp = (base ^ total) & (operand ^ total);
    *over |= clamp;
    *left_over |= clamp & -left; /* only the sign bits matter */
    *mantissa = clamp < 0 ? (base >> 31) ^ INT32_MAX : total;
    *exponent = e + (distance & replaces);
}

VECTORISED uint32_t NAME(exact_block)(uint8_t *restrict exponents, int32_t *restrict mantissas,
                                      const WORD *restrict words, int64_t n, int guard)
{
    int32_t lost = 0, over = 0;
    if (NAME(any_special)(words, n))
        return SPECIAL_SEEN;
    for (int64_t i = 0; i < n; i++) {
        int32_t e_in, m_in, e = exponents[i], m = mantissas[i];
        NAME(split)(words[i], guard, &e_in, &m_in);
        NAME(add_exact)(&e, &m, e_in, m_in, &lost, &over);
        exponents[i] = (uint8_t)e;
        mantissas[i] = m;
    }
    return (lost ? INEXACT : 0) | (over < 0 ? OVERFLOW_ : 0);
}

VECTORISED uint32_t NAME(approx_block)(uint8_t *restrict exponents, int32_t *restrict mantissas,
                                       const WORD *restrict words, int64_t n, int guard, int headroom)
{
    int32_t lost = 0, over = 0, overwritten = 0, left_over = 0;
    if (NAME(any_special)(words, n))
        return SPECIAL_SEEN;
    for (int64_t i = 0; i < n; i++) {
        int32_t e_in, m_in, e = exponents[i], m = mantissas[i];
        NAME(split)(words[i], guard, &e_in, &m_in);
        NAME(add_approx)(&e, &m, e_in, m_in, headroom, &lost, &over, &overwritten, &left_over);
        exponents[i] = (uint8_t)e;
        mantissas[i] = m;
    }
    return (lost ? INEXACT : 0) | (over < 0 ? OVERFLOW_ : 0) | (overwritten ? INEXACT | OVERWRITTEN : 0)
           | (left_over < 0 ? LEFT_OVERFLOW : 0);
}

VECTORISED uint32_t NAME(first_block)(uint8_t *restrict exponents, int32_t *restrict mantissas,
                                      const WORD *restrict words, int64_t n, int guard)
{
    if (NAME(any_special)(words, n))
        return SPECIAL_SEEN;
    for (int64_t i = 0; i < n; i++) {
        int32_t e, m;
        NAME(split)(words[i], guard, &e, &m);
        exponents[i] = (uint8_t)e;
        mantissas[i] = m;
    }
    return 0;
}

/* Element by element, specials and all. shape: 0 exact, 1 approximate, 2 first. */
static uint32_t NAME(slow_block)(uint8_t *exponents, int32_t *mantissas, uint8_t *specials, const WORD *words,
                                 int64_t n, int guard, int headroom, int shape)
{
    int32_t lost = 0, over = 0, overwritten = 0, left_over = 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t e_in = 1, m_in = 0, e = exponents[i];
        uint8_t special = NAME(special)(words[i]);
        if (!special)
            NAME(split)(words[i], guard, &e_in, &m_in);
        if (shape == FIRST) {
            e = e_in;
            mantissas[i] = m_in;
        } else if (shape == EXACT) {
            NAME(add_exact)(&e, &mantissas[i], e_in, m_in, &lost, &over);
        } else {
            NAME(add_approx)(&e, &mantissas[i], e_in, m_in, headroom, &lost, &over, &overwritten, &left_over);
        }
        exponents[i] = (uint8_t)e;
        specials[i] = shape == FIRST ? special : specials[i] | special;
    }
    return (lost ? INEXACT : 0) | (over < 0 ? OVERFLOW_ : 0) | (overwritten ? INEXACT | OVERWRITTEN : 0)
           | (left_over < 0 ? LEFT_OVERFLOW : 0);
}

uint32_t NAME(add)(uint8_t *exponents, int32_t *mantissas, uint8_t *specials, const WORD *words, int64_t n,
                   int guard, int headroom, int shape)
{
    uint32_t events = 0;
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t count = n - at < BLOCK ? n - at : BLOCK;
        uint32_t seen;
        if (shape == FIRST)
            seen = NAME(first_block)(exponents + at, mantissas + at, words + at, count, guard);
        else if (shape == EXACT)
            seen = NAME(exact_block)(exponents + at, mantissas + at, words + at, count, guard);
        else
            seen = NAME(approx_block)(exponents + at, mantissas + at, words + at, count, guard, headroom);
        if (seen == SPECIAL_SEEN)
            seen = NAME(slow_block)(exponents + at, mantissas + at, specials + at, words + at, count, guard,
                                    headroom, shape);
        else if (shape == FIRST)
            memset(specials + at, 0, (size_t)count);
        events |= seen;
    }
    return events;
}

/* Normalise, round, pack; over: set where a result left the format's range. */
static inline __attribute__((always_inline)) uint32_t NAME(pack)(int32_t e, int32_t m, int guard, int nearest,
                                                                 uint32_t *over)
{
    uint32_t magnitude = m < 0 ? 0u - (uint32_t)m : (uint32_t)m;
    int32_t leading = 31 - (int32_t)COUNT_ZEROS(magnitude);
    int32_t field = e + leading - M - guard;
    int32_t distance = leading - M + (field < 1 ? 1 - field : 0);
    uint32_t right = distance > 0 ? (uint32_t)distance : 0, left = distance < 0 ? (uint32_t)-distance : 0;
    uint32_t kept = (magnitude << left) >> right;
    uint32_t rest = magnitude & ((1u << right) - 1), half = right ? 1u << (right - 1) : 0;
    uint32_t up = (uint32_t)(right > 0) & ((uint32_t)(rest > half) | ((uint32_t)(rest == half) & kept));
    uint32_t significand = kept + (nearest ? up & 1 : 0);
    uint32_t packed = field < 1 ? significand : ((uint32_t)field << M) + significand - HIDDEN;
    packed = magnitude ? packed : 0;
    uint32_t too_large = packed >= FIRST_SPECIAL;
    *over |= too_large;
    packed = too_large ? FIRST_SPECIAL : packed;
    return packed | (m < 0 ? 1u << (E + M) : 0);
}

VECTORISED uint32_t NAME(read_block)(const uint8_t *restrict exponents, const int32_t *restrict mantissas,
                                     WORD *restrict words, int64_t n, int guard, int nearest)
{
    uint32_t over = 0;
    for (int64_t i = 0; i < n; i++)
        words[i] = (WORD)NAME(pack)(exponents[i], mantissas[i], guard, nearest, &over);
    return over ? OVERFLOW_ : 0;
}

uint32_t NAME(read)(const uint8_t *exponents, const int32_t *mantissas, const uint8_t *specials, WORD *words,
                    int64_t n, int guard, int nearest)
{
    uint32_t status = 0;
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t count = n - at < BLOCK ? n - at : BLOCK;
        if (!any_set(specials + at, count)) {
            status |= NAME(read_block)(exponents + at, mantissas + at, words + at, count, guard, nearest);
            continue;
        }
        for (int64_t i = at; i < at + count; i++) {
            uint32_t over = 0, word = NAME(pack)(exponents[i], mantissas[i], guard, nearest, &over);
            uint8_t special = specials[i];
            int nan = special >= 3;
            if (special)
                word = nan ? FIRST_SPECIAL | HIDDEN >> 1 : FIRST_SPECIAL | (special == 2 ? 1u << (E + M) : 0);
            words[i] = (WORD)word;
            status |= (nan ? INVALID : 0) | (over && !special ? OVERFLOW_ : 0);
        }
    }
    return status;
}

#undef FIELD_MASK
#undef HIDDEN
#undef MAGNITUDE_MASK
#undef FIRST_SPECIAL
