/* The engine and its pools: which chunks the switch may read and write in place, and when it no longer may. */
#define _GNU_SOURCE
#include "pool.h"
#include "worker_core.h"

#define TAKE_BACK_NS 5000000000u

int32_t fpw_register(struct fpw_engine *engine, struct fpw_pool *pool, char *error)
{
    if (pool->owner || engine->begun)
        return fail(error, pool->owner ? "the pool serves another engine" : "an all-reduce is under way");
    if (engine->no_pools || engine->n_pools == FPW_MAX_POOLS)
        return fail(error, engine->no_pools ? "the switch has refused a pool before" : "an engine has at most %d pools", FPW_MAX_POOLS);
    struct region region = {pool->file, pool->bytes};
    for (int q = 0; q < engine->n_lanes; q++) {
        struct transport *transport = engine->lanes[q].transport;
        if (!transport->kind->offer)
            return fail(error, "only shared-memory ports take pools");
        if (transport->kind->offer(transport, &region, error)) {
            engine->no_pools = true;
            return -1;
        }
    }
    pool->owner = engine;
    engine->pools[engine->n_pools++] = pool;
    return 0;
}

static struct span share_of(const struct lane *lane)
{
    return (struct span){lane->values, (size_t)lane->count * lane->engine->options.value_bytes};
}

/* The chunks that fill a packet and lie in the span wholly. */
static void set_region(struct lane *lane, int region, struct span span, uint64_t offset)
{
    int64_t payload = lane->engine->payload, skipped = span.at - lane->values, full = lane->count / lane->engine->options.elements;
    lane->region = region;
    lane->region_at = (int64_t)offset - skipped;
    lane->region_from = (skipped + payload - 1) / payload;
    lane->region_to = (skipped + (int64_t)span.bytes) / payload;
    lane->region_to = lane->region_to < full ? lane->region_to : full;
}

void forget_copies(struct lane *lane)
{
    for (uint32_t slot = 0; slot < lane->share; slot++)
        lane->copied[slot] = -1;
}

void find_region(struct lane *lane)
{
    struct fpw_engine *engine = lane->engine;
    struct span span;
    uint64_t offset;
    lane->region = -1;
    if (engine->representation != FPW_RAW || engine->no_pools)
        return;
    pools_lock();
    for (int i = 0; i < engine->n_pools && lane->region < 0; i++)
        if (!engine->pools[i]->taken_back && pool_finds(engine->pools[i], share_of(lane), &span, &offset))
            set_region(lane, i, span, offset);
    pools_unlock();
    if (lane->region >= 0)
        forget_copies(lane);
}

/* The pages of the pool that hold a share, or part of it. */
static bool shared_pages(const struct lane *lane, struct span *pages)
{
    uint64_t offset;
    if (lane->region < 0 || !pool_finds(lane->engine->pools[lane->region], share_of(lane), pages, &offset))
        return false;
    uint8_t *end = pages->at + pages->bytes;
    pages->at = (uint8_t *)((uintptr_t)pages->at & ~(uintptr_t)(POOL_PAGE - 1));
    pages->bytes = ((size_t)(end - pages->at) + POOL_PAGE - 1) & ~(POOL_PAGE - 1);
    return true;
}

/* The switch may still hold answers that it would write over the array, which belongs to the caller again. What it writes then
 * goes to a file that nobody looks at; where memory for that is short, the switch has to hang up. */
static int take_share_back(struct lane *lane, char *error)
{
    struct span pages;
    pools_lock();
    bool shared = shared_pages(lane, &pages);
    struct fpw_pool *pool = shared ? lane->engine->pools[lane->region] : NULL;
    int status = shared ? pool_privatise(pool, pages) : 0;
    if (shared)
        pool->taken_back = true;
    pools_unlock();
    lane->region = -1;
    if (!status || !lane->transport->kind->detach(lane->transport, now_ns() + TAKE_BACK_NS, error))
        return 0;
    return fail(error, "memory is short, and the switch may still write results into the array: its values are not to be used");
}

int take_back(struct fpw_engine *engine, char *error)
{
    int status = 0;
    for (int q = 0; q < engine->n_lanes; q++)
        if (engine->lanes[q].region >= 0)
            status |= take_share_back(&engine->lanes[q], error);
    return status;
}

void release_pools(struct fpw_engine *engine)
{
    for (int i = 0; i < engine->n_pools; i++)
        engine->pools[i]->owner = NULL;
    engine->n_pools = 0;
}
