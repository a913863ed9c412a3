/* The worker engine's making and end: options checked, a lane for each queue. */
#define _GNU_SOURCE
#include "worker_core.h"
#include <stdlib.h>
#include <string.h>

static int check(const struct fpw_options *o, char *error)
{
    if (!o->job || !o->workers || o->rank >= o->workers || o->workers > 128)
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

/* Every queue has a port of its own. */
static struct transport *memory_queue(const struct fpw_options *options, int queue, const char *path, char *error)
{
    char own[256];
    if (queue && snprintf(own, sizeof own, "%s.%d", path, queue) >= (int)sizeof own) {
        fail(error, "the socket path \"%.80s...\" is too long", path);
        return NULL;
    }
    return memory_transport(options, queue ? own : path, error);
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
        set_share(lane, to - from);
        lane->flights = calloc(lane->share, sizeof *lane->flights);
        lane->ready = calloc(lane->share, sizeof *lane->ready);
        lane->copied = calloc(lane->share, sizeof *lane->copied);
        engine->n_lanes = q + 1;
        if (!lane->flights || !lane->ready || !lane->copied)
            return fail(error, "memory is short");
        make_headers(lane);
        lane->transport = interface ? packet_transport(o, q, interface, error) : memory_queue(o, q, socket_path, error);
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
    return open_engine(options, NULL, socket_path, error);
}

void fpw_close(struct fpw_engine *engine)
{
    if (!engine)
        return;
    atomic_store(&engine->cancelled, true);
    join_threads(engine);
    char error[256];
    if (engine->begun)
        take_back(engine, error);
    for (int q = 0; q < engine->n_lanes; q++) {
        struct lane *lane = &engine->lanes[q];
        if (lane->transport)
            lane->transport->kind->close(lane->transport);
        free(lane->flights);
        free(lane->ready);
        free(lane->copied);
        free(lane->sent);
        free(lane->done);
        free(lane->exponents);
        free(lane->scales);
        free(lane->tail);
    }
    release_pools(engine);
    free(engine);
}
