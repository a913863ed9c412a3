/* Externs of compiled pipelines that are too long for generated code: hashes, meters, random numbers. The same functions in
 * Python are emulator/switch/hashes.py and meters.py. */
#ifndef FPISA_EXTERNS_H
#define FPISA_EXTERNS_H
#include <stdint.h>

enum fpx_kind {
    FPX_CRC = 0,
    FPX_XOR16 = 1,
    FPX_XOR32 = 2,
    FPX_IDENTITY = 3,
    FPX_XXH64 = 4,
    FPX_TOEPLITZ = 5,
    FPX_ROUND_ROBIN = 6, /* table[0]: the next number, of 32 bits */
    FPX_RANDOM = 7       /* table[0]: address of a struct fpx_random */
};

struct fpx_hash_spec {
    uint32_t kind; /* enum fpx_kind; what follows is for FPX_CRC */
    uint32_t width; /* 8..64 */
    uint32_t reflect_in, reflect_out;
    uint64_t init, xor_out;
    uint64_t table[256]; /* what each byte does to the register, in the register's own bit order */
};
uint64_t fpx_hash(struct fpx_hash_spec *spec, const uint8_t *data, uint64_t n);

/* Appends the first `bits` bits of `from` behind the first `at` bits of `to`, fills the last byte with zeros (and may touch
 * the one behind it), and returns the number of bits now in `to`. */
uint64_t fpx_append(uint8_t *to, uint64_t at, const uint8_t *from, uint64_t bits);

/* row: eight words as in emulator/switch/meters.py. units: bytes, or 1. Returns 0 green, 1 yellow, 2 red. */
uint32_t fpx_meter(int64_t *row, int64_t units, int64_t now_us);

/* Numbers drawn beforehand; `refill` draws `count` new ones. */
struct fpx_random {
    uint64_t next, count;
    uint64_t *numbers;
    void (*refill)(void);
};
uint64_t fpx_draw(struct fpx_random *source, uint64_t span); /* uniform in 0..span */
#endif
