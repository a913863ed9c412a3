/* One all-reduce of the worker engine: shared out to the lanes, run to its end, added up. The first lane runs in the
 * caller's thread, the others in their own for the length of an all-reduce. */
#define _GNU_SOURCE
#include "worker_core.h"
#include <stdlib.h>
#include <string.h>

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
        find_region(lane);
        if (quantised && find_exponents(lane))
            return FPW_UNREPRESENTABLE;
    }
    return 0;
}

/* For all unfinished lanes but the first, which runs in fpw_step. */
int start_threads(struct fpw_engine *engine, char *error)
{
    for (int q = 1; q < engine->n_lanes; q++) {
        struct lane *lane = &engine->lanes[q];
        if (lane->status != FPW_AGAIN)
            continue;
        atomic_fetch_add(&engine->running, 1);
        if (pthread_create(&lane->thread, NULL, lane_thread, lane)) {
            atomic_fetch_sub(&engine->running, 1);
            engine->broken = true;
            atomic_store(&engine->cancelled, true);
            return fail(error, "cannot start a thread for queue %d", q);
        }
        lane->threaded = true;
    }
    return 0;
}

void join_threads(struct fpw_engine *engine)
{
    for (int q = 1; q < engine->n_lanes; q++) {
        struct lane *lane = &engine->lanes[q];
        if (lane->threaded)
            pthread_join(lane->thread, NULL);
        lane->threaded = false;
    }
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
    for (int q = 1; q < engine->n_lanes; q++)
        if (!engine->lanes[q].total)
            engine->lanes[q].status = FPW_DONE;
    return start_threads(engine, error) ? FPW_FAILED : FPW_AGAIN;
}

static void collect(struct fpw_engine *engine, struct lane *lane, double ns_per_tick)
{
    struct fpw_stats *to = &engine->stats, *from = &lane->stats;
    to->packets_sent += from->packets_sent;
    to->packets_by_reference += from->packets_by_reference;
    to->packets_placed += from->packets_placed;
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
    join_threads(engine);
    for (int q = 0; q < engine->n_lanes; q++) {
        struct lane *lane = &engine->lanes[q];
        collect(engine, lane, ns_per_tick);
        if (engine->options.resumable && lane->status == FPW_DONE)
            keep_tail(lane);
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
    if (engine->broken && take_back(engine, error))
        worst = FPW_FAILED;
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
    stats->window = engine->lanes[0].size.limit;
}
