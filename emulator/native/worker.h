/* The worker engine: one all-reduce after another through a switch, by the slot protocol (docs/PROTOCOL.md).
 *
 * An array is cut into blocks of `elements` values, the blocks into one contiguous share per queue (longer ones first), and
 * every queue runs its own window over its own slots in its own thread. All of it agrees with the Python engine, so both
 * may serve in one job. The array is worked on in place: a block is overwritten by its result, and until then its packet
 * can be built again, byte for byte, from the array.
 *
 * BASELINE (FPW_QUANTISED). Packet k of a queue carries the values of block k - lag, quantised, and this worker's exponent
 * of block k, lag = min(slots of the queue, blocks of the queue): exponents travel one window ahead. exponent = IEEE field
 * of the largest magnitude - 126; scale = float32((2^31 - 1) / workers * 2^-exponent), 0 where that is not finite; integer
 * = rint(x * scale), to nearest even; result = float32(integer) / scale, 0 where the scale is 0. */
#ifndef FPISA_WORKER_H
#define FPISA_WORKER_H
#include <stdint.h>

#define FPW_MAX_QUEUES 64
#define FPW_MAX_POOLS 8
#define FPW_HEADERS 58 /* Ethernet 14, IPv4 20, UDP 8, FPISA 16 */

enum fpw_representation { FPW_RAW = 0, FPW_SWAPPED = 1, FPW_QUANTISED = 2 };

enum fpw_status {
    FPW_DONE = 0,
    FPW_AGAIN = 1,       /* not finished within the slice: look after other things, then call fpw_step again */
    FPW_OVERDUE = -1,    /* a chunk has had no answer within the deadline: see fpw_overdue */
    FPW_FAILED = -2,     /* the transport failed: see the sentence */
    FPW_CANCELLED = -3,
    FPW_UNREPRESENTABLE = -4 /* FPW_QUANTISED: an infinity, a NaN or a magnitude of 2^127 and more; nothing was sent */
};

struct fpw_options {
    uint16_t job, first_slot, slots; /* slots: of the job, shared by the queues */
    uint8_t rank, workers, queues, format;
    uint16_t elements, value_bytes;
    uint16_t udp_port; /* results of queue q arrive at udp_port + q */
    uint16_t switch_port;
    uint8_t source_mac[6], switch_mac[6];
    uint32_t source_ip, switch_ip; /* host byte order */
    int32_t window;                /* most chunks under way per queue, 0: all its slots; fewer by measurement. Below 0: all, always */
    int32_t initial_us, shortest_us, longest_us, deadline_ms; /* retransmission timeout and its bounds */
    int32_t resumable; /* 1: survives the switch's restart; a shared-memory port that is gone is waited for (fpw_halt) */
};

struct fpw_stats {
    uint64_t calls, packets_by_reference, packets_placed; /* sent from a pool as they lie; results that came so */
    uint64_t packets_sent, packets_received, retransmissions, timeouts, discarded;
    uint64_t bytes_sent, bytes_received, payload_bytes;
    uint64_t convert_ns, copy_ns, syscall_ns, cpu_ns, wall_ns; /* all threads together; wall: of the calls */
    uint64_t round_trip_ns, window;                             /* of queue 0: smoothed; chunks it may have under way */
};

struct fpw_engine;

/* NULL with a sentence (256 bytes) where options are out of range or the transport cannot be opened. */
struct fpw_engine *fpw_open_interface(const struct fpw_options *options, const char *interface, char *error);
/* Through shared-memory ports of the switch (rings.h), one a queue: queue 0's socket is socket_path, queue q's "socket_path.q".
 * So each queue can have a pipeline of the switch to itself, whose registers then hold this queue's slots only. */
struct fpw_engine *fpw_open_memory(const struct fpw_options *options, const char *socket_path, char *error);
void fpw_close(struct fpw_engine *engine);

/* Memory for arrays whose FPW_RAW values travel through shared-memory ports without this process touching them: the switch
 * reads contributions out of it and writes results into it. A pool serves one engine at a time, which it must outlive; what
 * lies elsewhere is copied. A forked child has a view of its own of it all, in which its parent's values appear until the child
 * writes to the page. NULL with a sentence where there is no such memory. */
struct fpw_pool;
struct fpw_pool *fpw_pool_new(int64_t bytes, char *error);
void *fpw_pool_memory(const struct fpw_pool *pool);
int64_t fpw_pool_bytes(const struct fpw_pool *pool); /* whole pages */
/* False once an all-reduce in it has failed: its memory was taken back from the switch, and from now on is copied. */
int32_t fpw_pool_shared(const struct fpw_pool *pool);
void fpw_pool_free(struct fpw_pool *pool); /* what it has adopted keeps it */
void fpw_pool_discard(struct fpw_pool *pool, int64_t offset, int64_t bytes); /* whole pages; they hold zeros when used again */

/* Memory of another allocator becomes the pool's: the whole pages within it are replaced, at their addresses, by the pool's from
 * `offset` on, with the same bytes. Nobody may write to the memory meanwhile. -1 with a sentence: all is as before.
 * allocator_free: a void (*)(void *), or NULL. Whoever would call it with `address` calls fpw_pool_release instead, from any thread:
 * it puts back pages of this process's own and then calls it. */
int64_t fpw_pool_room(void *address, int64_t bytes); /* bytes of the pool that adopting takes; 0: there is no whole page */
int32_t fpw_pool_adopt(struct fpw_pool *pool, void *address, int64_t bytes, int64_t offset, void *allocator_free, char *error);
void fpw_pool_release(void *address);
/* The bytes of the pool, at *offset, that a release has given back; 0: no more than those told of before. */
int64_t fpw_pool_returned(struct fpw_pool *pool, int64_t *offset);
/* Between all-reduces, at most FPW_MAX_POOLS an engine. -1 with a sentence: the pool is another engine's, or the transport or
 * the switch takes none (the engine copies then). */
int32_t fpw_register(struct fpw_engine *engine, struct fpw_pool *pool, char *error);

/* Starts an all-reduce of `count` values in place. Then fpw_step until it returns anything but FPW_AGAIN; after a negative
 * status the engine is of no more use but for fpw_get_stats, fpw_overdue and fpw_close. */
int32_t fpw_begin(struct fpw_engine *engine, void *values, int64_t count, int32_t representation, char *error);
int32_t fpw_step(struct fpw_engine *engine, int32_t slice_ms, int32_t *flags, char *error);

/* The switch was restarted and remembers nothing (docs/PROTOCOL.md, "A restarted switch"). Between two calls of fpw_step, or
 * between all-reduces: fpw_halt; fpw_progress says what is missing; results that one worker has and another has not travel by
 * fpw_export and fpw_import; fpw_resume goes on, in a job of another number. */
int32_t fpw_halt(struct fpw_engine *engine, char *error); /* -1 with a sentence: the old switch may still write results */
/* The first unanswered chunk of each of a queue's slots, in order; returns how many slots. */
int32_t fpw_progress(const struct fpw_engine *engine, int32_t queue, uint32_t *numbers, int32_t room);
/* A chunk's result: the values as they lie in memory (a whole payload, padded with zeros) and its agreed scale. -1: not here. */
int32_t fpw_export(const struct fpw_engine *engine, int32_t queue, uint32_t number, void *values, float *scale, int32_t *flags);
int32_t fpw_import(struct fpw_engine *engine, int32_t queue, uint32_t number, const void *values, float scale, int32_t flags);
int32_t fpw_resume(struct fpw_engine *engine, int32_t job, char *error);

void fpw_cancel(struct fpw_engine *engine); /* from any thread: fpw_step returns FPW_CANCELLED soon */
void fpw_overdue(const struct fpw_engine *engine, uint32_t *pool_index, uint32_t *chunk);
void fpw_get_stats(const struct fpw_engine *engine, struct fpw_stats *stats);

/* The representations' arithmetic alone, for tests and benchmarks. Big-endian integers. */
void fpw_quantise(const float *values, uint8_t *out, int64_t n, float scale);
void fpw_dequantise(const uint8_t *in, float *values, int64_t n, float scale);
void fpw_swap(const void *from, void *to, int64_t n);
/* Of the whole process, while nothing is under way: 0 one value at a time, 1 AVX2, 2 AVX-512, -1 the widest there is, which
 * is also the default. Returns what will be used. */
int32_t fpw_set_vectors(int32_t wanted);
int32_t fpw_exponent(const float *values, int64_t n); /* may exceed 127: unrepresentable */
float fpw_scale(int32_t exponent, int32_t workers);
#endif
