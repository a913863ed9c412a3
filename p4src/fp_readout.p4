// An accumulator as a number to be rounded: as it is, or times a constant.
#ifndef FP_READOUT_P4
#define FP_READOUT_P4
#include "types.p4"

control FpReadout(in accumulator_t sum, out unrounded_t number) {
    apply {
        number.negative = sum.mantissa < 0;
        number.magnitude = (exit_t)(magnitude_t)(number.negative ? -sum.mantissa : sum.mantissa);
        number.exponent = (int<16>)(bit<16>)sum.exponent;
        number.special = sum.special;
    }
}

// The product is exact, so sum and constant round once, together. Needs 32 more EXIT_BITS than the register has.
control FpAverage(in accumulator_t sum, in average_t average, out unrounded_t number) {
    FpReadout() readout;

    apply {
        readout.apply(sum, number);
        number.magnitude = number.magnitude * (exit_t)average.constant;
        number.exponent = number.exponent - (int<16>)(bit<16>)average.shift;
    }
}

#endif
