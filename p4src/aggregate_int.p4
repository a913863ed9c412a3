// All integers of a packet, and the block exponent. An integer needs no work on readout.
#ifndef AGGREGATE_P4
#define AGGREGATE_P4
#include "headers.p4"
#include "int_add.p4"

#define INSTANCES(i) IntAdd() add##i; value_t sum##i;
#define CLEAR(i) values.v##i = 0;
#define ADD(i) add##i.apply(values.v##i, step.index, step.first, sum##i); values.v##i = sum##i;

control Aggregate(inout values_h values, in step_t step, inout int<8> exponent, out flags_t flags) {
    FOR_EACH_ELEMENT(INSTANCES)
    BlockExponent() block;

    apply {
        flags = 0;
        // A repeated request contributes 0, which changes no register.
        if (!step.absorb) {
            FOR_EACH_ELEMENT(CLEAR)
        }
        block.apply(step.index, step, exponent);
        FOR_EACH_ELEMENT(ADD)
    }
}

#endif
