/* One turn of the packet loop: gather packets from the ports, run the pipeline, hand out what leaves. */
#include "runner.h"
#include <stdlib.h>
#include <string.h>

/* ---- in ---- */

static void add_input(struct fpn_runner *r, uint16_t number, uint8_t *data, uint32_t length,
                      const struct virtio_net_hdr *offload)
{
    int at = r->n_in++;
    r->in[at] = (struct fp_packet){data, length, number, 0};
    r->meta[at] = NULL;
    if (offload) {
        r->metas[at] = *offload;
        r->meta[at] = &r->metas[at];
    }
}

static void arrive(struct port *port, uint8_t *data, uint32_t length, const struct virtio_net_hdr *offload)
{
    if (port->runner->n_in == BATCH_IN) { /* impairments may multiply packets; the loop leaves them room, but not endless */
        port->stats.drops[FPN_RX_IMPAIRED]++;
        return;
    }
    port->stats.rx_packets++;
    port->stats.rx_bytes += length;
    if (port->log_in)
        pcap_write(port->log_in, data, length);
    add_input(port->runner, port->number, data, length, offload);
}

static void gather_port(struct fpn_runner *r, struct port *port)
{
    struct received packets[BATCH];
    int room = BATCH_IN - r->n_in;
    if (port->in)
        room = room / 2; /* each may be doubled */
    int n = port->kind->receive(port, packets, room < BATCH ? room : BATCH);
    if (n)
        port->stats.rx_batches++;
    for (int i = 0; i < n; i++) {
        struct received *packet = &packets[i];
        const struct virtio_net_hdr *offload = packet->segmented ? &packet->offload : NULL;
        if (port->in)
            impair_packet(port->in, port, packet->data, packet->length, offload, r->now, arrive);
        else
            arrive(port, packet->data, packet->length, offload);
    }
}

static struct posted *take_posted(struct fpn_runner *r, struct post_box *box, int limit)
{
    pthread_mutex_lock(&r->post_lock);
    struct posted *first = box->first, **at = &box->first;
    for (; *at && limit > 0; limit--, at = &(*at)->next) {
        box->count--;
        atomic_fetch_sub(&r->posted, 1);
    }
    struct posted *rest = *at;
    *at = NULL;
    box->first = rest;
    if (!rest)
        box->last = &box->first;
    pthread_mutex_unlock(&r->post_lock);
    return first;
}

static void gather_injected(struct fpn_runner *r)
{
    if (!atomic_load_explicit(&r->posted, memory_order_acquire))
        return;
    r->in_use = take_posted(r, &r->injected, BATCH);
    for (struct posted *packet = r->in_use; packet; packet = packet->next)
        add_input(r, packet->number, packet->data, packet->length, NULL);
}

int gather(struct fpn_runner *r)
{
    r->n_in = 0;
    gather_injected(r);
    for (int i = 0; i < r->n_ports && r->n_in < BATCH_IN - 1; i++) {
        struct port *port = r->list[(r->next_port + i) % r->n_ports];
        gather_port(r, port);
    }
    if (r->n_ports)
        r->next_port = (r->next_port + 1) % r->n_ports;
    return r->n_in;
}

/* ---- out ---- */

static void depart(struct port *port, uint8_t *data, uint32_t length, const struct virtio_net_hdr *offload)
{
    if (port->log_out)
        pcap_write(port->log_out, data, length);
    if (!port->dirty) {
        port->dirty = true;
        port->runner->dirty[port->runner->n_dirty++] = port;
    }
    port->kind->send(port, data, length, offload);
}

static void dispatch(struct fpn_runner *r, uint8_t *data, uint32_t length, uint16_t number,
                     const struct virtio_net_hdr *offload)
{
    struct port *port = r->ports[number];
    if (!port)
        r->stats.no_such_port++;
    else if (port->out)
        impair_packet(port->out, port, data, length, offload, r->now, depart);
    else
        depart(port, data, length, offload);
}

static void flush_dirty(struct fpn_runner *r)
{
    for (int i = 0; i < r->n_dirty; i++) {
        r->dirty[i]->kind->flush(r->dirty[i]);
        r->dirty[i]->dirty = false;
    }
    r->n_dirty = 0;
    for (int i = 0; i < r->n_ports; i++)
        if (r->list[i]->out)
            impair_reap(r->list[i]->out);
}

void dispatch_emitted(struct fpn_runner *r)
{
    if (!atomic_load_explicit(&r->posted, memory_order_acquire))
        return;
    struct posted *emitted = take_posted(r, &r->emitted, OUT_CAPACITY);
    for (struct posted *packet = emitted; packet; packet = packet->next)
        dispatch(r, packet->data, packet->length, packet->number, NULL);
    flush_dirty(r);
    free_posted(emitted);
}

/* ---- pipeline ---- */

static void lock_pipeline(struct fpn_runner *r)
{
    while (atomic_load_explicit(&r->pausers, memory_order_acquire)) {
        pthread_mutex_lock(&r->lock);
        if (atomic_load(&r->pausers))
            pthread_cond_wait(&r->unpaused, &r->lock);
        pthread_mutex_unlock(&r->lock);
    }
    pthread_mutex_lock(&r->lock);
}

/* One call under the lock; returns the number of inputs consumed. */
static int call(struct fpn_runner *r, const struct fp_packet *in, int n, int *n_out)
{
    *n_out = 0;
    lock_pipeline(r);
    int consumed = n;
    if (r->process)
        consumed = r->process(r->state, in, n, r->out, OUT_CAPACITY, n_out, r->arena, ARENA_BYTES,
                              r->now / 1000 - (uint64_t)r->clock_base_us);
    else
        r->stats.no_pipeline += (uint64_t)n;
    pthread_mutex_unlock(&r->lock);
    return consumed;
}

uint64_t serve_queues(struct fpn_runner *r)
{
    if (!atomic_load_explicit(&r->has_queues, memory_order_acquire))
        return UINT64_MAX;
    uint64_t next_us = UINT64_MAX;
    for (int32_t more = 1, n_out = 0; more; n_out = 0) {
        lock_pipeline(r);
        uint64_t now_us = r->now / 1000 - (uint64_t)r->clock_base_us;
        more = r->serve ? r->serve(r->queues, now_us, r->out, OUT_CAPACITY, &n_out, r->arena, ARENA_BYTES, &next_us) : 0;
        pthread_mutex_unlock(&r->lock);
        for (int i = 0; i < n_out; i++)
            dispatch(r, r->out[i].data, r->out[i].length, r->out[i].port, NULL);
        flush_dirty(r);
    }
    return next_us == UINT64_MAX ? UINT64_MAX : (next_us + (uint64_t)r->clock_base_us) * 1000;
}

static void run_inputs(struct fpn_runner *r, const struct fp_packet *in, int n, const struct virtio_net_hdr *offload)
{
    while (n > 0) {
        int n_out;
        int consumed = call(r, in, n, &n_out);
        for (int i = 0; i < n_out; i++)
            dispatch(r, r->out[i].data, r->out[i].length, r->out[i].port, offload);
        flush_dirty(r); /* before the arena is used again */
        if (consumed <= 0) {
            r->stats.no_room++; /* alone in an empty arena and still too much */
            consumed = 1;
        }
        in += consumed;
        n -= consumed;
    }
}

static void run_segments(struct fpn_runner *r, const struct fp_packet *whole, uint32_t size)
{
    uint32_t length;
    for (uint32_t i = 0; (length = offload_segment(whole->data, whole->length, size, i, r->segment)); i++) {
        struct fp_packet packet = {r->segment, length, whole->port, 0};
        run_inputs(r, &packet, 1, NULL);
    }
}

/* Plain packets go in runs; a super-frame goes alone, so that its outputs are known to be its own, or segment by segment. */
void process_batch(struct fpn_runner *r)
{
    for (int from = 0, to; from < r->n_in; from = to) {
        to = from + 1;
        if (!r->meta[from])
            while (to < r->n_in && !r->meta[to])
                to++;
        if (r->meta[from] && atomic_load_explicit(&r->cut, memory_order_relaxed))
            run_segments(r, &r->in[from], r->meta[from]->gso_size);
        else
            run_inputs(r, r->in + from, to - from, r->meta[from]);
    }
    r->stats.batches++;
    r->stats.packets += (uint64_t)r->n_in;
}

void finish_batch(struct fpn_runner *r)
{
    for (int i = 0; i < r->n_ports; i++) {
        r->list[i]->kind->release(r->list[i]);
        if (r->list[i]->in)
            impair_reap(r->list[i]->in);
    }
    free_posted(r->in_use);
    r->in_use = NULL;
}

/* ---- held packets ---- */

uint64_t deliver_due(struct fpn_runner *r)
{
    uint64_t next = UINT64_MAX;
    for (int i = 0; i < r->n_ports; i++) {
        struct port *port = r->list[i];
        uint64_t in = port->in ? impair_due(port->in, port, r->now, arrive) : UINT64_MAX;
        uint64_t out = port->out ? impair_due(port->out, port, r->now, depart) : UINT64_MAX;
        next = in < next ? in : next;
        next = out < next ? out : next;
    }
    if (r->n_dirty)
        flush_dirty(r);
    return next;
}

void free_posted(struct posted *posted)
{
    while (posted) {
        struct posted *next = posted->next;
        free(posted);
        posted = next;
    }
}
