// Products: the significands' is exact in twice their bits and rounds once, on its way out.
#ifndef FP_MULTIPLY_P4
#define FP_MULTIPLY_P4
#include "fp_operand.p4"

// Infinity times zero is no number.
control FpProductSpecial(in operand_t a, in operand_t b, out bool negative, out special_t special) {
    apply {
        negative = a.negative != b.negative;
        special_t either = a.special | b.special;
        bool zero = (a.special == 0 && a.significand == 0) || (b.special == 0 && b.significand == 0);
        special = negative ? MINUS_INFINITY : PLUS_INFINITY;
        if ((either & NOT_A_NUMBER) != 0 || zero) { special = NOT_A_NUMBER; }
        if (either == 0) { special = 0; }
    }
}

control FpMultiply(in operand_t a, in operand_t b, out unrounded_t result) {
    FpProductSpecial() product_special;

    apply {
        product_special.apply(a, b, result.negative, result.special);
        result.magnitude = (exit_t)a.significand * (exit_t)b.significand;
        result.exponent = a.exponent + b.exponent - (BIAS + FRACTION_BITS - GUARD_BITS);
    }
}

#endif
