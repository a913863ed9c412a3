/* What a network interface's port sends: sendmmsg, trains of like frames in one message, a queue where the link is slow. */
#define _GNU_SOURCE
#include "packet_ring.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void count_sent(struct port *port, uint32_t bytes)
{
    port->stats.tx_packets++;
    port->stats.tx_bytes += bytes;
}

/* What a failed send means for the packets of a message: wait (true), or drop them for the reason counted. */
static bool must_wait(struct port *port, int error, uint32_t packets)
{
    enum fpn_drop reason = FPN_TX_REFUSED;
    if (error == EAGAIN || error == EWOULDBLOCK)
        return true;
    if (error == ENOBUFS || error == ENOMEM)
        reason = FPN_TX_QUEUE_FULL;
    else if (error == EMSGSIZE)
        reason = FPN_TX_TOO_LONG;
    else if (error == ENETDOWN || error == ENXIO || error == ENODEV)
        reason = FPN_TX_LINK_DOWN;
    port->stats.drops[reason] += packets;
    return false;
}

static void wait_in_queue(struct ring_port *ring, const struct virtio_net_hdr *offload, const struct iovec *data)
{
    struct waiting *packet = NULL;
    if (ring->waiting_bytes + data->iov_len <= ring->waiting_limit)
        packet = malloc(sizeof *packet + data->iov_len);
    if (!packet) {
        ring->port.stats.drops[FPN_TX_QUEUE_FULL]++;
        return;
    }
    *packet = (struct waiting){.length = (uint32_t)data->iov_len, .offload = *offload};
    memcpy(packet->data, data->iov_base, data->iov_len);
    *ring->waiting_tail = packet;
    ring->waiting_tail = &packet->next;
    ring->waiting_bytes += data->iov_len;
    if (!ring->port.want_output) {
        ring->port.want_output = true;
        watch(ring->port.runner, &ring->port, ring->port.fd, true);
    }
}

/* Fills the messages of the outgoing packets; returns how many. */
static uint32_t couple(struct ring_port *ring, uint32_t n)
{
    uint32_t messages = 0;
    for (uint32_t at = 0, length; at < n; at += length, messages++) {
        const struct iovec(*parts)[2] = (const struct iovec(*)[2]) & ring->parts[at];
        length = ring->couples ? train_length(parts, &ring->headers[at], n - at) : 1;
        if (length > 1)
            train_couple(&ring->parts[at], length, &ring->fronts[messages]);
        ring->coupled[messages] = length;
        ring->messages[messages].msg_hdr.msg_iov = ring->parts[at];
        ring->messages[messages].msg_hdr.msg_iovlen = 2 * length;
    }
    return messages;
}

static void uncouple(struct ring_port *ring, uint32_t at, uint32_t length)
{
    if (length > 1)
        train_uncouple(&ring->parts[at], length);
}

void ring_flush(struct port *port)
{
    struct ring_port *ring = ring_of(port);
    uint32_t at = 0, message = 0, n = ring->outgoing, messages = ring->waiting ? 0 : couple(ring, n);
    ring->outgoing = 0;
    while (message < messages) {
        int sent = sendmmsg(port->fd, ring->messages + message, messages - message, MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        port->stats.tx_batches++;
        if (sent <= 0) {
            if (errno == EINVAL && ring->coupled[message] > 1) {
                ring->couples = false; /* an old kernel; one by one, then */
                break;
            }
            if (must_wait(port, errno, ring->coupled[message]))
                break;
            at += ring->coupled[message++];
        }
        for (; sent > 0; sent--, message++) {
            uncouple(ring, at, ring->coupled[message]);
            for (uint32_t i = 0; i < ring->coupled[message]; i++, at++)
                count_sent(port, (uint32_t)ring->parts[at][1].iov_len);
        }
    }
    for (uint32_t left = at; message < messages; left += ring->coupled[message++])
        uncouple(ring, left, ring->coupled[message]);
    for (; at < n; at++)
        wait_in_queue(ring, &ring->headers[at], &ring->parts[at][1]);
}

void ring_send(struct port *port, uint8_t *data, uint32_t length, const struct virtio_net_hdr *offload)
{
    struct ring_port *ring = ring_of(port);
    if (ring->outgoing == BATCH)
        ring_flush(port);
    struct virtio_net_hdr *header = &ring->headers[ring->outgoing];
    *header = (struct virtio_net_hdr){0};
    if (length < ETH_HLEN) {
        port->stats.drops[FPN_TX_REFUSED]++;
        return;
    }
    if (offload && !offload_prepare(data, length, offload, header)) {
        port->stats.drops[FPN_TX_BAD_OFFLOAD]++;
        return;
    }
    ring->parts[ring->outgoing][0] = (struct iovec){header, VNET};
    ring->parts[ring->outgoing++][1] = (struct iovec){data, length};
}

/* The link takes packets again. */
void ring_drain_waiting(struct ring_port *ring)
{
    while (ring->waiting) {
        struct waiting *packet = ring->waiting;
        struct iovec parts[2] = {{&packet->offload, VNET}, {packet->data, packet->length}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        if (sendmsg(ring->port.fd, &message, MSG_DONTWAIT) >= 0)
            count_sent(&ring->port, packet->length);
        else if (must_wait(&ring->port, errno, 1))
            return;
        ring->waiting = packet->next;
        ring->waiting_bytes -= packet->length;
        free(packet);
    }
    ring->waiting_tail = &ring->waiting;
    ring->port.want_output = false;
    watch(ring->port.runner, &ring->port, ring->port.fd, false);
}
