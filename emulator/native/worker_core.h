/* Inside the worker engine. */
#ifndef FPISA_WORKER_CORE_H
#define FPISA_WORKER_CORE_H
#include "port.h"
#include "worker.h"
#include <x86intrin.h>

#define MAX_PAYLOAD 8192

/* How a queue's frames get to the switch and back; one object per queue, used by its thread alone. */
struct transport;
struct region {
    int file;
    uint64_t bytes;
};
struct transport_kind {
    /* Room for the next outgoing frame; NULL: the link takes none now (wait, then go on). */
    uint8_t *(*reserve)(struct transport *t, uint32_t length);
    void (*commit)(struct transport *t, uint32_t length);
    int (*flush)(struct transport *t, char *error);
    int (*receive)(struct transport *t, struct received *frames, int room, char *error); /* -1 with a sentence */
    void (*release)(struct transport *t);
    void (*wait)(struct transport *t, uint64_t until_ns, uint32_t enough); /* many frames are worth waking for; or fewer, late */
    void (*close)(struct transport *t);
    void (*doubt)(struct transport *t); /* nothing is answered: perhaps the switch reads single packets only; may be NULL */
    /* Memory that frames may send parts of without copying them; all NULL where there is no such thing. */
    int (*offer)(struct transport *t, const struct region *region, char *error); /* regions are numbered from 0 */
    bool (*takes_regions)(struct transport *t);                                 /* all that were offered, now */
    /* A frame's headers are in the reserved room, its payload in a region, where the answer overwrites it. */
    void (*commit_parts)(struct transport *t, uint32_t headers, uint32_t region, uint64_t offset, uint32_t payload);
    /* The link is given up. 0: nothing more will be written to regions; what has arrived can still be received. */
    int (*detach)(struct transport *t, uint64_t until_ns, char *error);
    /* After that, and when all is received: what was written to regions for answers that did not arrive is put back. */
    int (*undo)(struct transport *t, char *error);
};
struct transport {
    const struct transport_kind *kind;
    bool sends_by_syscall;
};
struct transport *packet_transport(const struct fpw_options *options, int queue, const char *interface, char *error);

/* Round trip (Jacobson 1988), nanoseconds. */
struct trip {
    double mean, deviation, least;
    bool measured;
};

struct window_size { /* window_size.c; lives as long as the job, but for the round at hand */
    uint32_t limit, most;  /* chunks under way: allowed now, ever */
    uint32_t keep, rounds; /* not to shrink below; rounds until shorter windows are tried again, once settled */
    bool settled;
    double best;           /* answers a second */
    uint32_t answers;      /* of the round */
    uint64_t began, again; /* of the round; retransmissions before it */
};

struct flight { /* what is under way in a slot */
    int64_t chunk; /* -1: nothing; numbers within this all-reduce */
    uint64_t since, sent_at, order; /* first and latest transmission; how many there were before the latest */
    uint32_t tries;
};

struct fpw_engine;
struct lane {
    struct fpw_engine *engine;
    struct transport *transport;
    int queue;
    uint32_t share_first, share; /* slots */
    uint64_t reciprocal;         /* of share */
    struct trip trip;
    struct window_size size;
    uint8_t headers[FPW_HEADERS];
    struct flight *flights; /* share of them */
    /* One all-reduce. */
    uint8_t *values;    /* the share's first value */
    int region;         /* that chunks from..to - 1 of the share lie in; -1: none */
    int64_t region_at;  /* where chunk 0 would */
    int64_t region_from, region_to;
    int64_t *copied; /* by slot: the chunk that was sent as a copy, whose answer must therefore not be placed; -1: none */
    int64_t count;      /* values in the share */
    int64_t blocks, total, lag; /* lag 0: payloads need no earlier result */
    uint32_t first;     /* number of chunk 0 in the life of the job */
    int64_t answered;
    uint64_t *sent, *done;    /* bitmaps of total bits */
    int8_t *exponents;  /* quantised: per block, this worker's */
    float *scales;      /* quantised: per block, agreed */
    int64_t *ready;     /* chunks that may go out; ring of `share` */
    uint32_t ready_head, ready_count, under_way;
    uint64_t next_expiry, next_early, order, first_answer;
    uint64_t newest_order, newest_sent; /* latest of the transmissions known to be answered */
    uint32_t backoff; /* stalls since such an answer: each doubles the timeout */
    int32_t flags, status;
    bool threaded;
    pthread_t thread;
    char error[256];
    struct fpw_stats stats;
    uint64_t value_ticks, value_mean; /* converting or copying values; smoothed time of one frame */
    uint32_t value_frames;            /* so far: one in a few is measured */
    uint64_t syscall_ns;
    size_t bitmap_words;
    int64_t room_blocks;
    uint32_t overdue_pool, overdue_chunk;
    /* The last results, one for each slot, that another worker may still want when the switch has lost them. */
    uint8_t *tail;
    uint32_t tail_first; /* number of the first chunk in it */
    size_t tail_bytes;
    int32_t tail_flags;
};

struct fpw_engine {
    struct fpw_options options;
    struct lane lanes[FPW_MAX_QUEUES];
    int n_lanes;
    int32_t representation;
    uint32_t payload, frame;
    uint8_t *values;
    struct fpw_pool *pools[FPW_MAX_POOLS];
    int n_pools;
    bool no_pools; /* one was refused: numbers of regions no longer agree */
    atomic_bool cancelled, halted;
    atomic_int running; /* threads of other lanes than the first */
    bool begun, broken;
    uint64_t began_ns, began_ticks;
    struct fpw_stats stats;
};

struct transport *memory_transport(const struct fpw_options *options, const char *path, char *error);

/* frame.c */
void make_headers(struct lane *lane);
void build_frame(struct lane *lane, int64_t chunk, uint8_t *frame);
void build_headers(struct lane *lane, int64_t chunk, uint8_t *frame);
bool sent_again(const struct received *frame);
int64_t match_result(const struct lane *lane, const struct received *frame); /* chunk, or -1: not ours */
void take_result(struct lane *lane, int64_t chunk, const uint8_t *frame, bool placed);
uint32_t pool_index_of(const struct lane *lane, int64_t chunk);

/* worker_lane.c */
int receive_results(struct lane *lane, uint64_t *now); /* how many frames there were; -1 with a sentence */
void run_lane(struct lane *lane, uint64_t until);
void *lane_thread(void *lane);

/* worker_run.c */
int start_threads(struct fpw_engine *engine, char *error);
void join_threads(struct fpw_engine *engine);

/* worker_pool.c */
void find_region(struct lane *lane);
void forget_copies(struct lane *lane); /* what was sent as a copy will have no answer any more */
int take_back(struct fpw_engine *engine, char *error); /* after a failure: nobody else writes to the array. -1 with a sentence */
void release_pools(struct fpw_engine *engine);

/* worker_resume.c */
void keep_tail(struct lane *lane);

/* window_size.c */
void window_size_start(struct lane *lane, uint64_t now);
void window_size_answer(struct lane *lane, uint64_t now);

/* window.c */
void window_restart(struct lane *lane); /* everything under way goes out once more, as if for the first time */
void window_start(struct lane *lane, uint64_t now);
/* again: the result was sent again on request. false: answered before, or never sent. */
bool window_answer(struct lane *lane, int64_t chunk, bool again, uint64_t now);
int64_t window_next(struct lane *lane, uint64_t now);               /* next chunk to send for the first time, or -1 */
void window_unsend(struct lane *lane, int64_t chunk);               /* it found no room after all */
int window_expired(struct lane *lane, uint64_t now, int64_t *chunks, int room);
bool window_overdue(struct lane *lane, uint64_t now);

static inline uint64_t thread_cpu(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

#define MEASURED_ONE_IN 16u /* reading the counter four times a packet would be a fifth of a small packet's cost */

/* What frames' values take by the time-stamp counter: 0, or the beginning of one that is measured for those around it. */
static inline uint64_t begin_values(struct lane *lane)
{
    return lane->value_frames++ % MEASURED_ONE_IN ? 0 : __rdtsc();
}

/* A measurement far above the usual is an interruption by somebody else, and counts as the usual. */
static inline void charge_values(struct lane *lane, uint64_t start)
{
    if (!start)
        return;
    uint64_t ticks = __rdtsc() - start, usual = lane->value_mean;
    if (usual && ticks > 8 * usual + 4096)
        ticks = usual;
    lane->value_mean = usual ? (7 * usual + ticks) / 8 : ticks;
    lane->value_ticks += MEASURED_ONE_IN * ticks;
}

static inline void set_share(struct lane *lane, uint32_t slots)
{
    lane->share = slots;
    lane->reciprocal = UINT64_MAX / slots + 1;
}

/* number % share by multiplication (Lemire, Kaser and Kurz, Faster remainder by direct computation, 2019). */
static inline uint32_t slot_of(const struct lane *lane, uint32_t number)
{
    return (uint32_t)(((unsigned __int128)(lane->reciprocal * number) * lane->share) >> 64);
}
static inline uint32_t round_of(const struct lane *lane, uint32_t number)
{
    return lane->share == 1 ? number : (uint32_t)(((unsigned __int128)lane->reciprocal * number) >> 64);
}
/* Places of a ring of `share`; at < 2 * share. */
static inline uint32_t wrapped(const struct lane *lane, uint32_t at) { return at >= lane->share ? at - lane->share : at; }

static inline bool bit_get(const uint64_t *bits, int64_t i) { return bits[i >> 6] >> (i & 63) & 1; }
static inline void bit_set(uint64_t *bits, int64_t i) { bits[i >> 6] |= (uint64_t)1 << (i & 63); }
#endif
