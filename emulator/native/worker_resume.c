/* A worker over the switch's restart: what it has of each slot, results given to others and taken from them. */
#include "worker_core.h"
#include <stdlib.h>
#include <string.h>

/* The old switch may be writing results into the array, or have died of it: it hangs up, what it has sent is taken, and
 * contributions that it spoilt are put back. */
static int settle(struct lane *lane, char *error)
{
    const struct transport_kind *kind = lane->transport->kind;
    uint64_t now = now_ns();
    if (kind->detach(lane->transport, now + (uint64_t)lane->engine->options.deadline_ms * 1000000u, error))
        return -1;
    while (lane->status == FPW_AGAIN && receive_results(lane, &now) > 0)
        ;
    return kind->undo(lane->transport, error);
}

int32_t fpw_halt(struct fpw_engine *engine, char *error)
{
    atomic_store(&engine->halted, true);
    join_threads(engine);
    for (int q = 0; q < engine->n_lanes && engine->begun; q++) {
        struct lane *lane = &engine->lanes[q];
        if (lane->region >= 0 && lane->status == FPW_AGAIN && settle(lane, error))
            return -1;
    }
    return 0;
}

static int64_t total_of(const struct lane *lane) { return lane->engine->begun ? lane->total : 0; }

/* Blocks of the array that chunks from `chunk` on carry, as bytes from the lane's first value. */
static size_t offset_of(const struct lane *lane, int64_t chunk)
{
    size_t at = (size_t)(chunk - lane->lag) * lane->engine->payload;
    size_t all = (size_t)lane->count * lane->engine->options.value_bytes;
    return at < all ? at : all;
}

void keep_tail(struct lane *lane)
{
    if (!lane->total)
        return;
    if (!lane->tail && !(lane->tail = malloc((size_t)lane->share * lane->engine->payload)))
        return; /* then this worker has nothing to give */
    int64_t from = lane->total > lane->share ? lane->total - lane->share : 0;
    from = from < lane->lag ? lane->lag : from;
    size_t at = offset_of(lane, from);
    lane->tail_first = lane->first + (uint32_t)from;
    lane->tail_flags = lane->flags;
    lane->tail_bytes = offset_of(lane, lane->total) - at;
    memcpy(lane->tail, lane->values + at, lane->tail_bytes);
}

int32_t fpw_progress(const struct fpw_engine *engine, int32_t queue, uint32_t *numbers, int32_t room)
{
    if (queue < 0 || queue >= engine->n_lanes)
        return -1;
    const struct lane *lane = &engine->lanes[queue];
    for (uint32_t slot = 0; slot < lane->share && slot < (uint32_t)room; slot++) {
        int64_t chunk = (slot + lane->share - lane->first % lane->share) % lane->share;
        while (chunk < total_of(lane) && bit_get(lane->done, chunk))
            chunk += lane->share;
        numbers[slot] = lane->first + (uint32_t)chunk;
    }
    return (int32_t)lane->share;
}

/* What there is of `bytes`, zeros after it. */
static void copy_padded(uint8_t *to, size_t payload, const uint8_t *from, size_t bytes)
{
    size_t n = bytes < payload ? bytes : payload;
    memcpy(to, from, n);
    memset(to + n, 0, payload - n);
}

static int32_t export_tail(const struct lane *lane, uint32_t number, void *values)
{
    size_t payload = lane->engine->payload, at = (size_t)(number - lane->tail_first) * payload;
    if (!lane->tail || at >= lane->tail_bytes)
        return -1;
    copy_padded(values, payload, lane->tail + at, lane->tail_bytes - at);
    return 0;
}

int32_t fpw_export(const struct fpw_engine *engine, int32_t queue, uint32_t number, void *values, float *scale, int32_t *flags)
{
    if (queue < 0 || queue >= engine->n_lanes)
        return -1;
    const struct lane *lane = &engine->lanes[queue];
    int64_t chunk = (int32_t)(number - lane->first);
    *scale = 0;
    *flags = chunk < 0 ? lane->tail_flags : lane->flags;
    if (chunk < 0)
        return export_tail(lane, number, values);
    if (chunk >= total_of(lane) || !bit_get(lane->done, chunk))
        return -1;
    if (lane->lag && chunk < lane->blocks)
        *scale = lane->scales[chunk];
    if (chunk < lane->lag)
        memset(values, 0, engine->payload);
    else
        copy_padded(values, engine->payload, lane->values + offset_of(lane, chunk),
                    offset_of(lane, lane->total) - offset_of(lane, chunk));
    return 0;
}

int32_t fpw_import(struct fpw_engine *engine, int32_t queue, uint32_t number, const void *values, float scale, int32_t flags)
{
    if (queue < 0 || queue >= engine->n_lanes || !engine->begun)
        return -1;
    struct lane *lane = &engine->lanes[queue];
    int64_t chunk = (int32_t)(number - lane->first);
    if (chunk < 0 || chunk >= lane->total)
        return -1;
    struct flight *flight = &lane->flights[number % lane->share];
    if (flight->chunk != chunk)
        return -1;
    flight->tries = 2; /* how long this took says nothing about the path */
    if (!window_answer(lane, chunk, false, now_ns()))
        return -1;
    lane->flags |= flags;
    if (lane->lag && chunk < lane->blocks)
        lane->scales[chunk] = scale;
    if (chunk >= lane->lag) {
        size_t at = offset_of(lane, chunk), left = offset_of(lane, lane->total) - at;
        memcpy(lane->values + at, values, left < engine->payload ? left : engine->payload);
    }
    return 0;
}

/* Over a connection of its own: settle() has ended the old one wherever chunks lie in a region. */
static void restart(struct lane *lane)
{
    window_restart(lane);
    forget_copies(lane);
}

int32_t fpw_resume(struct fpw_engine *engine, int32_t job, char *error)
{
    if (job < 1 || job > 65535)
        return fail(error, "%d is no number of a job", job);
    engine->options.job = (uint16_t)job;
    atomic_store(&engine->halted, false);
    for (int q = 0; q < engine->n_lanes; q++) {
        make_headers(&engine->lanes[q]);
        if (engine->begun && engine->lanes[q].status == FPW_AGAIN)
            restart(&engine->lanes[q]);
    }
    return engine->begun ? start_threads(engine, error) : 0;
}
