/* The worker engine: one lane per queue, each a loop of sending, receiving and timers; the first runs in the caller's
 * thread, the others in their own for the length of an all-reduce. */
#define _GNU_SOURCE
#include "worker_core.h"
#include <stdlib.h>
#include <string.h>

#define PATIENCE_NS 20000000u /* a waiting lane looks this often whether it was cancelled */

/* ---- one lane ---- */

static uint64_t thread_cpu(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static bool send_chunk(struct lane *lane, int64_t chunk)
{
    struct fpw_engine *engine = lane->engine;
    uint8_t *frame = lane->transport->kind->reserve(lane->transport, engine->frame);
    if (!frame)
        return false;
    build_frame(lane, chunk, frame);
    lane->transport->kind->commit(lane->transport, engine->frame);
    lane->stats.packets_sent++;
    lane->stats.bytes_sent += engine->frame;
    return true;
}

static bool send_ready(struct lane *lane, uint64_t now)
{
    int64_t chunk;
    bool sent = false;
    while ((chunk = window_next(lane, now)) >= 0) {
        if (!send_chunk(lane, chunk)) {
            window_unsend(lane, chunk);
            break;
        }
        sent = true;
    }
    return sent;
}

static bool send_again(struct lane *lane, uint64_t now)
{
    int64_t chunks[BATCH];
    int n = window_expired(lane, now, chunks, BATCH);
    if (n && lane->backoff && lane->transport->kind->doubt)
        lane->transport->kind->doubt(lane->transport);
    for (int i = 0; i < n; i++)
        if (!send_chunk(lane, chunks[i]))
            break; /* its timer runs on */
    return n > 0;
}

static int receive(struct lane *lane, uint64_t *now)
{
    struct received frames[BATCH];
    int n = lane->transport->kind->receive(lane->transport, frames, BATCH, lane->error);
    *now = now_ns();
    for (int i = 0; i < n; i++) {
        lane->stats.packets_received++;
        lane->stats.bytes_received += frames[i].length;
        int64_t chunk = match_result(lane, &frames[i]);
        if (chunk >= 0 && window_answer(lane, chunk, sent_again(&frames[i]), *now))
            take_result(lane, chunk, frames[i].data);
        else
            lane->stats.discarded++;
    }
    if (n >= 0)
        lane->transport->kind->release(lane->transport);
    return n;
}

/* The thread's own processor time is asked for only around system calls: asking is one itself. */
static int flush(struct lane *lane)
{
    if (!lane->transport->sends_by_syscall)
        return lane->transport->kind->flush(lane->transport, lane->error);
    uint64_t start = thread_cpu();
    int status = lane->transport->kind->flush(lane->transport, lane->error);
    lane->syscall_ns += thread_cpu() - start;
    return status;
}

static void wait_frames(struct lane *lane, uint64_t until)
{
    uint64_t start = thread_cpu();
    lane->transport->kind->wait(lane->transport, until);
    lane->syscall_ns += thread_cpu() - start;
}

/* One turn; true when there was nothing to do. */
static bool turn(struct lane *lane)
{
    uint64_t now;
    int n = receive(lane, &now);
    bool sent = send_ready(lane, now);
    sent |= send_again(lane, now);
    if (n < 0 || ((sent || n == 0) && flush(lane)))
        lane->status = FPW_FAILED;
    return n == 0 && !sent;
}

static void run_lane(struct lane *lane, uint64_t until)
{
    uint64_t next_check = 0;
    while (lane->answered < lane->total && lane->status == FPW_AGAIN) {
        bool idle = turn(lane);
        uint64_t now = now_ns();
        if (now >= next_check) {
            next_check = now + PATIENCE_NS;
            if (window_overdue(lane, now))
                lane->status = FPW_OVERDUE;
            if (atomic_load_explicit(&lane->engine->cancelled, memory_order_relaxed))
                lane->status = FPW_CANCELLED;
        }
        if (now >= until)
            return;
        if (!idle || lane->status != FPW_AGAIN || lane->answered == lane->total)
            continue;
        uint64_t wake = now + PATIENCE_NS;
        wake = until < wake ? until : wake;
        wait_frames(lane, lane->next_expiry < wake ? lane->next_expiry : wake);
    }
    if (lane->answered == lane->total)
        lane->status = FPW_DONE;
}

static void *lane_thread(void *argument)
{
    struct lane *lane = argument;
    uint64_t cpu = thread_cpu();
    run_lane(lane, UINT64_MAX);
    lane->stats.cpu_ns += thread_cpu() - cpu;
    if (lane->status != FPW_DONE)
        atomic_store(&lane->engine->cancelled, true); /* the all-reduce is lost: no lane need go on */
    atomic_fetch_sub(&lane->engine->running, 1);
    return NULL;
}

/* ---- an all-reduce ---- */

static bool lane_memory(struct lane *lane)
{
    size_t words = (size_t)(lane->total + 63) / 64 + 1;
    if (words > lane->bitmap_words || !lane->sent) {
        free(lane->sent);
        free(lane->done);
        lane->sent = malloc(words * 8);
        lane->done = malloc(words * 8);
        lane->bitmap_words = lane->sent && lane->done ? words : 0;
    }
    if (lane->lag && lane->blocks > lane->room_blocks) {
        free(lane->exponents);
        free(lane->scales);
        lane->exponents = malloc((size_t)lane->blocks);
        lane->scales = malloc((size_t)lane->blocks * sizeof *lane->scales);
        lane->room_blocks = lane->exponents && lane->scales ? lane->blocks : 0;
    }
    return lane->bitmap_words && (!lane->lag || lane->room_blocks);
}

static int find_exponents(struct lane *lane)
{
    uint64_t start = __rdtsc();
    int64_t elements = lane->engine->options.elements;
    const float *values = (const float *)(const void *)lane->values;
    for (int64_t block = 0; block < lane->blocks; block++) {
        int64_t left = lane->count - block * elements;
        int32_t exponent = fpw_exponent(values + block * elements, left < elements ? left : elements);
        if (exponent > 127)
            return FPW_UNREPRESENTABLE;
        lane->exponents[block] = (int8_t)exponent;
    }
    lane->value_ticks += __rdtsc() - start;
    return 0;
}

/* Cuts the array into the lanes' shares, the longer ones first. */
static int share_out(struct fpw_engine *engine, int64_t count, char *error)
{
    int64_t elements = engine->options.elements, blocks = (count + elements - 1) / elements, at = 0;
    for (int q = 0; q < engine->n_lanes; q++) {
        struct lane *lane = &engine->lanes[q];
        lane->blocks = blocks / engine->n_lanes + (q < blocks % engine->n_lanes);
        lane->values = engine->values + (size_t)at * engine->payload;
        int64_t left = count - at * elements;
        lane->count = lane->blocks * elements < left ? lane->blocks * elements : left > 0 ? left : 0;
        at += lane->blocks;
        bool quantised = engine->representation == FPW_QUANTISED;
        lane->lag = !quantised ? 0 : lane->blocks < lane->share ? lane->blocks : lane->share;
        lane->total = lane->blocks + lane->lag;
        lane->status = FPW_AGAIN;
        lane->flags = 0;
        if (!lane_memory(lane))
            return fail(error, "memory is short for an all-reduce of %lld values", (long long)count);
        if (quantised && find_exponents(lane))
            return FPW_UNREPRESENTABLE;
    }
    return 0;
}

int32_t fpw_begin(struct fpw_engine *engine, void *values, int64_t count, int32_t representation, char *error)
{
    if (engine->broken || engine->begun)
        return fail(error, engine->broken ? "this engine failed before" : "an all-reduce is under way"), FPW_FAILED;
    if (count < 0 || representation < FPW_RAW || representation > FPW_QUANTISED ||
        (representation != FPW_RAW && engine->options.value_bytes != 4))
        return fail(error, "the representation does not go with the format"), FPW_FAILED;
    engine->values = values;
    engine->representation = representation;
    engine->began_ns = now_ns();
    engine->began_ticks = __rdtsc();
    uint64_t cpu = thread_cpu();
    int status = share_out(engine, count, error);
    engine->stats.cpu_ns += thread_cpu() - cpu;
    if (status)
        return status == FPW_UNREPRESENTABLE ? status : FPW_FAILED;
    engine->begun = true;
    engine->stats.payload_bytes += (uint64_t)count * engine->options.value_bytes;
    for (int q = 0; q < engine->n_lanes; q++)
        window_start(&engine->lanes[q], engine->began_ns);
    for (int q = 1; q < engine->n_lanes; q++) {
        struct lane *lane = &engine->lanes[q];
        if (!lane->total)
            lane->status = FPW_DONE;
        else {
            atomic_fetch_add(&engine->running, 1);
            if (pthread_create(&lane->thread, NULL, lane_thread, lane)) {
                atomic_fetch_sub(&engine->running, 1);
                engine->broken = true;
                atomic_store(&engine->cancelled, true);
                return fail(error, "cannot start a thread for queue %d", q), FPW_FAILED;
            }
            lane->threaded = true;
        }
    }
    return FPW_AGAIN;
}

static void collect(struct fpw_engine *engine, struct lane *lane, double ns_per_tick)
{
    struct fpw_stats *to = &engine->stats, *from = &lane->stats;
    to->packets_sent += from->packets_sent;
    to->packets_received += from->packets_received;
    to->retransmissions += from->retransmissions;
    to->timeouts += from->timeouts;
    to->discarded += from->discarded;
    to->bytes_sent += from->bytes_sent;
    to->bytes_received += from->bytes_received;
    to->cpu_ns += from->cpu_ns;
    *(engine->representation == FPW_RAW ? &to->copy_ns : &to->convert_ns) +=
        (uint64_t)((double)lane->value_ticks * ns_per_tick);
    to->syscall_ns += lane->syscall_ns;
    *from = (struct fpw_stats){0};
    lane->value_ticks = lane->syscall_ns = 0;
}

/* All lanes have ended: the worst status, counts added up, chunk numbers moved on. */
static int32_t finish(struct fpw_engine *engine, int32_t *flags, char *error)
{
    int32_t worst = FPW_DONE;
    uint64_t wall = now_ns() - engine->began_ns;
    double ns_per_tick = (double)wall / (double)(__rdtsc() - engine->began_ticks);
    *flags = 0;
    for (int q = 0; q < engine->n_lanes; q++) {
        struct lane *lane = &engine->lanes[q];
        if (lane->threaded)
            pthread_join(lane->thread, NULL);
        lane->threaded = false;
        collect(engine, lane, ns_per_tick);
        lane->first += (uint32_t)lane->total;
        *flags |= lane->flags;
        /* cancelled because of another lane's end: that lane's own status tells more */
        if (lane->status < 0 && (worst == FPW_DONE || worst == FPW_CANCELLED)) {
            worst = lane->status;
            memcpy(error, lane->error, sizeof lane->error);
        }
    }
    engine->stats.wall_ns += wall;
    engine->stats.calls++;
    engine->begun = false;
    engine->broken = worst != FPW_DONE;
    return worst;
}

int32_t fpw_step(struct fpw_engine *engine, int32_t slice_ms, int32_t *flags, char *error)
{
    struct lane *lane = &engine->lanes[0];
    uint64_t until = now_ns() + (uint64_t)slice_ms * 1000000u, cpu = thread_cpu();
    error[0] = 0;
    if (!engine->begun)
        return fail(error, "no all-reduce is under way"), FPW_FAILED;
    if (lane->status == FPW_AGAIN)
        run_lane(lane, until);
    if (lane->status < 0)
        atomic_store(&engine->cancelled, true);
    while (lane->status != FPW_AGAIN && atomic_load(&engine->running) && now_ns() < until) {
        struct timespec pause = {0, 20000};
        nanosleep(&pause, NULL); /* the other queues finish at almost the same time */
    }
    engine->stats.cpu_ns += thread_cpu() - cpu;
    if (lane->status == FPW_AGAIN || atomic_load(&engine->running))
        return FPW_AGAIN;
    return finish(engine, flags, error);
}

void fpw_cancel(struct fpw_engine *engine) { atomic_store(&engine->cancelled, true); }

void fpw_overdue(const struct fpw_engine *engine, uint32_t *pool_index, uint32_t *chunk)
{
    for (int q = 0; q < engine->n_lanes; q++)
        if (engine->lanes[q].status == FPW_OVERDUE) {
            *pool_index = engine->lanes[q].overdue_pool;
            *chunk = engine->lanes[q].overdue_chunk;
            return;
        }
}

void fpw_get_stats(const struct fpw_engine *engine, struct fpw_stats *stats)
{
    *stats = engine->stats;
    stats->round_trip_ns = (uint64_t)engine->lanes[0].trip.mean;
}

/* ---- making ---- */

static int check(const struct fpw_options *o, char *error)
{
    if (!o->job || !o->workers || o->rank >= o->workers || o->workers > 32)
        return fail(error, "job %d, rank %d of %d workers is no seat in a job", o->job, o->rank, o->workers);
    if (!o->queues || o->queues > FPW_MAX_QUEUES || o->slots < o->queues)
        return fail(error, "%d queues cannot share %d slots (at most %d queues)", o->queues, o->slots, FPW_MAX_QUEUES);
    if (!o->elements || !o->value_bytes || o->elements * o->value_bytes > MAX_PAYLOAD)
        return fail(error, "%d values of %d bytes do not fit a packet", o->elements, o->value_bytes);
    if (o->udp_port + o->queues > 65536 || !o->udp_port)
        return fail(error, "UDP ports %d and up leave no room for %d queues", o->udp_port, o->queues);
    if (o->initial_us < 1 || o->shortest_us < 1 || o->longest_us < o->shortest_us || o->deadline_ms < 1)
        return fail(error, "timeouts must be positive, and the longest not below the shortest");
    return 0;
}

static int open_lanes(struct fpw_engine *engine, const char *interface, const char *socket_path, char *error)
{
    const struct fpw_options *o = &engine->options;
    for (int q = 0; q < o->queues; q++) {
        struct lane *lane = &engine->lanes[q];
        uint32_t from = (uint32_t)q * o->slots / o->queues, to = (uint32_t)(q + 1) * o->slots / o->queues;
        lane->engine = engine;
        lane->queue = q;
        lane->share_first = o->first_slot + from;
        lane->share = to - from;
        lane->flights = calloc(lane->share, sizeof *lane->flights);
        lane->ready = calloc(lane->share, sizeof *lane->ready);
        engine->n_lanes = q + 1;
        if (!lane->flights || !lane->ready)
            return fail(error, "memory is short");
        make_headers(lane);
        lane->transport = interface ? packet_transport(o, q, interface, error) : memory_transport(o, socket_path, error);
        if (!lane->transport)
            return -1;
    }
    return 0;
}

static struct fpw_engine *open_engine(const struct fpw_options *options, const char *interface, const char *socket_path,
                                      char *error)
{
    if (check(options, error))
        return NULL;
    struct fpw_engine *engine = calloc(1, sizeof *engine);
    if (!engine) {
        fail(error, "memory is short");
        return NULL;
    }
    engine->options = *options;
    engine->payload = (uint32_t)options->elements * options->value_bytes;
    engine->frame = FPW_HEADERS + engine->payload;
    if (open_lanes(engine, interface, socket_path, error)) {
        fpw_close(engine);
        return NULL;
    }
    return engine;
}

struct fpw_engine *fpw_open_interface(const struct fpw_options *options, const char *interface, char *error)
{
    return open_engine(options, interface, NULL, error);
}

struct fpw_engine *fpw_open_memory(const struct fpw_options *options, const char *socket_path, char *error)
{
    if (options->queues != 1) {
        fail(error, "shared memory carries one queue, not %d", options->queues);
        return NULL;
    }
    return open_engine(options, NULL, socket_path, error);
}

void fpw_close(struct fpw_engine *engine)
{
    if (!engine)
        return;
    atomic_store(&engine->cancelled, true);
    for (int q = 0; q < engine->n_lanes; q++) {
        struct lane *lane = &engine->lanes[q];
        if (lane->threaded)
            pthread_join(lane->thread, NULL);
        if (lane->transport)
            lane->transport->kind->close(lane->transport);
        free(lane->flights);
        free(lane->ready);
        free(lane->sent);
        free(lane->done);
        free(lane->exponents);
        free(lane->scales);
    }
    free(engine);
}
