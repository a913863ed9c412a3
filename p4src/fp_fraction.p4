// A number that is not zero as (1 + fraction / 2^M) * 2^power: what a function by table needs of it. Subnormals are
// normalised on the way.
#ifndef FP_FRACTION_P4
#define FP_FRACTION_P4
#include "fp_operand.p4"

typedef bit<FRACTION_BITS> fraction_t;

struct fraction_of_t {
    int<16> power;
    fraction_t fraction;
}

control FpFraction(in operand_t x, out fraction_of_t y) {
    bit<8> position;

    action found(bit<8> bit_index) { position = bit_index; }
    // As in FpNormalize.
    table leading_one {
        key = { x.significand : lpm @name("magnitude"); }
        actions = { found; }
        default_action = found(0);
        size = 32;
    }

    apply {
        leading_one.apply();
        y.power = x.exponent + (int<16>)(bit<16>)position - (BIAS + FRACTION_BITS);
        // The leading one becomes the hidden bit, which the cast drops.
        y.fraction = (fraction_t)(x.significand << (FRACTION_BITS - position));
    }
}

#endif
