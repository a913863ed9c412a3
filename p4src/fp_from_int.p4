// A signed 32-bit integer as a number to be rounded.
#ifndef FP_FROM_INT_P4
#define FP_FROM_INT_P4
#include "fp_operand.p4"

control FpFromInt(in int<32> integer, out unrounded_t result) {
    apply {
        result.negative = integer < 0;
        result.magnitude = (exit_t)(bit<32>)(result.negative ? -integer : integer);
        result.exponent = BIAS + FRACTION_BITS + GUARD_BITS;
        result.special = 0;
    }
}

#endif
