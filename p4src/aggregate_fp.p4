// All floats of a packet: each added into registers of its own; normalised and packed when the result is
// wanted. The additions come first and have no branch between them, so a compiler can see them as one vector.
#ifndef AGGREGATE_P4
#define AGGREGATE_P4
#include "byte_order.p4"
#include "fp_normalize.p4"
#include "fp_pack.p4"
#include "fp_readout.p4"
#include "headers.p4"
#include "status.p4"

#if AVERAGE
#define READOUT FpAverage
#define FACTOR step.average,
#else
#define READOUT FpReadout
#define FACTOR
#endif

#define INSTANCES(i) ADDER() add##i; READOUT() readout##i; \
    FpNormalize(FRACTION_BITS, GUARD_BITS) normalize##i; FpPack(OWN_FORMAT) pack##i; accumulator_t sum##i;
#define CLEAR(i) values.v##i = 0;
#define ADD(i) add##i.apply(values.v##i, step.index, step.first, sum##i, residue);
#define READ(i) readout##i.apply(sum##i, FACTOR number); normalize##i.apply(number, normalized); \
    pack##i.apply(number, normalized, packed, flags); values.v##i = swap_bytes((value_t)packed);

control Aggregate(inout values_h values, in step_t step, inout int<8> exponent, out flags_t flags) {
    FOR_EACH_ELEMENT(INSTANCES)
    Status() status;

    apply {
        // A repeated request contributes +0, which changes no register and raises no flag.
        if (!step.absorb) {
            FOR_EACH_ELEMENT(CLEAR)
        }
        residue_t residue;
        residue.lost = 0;
        residue.clamped = 0;
        FOR_EACH_ELEMENT(ADD)
        flags = (residue.lost != 0 ? INEXACT : 0) | (residue.clamped != 0 ? OVERFLOW : 0);
        status.apply(step.index, step.first, flags);

        if (step.read) {
            unrounded_t number;
            normalized_t normalized;
            bit<32> packed;
            FOR_EACH_ELEMENT(READ)
        }
    }
}

#endif
