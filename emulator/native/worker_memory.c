/* A worker's frames through shared memory (rings.h): built in the ring, and results read from it. */
#define _GNU_SOURCE
#include "memory_transport.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FIRST_HELLO_MS 5000
#define AHEAD 4 /* frames: the switch's core wrote them, and to fetch one takes longer than to read it */

static uint8_t *reserve(struct transport *t, uint32_t length)
{
    struct memory_transport *m = memory_of(t);
    if (m->ended || length > m->slot_bytes || m->head - atomic_load_explicit(&m->out->tail, memory_order_acquire) >= m->slots)
        return NULL;
    return fpm_frame(m->out, m->slots, m->slot_bytes, m->head);
}

static void commit(struct transport *t, uint32_t length)
{
    struct memory_transport *m = memory_of(t);
    fpm_descriptors(m->out)[m->head++ & (m->slots - 1)] = (struct fpm_descriptor){.length = (uint16_t)length};
    m->published = true;
}

static void commit_parts(struct transport *t, uint32_t headers, uint32_t region, uint64_t offset, uint32_t payload)
{
    struct memory_transport *m = memory_of(t);
    fpm_descriptors(m->out)[m->head++ & (m->slots - 1)] = (struct fpm_descriptor){
        (uint16_t)headers, (uint16_t)payload, (uint8_t)region, m->path[0] ? FPM_PLACE | FPM_KEEP : FPM_PLACE, 0, offset};
    m->published = true;
}

static int flush(struct transport *t, char *error)
{
    struct memory_transport *m = memory_of(t);
    if (m->published) {
        m->published = false;
        atomic_store_explicit(&m->out->head, m->head, memory_order_seq_cst);
        if (fpm_must_wake(m->out, m->head, 0))
            m->ended |= send(m->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN;
    }
    if (m->torn)
        return fail(error, TORN);
    return m->ended && !m->path[0] ? fail(error, "the switch has closed its shared-memory port") : 0;
}

static int receive(struct transport *t, struct received *frames, int room, char *error)
{
    struct memory_transport *m = memory_of(t);
    if (!m->map)
        return 0;
    uint32_t waiting = atomic_load_explicit(&m->in->head, memory_order_acquire) - m->tail;
    if (waiting > m->slots)
        return fail(error, "the switch wrote an impossible index into shared memory");
    int n = 0;
    for (m->given = 0; waiting && n < room; waiting--, m->given++) {
        uint32_t at = m->tail + m->given;
        struct fpm_descriptor part = fpm_descriptors(m->in)[at & (m->slots - 1)];
        bool placed = part.flags & FPM_PLACED;
        __builtin_prefetch(fpm_frame(m->in, m->slots, m->slot_bytes, at + AHEAD));
        if (part.length <= m->slot_bytes && (!placed || part.length >= FPW_HEADERS))
            frames[n++] = (struct received){
                .data = fpm_frame(m->in, m->slots, m->slot_bytes, at),
                .length = (uint32_t)part.length + (placed ? part.payload_length : 0),
                .placed = placed,
            };
    }
    return n;
}

static void release(struct transport *t)
{
    struct memory_transport *m = memory_of(t);
    if (!m->map)
        return;
    m->tail += m->given;
    m->given = 0;
    atomic_store_explicit(&m->in->tail, m->tail, memory_order_release);
}

static void close_transport(struct transport *t)
{
    memory_let_go(memory_of(t));
    free(memory_of(t));
}

static const struct transport_kind MEMORY_KIND = {
    .reserve = reserve, .commit = commit, .flush = flush, .receive = receive, .release = release, .wait = memory_wait,
    .close = close_transport, .offer = memory_offer, .takes_regions = memory_takes_regions, .commit_parts = commit_parts,
    .detach = memory_detach, .undo = memory_undo,
};

struct transport *memory_transport(const struct fpw_options *options, const char *path, char *error)
{
    struct memory_transport *m = calloc(1, sizeof *m);
    if (!m) {
        fail(error, "memory is short");
        return NULL;
    }
    m->base = (struct transport){&MEMORY_KIND, false};
    m->fd = -1;
    m->frame = FPW_HEADERS + (uint32_t)options->elements * options->value_bytes;
    if (memory_connect(m, path, FIRST_HELLO_MS, error)) {
        close_transport(&m->base);
        return NULL;
    }
    if (options->resumable)
        strcpy(m->path, path); /* memory_connect has found it short enough */
    return &m->base;
}
