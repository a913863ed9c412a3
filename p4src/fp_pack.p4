// The one exit door back to bits: shift, round, pack, and the special results.
#ifndef FP_PACK_P4
#define FP_PACK_P4
#include "fp_normalize.p4"
#include "fp_unpack.p4"

// A format, as arguments: where its sign is, its fraction bits, and what a result too large and a NaN become. The two
// are the same where there is no infinity.
#define OWN_FORMAT SIGN_BIT, FRACTION_BITS, OVERFLOW_BITS, QUIET_NAN_BITS

control FpPack(in unrounded_t number, in normalized_t x, out bit<32> word, inout flags_t flags)
              (bit<8> sign_bit, bit<8> fraction_bits, bit<32> overflow_bits, bit<32> nan_bits) {
    apply {
        exit_t significand = number.magnitude >> x.right;
#if ROUND_TO_NEAREST
        // Half of the last kept bit, less one unless that bit is odd: then the carry decides, ties to even.
        exit_t half = ((exit_t)1 << x.right) >> 1;
        exit_t carry = x.right == 0 ? 0 : half - 1 + (significand & 1);
        significand = (number.magnitude + carry) >> x.right;
#endif
        significand = significand << x.left;
        // The hidden bit is added onto the field less one, so a carry out of rounding moves the exponent up.
        bit<32> field = (bit<32>)(x.field == 0 ? 0 : x.field - 1);
        bit<32> finite = (field << fraction_bits) + (bit<32>)significand;
        bool zero = number.magnitude == 0;
        bool ordinary = number.special == 0;
        bool too_large = ordinary && !zero && finite >= overflow_bits;

        bool nan = (number.special & NOT_A_NUMBER) != 0 || number.special == (PLUS_INFINITY | MINUS_INFINITY);
        if (overflow_bits == nan_bits) { nan = nan || too_large; }
        bool negative = ordinary ? number.negative : number.special == MINUS_INFINITY;
        bit<32> unsigned_bits = !ordinary || too_large ? overflow_bits : (zero ? 0 : finite);
        bit<32> signed_bits = unsigned_bits | ((bit<32>)(negative ? 1w1 : 1w0) << sign_bit);
        word = nan ? nan_bits : signed_bits;
        flags = flags | (nan ? INVALID : 0) | (too_large ? OVERFLOW : 0);
    }
}

#endif
