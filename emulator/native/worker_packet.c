/* A worker's frames through a packet socket on its interface: the switch's own ring port, with a filter for the queue's
 * UDP port in the kernel. A UDP socket holds the port, so that the host does not answer results with "port unreachable". */
#define _GNU_SOURCE
#include "runner.h"
#include "worker_core.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct packet_transport {
    struct transport base;
    struct fpn_runner *sockets;
    struct port *port;
    int udp;
    int staged;
    uint8_t *staging; /* BATCH frames, until they are flushed */
    uint32_t frame;
};

static struct packet_transport *of(struct transport *t) { return (struct packet_transport *)t; }

static uint8_t *reserve(struct transport *t, uint32_t length)
{
    struct packet_transport *p = of(t);
    (void)length;
    if (p->port->want_output)
        return NULL;
    if (p->staged == BATCH) {
        p->port->kind->flush(p->port);
        p->staged = 0;
    }
    return p->staging + (size_t)p->staged * p->frame;
}

static void commit(struct transport *t, uint32_t length)
{
    struct packet_transport *p = of(t);
    p->port->kind->send(p->port, p->staging + (size_t)p->staged++ * p->frame, length, NULL);
}

static int flush(struct transport *t, char *error)
{
    struct packet_transport *p = of(t);
    if (p->staged)
        p->port->kind->flush(p->port);
    p->staged = 0;
    if (p->port->stats.state == FPN_GONE)
        return fail(error, "interface \"%s\" no longer exists", p->port->name);
    return 0;
}

static int receive(struct transport *t, struct received *frames, int room, char *error)
{
    (void)error;
    return of(t)->port->kind->receive(of(t)->port, frames, room);
}

static void release(struct transport *t) { of(t)->port->kind->release(of(t)->port); }

static void wait_frames(struct transport *t, uint64_t until, uint32_t enough)
{
    (void)enough;
    struct packet_transport *p = of(t);
    uint64_t now = now_ns(), left = until > now ? until - now : 0;
    struct timespec time = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
    struct pollfd ready = {p->port->fd, (short)(POLLIN | (p->port->want_output ? POLLOUT : 0)), 0};
    if (ppoll(&ready, 1, &time, NULL) <= 0)
        return;
    uint32_t events = (ready.revents & POLLOUT ? EPOLLOUT : 0) | (ready.revents & (POLLERR | POLLHUP) ? EPOLLERR : 0);
    if (events)
        p->port->kind->event(p->port, events);
}

static void close_transport(struct transport *t)
{
    struct packet_transport *p = of(t);
    if (p->udp >= 0)
        close(p->udp);
    fpn_free(p->sockets);
    free(p->staging);
    free(p);
}

static void doubt(struct transport *t) { of(t)->port->kind->doubt(of(t)->port); }

static const struct transport_kind PACKET_KIND = {
    .reserve = reserve, .commit = commit, .flush = flush, .receive = receive, .release = release, .wait = wait_frames,
    .close = close_transport, .doubt = doubt,
};

/* IPv4, UDP, no fragment, destination port. */
static int filter_port(int fd, uint16_t port)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 8),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 6),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 4, 0),
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14), BPF_STMT(BPF_LD | BPF_H | BPF_IND, 16),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0x40000),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

/* Takes the port and lets nothing in. Already taken (by the program that made the engine): as good. */
static int hold_port(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sock_filter nothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    struct sock_fprog filter = {1, nothing};
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
        if (bind(fd, (struct sockaddr *)&address, sizeof address)) {
            close(fd);
            fd = -1;
        }
    }
    return fd;
}

struct transport *packet_transport(const struct fpw_options *options, int queue, const char *interface, char *error)
{
    struct packet_transport *p = calloc(1, sizeof *p);
    uint16_t port = (uint16_t)(options->udp_port + queue);
    if (!p || !(p->sockets = fpn_new(0))) {
        free(p);
        fail(error, "memory is short");
        return NULL;
    }
    p->base = (struct transport){&PACKET_KIND, true};
    p->udp = hold_port(port);
    p->frame = (FPW_HEADERS + (uint32_t)options->elements * options->value_bytes + 63) & ~63u;
    p->staging = malloc((size_t)p->frame * BATCH);
    struct fpn_interface_options ring = {.ring_frames = 2048, .queue_bytes = 8 << 20, .trains = 1};
    if (!p->staging) {
        fail(error, "memory is short");
        close_transport(&p->base);
        return NULL;
    }
    if (fpn_add_interface(p->sockets, 0, interface, &ring, error)) {
        close_transport(&p->base);
        return NULL;
    }
    p->port = p->sockets->ports[0];
    if (filter_port(p->port->fd, port)) {
        fail(error, "cannot filter for UDP port %d on \"%s\": %s", port, interface, strerror(errno));
        close_transport(&p->base);
        return NULL;
    }
    return &p->base;
}
