// All-reduce of floats over a tree of switches, exact shape.
#include <core.p4>
#include <v1model.p4>
#define TREE 1
#define HOST_BYTE_ORDER 1
#define ADDER FpAdd
#include "fp_add.p4"
#include "aggregate_fp.p4"
#include "tree.p4"
