// A float as a signed 32-bit integer: clamped where too large and 0 for NaN, both with INVALID.
#ifndef FP_TO_INT_P4
#define FP_TO_INT_P4
#include "fp_operand.p4"

// nearest: to nearest, ties to even; otherwise toward zero, as C's conversion.
control FpToInt(in operand_t x, in bool nearest, out int<32> integer, out flags_t flags) {
    apply {
        // The point's distance from the last bit, up to the significand's left by as much as makes any but 0 too large.
        int<16> places = BIAS + FRACTION_BITS - x.exponent;
        bit<8> right = places > 0 ? (bit<8>)(bit<16>)places : 0;
        bit<8> left = places < -32 ? 32 : (places < 0 ? (bit<8>)(bit<16>)(-places) : 0);
        bit<64> magnitude = (bit<64>)x.significand;
        bit<64> kept = magnitude >> right;
        bool dropped = kept << right != magnitude;
        bit<64> half = ((bit<64>)1 << right) >> 1;
        bit<64> carry = right == 0 || !nearest ? 0 : half - 1 + (kept & 1);
        bit<64> whole = ((magnitude + carry) >> right) << left;

        bit<64> limit = x.negative ? 64w0x80000000 : 64w0x7fffffff;
        bool clamped = whole > limit;
        flags = dropped ? INEXACT : 0;
        if (x.special == NOT_A_NUMBER) {
            whole = 0;
            flags = INVALID;
        } else if (x.special != 0 || clamped) {
            whole = limit;
            flags = INVALID;
        }
        bit<32> low = (bit<32>)whole;
        integer = (int<32>)(x.negative && x.special != NOT_A_NUMBER ? -low : low);
    }
}

#endif
