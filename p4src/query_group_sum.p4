// SUM, COUNT, AVG GROUP BY key: the first key to reach a cell owns it and its rows stay here as exponent, mantissa and
// count. Other keys' rows, and those a full cell cannot hold, travel on to the master.
#include <core.p4>
#include <v1model.p4>
#ifndef OPERATOR
#define OPERATOR 5
#endif
#include "query_headers.p4"
#include "fp_add.p4"

control Lane(in key_t key, in value_t value, in bool active, in bool second, in query_info_t info,
             out bit<1> survives, out bit<1> absorbed) {
    register<key_t>(CELLS) owner;
    register<bit<32>>(CELLS) count;
    register<bit<32>>(CELLS) inexact;  // additions that dropped a nonzero bit, each less than one unit
    FpUnpack() unpack;
    FpAdd() add;

    apply {
        index_t index = info.first + ((index_t)key[35:4] & info.mask);
        key_t held;
        bit<32> rows;
        owner.read(held, index);
        count.read(rows, index);
        bool empty = held == 0;
        rows = empty ? 0 : rows;  // whoever clears a query's cells clears their owners only
        bool absorb = active && key != 0 && (empty || held == key) && rows < MOST_ROWS;
        if (absorb) {
            accumulator_t x;
            accumulator_t sum;
            residue_t residue;
            bit<32> losses;
            residue.lost = 0;
            residue.clamped = 0;
            unpack.apply(value, x);
            add.apply(x, index, empty, sum, residue);
            inexact.read(losses, index);
            inexact.write(index, (empty ? 0 : losses) + (residue.lost != 0 ? 32w1 : 0));
            owner.write(index, key);
            count.write(index, rows + 1);
        }
        survives = active && !absorb ? 1w1 : 0;
        absorbed = absorb ? 1w1 : 0;
    }
}

#include "query_lanes.p4"
#if OPERATOR != ANY_OPERATOR
#include "query.p4"
#endif
