// FPISA's exact register add: whichever mantissa has the smaller exponent is shifted right, the stored one
// included. Hardware needs a unit that reads, shifts, adds and writes in one stage.
#ifndef FP_ADD_P4
#define FP_ADD_P4
#include "fp_unpack.p4"

control FpAdd(in accumulator_t x, in index_t index, in bool first,
              out accumulator_t sum, inout residue_t residue) {
    register<exponent_t>(POOL) exponent;
    register<magnitude_t>(POOL) mantissa;
    register<special_t>(POOL) special;

    apply {
        exponent_t e;
        magnitude_t m_bits;
        special_t s;
        exponent.read(e, index);
        mantissa.read(m_bits, index);
        special.read(s, index);

        // Zero at the newcomer's own exponent: adding to that is overwriting.
        e = first ? x.exponent : e;
        mantissa_t m = (mantissa_t)(first ? 0 : m_bits);
        s = first ? 0 : s;

        bool rises = x.exponent > e;
        exponent_t distance = rises ? x.exponent - e : e - x.exponent;
        mantissa_t lower = rises ? m : x.mantissa;
        mantissa_t upper = rises ? x.mantissa : m;
        mantissa_t aligned = lower >> distance;
        mantissa_t wrapped = upper + aligned;

        sum.exponent = rises ? x.exponent : e;
        sum.mantissa = upper |+| aligned;
        sum.special = s | x.special;
#if TRACK_INEXACT
        residue.lost = residue.lost | ((magnitude_t)lower ^ (magnitude_t)(aligned << distance));
#endif
        residue.clamped = residue.clamped | ((magnitude_t)wrapped ^ (magnitude_t)sum.mantissa);

        exponent.write(index, sum.exponent);
        mantissa.write(index, (magnitude_t)sum.mantissa);
        special.write(index, sum.special);
    }
}

#endif
