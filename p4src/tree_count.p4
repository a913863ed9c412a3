// How many workers a set still misses, or that the parent has answered it.
#ifndef TREE_COUNT_P4
#define TREE_COUNT_P4
#include "types.p4"

// More than there can be workers.
const bit<8> ANSWERED = 0xff;

// `complete`: nobody below is missing and no answer has come; `settled`: it has come.
control TreeCount(in bit<8> missing, in bit<8> workers, in relation_t relation, in bool contributes, in bool answer,
                  out bit<8> remaining, out bit<1> complete, out bit<1> settled, out bit<1> last) {
    apply {
        bit<8> less = (relation == relation_t.same ? missing : workers) - 1;
        complete = missing == 0 ? 1w1 : 0;
        settled = missing == ANSWERED ? 1w1 : 0;
        last = less == 0 ? 1w1 : 0;
        bool full = relation == relation_t.same && (missing == 0 || missing == ANSWERED);
        bool adds = contributes && !full && !answer;
        bool settles = answer && relation == relation_t.same && missing == 0;
        remaining = settles ? ANSWERED : (adds ? less : missing);
    }
}

#endif
