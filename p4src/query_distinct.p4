// SELECT DISTINCT: each cell remembers the last two keys it let through and drops them when they come again.
// Key 0 stands for an empty place and always passes. Duplicates that pass cost the master time, not its answer.
#include <core.p4>
#include <v1model.p4>
#ifndef OPERATOR
#define OPERATOR 3
#endif
#include "query_headers.p4"

control Lane(in key_t key, in value_t value, in bool active, in bool second, in query_info_t info,
             out bit<1> survives, out bit<1> absorbed) {
    register<key_t>(CELLS) newest;
    register<key_t>(CELLS) older;

    apply {
        index_t index = info.first + ((index_t)key[35:4] & info.mask);
        key_t a;
        key_t b;
        newest.read(a, index);
        older.read(b, index);
        bool seen = key != 0 && (a == key || b == key);
        bool replace = active && key != 0 && a != key;
        newest.write(index, replace ? key : a);
        older.write(index, replace ? a : b);
        survives = active && !seen ? 1w1 : 0;
        absorbed = 0;
    }
}

#include "query_lanes.p4"
#if OPERATOR != ANY_OPERATOR
#include "query.p4"
#endif
