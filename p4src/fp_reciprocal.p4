// 1 / x by table. Zeros give infinities and infinities zeros, with their signs.
#ifndef FP_RECIPROCAL_P4
#define FP_RECIPROCAL_P4
#include "fp_table.p4"

control FpReciprocal(in operand_t x, in fraction_of_t parts, out unrounded_t result, out flags_t flags) {
    LOOK_UP() reciprocal;  // of 1 + fraction, in (1/2, 1]: FRACTION_BITS + 2 places

    apply {
        entry_t value;
        reciprocal.apply(table_index(parts.fraction), value);
        bool zero = x.special == 0 && x.significand == 0;
        result.negative = x.negative;
        // The reciprocal of an infinity is a zero: no magnitude, and no special bit.
        result.magnitude = x.special != 0 || zero ? 0 : (exit_t)value;
        result.exponent = BIAS + GUARD_BITS - 2 - parts.power;
        result.special = x.special & NOT_A_NUMBER;
        flags = 0;
        if (zero) {
#if HAS_INFINITY
            result.special = x.negative ? MINUS_INFINITY : PLUS_INFINITY;
#else
            result.special = NOT_A_NUMBER;
#endif
            flags = OVERFLOW;
        }
    }
}

#endif
