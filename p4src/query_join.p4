// Join pruning: in the first phase keys of one side enter a Bloom filter; in the second, rows of the other side pass
// only if their key may be in it. info.a: what the query writes into its cells, other than what earlier queries wrote
// there; so a filter need not be cleared before it is used again.
#include <core.p4>
#include <v1model.p4>
#ifndef OPERATOR
#define OPERATOR 7
#endif
#include "query_headers.p4"

control BloomRow(in bit<18> hash, in bool insert, in query_info_t info, out bool present) {
    register<bit<8>>(CELLS) filter;

    apply {
        index_t index = info.first + ((index_t)hash & info.mask);
        bit<8> stored;
        filter.read(stored, index);
        present = stored == info.a[7:0];
        filter.write(index, insert ? info.a[7:0] : stored);
    }
}

control Lane(in key_t key, in value_t value, in bool active, in bool second, in query_info_t info,
             out bit<1> survives, out bit<1> absorbed) {
    BloomRow() one;
    BloomRow() two;
    BloomRow() three;

    apply {
        bool insert = active && !second;
        bool a;
        bool b;
        bool c;
        one.apply(key[27:10], insert, info, a);
        two.apply(key[45:28], insert, info, b);
        three.apply(key[63:46], insert, info, c);
        survives = active && second && a && b && c ? 1w1 : 0;
        absorbed = insert ? 1w1 : 0;
    }
}

#include "query_lanes.p4"
#if OPERATOR != ANY_OPERATOR
#include "query.p4"
#endif
