/* Shared-memory ports: the whole contract, after memif (a pair of rings in one memory file, handed over a Unix socket).
 *
 * The switch listens on a Unix stream socket; one worker at a time connects. The switch sends one struct fpm_hello with the
 * memory file's descriptor (SCM_RIGHTS) attached. The file is sealed against resizing. It holds ring 0 (worker to switch),
 * then ring 1 (switch to worker), each fpm_ring_bytes(slots, slot_bytes) long: the head, `slots` descriptors, and from the
 * next multiple of 64, `slots` frames of slot_bytes each. Frame i belongs to descriptor i.
 *
 * The producer fills frame head % slots and its descriptor, then raises head; the consumer raises tail. Both count without
 * bound, modulo 2^32, head - tail <= slots. A consumer about to sleep writes to `wanted` the head that is worth waking for,
 * sets `armed`, looks at head once more, and sleeps; a producer that finds `armed` set after raising head, and `wanted` reached,
 * clears it and wakes the consumer. The switch also does so for less than what is wanted when it has nothing else to do. A
 * worker sleeps on the futex `armed`; the switch, which waits for many, on the socket, for a byte 0. End of file on the
 * socket is the end.
 *
 * A packet may lie in two parts: `length` bytes in its frame, then `payload_length` bytes at `payload_offset` of a region, a
 * memory file of the worker's own. The worker offers regions by a struct fpm_offer on the socket with the file attached; it
 * must be sealed against shrinking. The switch maps it and raises `accepted` or `refused` of ring 1 by one.
 *
 * FPM_PLACE on a contribution says: write the payload of its answer over its own. An answer is the first packet to the worker
 * whose bytes same_at .. same_at + same_bytes are those of the contribution (the offer says which), and whose payload is as long.
 * It arrives with FPM_PLACED set: headers in the frame, the payload already in the region. Each contribution is answered
 * so once: a second answer lies in its frame whole, even where the contribution was sent again meanwhile, so that nothing
 * is written to the region after the answer was published. What is published has been written.
 *
 * FPM_KEEP with FPM_PLACE: before the port overwrites the payload, it copies what stands there into the frame of the answer, behind
 * the room for its headers, and sets `kept` (and length, region and place) in that frame's descriptor. So a worker whose switch died
 * between that and publishing finds what it had sent: in each descriptor from the head on whose `kept` is that of this turn
 * of the ring. The port closes its socket after its last write to the region.
 *
 * The worker is not trusted. Whatever the switch reads from the file may be wrong and may change while it reads: it keeps
 * its own copies of what it wrote, reads each value once, checks it, and copies a frame out before looking at it, its
 * payload too. An index that is impossible ends the connection; a length or place that is impossible costs the one packet. */
#ifndef FPISA_RINGS_H
#define FPISA_RINGS_H
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define FPM_MAGIC 0x4650534du /* "FPSM" */
#define FPM_VERSION 3
#define FPM_MAX_SLOTS 32768
#define FPM_MAX_SLOT_BYTES 16384

struct fpm_hello {
    uint32_t magic, version;
    uint32_t slots;      /* a power of two */
    uint32_t slot_bytes; /* a multiple of 64 */
};
_Static_assert(sizeof(struct fpm_hello) == 16, "fpm_hello crosses a socket");

#define FPM_MAX_REGIONS 8
#define FPM_MAX_SAME 16

struct fpm_offer { /* worker to switch: a region */
    uint32_t magic;
    uint16_t same_at;           /* of an answer: bytes that are its contribution's; same_bytes 0: nothing is ever placed */
    uint8_t same_bytes, index_in; /* at most FPM_MAX_SAME; two of them, from this one on, number the place it is kept in */
    uint64_t bytes;             /* from the file's start, a multiple of 4096 */
};
_Static_assert(sizeof(struct fpm_offer) == 16, "fpm_offer crosses a socket");

struct fpm_ring {
    _Atomic uint32_t head; /* written by the producer */
    _Atomic uint32_t accepted, refused; /* regions; written by the switch */
    uint32_t pad_a[13];
    _Atomic uint32_t tail; /* written by the consumer, as are the rest */
    _Atomic uint32_t armed, wanted;
    uint32_t pad_b[13];
};
_Static_assert(sizeof(struct fpm_ring) == 128, "head and tail on a cache line each");
_Static_assert(offsetof(struct fpm_ring, tail) == 64, "head and tail on a cache line each");

enum { FPM_PLACE = 1, FPM_PLACED = 2, FPM_KEEP = 4 };

struct fpm_descriptor {
    uint16_t length;         /* bytes in the frame */
    uint16_t payload_length; /* bytes in a region; 0: the frame is all */
    uint8_t region, flags;
    uint16_t kept; /* of an answer: fpm_kept() where the frame holds what stood in its place */
    uint64_t payload_offset;
};
_Static_assert(sizeof(struct fpm_descriptor) == 16, "descriptors are an array in shared memory");

/* After head was raised: whether the consumer sleeps and wants to be woken for this. last: no more will come soon. */
static inline int fpm_must_wake(struct fpm_ring *ring, uint32_t head, int last)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load_explicit(&ring->armed, memory_order_relaxed))
        return 0;
    uint32_t wanted = atomic_load_explicit(last ? &ring->tail : &ring->wanted, memory_order_relaxed) + (last ? 1 : 0);
    if ((int32_t)(head - wanted) < 0)
        return 0;
    return (int)atomic_exchange_explicit(&ring->armed, 0, memory_order_seq_cst);
}

static inline void fpm_arm(struct fpm_ring *ring, uint32_t wanted)
{
    atomic_store_explicit(&ring->wanted, wanted, memory_order_relaxed);
    atomic_store_explicit(&ring->armed, 1, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst);
}

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
/* Of the descriptor at an index; that of the turn before differs. slots: a power of two. */
static inline uint16_t fpm_kept(uint32_t slots, uint32_t at) { return at & slots ? 2 : 1; }
static inline uint8_t *fpm_frame(struct fpm_ring *ring, uint32_t slots, uint32_t slot_bytes, uint32_t at)
{
    return (uint8_t *)ring + fpm_frames_at(slots) + (size_t)(at & (slots - 1)) * slot_bytes;
}
#endif
