/* Inside the worker engine: pools, and where their pages lie in this process. */
#ifndef FPISA_POOL_H
#define FPISA_POOL_H
#include "worker.h"
#include <stdbool.h>
#include <stddef.h>

#define POOL_PAGE ((size_t)4096)

struct span {
    uint8_t *at;
    size_t bytes;
};

/* Memory of somebody else's allocator, with pages of a pool in place of its own. */
struct adopted {
    void *address;        /* as the allocator knows it */
    void (*free)(void *); /* the allocator's */
    struct span span;     /* the whole pages within it */
    uint64_t offset;      /* of them in the pool's file */
    struct adopted *next;
};

struct fpw_pool {
    int file;
    uint8_t *map;
    size_t bytes;
    const struct fpw_engine *owner;  /* NULL: none */
    bool taken_back;                 /* nothing is sent from here, nor written by the switch, any more */
    bool foreign;                    /* in a forked child: the file is the parent's */
    bool abandoned;                  /* its maker is gone; what it has adopted keeps it */
    struct span own[FPW_MAX_QUEUES]; /* pages that were replaced by private ones */
    int n_own;
    struct adopted *adopted, *returned; /* returned: pages free again, of which fpw_pool_returned has not told yet */
    struct fpw_pool *next;
};

/* One lock for all pools and what they have adopted; a fork holds it. */
void pools_lock(void);
void pools_unlock(void);
void pools_add(struct fpw_pool *pool);
void pools_leave(struct fpw_pool *pool); /* ends a pool that nobody needs any more; under the lock */
void pool_end(struct fpw_pool *pool);

/* The pages of the pool's file among `wanted`, and where they lie in it: all of it within the pool's own map, or what
 * is adopted of it. */
bool pool_finds(struct fpw_pool *pool, struct span wanted, struct span *found, uint64_t *offset);

/* Pages of this process's own in place of these, with the same bytes: nobody else sees them from now on. -1: no memory. */
int pool_privatise(struct fpw_pool *pool, struct span span);
#endif
