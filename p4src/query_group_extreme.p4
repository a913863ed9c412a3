// MAX(value) GROUP BY key, MIN with info.flip: the first key to reach a cell owns it; its rows pass only if they beat
// the best so far (info.a = 0: or equal it, for values narrowed from 64 bits, where equals may still differ).
// Other keys' rows pass untouched.
#include <core.p4>
#include <v1model.p4>
#ifndef OPERATOR
#define OPERATOR 4
#endif
#include "fp_order.p4"

control Lane(in key_t key, in value_t value, in bool active, in bool second, in query_info_t info,
             out bit<1> survives, out bit<1> absorbed) {
    register<key_t>(CELLS) owner;
    register<order_t>(CELLS) best;
    FpOrder() to_order;

    apply {
        index_t index = info.first + ((index_t)key[35:4] & info.mask);
        order_t order;
        key_t held;
        order_t top;
        to_order.apply(value, info.flip, order);
        owner.read(held, index);
        best.read(top, index);
        bool empty = held == 0;
        bool same = held == key && !empty;
        bool better = order > top || (order == top && info.a == 0);
        bool update = active && key != 0 && (empty || (same && better));
        owner.write(index, update ? key : held);
        best.write(index, update ? order : top);
        survives = active && (!same || better) ? 1w1 : 0;
        absorbed = 0;
    }
}

#include "query_lanes.p4"
#if OPERATOR != ANY_OPERATOR
#include "query.p4"
#endif
