// GROUP BY key HAVING SUM(value) > c, values not negative. First phase: a count-min sketch of float sums. Second: rows
// whose every cell may exceed c pass. A cell holds its key's sum and perhaps others', less what alignment cut off:
// under one unit a row, and the rows are counted, so a group that qualifies is never dropped.
// info.a: exponent of c, info.b: its significand with the hidden bit.
#include <core.p4>
#include <v1model.p4>
#ifndef OPERATOR
#define OPERATOR 6
#endif
#include "query_headers.p4"
#include "fp_add.p4"

control SketchRow(in bit<18> hash, in value_t value, in bit<1> adds, in query_info_t info, out bool reaches) {
    register<bit<32>>(CELLS) count;
    FpUnpack() unpack;
    FpAdd() add;

    apply {
        index_t index = info.first + ((index_t)hash & info.mask);
        bit<32> rows;
        accumulator_t x;
        accumulator_t sum;
        residue_t residue;
        residue.lost = 0;
        residue.clamped = 0;
        count.read(rows, index);
        bool empty = rows == 0;  // whoever clears a query's cells clears their counts only
        rows = rows == 0xffffffff ? rows : rows + (bit<32>)adds;
        count.write(index, rows);
        unpack.apply(value, x);
        add.apply(x, index, empty, sum, residue);

        exponent_t wanted = (exponent_t)info.a;
        magnitude_t significand = (magnitude_t)info.b << GUARD_BITS;
        bool above = sum.exponent >= wanted;
        exponent_t distance = above ? sum.exponent - wanted : wanted - sum.exponent;
        magnitude_t bound = above ? significand >> distance : significand << distance;
        bool reachable = above || distance <= HEADROOM;
        bool enough = (magnitude_t)sum.mantissa + (magnitude_t)rows >= bound;
        reaches = sum.special != 0 || rows >= MOST_ROWS || (reachable && enough);
    }
}

control Lane(in key_t key, in value_t value, in bool active, in bool second, in query_info_t info,
             out bit<1> survives, out bit<1> absorbed) {
    SketchRow() one;
    SketchRow() two;

    apply {
        bool absorb = active && !second;
        bit<1> adds = absorb ? 1w1 : 0;
        value_t added = absorb ? value : 0;  // +0 changes no sum
        bool first_reaches;
        bool second_reaches;
        one.apply(key[27:10], added, adds, info, first_reaches);
        two.apply(key[45:28], added, adds, info, second_reaches);
        survives = active && second && first_reaches && second_reaches ? 1w1 : 0;
        absorbed = adds;
    }
}

#include "query_lanes.p4"
#if OPERATOR != ANY_OPERATOR
#include "query.p4"
#endif
