// All-reduce of floats, exact shape: stored mantissas are aligned too.
#include <core.p4>
#include <v1model.p4>
#define HOST_BYTE_ORDER 1
#define ADDER FpAdd
#include "fp_add.p4"
#include "aggregate_fp.p4"
#include "allreduce.p4"
