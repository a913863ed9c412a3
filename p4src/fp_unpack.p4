// Bits to exponent, signed mantissa and special bits. Zero and subnormals need no case of their own:
// they have no hidden bit and the exponent 1.
#ifndef FP_UNPACK_P4
#define FP_UNPACK_P4
#include "types.p4"

#define SIGN_BIT (VALUE_BITS - 1)
const exponent_t LARGEST_FIELD = (1 << EXPONENT_BITS) - 1;
const magnitude_t HIDDEN_BIT = 1 << FRACTION_BITS;

// What a result too large becomes, itself the smallest pattern that is no number; and the canonical NaN.
#if HAS_INFINITY
const bit<32> OVERFLOW_BITS = ((1 << EXPONENT_BITS) - 1) << FRACTION_BITS;
const bit<32> QUIET_NAN_BITS = OVERFLOW_BITS + (1 << (FRACTION_BITS - 1));
#else
const bit<32> OVERFLOW_BITS = (1 << (EXPONENT_BITS + FRACTION_BITS)) - 1;
const bit<32> QUIET_NAN_BITS = OVERFLOW_BITS;
#endif

control FpUnpack(in value_t value, out accumulator_t x) {
    apply {
        bool negative = value[SIGN_BIT:SIGN_BIT] == 1;
        exponent_t field = (exponent_t)value[SIGN_BIT - 1:FRACTION_BITS];
        magnitude_t fraction = (magnitude_t)value[FRACTION_BITS - 1:0];
#if HAS_INFINITY
        bool special = field == LARGEST_FIELD;
#else
        bool special = field == LARGEST_FIELD && fraction == HIDDEN_BIT - 1;
#endif
        bool hidden = field != 0;

        magnitude_t significand = (hidden ? HIDDEN_BIT : 0) | fraction;
        mantissa_t magnitude = (mantissa_t)((special ? 0 : significand) << GUARD_BITS);
        exponent_t scale = hidden ? field : 1;
        x.exponent = special ? 1 : scale;
        x.mantissa = negative ? -magnitude : magnitude;
        x.special = !special ? 0
            : (fraction != 0 ? NOT_A_NUMBER : (negative ? MINUS_INFINITY : PLUS_INFINITY));
    }
}

#endif
