/* Inside a worker's shared-memory transport (rings.h): its state, and what its files ask of each other. */
#ifndef FPISA_MEMORY_TRANSPORT_H
#define FPISA_MEMORY_TRANSPORT_H
#include "rings.h"
#include "worker_core.h"

struct memory_transport {
    struct transport base;
    int fd;
    uint8_t *map;
    size_t bytes;
    uint32_t slots, slot_bytes;
    struct fpm_ring *out, *in;
    uint32_t head, tail; /* ours: next frame to fill, next to read */
    uint32_t given;      /* frames borrowed by the last receive */
    bool published, ended;
    char path[108];      /* empty: the port's end is the engine's */
    uint32_t frame;
    uint64_t next_try;   /* when to look for the port again */
    struct region regions[FPM_MAX_REGIONS];
    uint32_t n_regions;
    bool undone;         /* answers of this connection that were not published have been looked through */
    bool torn;           /* and one could not be undone */
};

static inline struct memory_transport *memory_of(struct transport *t) { return (struct memory_transport *)t; }

/* worker_memory_wait.c */
bool memory_arrived(const struct memory_transport *m, uint32_t enough);
void memory_wait(struct transport *t, uint64_t until, uint32_t enough);

/* worker_memory_connect.c */
int memory_connect(struct memory_transport *m, const char *path, int limit_ms, char *error);
void memory_let_go(struct memory_transport *m);
void memory_look_for_port(struct memory_transport *m, uint64_t until);

/* worker_memory_region.c */
int memory_send_offer(const struct memory_transport *m, const struct region *region);
int memory_offer(struct transport *t, const struct region *region, char *error);
bool memory_takes_regions(struct transport *t);
int memory_detach(struct transport *t, uint64_t until, char *error);
int memory_undo(struct transport *t, char *error);

#define TORN "the switch died while it wrote a result, and what stood there cannot be put back"
#endif
