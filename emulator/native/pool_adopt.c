/* Memory that a worker has from somebody else's allocator (a framework's tensors) becomes a pool's: pages of the pool's file take the
 * place of its own, at the same addresses and with the same bytes. Before the allocator gets the memory back it has private pages
 * again, so what the allocator believes of its memory stays true.
 *
 * A forked child must not write into its parent's tensors, nor the switch's contributions into the child's: there all pools'
 * pages become a private view of the file. */
#define _GNU_SOURCE
#include "pool.h"
#include "port.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fpw_pool *all;

void pools_lock(void) { pthread_mutex_lock(&lock); }
void pools_unlock(void) { pthread_mutex_unlock(&lock); }

/* ---- forks ---- */

/* A page that nobody could make private must not stay shared: touching it is then a fault, in the child. */
static void view(const struct fpw_pool *pool, uint8_t *at, size_t bytes, uint64_t offset)
{
    int private = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE;
    if (bytes && mmap(at, bytes, PROT_READ | PROT_WRITE, private, pool->file, (off_t)offset) == MAP_FAILED)
        munmap(at, bytes);
}

/* All of the span but what is private already. */
static void view_span(const struct fpw_pool *pool, struct span span, uint64_t offset)
{
    uint8_t *at = span.at, *end = span.at + span.bytes;
    while (at < end) {
        struct span next = {end, 0};
        for (int i = 0; i < pool->n_own; i++)
            if (pool->own[i].at + pool->own[i].bytes > at && pool->own[i].at < next.at)
                next = pool->own[i];
        if (next.at > at)
            view(pool, at, (size_t)(next.at - at), offset + (uint64_t)(at - span.at));
        at = next.at + next.bytes;
    }
}

static void in_child(void)
{
    for (struct fpw_pool *pool = all; pool; pool = pool->next) {
        if (pool->foreign)
            continue; /* a child's child: private already */
        view_span(pool, (struct span){pool->map, pool->bytes}, 0);
        for (struct adopted *a = pool->adopted; a; a = a->next)
            view_span(pool, a->span, a->offset);
        pool->foreign = pool->taken_back = true;
    }
    pools_unlock();
}

static void watch_forks(void) { pthread_atfork(pools_lock, pools_unlock, in_child); }

void pools_add(struct fpw_pool *pool)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    pools_lock();
    pool->next = all;
    all = pool;
    pools_unlock();
}

void pools_leave(struct fpw_pool *pool)
{
    if (!pool->abandoned || pool->adopted)
        return;
    struct fpw_pool **at = &all;
    while (*at != pool)
        at = &(*at)->next;
    *at = pool->next;
    pool_end(pool);
}

/* ---- finding ---- */

bool pool_finds(struct fpw_pool *pool, struct span wanted, struct span *found, uint64_t *offset)
{
    if (wanted.at >= pool->map && wanted.at + wanted.bytes <= pool->map + pool->bytes) {
        *found = wanted;
        *offset = (uint64_t)(wanted.at - pool->map);
        return true;
    }
    for (const struct adopted *a = pool->adopted; a; a = a->next) {
        uint8_t *from = a->span.at > wanted.at ? a->span.at : wanted.at;
        uint8_t *to = a->span.at + a->span.bytes;
        to = to < wanted.at + wanted.bytes ? to : wanted.at + wanted.bytes;
        if (from >= to)
            continue;
        *found = (struct span){from, (size_t)(to - from)};
        *offset = a->offset + (uint64_t)(from - a->span.at);
        return true;
    }
    return false;
}

/* ---- adopting ---- */

/* The file has the bytes before its pages stand where the caller's stood: a reader sees no difference. */
static int fill(const struct fpw_pool *pool, struct span span, uint64_t offset)
{
    if (fallocate(pool->file, 0, (off_t)offset, (off_t)span.bytes))
        return -1; /* no memory; to learn it on a page's first use would be the process's end */
    for (size_t done = 0; done < span.bytes;) {
        ssize_t n = pwrite(pool->file, span.at + done, span.bytes - done, (off_t)(offset + done));
        if (n <= 0)
            return -1;
        done += (size_t)n;
    }
    return 0;
}

/* Mapped elsewhere first and moved: a mapping that cannot be made must not cost the pages that are there. */
static int replace(const struct fpw_pool *pool, struct span span, uint64_t offset)
{
    void *map = mmap(NULL, span.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, pool->file, (off_t)offset);
    if (map == MAP_FAILED)
        return -1;
    if (mremap(map, span.bytes, span.bytes, MREMAP_MAYMOVE | MREMAP_FIXED, span.at) != MAP_FAILED)
        return 0;
    munmap(map, span.bytes);
    return -1;
}

static struct span whole_pages(void *address, int64_t bytes)
{
    uintptr_t from = ((uintptr_t)address + POOL_PAGE - 1) & ~(uintptr_t)(POOL_PAGE - 1);
    uintptr_t to = ((uintptr_t)address + (uintptr_t)bytes) & ~(uintptr_t)(POOL_PAGE - 1);
    return (struct span){(uint8_t *)from, to > from ? to - from : 0};
}

int64_t fpw_pool_room(void *address, int64_t bytes) { return (int64_t)whole_pages(address, bytes).bytes; }

int32_t fpw_pool_adopt(struct fpw_pool *pool, void *address, int64_t bytes, int64_t offset, void *allocator_free, char *error)
{
    struct span span = whole_pages(address, bytes);
    if (!span.bytes || offset < 0 || offset % (int64_t)POOL_PAGE || span.bytes > pool->bytes ||
        (uint64_t)offset > pool->bytes - span.bytes)
        return fail(error, "%lld bytes cannot be at %lld of a pool", (long long)bytes, (long long)offset);
    struct adopted *adopted = malloc(sizeof *adopted);
    if (!adopted)
        return fail(error, "memory is short");
    *adopted = (struct adopted){address, NULL, span, (uint64_t)offset, NULL};
    memcpy(&adopted->free, &allocator_free, sizeof adopted->free);
    pools_lock();
    if (pool->taken_back || fill(pool, span, adopted->offset) || replace(pool, span, adopted->offset)) {
        int reason = errno;
        bool late = pool->taken_back;
        pools_unlock();
        free(adopted);
        return fail(error, "the pool takes no more memory: %s", late ? "an all-reduce in it has failed" : strerror(reason));
    }
    adopted->next = pool->adopted;
    pool->adopted = adopted;
    pools_unlock();
    return 0;
}

static struct adopted *take_out(void *address, struct fpw_pool **of)
{
    for (struct fpw_pool *pool = all; pool; pool = pool->next)
        for (struct adopted **at = &pool->adopted; *at; at = &(*at)->next)
            if ((*at)->address == address) {
                struct adopted *found = *at;
                *at = found->next;
                *of = pool;
                return found;
            }
    return NULL;
}

void fpw_pool_release(void *address)
{
    struct fpw_pool *pool;
    pools_lock();
    struct adopted *adopted = take_out(address, &pool);
    if (!adopted) {
        pools_unlock();
        return;
    }
    struct span span = adopted->span;
    void (*allocator_free)(void *) = adopted->free;
    int fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    if (mmap(span.at, span.bytes, PROT_READ | PROT_WRITE, fixed, -1, 0) == MAP_FAILED) {
        adopted->next = pool->adopted; /* the allocator must not have it: rather is it lost */
        pool->adopted = adopted;
        pools_unlock();
        return;
    }
    fpw_pool_discard(pool, (int64_t)adopted->offset, (int64_t)span.bytes);
    adopted->next = pool->returned;
    pool->returned = adopted;
    pools_leave(pool);
    pools_unlock();
    if (allocator_free)
        allocator_free(address);
}

int64_t fpw_pool_returned(struct fpw_pool *pool, int64_t *offset)
{
    pools_lock();
    struct adopted *adopted = pool->returned;
    int64_t bytes = adopted ? (int64_t)adopted->span.bytes : 0;
    if (adopted) {
        pool->returned = adopted->next;
        *offset = (int64_t)adopted->offset;
    }
    pools_unlock();
    free(adopted);
    return bytes;
}
