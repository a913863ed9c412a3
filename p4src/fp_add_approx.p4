// FPISA-A: today's switches cannot shift the stored mantissa. A newcomer with a larger exponent is shifted
// left into the headroom instead, and where the headroom ends it overwrites what was stored.
#ifndef FP_ADD_APPROX_P4
#define FP_ADD_APPROX_P4
#include "fp_unpack.p4"

control FpAddApprox(in accumulator_t x, in index_t index, in bool first,
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
        exponent_t up = rises ? x.exponent - e : 0;
        exponent_t down = rises ? 0 : e - x.exponent;
        bool overwrite = up > HEADROOM;
        mantissa_t right = x.mantissa >> down;
        mantissa_t aligned = right << (overwrite ? 0 : up);
        mantissa_t kept = overwrite ? 0 : m;
        mantissa_t wrapped = kept + aligned;

        sum.exponent = overwrite ? x.exponent : e;
        sum.mantissa = kept |+| aligned;
        sum.special = s | x.special;
#if TRACK_INEXACT
        residue.lost = residue.lost | ((magnitude_t)x.mantissa ^ (magnitude_t)(right << down))
            | ((magnitude_t)m ^ (magnitude_t)kept);
#endif
        residue.clamped = residue.clamped | ((magnitude_t)wrapped ^ (magnitude_t)sum.mantissa);

        exponent.write(index, sum.exponent);
        mantissa.write(index, (magnitude_t)sum.mantissa);
        special.write(index, sum.special);
    }
}

#endif
