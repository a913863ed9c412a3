/* Register cells as the bytes of P4Runtime's ReadResponse, and back: a message object a cell would cost a microsecond. The same
 * in NumPy are emulator/server/register_read.py and controller/p4rt/register_cells.py. */
#ifndef FPISA_CELLS_H
#define FPISA_CELLS_H
#include <stdint.h>

#define FPC_MOST_HEAD 6
#define FPC_MOST_BYTES 32 /* of one entity: 4 + head + 2 + 6 + 4 + 8, rounded up */

/* The tag bytes of an entity's fields, and `head`: the register's id with its tag, head_size bytes. */
struct fpc_tags {
    uint8_t entities, entry, index, number, data, bits;
    uint8_t head_size, head[FPC_MOST_HEAD];
};

/* Writes `count` entities, for cells first, first + 1, ..., and returns their length. cells: unsigned numbers of `width` bytes
 * (1, 2, 4 or 8), `stride` bytes apart, in host order. out: room for count * FPC_MOST_BYTES. first + count is at most 2^31. */
int64_t fpc_write(const struct fpc_tags *tags, const uint8_t *cells, int64_t stride, int32_t width, uint32_t first,
                  int64_t count, uint8_t *out);

struct fpc_arrays { /* what is read: registers by their ids, each of `size` cells */
    const uint32_t *ids;
    int32_t count, spare;
    int64_t size;
    uint64_t *values; /* (count, size) */
    uint8_t *seen;    /* (count, size), zeros at first: which cells came */
};

/* Puts the cells of a serialised ReadResponse where their register's id and their index say, whatever the order of entities
 * and fields. head: the id's tag alone. Returns their number; -1 for anything but register cells of at most 64 bits that were
 * asked for, each once. */
int64_t fpc_read(const struct fpc_tags *tags, const uint8_t *bytes, int64_t length, const struct fpc_arrays *arrays);
#endif
