/* Pools: memory of a worker that the switch reads contributions from and writes results to (rings.h, "regions"). */
#define _GNU_SOURCE
#include "pool.h"
#include "port.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define MOST_BYTES ((int64_t)1 << 36)

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
    pool->bytes = ((size_t)bytes + POOL_PAGE - 1) & ~(POOL_PAGE - 1);
    pool->file = make_file(pool->bytes);
    pool->map = pool->file < 0 ? NULL : map_file(pool->file, pool->bytes);
    if (!pool->map) {
        fail(error, "no memory file of %lld bytes: %s", (long long)bytes, strerror(errno));
        pool_end(pool);
        return NULL;
    }
    pools_add(pool);
    return pool;
}

void *fpw_pool_memory(const struct fpw_pool *pool) { return pool->map; }
int64_t fpw_pool_bytes(const struct fpw_pool *pool) { return (int64_t)pool->bytes; }
int32_t fpw_pool_shared(const struct fpw_pool *pool) { return !pool->taken_back; }

void fpw_pool_discard(struct fpw_pool *pool, int64_t offset, int64_t bytes)
{
    if (!pool->foreign)
        fallocate(pool->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes);
}

void fpw_pool_free(struct fpw_pool *pool)
{
    if (!pool)
        return;
    pools_lock();
    pool->abandoned = true;
    pools_leave(pool);
    pools_unlock();
}

void pool_end(struct fpw_pool *pool)
{
    while (pool->returned) {
        struct adopted *next = pool->returned->next;
        free(pool->returned);
        pool->returned = next;
    }
    if (pool->map)
        munmap(pool->map, pool->bytes);
    if (pool->file >= 0)
        close(pool->file);
    free(pool);
}

static int unfinished(struct fpw_pool *pool, size_t done)
{
    pool->n_own += done > 0;
    return -1;
}

int pool_privatise(struct fpw_pool *pool, struct span span)
{
    struct span *own = pool->n_own < FPW_MAX_QUEUES ? &pool->own[pool->n_own] : NULL;
    if (!own)
        return -1;
    /* In pieces: the memory need not be there twice. */
    for (size_t at = 0; at < span.bytes; at += HUGE_PAGE) {
        size_t piece = span.bytes - at < HUGE_PAGE ? span.bytes - at : HUGE_PAGE;
        uint8_t *fresh = mmap(NULL, piece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (fresh == MAP_FAILED)
            return unfinished(pool, at);
        memcpy(fresh, span.at + at, piece);
        if (mremap(fresh, piece, piece, MREMAP_MAYMOVE | MREMAP_FIXED, span.at + at) == MAP_FAILED) {
            munmap(fresh, piece);
            return unfinished(pool, at);
        }
        *own = (struct span){span.at, at + piece};
    }
    pool->n_own++;
    return 0;
}
