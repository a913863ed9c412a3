// The constant each job's sums are multiplied by as they are read.
#ifndef AVERAGE_P4
#define AVERAGE_P4
#include "types.p4"

control Average(in job_t job, out average_t average) {
    action times(bit<32> constant, bit<8> shift) {
        average.constant = constant;
        average.shift = shift;
    }
    // A job that is not in it reads plain sums: one, as a constant like the others.
    table constants {
        key = { job : exact @name("job"); }
        actions = { times; }
        default_action = times(0x80000000, 31);
        size = MAX_JOBS;
    }

    apply { constants.apply(); }
}

#endif
