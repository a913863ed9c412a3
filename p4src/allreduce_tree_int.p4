// All-reduce of 32-bit integers with block exponents over a tree of switches. An integer is its own register.
#include <core.p4>
#include <v1model.p4>
#define TREE 1
#define FORMAT_CODE 0
#define HOST_BYTE_ORDER 0
#include "aggregate_int.p4"
#if RAW_UPLINK
#error "integers need UPLINK=packed, which is their registers already"
#endif
#include "tree.p4"
