// All-reduce of floats, approximate shape: what a switch of today can do.
#include <core.p4>
#include <v1model.p4>
#define HOST_BYTE_ORDER 1
#define ADDER FpAddApprox
#include "fp_add_approx.p4"
#include "aggregate_fp.p4"
#include "allreduce.p4"
