// A round is a job and a chunk number. Each set of a slot holds one; what it is to a contribution's own decides what
// the contribution is: part of it, the beginning of the next, or a straggler.
#ifndef ROUND_P4
#define ROUND_P4
#include "types.p4"

// `begins`: the stored round is the contribution's own or gives way to it.
control Round(in round_t stored, in job_t job, in chunk_t chunk, out relation_t relation, out bool begins) {
    apply {
        // Serial-number arithmetic modulo 2^32: ahead by less than half the circle is later.
        chunk_t ahead = chunk - stored[31:0];
        bool later = ahead[31:31] == 0;
        if (stored[47:32] != job) { relation = relation_t.foreign; }
        else if (ahead == 0) { relation = relation_t.same; }
        else if (later) { relation = relation_t.newer; }
        else { relation = relation_t.older; }
        begins = stored[47:32] != job || later;
    }
}

#endif
