/* A port on a network interface: AF_PACKET, received through a memory-mapped ring, sent by sendmmsg.
 *
 * Sending from a mapped ring was measured and is no faster on veth (the kernel builds a socket buffer per packet either
 * way); sendmmsg takes the pipeline's output where it lies and copies it, so nothing waits for completions. Every packet
 * carries a virtio-net header both ways, which keeps checksum and segmentation offload working between the hosts. */
#define _GNU_SOURCE
#include "packet_ring.h"
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
#define SEND_BUFFER (256 << 10) /* below a link's own queue of 1000 packets, so that packets wait here and are not lost there */
#define COPY_BUFFER (16 << 20)

static void ring_event(struct port *port, uint32_t events)
{
    struct ring_port *ring = ring_of(port);
    if (events & EPOLLOUT && ring->waiting)
        ring_drain_waiting(ring);
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
    if (if_nametoindex(port->name) != (unsigned)ring_of(port)->index)
        port->stats.state = FPN_GONE;
    else if (!ioctl(port->fd, SIOCGIFFLAGS, &request))
        port->stats.state = (request.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING) ? FPN_UP : FPN_DOWN;
}

static void ring_close(struct port *port)
{
    struct ring_port *ring = ring_of(port);
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

static void ring_doubt(struct port *port) { ring_of(port)->couples = false; }

static const struct port_kind RING_KIND = {ring_receive, ring_release, ring_send,  ring_flush,
                                           NULL,         ring_event,   ring_stats, ring_close, ring_doubt, NULL};

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
    if (options->pipelines > 1 && keep_share(fd, options->pipeline, options->pipelines))
        return fail(error, "cannot filter the packets of \"%s\": %s", ring->port.name, strerror(errno));
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
