// FPISA sends floats as they lie in the memory of a little-endian host. A switch that cannot swap
// bytes leaves the swap to the host's CPU; here the parser and the readout do it.
#ifndef BYTE_ORDER_P4
#define BYTE_ORDER_P4
#include "types.p4"

value_t swap_bytes(in value_t v) {
#if VALUE_BITS == 32
    return v[7:0] ++ v[15:8] ++ v[23:16] ++ v[31:24];
#elif VALUE_BITS == 16
    return v[7:0] ++ v[15:8];
#else
    return v;
#endif
}

#endif
