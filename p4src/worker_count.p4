// How many workers a set still misses. The one that brings it to zero completes the round.
#ifndef WORKER_COUNT_P4
#define WORKER_COUNT_P4
#include "types.p4"

control WorkerCount(in bit<8> missing, in bit<8> workers, in relation_t relation, in bool contributes,
                    out bit<8> remaining, out bit<1> complete, out bit<1> last) {
    apply {
        bit<8> less = (relation == relation_t.same ? missing : workers) - 1;
        complete = missing == 0 ? 1w1 : 0;
        last = less == 0 ? 1w1 : 0;
        bool full = relation == relation_t.same && missing == 0;
        remaining = contributes && !full ? less : missing;
    }
}

#endif
