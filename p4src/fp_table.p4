// A function on [0, 1) by look-up: one table, or two smaller ones whose entries are added. The controller fills them.
#ifndef FP_TABLE_P4
#define FP_TABLE_P4
#include "fp_fraction.p4"

typedef bit<TABLE_BITS> index_bits_t;  // the fraction's first bits
typedef bit<(FRACTION_BITS + 3)> entry_t;

index_bits_t table_index(in fraction_t fraction) {
    return fraction[FRACTION_BITS - 1:FRACTION_BITS - TABLE_BITS];
}

control FpTable(in index_bits_t index, out entry_t value) {
    action entry(entry_t content) { value = content; }
    table entries {
        key = { index : exact @name("index"); }
        actions = { entry; }
        default_action = entry(0);
        size = 1 << TABLE_BITS;
    }

    apply { entries.apply(); }
}

#if BIPARTITE
// The index in three parts, x0 x1 x2 (Das Sarma and Matula, ARITH 1995): the value at x0 x1, and the slope near x0
// times x2.
#define LOW_BITS (TABLE_BITS / 3)
#define PART_BITS (TABLE_BITS - LOW_BITS)

control FpTwoTables(in index_bits_t index, out entry_t value) {
    entry_t share;

    action entry(entry_t content) { value = content; }
    table entries {
        key = { index[TABLE_BITS - 1:LOW_BITS] : exact @name("index"); }
        actions = { entry; }
        default_action = entry(0);
        size = 1 << PART_BITS;
    }

    // Shares may be negative, in two's complement.
    action slope(entry_t content) { share = content; }
    table slopes {
        key = {
            index[TABLE_BITS - 1:2 * LOW_BITS] : exact @name("block");
            index[LOW_BITS - 1:0] : exact @name("tail");
        }
        actions = { slope; }
        default_action = slope(0);
        size = 1 << PART_BITS;
    }

    apply {
        entries.apply();
        slopes.apply();
        value = value + share;
    }
}
#define LOOK_UP FpTwoTables
#else
#define LOOK_UP FpTable
#endif

#endif
