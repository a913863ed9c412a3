// A float as an unsigned integer of the same order. Both zeros are one value; every NaN is above +infinity, as
// databases sort them. `flip` all ones turns the order round.
#ifndef FP_ORDER_P4
#define FP_ORDER_P4
#include "query_headers.p4"

#define MAGNITUDE_OF_INFINITY 0x7f800000

control FpOrder(in value_t value, in order_t flip, out order_t order) {
    apply {
        bit<31> magnitude = value[30:0];
        bool negative = value[31:31] == 1 && magnitude != 0;
        order_t finite = negative ? ~value : (value | 0x80000000);
        order = (magnitude > MAGNITUDE_OF_INFINITY ? 0xffffffff : finite) ^ flip;
    }
}

#endif
