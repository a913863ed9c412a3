// The one exit door back to bits: shift, round, pack, and the special results.
#ifndef FP_PACK_P4
#define FP_PACK_P4
#include "fp_normalize.p4"
#include "fp_unpack.p4"

const bit<32> INFINITY_BITS = ((1 << EXPONENT_BITS) - 1) << FRACTION_BITS;
const bit<32> QUIET_NAN_BITS = INFINITY_BITS + (1 << (FRACTION_BITS - 1));

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
        bool too_large = finite >= INFINITY_BITS;
        bool zero = x.magnitude == 0;

        bool nan = (special & NOT_A_NUMBER) != 0 || special == (PLUS_INFINITY | MINUS_INFINITY);
        bool infinite = special != 0 || too_large;
        bool negative = special != 0 ? special == MINUS_INFINITY : x.negative;
        bit<32> unsigned_bits = infinite ? INFINITY_BITS : finite;
        value_t signed_bits = (value_t)unsigned_bits | ((value_t)(negative ? 1w1 : 1w0) << (VALUE_BITS - 1));
        value_t ordinary = zero && special == 0 ? 0 : signed_bits;
        value = nan ? (value_t)QUIET_NAN_BITS : ordinary;

        flags = flags | (nan ? INVALID : 0) | (special == 0 && !zero && too_large ? OVERFLOW : 0);
    }
}

#endif
