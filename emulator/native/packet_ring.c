/* A port on a network interface: AF_PACKET, received through a memory-mapped ring, sent by sendmmsg.
 *
 * Sending from a mapped ring was measured and is no faster on veth (the kernel builds a socket buffer per packet either
 * way); sendmmsg takes the pipeline's output where it lies and copies it, so nothing waits for completions. Every packet
 * carries a virtio-net header both ways, which keeps checksum and segmentation offload working between the hosts. */
#define _GNU_SOURCE
#include "train.h"
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define RING_BLOCK (1u << 18)
#define ASIDE 16 /* super-frames taken aside per batch */
#define SEND_BUFFER (256 << 10) /* below a link's own queue of 1000 packets, so that packets wait here and are not lost there */
#define COPY_BUFFER (16 << 20)
#define VNET sizeof(struct virtio_net_hdr)

struct waiting {
    struct waiting *next;
    uint32_t length;
    struct virtio_net_hdr offload;
    uint8_t data[];
};

struct ring_port {
    struct port port;
    int index;
    uint8_t *map;
    size_t map_bytes;
    uint32_t frame_bytes, frames;
    uint32_t head, tail; /* next frame to read; first not yet given back */
    uint8_t *aside[ASIDE];
    int aside_used;
    struct train trains[ASIDE]; /* super-frames of UDP, cut; the last may wait for room */
    int n_trains;
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH][2];
    struct virtio_net_hdr headers[BATCH];
    struct train_front fronts[BATCH];
    uint32_t coupled[BATCH]; /* packets in each message */
    bool couples;            /* the other side reads trains: it sends them, or the options say so */
    uint32_t outgoing;
    struct waiting *waiting, **waiting_tail; /* the link is slow: packets in order */
    size_t waiting_bytes, waiting_limit;
};

static struct ring_port *of(struct port *port) { return (struct ring_port *)port; }

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
    packet->segmented = false;
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

static int ring_receive(struct port *port, struct received *packets, int room)
{
    struct ring_port *ring = of(port);
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

static void ring_release(struct port *port)
{
    struct ring_port *ring = of(port);
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

static void count_sent(struct port *port, uint32_t bytes)
{
    port->stats.tx_packets++;
    port->stats.tx_bytes += bytes;
}

/* What a failed send means for the packet at hand: wait (true), or drop it for the reason counted. */
static bool must_wait(struct port *port, int error)
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
    port->stats.drops[reason]++;
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

static void ring_flush(struct port *port)
{
    struct ring_port *ring = of(port);
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
            if (must_wait(port, errno))
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

static void ring_send(struct port *port, uint8_t *data, uint32_t length, const struct virtio_net_hdr *offload)
{
    struct ring_port *ring = of(port);
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
static void drain_waiting(struct ring_port *ring)
{
    while (ring->waiting) {
        struct waiting *packet = ring->waiting;
        struct iovec parts[2] = {{&packet->offload, VNET}, {packet->data, packet->length}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        if (sendmsg(ring->port.fd, &message, MSG_DONTWAIT) >= 0)
            count_sent(&ring->port, packet->length);
        else if (must_wait(&ring->port, errno))
            return;
        ring->waiting = packet->next;
        ring->waiting_bytes -= packet->length;
        free(packet);
    }
    ring->waiting_tail = &ring->waiting;
    ring->port.want_output = false;
    watch(ring->port.runner, &ring->port, ring->port.fd, false);
}

static void ring_event(struct port *port, uint32_t events)
{
    struct ring_port *ring = of(port);
    if (events & EPOLLOUT && ring->waiting)
        drain_waiting(ring);
    if (!(events & (EPOLLERR | EPOLLHUP)))
        return;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(port->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    port->stats.state = if_nametoindex(port->name) == (unsigned)ring->index ? FPN_DOWN : FPN_GONE;
    if (port->stats.state == FPN_GONE)
        unwatch(port->runner, port->fd); /* it would report the same for ever */
}

static void ring_stats(struct port *port)
{
    struct tpacket_stats counts;
    socklen_t size = sizeof counts;
    if (!getsockopt(port->fd, SOL_PACKET, PACKET_STATISTICS, &counts, &size)) /* reading clears them */
        port->stats.drops[FPN_RX_RING_FULL] += counts.tp_drops;
    struct ifreq request = {0};
    memcpy(request.ifr_name, port->name, IFNAMSIZ - 1); /* check_interface refused longer names */
    if (if_nametoindex(port->name) != (unsigned)of(port)->index)
        port->stats.state = FPN_GONE;
    else if (!ioctl(port->fd, SIOCGIFFLAGS, &request))
        port->stats.state = (request.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING) ? FPN_UP : FPN_DOWN;
}

static void ring_close(struct port *port)
{
    struct ring_port *ring = of(port);
    if (ring->map)
        munmap(ring->map, ring->map_bytes);
    if (port->fd >= 0)
        close(port->fd);
    for (int i = 0; i < ASIDE; i++) {
        free(ring->aside[i]);
        free(ring->trains[i].bytes);
    }
    while (ring->waiting) {
        struct waiting *next = ring->waiting->next;
        free(ring->waiting);
        ring->waiting = next;
    }
    free(ring);
}

static void ring_doubt(struct port *port) { of(port)->couples = false; }

static const struct port_kind RING_KIND = {ring_receive, ring_release, ring_send,  ring_flush,
                                           NULL,         ring_event,   ring_stats, ring_close, ring_doubt};

/* ---- opening ---- */

static int set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

static int check_interface(struct ring_port *ring, const char *name, int *mtu, char *error)
{
    struct ifreq request = {0};
    if (strlen(name) >= IFNAMSIZ)
        return fail(error, "\"%s\" is no interface name: longer than %d characters", name, IFNAMSIZ - 1);
    strcpy(request.ifr_name, name);
    ring->index = (int)if_nametoindex(name);
    if (!ring->index)
        return fail(error, "interface \"%s\" does not exist", name);
    if (ioctl(ring->port.fd, SIOCGIFHWADDR, &request) ||
        (request.ifr_hwaddr.sa_family != ARPHRD_ETHER && request.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK))
        return fail(error, "interface \"%s\" does not carry Ethernet", name);
    if (ioctl(ring->port.fd, SIOCGIFMTU, &request))
        return fail(error, "interface \"%s\" does not tell its MTU: %s", name, strerror(errno));
    *mtu = request.ifr_mtu;
    if (ioctl(ring->port.fd, SIOCGIFFLAGS, &request) || (request.ifr_flags & (IFF_UP | IFF_RUNNING)) != (IFF_UP | IFF_RUNNING))
        ring->port.stats.state = FPN_DOWN; /* packets flow once it is set up */
    return 0;
}

static int map_ring(struct ring_port *ring, int mtu, uint32_t frames, char *error)
{
    ring->frame_bytes = 2048;
    while (ring->frame_bytes < (uint32_t)mtu + 148 && ring->frame_bytes < 16384)
        ring->frame_bytes *= 2;
    uint32_t per_block = RING_BLOCK / ring->frame_bytes, blocks = (frames + per_block - 1) / per_block;
    ring->frames = blocks * per_block;
    struct tpacket_req request = {RING_BLOCK, blocks, ring->frame_bytes, ring->frames};
    if (setsockopt(ring->port.fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request))
        return fail(error, "no memory for the packet ring of \"%s\": %s", ring->port.name, strerror(errno));
    ring->map_bytes = (size_t)RING_BLOCK * blocks;
    void *map = mmap(NULL, ring->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring->port.fd, 0);
    if (map == MAP_FAILED)
        return fail(error, "cannot map the packet ring of \"%s\": %s", ring->port.name, strerror(errno));
    ring->map = map;
    return 0;
}

static int configure(struct ring_port *ring, const struct fpn_interface_options *options, int mtu, char *error)
{
    int fd = ring->port.fd;
    if (set_option(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2) || set_option(fd, SOL_PACKET, PACKET_VNET_HDR, 1) ||
        set_option(fd, SOL_PACKET, PACKET_COPY_THRESH, 1 << 16) || set_option(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1))
        return fail(error, "this kernel lacks a packet-socket feature (Linux 4.20 or newer is needed): %s", strerror(errno));
    if (options->bypass_qdisc && set_option(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1))
        return fail(error, "cannot bypass traffic control on \"%s\": %s", ring->port.name, strerror(errno));
    if (set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, COPY_BUFFER))
        set_option(fd, SOL_SOCKET, SO_RCVBUF, COPY_BUFFER); /* without the privilege: what the system allows */
    set_option(fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
    if (map_ring(ring, mtu, options->ring_frames > 0 ? (uint32_t)options->ring_frames : 4096, error))
        return -1;
    struct packet_mreq promiscuous = {.mr_ifindex = ring->index, .mr_type = PACKET_MR_PROMISC};
    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous);
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ring->index};
    if (bind(fd, (struct sockaddr *)&address, sizeof address))
        return fail(error, "cannot bind to \"%s\": %s", ring->port.name, strerror(errno));
    return 0;
}

static int open_ring(struct ring_port *ring, const char *name, const struct fpn_interface_options *options, char *error)
{
    int mtu = 0;
    ring->port.fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (ring->port.fd < 0)
        return errno == EPERM ? fail(error, "packet sockets need root or CAP_NET_RAW (interface \"%s\")", name)
                              : fail(error, "cannot open a packet socket for \"%s\": %s", name, strerror(errno));
    if (check_interface(ring, name, &mtu, error))
        return -1;
    snprintf(ring->port.name, sizeof ring->port.name, "%s", name);
    return configure(ring, options, mtu, error);
}

int32_t fpn_add_interface(struct fpn_runner *runner, int32_t number, const char *interface,
                          const struct fpn_interface_options *options, char *error)
{
    static const struct fpn_interface_options DEFAULTS;
    if (!options)
        options = &DEFAULTS;
    struct ring_port *ring = calloc(1, sizeof *ring);
    if (!ring)
        return fail(error, "memory is short");
    ring->port.kind = &RING_KIND;
    ring->waiting_tail = &ring->waiting;
    ring->couples = options->trains;
    ring->waiting_limit = options->queue_bytes > 0 ? (size_t)options->queue_bytes : (size_t)2 << 20;
    if (open_ring(ring, interface, options, error) || adopt_port(runner, &ring->port, number, interface, error)) {
        ring_close(&ring->port);
        return -1;
    }
    return 0;
}
