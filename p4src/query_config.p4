// Sizes of the query programs. Registers are 64 bits wide: a query adds more numbers than a training step does.
#ifndef QUERY_CONFIG_P4
#define QUERY_CONFIG_P4

// Cells of each register array of a lane. Sixteen lanes of 4096 hold 65536 groups. A power of two.
#ifndef CELLS
#define CELLS 4096
#endif
#define SLOTS (CELLS / 2)  // FpAdd's arrays have 2 * SLOTS cells

#ifndef REGISTER_BITS
#define REGISTER_BITS 64
#endif
// 18 bits below a float's last leave 21 above its first: two million rows of equal exponent in one cell.
#ifndef GUARD_BITS
#define GUARD_BITS 18
#endif
#include "config.p4"
#if FORMAT_CODE != 1
#error "queries take FORMAT fp32"
#endif

// A cell takes no more rows than this, so a sum can never leave its register.
#define MOST_ROWS ((1 << HEADROOM) - 1)

// Packets a worker may have outstanding, a power of two, and workers over all queries.
#ifndef WINDOW
#define WINDOW 256
#endif
#define MAX_QUERIES 16
#define MAX_WORKERS 64

// UDP destination port of rows.
#define QUERY_PORT 18001

#endif
