// The exit door of single operations: as a sum's, and INEXACT where this rounding dropped a bit.
#ifndef FP_ROUND_P4
#define FP_ROUND_P4
#include "fp_normalize.p4"
#include "fp_pack.p4"

control FpRound(in unrounded_t number, out bit<32> word, inout flags_t flags)
               (bit<8> guard_bits,
                bit<8> sign_bit, bit<8> fraction_bits, bit<32> overflow_bits, bit<32> nan_bits) {
    FpNormalize(fraction_bits, guard_bits) normalize;
    FpPack(sign_bit, fraction_bits, overflow_bits, nan_bits) pack;

    apply {
        normalized_t x;
        normalize.apply(number, x);
        pack.apply(number, x, word, flags);
        bool dropped = (number.magnitude >> x.right) << x.right != number.magnitude;
        flags = flags | (dropped || (flags & OVERFLOW) != 0 ? INEXACT : 0);
    }
}

#endif
