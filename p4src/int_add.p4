// The integer baseline's register add: 32 bits, wrapping, as SwitchML does it. Workers choose their scale
// so that it never wraps.
#ifndef INT_ADD_P4
#define INT_ADD_P4
#include "types.p4"

control IntAdd(in value_t value, in index_t index, in bool first, out value_t sum) {
    register<value_t>(POOL) integer;

    apply {
        value_t stored;
        integer.read(stored, index);
        sum = value + (first ? 0 : stored);
        integer.write(index, sum);
    }
}

// The largest block exponent of a round. Workers need it before they can quantise the block, so it
// travels one window ahead of the values.
control BlockExponent(in index_t index, in step_t step, inout int<8> exponent) {
    register<bit<8>>(POOL) block_exponent;

    apply {
        bit<8> bits;
        block_exponent.read(bits, index);
        int<8> stored = (int<8>)bits;
        bool keep = !step.absorb || (!step.first && stored > exponent);
        exponent = keep ? stored : exponent;
        block_exponent.write(index, (bit<8>)exponent);
    }
}

#endif
