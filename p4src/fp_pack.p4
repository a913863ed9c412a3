// The one exit door back to bits: shift, round, pack, and the special results.
#ifndef FP_PACK_P4
#define FP_PACK_P4
#include "fp_normalize.p4"
#include "fp_unpack.p4"

control FpPack(in normalized_t x, in special_t special, out value_t value, inout flags_t flags) {
    apply {
        magnitude_t significand = x.magnitude >> x.right;
#if ROUND_TO_NEAREST
        // Half of the last kept bit, less one unless that bit is odd: then the carry decides, ties to even.
        magnitude_t half = ((magnitude_t)1 << x.right) >> 1;
        magnitude_t carry = x.right == 0 ? 0 : half - 1 + (significand & 1);
        significand = (x.magnitude + carry) >> x.right;
#endif
        significand = significand << x.left;
        // The hidden bit is added onto the field less one, so a carry out of rounding moves the exponent up.
        bit<32> field = (bit<32>)(x.field == 0 ? 0 : x.field - 1);
        bit<32> finite = (field << FRACTION_BITS) + (bit<32>)significand;
        bool zero = x.magnitude == 0;
        bool ordinary = special == 0;
        bool too_large = ordinary && !zero && finite >= OVERFLOW_BITS;

        bool nan = (special & NOT_A_NUMBER) != 0 || special == (PLUS_INFINITY | MINUS_INFINITY);
#if !HAS_INFINITY
        nan = nan || too_large;
#endif
        bool negative = ordinary ? x.negative : special == MINUS_INFINITY;
        bit<32> unsigned_bits = !ordinary || too_large ? OVERFLOW_BITS : (zero ? 0 : finite);
        bit<32> signed_bits = unsigned_bits | ((bit<32>)(negative ? 1w1 : 1w0) << SIGN_BIT);
        value = (value_t)(nan ? QUIET_NAN_BITS : signed_bits);
        flags = flags | (nan ? INVALID : 0) | (too_large ? OVERFLOW : 0);
    }
}

#endif
