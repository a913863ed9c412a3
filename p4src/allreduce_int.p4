// All-reduce of 32-bit integers with block exponents: the SwitchML baseline. Hosts quantise and swap bytes.
#include <core.p4>
#include <v1model.p4>
#define FORMAT_CODE 0
#define HOST_BYTE_ORDER 0
#include "aggregate_int.p4"
#include "allreduce.p4"
