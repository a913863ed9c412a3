// Floats in the order of integers, and what follows from it: comparison, minimum, maximum.
#ifndef FP_COMPARE_P4
#define FP_COMPARE_P4
#include "fp_unpack.p4"

// What comparing values finds; zeros of both signs are equal, NaN has no place.
enum bit<8> compared_t { less = 0, equal = 1, greater = 2, unordered = 3 }

const value_t SIGN = 1 << SIGN_BIT;

// An unsigned integer in the words' order: -NaN < -inf < ... < -0 < +0 < ... < +inf < NaN. A register that keeps the
// largest key keeps the largest float.
value_t order_key(in value_t value) {
    return (value & SIGN) != 0 ? ~value : value | SIGN;
}

value_t from_order_key(in value_t key) {
    return (key & SIGN) != 0 ? key ^ SIGN : ~key;
}

bool is_nan(in value_t value) {
#if HAS_INFINITY
    return (bit<32>)(value & ~SIGN) > OVERFLOW_BITS;
#else
    return (bit<32>)(value & ~SIGN) == OVERFLOW_BITS;
#endif
}

control FpCompare(in value_t left, in value_t right, out compared_t order) {
    apply {
        value_t a = order_key(left);
        value_t b = order_key(right);
        order = a < b ? compared_t.less : compared_t.greater;
        if (a == b || ((left | right) & ~SIGN) == 0) { order = compared_t.equal; }
        if (is_nan(left) || is_nan(right)) { order = compared_t.unordered; }
    }
}

// -0 lies below +0; where a NaN is among the two, the canonical one results (IEEE 754-2019 minimum).
control FpMinimum(in value_t left, in value_t right, out value_t smaller) {
    apply {
        smaller = order_key(left) < order_key(right) ? left : right;
        if (is_nan(left) || is_nan(right)) { smaller = (value_t)QUIET_NAN_BITS; }
    }
}

control FpMaximum(in value_t left, in value_t right, out value_t larger) {
    apply {
        larger = order_key(left) > order_key(right) ? left : right;
        if (is_nan(left) || is_nan(right)) { larger = (value_t)QUIET_NAN_BITS; }
    }
}

#endif
