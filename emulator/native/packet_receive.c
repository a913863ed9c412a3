/* What a network interface's port receives: frames in the mapped ring; super-frames cut or taken aside. */
#define _GNU_SOURCE
#include "packet_ring.h"
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>

static struct tpacket2_hdr *frame(struct ring_port *ring, uint32_t at)
{
    return (struct tpacket2_hdr *)(ring->map + (size_t)(at % ring->frames) * ring->frame_bytes);
}

/* The kernel keeps a VLAN tag beside the packet: back between the addresses and the type, into the 4 bytes before it. */
static uint8_t *restore_tag(const struct tpacket2_hdr *header, uint8_t *data, struct virtio_net_hdr *offload)
{
    uint16_t type = header->tp_status & TP_STATUS_VLAN_TPID_VALID ? header->tp_vlan_tpid : ETH_P_8021Q;
    uint16_t tag[2] = {htons(type), htons(header->tp_vlan_tci)};
    memmove(data - 4, data, 12);
    memcpy(data + 8, tag, 4);
    if (offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
        offload->csum_start = (uint16_t)(offload->csum_start + 4);
    return data - 4;
}

/* A packet longer than a ring frame waits whole in the socket's queue. */
static bool take_aside(struct ring_port *ring, struct received *packet)
{
    if (!ring->aside[ring->aside_used] && !(ring->aside[ring->aside_used] = malloc(FP_MAX_FRAME + 64)))
        return false;
    packet->data = ring->aside[ring->aside_used] + 64;
    struct iovec parts[2] = {{&packet->offload, VNET}, {packet->data, FP_MAX_FRAME}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t bytes = recvmsg(ring->port.fd, &message, MSG_DONTWAIT);
    if (bytes <= (ssize_t)VNET || message.msg_flags & MSG_TRUNC)
        return false;
    ring->aside_used++;
    packet->length = (uint32_t)bytes - (uint32_t)VNET;
    return true;
}

static bool read_frame(struct ring_port *ring, struct tpacket2_hdr *header, struct received *packet)
{
    uint64_t *drops = ring->port.stats.drops;
    if (header->tp_snaplen < header->tp_len) {
        if (!(header->tp_status & TP_STATUS_COPY) || !take_aside(ring, packet)) {
            drops[header->tp_len > FP_MAX_FRAME ? FPN_RX_TOO_LONG : FPN_RX_TRUNCATED]++;
            return false;
        }
    } else {
        packet->data = (uint8_t *)header + header->tp_mac;
        packet->length = header->tp_len;
        memcpy(&packet->offload, packet->data - VNET, VNET);
    }
    if (header->tp_status & TP_STATUS_VLAN_VALID) {
        packet->data = restore_tag(header, packet->data, &packet->offload);
        packet->length += 4;
    }
    if (packet->length > FP_MAX_FRAME) { /* by its tag */
        drops[FPN_RX_TOO_LONG]++;
        return false;
    }
    packet->segmented = packet->placed = false;
    if (packet->offload.gso_type == VIRTIO_NET_HDR_GSO_UDP_L4)
        return true;
    if ((packet->offload.flags | packet->offload.gso_type) &&
        !offload_settle(packet->data, packet->length, &packet->offload, &packet->segmented)) {
        drops[FPN_RX_BAD_OFFLOAD]++;
        return false;
    }
    return true;
}

/* One frame: as it is, or the packets of a train as far as there is room. */
static int take_frame(struct ring_port *ring, struct tpacket2_hdr *header, struct received *packets, int room)
{
    struct received whole;
    if (!read_frame(ring, header, &whole))
        return 0;
    if (whole.offload.gso_type != VIRTIO_NET_HDR_GSO_UDP_L4) {
        packets[0] = whole;
        return 1;
    }
    struct train *train = &ring->trains[ring->n_trains];
    if (!train_cut(train, whole.data, whole.length, whole.offload.gso_size)) {
        ring->port.stats.drops[FPN_RX_BAD_OFFLOAD]++;
        return 0;
    }
    ring->n_trains++;
    ring->couples = true;
    return train_unload(train, packets, room);
}

int ring_receive(struct port *port, struct received *packets, int room)
{
    struct ring_port *ring = ring_of(port);
    int n = ring->n_trains ? train_unload(&ring->trains[ring->n_trains - 1], packets, room) : 0;
    while (n < room && ring->aside_used < ASIDE && ring->n_trains < ASIDE) {
        struct tpacket2_hdr *header = frame(ring, ring->head);
        if (!(__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
            break;
        __builtin_prefetch(frame(ring, ring->head + 1));
        ring->head++;
        n += take_frame(ring, header, &packets[n], room - n);
        if (ring->head - ring->tail >= ring->frames / 2)
            break; /* refused frames count as well: never read one that was not given back */
    }
    if (n)
        port->stats.state = FPN_UP;
    return n;
}

void ring_release(struct port *port)
{
    struct ring_port *ring = ring_of(port);
    for (; ring->tail != ring->head; ring->tail++)
        __atomic_store_n(&frame(ring, ring->tail)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    ring->aside_used = 0;
    struct train last = ring->n_trains ? ring->trains[ring->n_trains - 1] : (struct train){0};
    if (last.next < last.n) { /* its other packets come next */
        ring->trains[ring->n_trains - 1] = ring->trains[0];
        ring->trains[0] = last;
        ring->n_trains = 1;
    } else
        ring->n_trains = 0;
}
