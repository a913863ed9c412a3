// Where the leading one of a sum is, and how far it must move to become the hidden bit. Runs on readout only.
#ifndef FP_NORMALIZE_P4
#define FP_NORMALIZE_P4
#include "types.p4"

// A sum on its way back to bits: value = magnitude >> right << left, with `field` as biased exponent (0:
// subnormal).
struct normalized_t {
    bool negative;
    magnitude_t magnitude;
    bit<16> field;
    bit<8> right;
    bit<8> left;
}

control FpNormalize(in accumulator_t sum, out normalized_t x) {
    bit<8> position;

    action found(bit<8> bit_index) { position = bit_index; }
    // The controller installs, for every bit b, the prefix 0...01 ending at bit b -> found(b).
    table leading_one {
        key = { x.magnitude : lpm @name("magnitude"); }
        actions = { found; }
        default_action = found(0);
        size = 128;
    }

    apply {
        x.negative = sum.mantissa < 0;
        x.magnitude = (magnitude_t)(x.negative ? -sum.mantissa : sum.mantissa);
        leading_one.apply();

        int<16> e = (int<16>)(bit<16>)sum.exponent;
        int<16> p = (int<16>)(bit<16>)position;
        int<16> normal = e + p - (FRACTION_BITS + GUARD_BITS);
        bool subnormal = normal < 1;
        // A subnormal's shift depends on the exponent alone: p - M + (1 - normal).
        int<16> shift = subnormal ? 1 + GUARD_BITS - e : p - FRACTION_BITS;
        x.field = subnormal ? 0 : (bit<16>)normal;
        x.right = shift > 0 ? (bit<8>)(bit<16>)shift : 0;
        x.left = shift < 0 ? (bit<8>)(bit<16>)(-shift) : 0;
    }
}

#endif
