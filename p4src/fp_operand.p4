// A float taken apart for anything but a sum: sign and significand beside each other, so that -0 keeps its sign.
#ifndef FP_OPERAND_P4
#define FP_OPERAND_P4
#include "fp_unpack.p4"

typedef bit<(FRACTION_BITS + 1)> significand_t;
const int<16> BIAS = (1 << (EXPONENT_BITS - 1)) - 1;

// significand * 2^(exponent - BIAS - FRACTION_BITS), unless a special bit is set.
struct operand_t {
    bool negative;
    significand_t significand;
    int<16> exponent;
    special_t special;
}

control FpOperand(in value_t value, out operand_t x) {
    FpUnpack() unpack;

    apply {
        accumulator_t number;
        unpack.apply(value, number);
        x.negative = value[SIGN_BIT:SIGN_BIT] == 1;
        mantissa_t magnitude = x.negative ? -number.mantissa : number.mantissa;
        x.significand = (significand_t)((magnitude_t)magnitude >> GUARD_BITS);
        x.exponent = (int<16>)(bit<16>)number.exponent;
        x.special = number.special;
    }
}

#endif
