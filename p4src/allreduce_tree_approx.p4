// All-reduce of floats over a tree of switches, approximate shape. A raw mantissa has left no headroom to be shifted into,
// so what goes up is packed.
#include <core.p4>
#include <v1model.p4>
#define TREE 1
#define HOST_BYTE_ORDER 1
#define ADDER FpAddApprox
#include "fp_add_approx.p4"
#if RAW_UPLINK
#error "the approximate shape needs UPLINK=packed"
#endif
#include "aggregate_fp.p4"
#include "tree.p4"
