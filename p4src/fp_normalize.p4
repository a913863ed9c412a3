// Where the leading one of a number is, and how far it must move to become the hidden bit. Runs on readout only.
#ifndef FP_NORMALIZE_P4
#define FP_NORMALIZE_P4
#include "types.p4"

// How a magnitude becomes a significand: magnitude >> right << left, with `field` as biased exponent (0: subnormal).
struct normalized_t {
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
        key = { number.magnitude : lpm @name("magnitude"); }
        actions = { found; }
        default_action = found(0);
        size = 128;
    }

    apply {
        leading_one.apply();

        int<16> p = (int<16>)(bit<16>)position;
        int<16> normal = number.exponent + p - (int<16>)(bit<16>)(fraction_bits + guard_bits);
        bool subnormal = normal < 1;
        // A subnormal's shift depends on the exponent alone: p - M + (1 - normal).
        int<16> shift = subnormal
            ? (int<16>)(bit<16>)(guard_bits + 1) - number.exponent
            : p - (int<16>)(bit<16>)fraction_bits;
        x.field = subnormal ? 0 : (bit<16>)normal;
        x.right = shift > 0 ? (bit<8>)(bit<16>)shift : 0;
        x.left = shift < 0 ? (bit<8>)(bit<16>)(-shift) : 0;
    }
}

#endif
