// Where the leading one of a number is, and how far it must move to become the hidden bit. Runs on readout only.
#ifndef FP_NORMALIZE_P4
#define FP_NORMALIZE_P4
#include "types.p4"

// A number on its way back to bits: value = magnitude >> right << left, with `field` as biased exponent (0:
// subnormal).
struct normalized_t {
    bool negative;
    exit_t magnitude;
    bit<16> field;
    bit<8> right;
    bit<8> left;
}

// The format's fraction bits, and the bits of the magnitude below them where the exponent is the field's.
control FpNormalize(in unrounded_t number, out normalized_t x)(bit<8> fraction_bits, bit<8> guard_bits) {
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
        x.negative = number.negative;
        x.magnitude = number.magnitude;
        leading_one.apply();

        int<16> m = (int<16>)(bit<16>)fraction_bits;
        int<16> g = (int<16>)(bit<16>)guard_bits;
        int<16> e = number.exponent;
        int<16> p = (int<16>)(bit<16>)position;
        int<16> normal = e + p - (m + g);
        bool subnormal = normal < 1;
        // A subnormal's shift depends on the exponent alone: p - M + (1 - normal).
        int<16> shift = subnormal ? 1 + g - e : p - m;
        x.field = subnormal ? 0 : (bit<16>)normal;
        x.right = shift > 0 ? (bit<8>)(bit<16>)shift : 0;
        x.left = shift < 0 ? (bit<8>)(bit<16>)(-shift) : 0;
    }
}

#endif
