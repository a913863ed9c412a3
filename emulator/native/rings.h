/* Shared-memory ports: the whole contract, after memif (a pair of rings in one memory file, handed over a Unix socket).
 *
 * The switch listens on a Unix stream socket; one worker at a time connects. The switch sends one struct fpm_hello with the
 * memory file's descriptor (SCM_RIGHTS) attached. The file is sealed against resizing. It holds ring 0 (worker to switch),
 * then ring 1 (switch to worker), each fpm_ring_bytes(slots, slot_bytes) long: the head, `slots` descriptors, and from the
 * next multiple of 64, `slots` frames of slot_bytes each. Frame i belongs to descriptor i.
 *
 * The producer fills frame head % slots and its descriptor, then raises head; the consumer raises tail. Both count without
 * bound, modulo 2^32, head - tail <= slots. A consumer about to sleep sets `armed`, looks at head once more, and waits for a
 * byte on the socket; a producer that finds `armed` set after raising head sends one. End of file on the socket is the end.
 *
 * The worker is not trusted. Whatever the switch reads from the file may be wrong and may change while it reads: it keeps
 * its own copies of what it wrote, reads each value once, checks it, and copies a frame out before looking at it. An index
 * that is impossible ends the connection; a length that is impossible costs the one packet. */
#ifndef FPISA_RINGS_H
#define FPISA_RINGS_H
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define FPM_MAGIC 0x4650534du /* "FPSM" */
#define FPM_VERSION 1
#define FPM_MAX_SLOTS 32768
#define FPM_MAX_SLOT_BYTES 16384

struct fpm_hello {
    uint32_t magic, version;
    uint32_t slots;      /* a power of two */
    uint32_t slot_bytes; /* a multiple of 64 */
};
_Static_assert(sizeof(struct fpm_hello) == 16, "fpm_hello crosses a socket");

struct fpm_ring {
    _Atomic uint32_t head; /* written by the producer */
    uint32_t pad_a[15];
    _Atomic uint32_t tail; /* written by the consumer */
    _Atomic uint32_t armed; /* written by the consumer */
    uint32_t pad_b[14];
};
_Static_assert(sizeof(struct fpm_ring) == 128, "head and tail on a cache line each");
_Static_assert(offsetof(struct fpm_ring, tail) == 64, "head and tail on a cache line each");

struct fpm_descriptor {
    uint32_t length; /* bytes of the frame */
    uint32_t flags;  /* zero */
};
_Static_assert(sizeof(struct fpm_descriptor) == 8, "descriptors are an array in shared memory");

static inline size_t fpm_frames_at(uint32_t slots)
{
    return (sizeof(struct fpm_ring) + sizeof(struct fpm_descriptor) * (size_t)slots + 63) & ~(size_t)63;
}
static inline size_t fpm_ring_bytes(uint32_t slots, uint32_t slot_bytes)
{
    return (fpm_frames_at(slots) + (size_t)slots * slot_bytes + 4095) & ~(size_t)4095;
}
static inline struct fpm_descriptor *fpm_descriptors(struct fpm_ring *ring)
{
    return (struct fpm_descriptor *)(ring + 1);
}
static inline uint8_t *fpm_frame(struct fpm_ring *ring, uint32_t slots, uint32_t slot_bytes, uint32_t at)
{
    return (uint8_t *)ring + fpm_frames_at(slots) + (size_t)(at & (slots - 1)) * slot_bytes;
}
#endif
