// WHERE a <= value <= b: parameters a and b are order_t. Rows outside are dropped; no register is used.
#include <core.p4>
#include <v1model.p4>
#ifndef OPERATOR
#define OPERATOR 1
#endif
#include "fp_order.p4"

control Lane(in key_t key, in value_t value, in bool active, in bool second, in query_info_t info,
             out bit<1> survives, out bit<1> absorbed) {
    FpOrder() to_order;

    apply {
        order_t order;
        to_order.apply(value, info.flip, order);
        survives = active && order >= info.a && order <= info.b ? 1w1 : 0;
        absorbed = 0;
    }
}

#include "query_lanes.p4"
#if OPERATOR != ANY_OPERATOR
#include "query.p4"
#endif
