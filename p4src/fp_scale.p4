// Times a power of two: only the exponent changes, and a bit is lost only where the result is subnormal.
#ifndef FP_SCALE_P4
#define FP_SCALE_P4
#include "fp_operand.p4"

// Far enough for every format's largest number to become zero, and for its smallest to overflow.
const int<16> LEAST_EXPONENT = -200;
const int<16> LARGEST_EXPONENT = 300;

control FpScale(in operand_t x, in int<16> power, out unrounded_t result) {
    apply {
        int<16> exponent = x.exponent |+| power;
        if (exponent < LEAST_EXPONENT) { exponent = LEAST_EXPONENT; }
        if (exponent > LARGEST_EXPONENT) { exponent = LARGEST_EXPONENT; }
        result.negative = x.negative;
        result.magnitude = (exit_t)x.significand;
        result.exponent = exponent + GUARD_BITS;
        result.special = x.special;
    }
}

#endif
