/* Pools: memory of a worker that the switch reads contributions from and writes results to (rings.h, "regions"). */
#define _GNU_SOURCE
#include "worker_core.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096
#define HUGE_PAGE ((size_t)2 << 20)
#define MOST_BYTES ((int64_t)1 << 36)

struct fpw_pool {
    int file;
    uint8_t *map;
    size_t bytes;
    const struct fpw_engine *owner; /* NULL: none */
    bool taken_back;
};

static int make_file(size_t bytes)
{
    int file = memfd_create("fpisa-pool", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0)
        return -1;
    if (!ftruncate(file, (off_t)bytes) && !fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        return file;
    close(file);
    return -1;
}

/* Mapped where huge pages can begin: a gradient's pages are many. */
static uint8_t *map_file(int file, size_t bytes)
{
    size_t room = bytes + HUGE_PAGE;
    uint8_t *space = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (space == MAP_FAILED)
        return NULL;
    uint8_t *at = (uint8_t *)(((uintptr_t)space + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
    void *map = mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
    if (map == MAP_FAILED) {
        munmap(space, room);
        return NULL;
    }
    if (at > space)
        munmap(space, (size_t)(at - space));
    if (space + room > at + bytes)
        munmap(at + bytes, (size_t)(space + room - at - bytes));
    madvise(map, bytes, MADV_HUGEPAGE);
    return map;
}

struct fpw_pool *fpw_pool_new(int64_t bytes, char *error)
{
    if (bytes < 1 || bytes > MOST_BYTES) {
        fail(error, "a pool has 1 to %lld bytes, not %lld", (long long)MOST_BYTES, (long long)bytes);
        return NULL;
    }
    struct fpw_pool *pool = calloc(1, sizeof *pool);
    if (!pool) {
        fail(error, "memory is short");
        return NULL;
    }
    pool->bytes = ((size_t)bytes + PAGE - 1) & ~(size_t)(PAGE - 1);
    pool->file = make_file(pool->bytes);
    pool->map = pool->file < 0 ? NULL : map_file(pool->file, pool->bytes);
    if (!pool->map) {
        fail(error, "no memory file of %lld bytes: %s", (long long)bytes, strerror(errno));
        fpw_pool_free(pool);
        return NULL;
    }
    return pool;
}

void *fpw_pool_memory(const struct fpw_pool *pool) { return pool->map; }
int64_t fpw_pool_bytes(const struct fpw_pool *pool) { return (int64_t)pool->bytes; }
int32_t fpw_pool_shared(const struct fpw_pool *pool) { return !pool->taken_back; }

void fpw_pool_free(struct fpw_pool *pool)
{
    if (!pool)
        return;
    if (pool->map)
        munmap(pool->map, pool->bytes);
    if (pool->file >= 0)
        close(pool->file);
    free(pool);
}

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

void find_region(struct lane *lane)
{
    struct fpw_engine *engine = lane->engine;
    size_t bytes = (size_t)lane->count * engine->options.value_bytes;
    lane->region = -1;
    lane->placing = false;
    for (int i = 0; i < engine->n_pools && engine->representation == FPW_RAW && !engine->no_pools; i++) {
        const struct fpw_pool *pool = engine->pools[i];
        if (pool->taken_back || lane->values < pool->map || lane->values + bytes > pool->map + pool->bytes)
            continue;
        lane->region = i;
        lane->region_at = (uint64_t)(lane->values - pool->map);
        /* A switch that dies while it writes results over contributions leaves neither; who is to resume needs one of them. */
        lane->placing = !engine->options.resumable;
    }
}

/* Pages of this process's own in place of those shared with the switch, at the same address and with the same bytes. */
static int privatise(uint8_t *from, size_t bytes)
{
    uint8_t *own = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (own == MAP_FAILED)
        return -1;
    memcpy(own, from, bytes);
    if (mremap(own, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, from) != MAP_FAILED)
        return 0;
    munmap(own, bytes);
    return -1;
}

/* The switch may still hold answers that it would write over the array, which belongs to the caller again. What it writes then
 * goes to a file that nobody looks at. In pieces: the memory need not be there twice. */
void take_back(struct fpw_engine *engine)
{
    for (int q = 0; q < engine->n_lanes; q++) {
        struct lane *lane = &engine->lanes[q];
        if (!lane->placing || lane->region < 0)
            continue;
        struct fpw_pool *pool = engine->pools[lane->region];
        size_t from = lane->region_at & ~(size_t)(PAGE - 1);
        size_t to = lane->region_at + (size_t)lane->count * engine->options.value_bytes;
        to = (to + PAGE - 1) & ~(size_t)(PAGE - 1);
        for (size_t at = from; at < to; at += HUGE_PAGE) {
            size_t piece = to - at < HUGE_PAGE ? to - at : HUGE_PAGE;
            if (privatise(pool->map + at, piece))
                abort(); /* without a page of memory left; going on would let the switch write into the caller's values */
        }
        pool->taken_back = true;
        lane->placing = false;
    }
}

void release_pools(struct fpw_engine *engine)
{
    for (int i = 0; i < engine->n_pools; i++)
        engine->pools[i]->owner = NULL;
    engine->n_pools = 0;
}
