/* A port within the process: what the pipeline sends there waits for fpn_take (a CPU port, a test, in-process workers). */
#include "port.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct item {
    uint8_t *data;
    uint32_t length;
};

struct queue_port {
    struct port port;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct item *items;
    uint32_t capacity, head, count;
    bool stopped;
};

static int queue_receive(struct port *port, struct received *packets, int room)
{
    (void)port, (void)packets, (void)room;
    return 0; /* packets enter by fpn_inject */
}

static void queue_release(struct port *port) { (void)port; }
static void queue_flush(struct port *port) { (void)port; }

static void queue_send(struct port *port, uint8_t *data, uint32_t length, const struct virtio_net_hdr *offload)
{
    struct queue_port *queue = (struct queue_port *)port;
    uint8_t *copy = malloc(length ? length : 1);
    pthread_mutex_lock(&queue->lock);
    if (!copy || queue->count == queue->capacity) {
        port->stats.drops[FPN_TX_QUEUE_FULL]++;
        free(copy);
    } else {
        memcpy(copy, data, length);
        if (offload)
            offload_complete(copy, length);
        queue->items[(queue->head + queue->count++) % queue->capacity] = (struct item){copy, length};
        port->stats.tx_packets++;
        port->stats.tx_bytes += length;
        pthread_cond_signal(&queue->filled);
    }
    pthread_mutex_unlock(&queue->lock);
}

void queue_stop(struct port *port);

static void queue_close(struct port *port)
{
    struct queue_port *queue = (struct queue_port *)port;
    for (; queue->count; queue->count--, queue->head = (queue->head + 1) % queue->capacity)
        free(queue->items[queue->head].data);
    pthread_mutex_destroy(&queue->lock);
    pthread_cond_destroy(&queue->filled);
    free(queue->items);
    free(queue);
}

const struct port_kind QUEUE_KIND = {queue_receive, queue_release, queue_send, queue_flush, NULL, NULL, NULL, queue_close,
                                     NULL,          NULL};

/* Wakes whoever waits in fpn_take for good. */
void queue_stop(struct port *port)
{
    struct queue_port *queue = (struct queue_port *)port;
    pthread_mutex_lock(&queue->lock);
    queue->stopped = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

int32_t queue_take(struct port *port, uint8_t *buffer, int32_t capacity, int32_t timeout_ms)
{
    struct queue_port *queue = (struct queue_port *)port;
    uint64_t until = now_ns() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000000u;
    struct timespec time = {(time_t)(until / 1000000000u), (long)(until % 1000000000u)};
    int32_t result = 0;
    pthread_mutex_lock(&queue->lock);
    while (!queue->count && !queue->stopped)
        if (timeout_ms <= 0 || pthread_cond_timedwait(&queue->filled, &queue->lock, &time) == ETIMEDOUT)
            break;
    if (queue->count) {
        struct item *item = &queue->items[queue->head];
        if (item->length > (uint32_t)capacity)
            result = -2;
        else {
            memcpy(buffer, item->data, item->length);
            free(item->data);
            result = (int32_t)item->length;
            queue->head = (queue->head + 1) % queue->capacity;
            queue->count--;
        }
    } else if (queue->stopped)
        result = -1;
    pthread_mutex_unlock(&queue->lock);
    return result;
}

int32_t fpn_add_queue(struct fpn_runner *runner, int32_t number, int32_t packets, char *error)
{
    if (packets < 1)
        return fail(error, "a queue port needs room for at least one packet");
    struct queue_port *queue = calloc(1, sizeof *queue);
    if (!queue || !(queue->items = calloc((size_t)packets, sizeof *queue->items))) {
        free(queue);
        return fail(error, "memory is short");
    }
    queue->port.kind = &QUEUE_KIND;
    queue->port.fd = -1;
    queue->capacity = (uint32_t)packets;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->filled, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&queue->lock, NULL);
    if (adopt_port(runner, &queue->port, number, "queue", error)) {
        queue_close(&queue->port);
        return -1;
    }
    return 0;
}
