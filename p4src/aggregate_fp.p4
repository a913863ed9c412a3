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

#define INSTANCES(i) FpUnpack() unpack##i; ADDER() add##i; READOUT() readout##i; \
    FpNormalize(FRACTION_BITS, GUARD_BITS) normalize##i; FpPack(OWN_FORMAT) pack##i; accumulator_t x##i; accumulator_t sum##i;
#define CLEAR(i) values.v##i = 0;
#define UNPACK(i) unpack##i.apply(values.v##i, x##i);
#define ADD(i) add##i.apply(x##i, step.index, step.first, sum##i, residue);
#define UNPACK_AND_ADD(i) UNPACK(i) ADD(i)
#define READ(i) readout##i.apply(sum##i, FACTOR number); normalize##i.apply(number, normalized); \
    pack##i.apply(number, normalized, packed, flags); values.v##i = swap_bytes((value_t)packed); DROPPED

// A partial sum that is rounded on its way up loses bits that the final rounding will not see.
#if TREE && TRACK_INEXACT
#define DROPPED dropped = dropped | (number.special != 0 ? 0 : \
    number.magnitude ^ ((number.magnitude >> normalized.right) << normalized.right));
#else
#define DROPPED
#endif

#if RAW_UPLINK
#define RAW_PARAMETER inout raw_h raw,
#define TAKE_RAW(i) x##i.special = raw.exponent##i == 0 ? (special_t)raw.mantissa##i : 0; \
    x##i.exponent = raw.exponent##i == 0 ? 1 : raw.exponent##i; \
    x##i.mantissa = (mantissa_t)(raw.exponent##i == 0 ? 0 : raw.mantissa##i);
#define GIVE_RAW(i) raw.exponent##i = sum##i.special != 0 ? 0 : sum##i.exponent; \
    raw.mantissa##i = sum##i.special != 0 ? (magnitude_t)sum##i.special : (magnitude_t)sum##i.mantissa;
#else
#define RAW_PARAMETER
#endif

control Aggregate(inout values_h values, RAW_PARAMETER in step_t step, inout int<8> exponent, out flags_t flags) {
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
#if RAW_UPLINK
        if (step.absorb && raw.isValid()) {
            FOR_EACH_ELEMENT(TAKE_RAW)
        } else {
            FOR_EACH_ELEMENT(UNPACK)
        }
        FOR_EACH_ELEMENT(ADD)
#else
        FOR_EACH_ELEMENT(UNPACK_AND_ADD)
#endif
        flags = (residue.lost != 0 ? INEXACT : 0) | (residue.clamped != 0 ? OVERFLOW : 0);
#if TREE
        flags = flags | (step.absorb ? step.carried : 0);
#endif
        status.apply(step.index, step.first, flags);

#if RAW_UPLINK
        if (step.up) {
            raw.setValid();
            FOR_EACH_ELEMENT(GIVE_RAW)
        } else
#endif
        if (step.read) {
            unrounded_t number;
            normalized_t normalized;
            bit<32> packed;
#if TREE && TRACK_INEXACT
            exit_t dropped = 0;
#endif
            FOR_EACH_ELEMENT(READ)
#if TREE && TRACK_INEXACT
            flags = flags | (step.up && dropped != 0 ? INEXACT : 0);
#endif
        }
    }
}

#endif
