// The square root by table. Zeros stay; what is below zero has none.
#ifndef FP_SQRT_P4
#define FP_SQRT_P4
#include "fp_table.p4"

control FpSquareRoot(in operand_t x, in fraction_of_t parts, out unrounded_t result) {
    LOOK_UP() root_even;  // of 1 + fraction, for even powers of two
    LOOK_UP() root_odd;   // of 2 + 2 * fraction; both with FRACTION_BITS + 1 places

    apply {
        entry_t value;
        if (parts.power[0:0] == 0) {
            root_even.apply(table_index(parts.fraction), value);
        } else {
            root_odd.apply(table_index(parts.fraction), value);
        }
        result.negative = x.negative;
        result.magnitude = x.significand == 0 ? 0 : (exit_t)value;
        result.exponent = BIAS + GUARD_BITS - 1 + (parts.power >> 1);
        result.special = x.special;
        if (x.negative && (x.special != 0 || x.significand != 0)) { result.special = NOT_A_NUMBER; }
    }
}

#endif
