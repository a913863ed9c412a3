/* A shared-memory port of the switch: rings.h is the contract, this the side that trusts nobody. */
#define _GNU_SOURCE
#include "memory_region.h"
#include "port.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE 64
#define AHEAD 4 /* packets */

struct memory_port {
    struct port port; /* port.fd listens */
    struct sockaddr_un address;
    bool bound;
    uint32_t slots, slot_bytes;
    int peer; /* connected socket; -1: none */
    uint8_t *map;
    struct fpm_ring *in, *out;
    uint32_t in_tail, out_head; /* our own counts: what stands in shared memory is for the peer */
    bool published;             /* out_head was raised since the last doorbell */
    bool armed;
    uint8_t *staging; /* BATCH frames, copied out of the peer's reach */
    struct regions regions;
    uint8_t inbox[sizeof(struct fpm_offer)]; /* of an offer that is coming in */
    uint32_t inbox_bytes;
    int offered; /* its file; -1: none */
};

static struct memory_port *of(struct port *port) { return (struct memory_port *)port; }

static size_t file_bytes(const struct memory_port *m) { return 2 * fpm_ring_bytes(m->slots, m->slot_bytes); }

static void forget_offer(struct memory_port *m)
{
    if (m->offered >= 0)
        close(m->offered);
    m->offered = -1;
    m->inbox_bytes = 0;
}

static void disconnect(struct memory_port *m)
{
    if (m->peer < 0)
        return;
    unwatch(m->port.runner, m->peer);
    close(m->peer);
    munmap(m->map, file_bytes(m));
    regions_free(&m->regions);
    forget_offer(m);
    m->peer = -1;
    m->map = NULL;
    m->port.stats.state = FPN_DOWN;
}

/* ---- packets ---- */

/* The next packet, gathered from its parts. 0: it is not what the peer says. */
static uint32_t take_packet(struct memory_port *m, uint8_t *to)
{
    union { /* read once, for it may change */
        struct fpm_descriptor part;
        uint64_t words[2];
    } own;
    const volatile uint64_t *shared = (const volatile void *)&fpm_descriptors(m->in)[m->in_tail & (m->slots - 1)];
    own.words[0] = shared[0];
    own.words[1] = shared[1];
    uint32_t length = own.part.length, payload = own.part.payload_length;
    if (length < 14 || length + payload > m->slot_bytes)
        return 0;
    const uint8_t *there = payload ? regions_payload(&m->regions, &own.part) : NULL;
    if (payload && !there)
        return 0;
    memcpy(to, fpm_frame(m->in, m->slots, m->slot_bytes, m->in_tail), length);
    if (payload)
        memcpy(to + length, there, payload);
    if (payload && own.part.flags & FPM_PLACE)
        regions_post(&m->regions, to, &own.part);
    return length + payload;
}

/* Has a packet's bytes fetched, which another core wrote, or which lie anywhere in a region: with loss, chunks come in no
 * order that the processor could guess. What the peer says is checked when it is used. */
static void fetch_packet(const struct memory_port *m, uint32_t at)
{
    struct fpm_descriptor part = fpm_descriptors(m->in)[at & (m->slots - 1)];
    const uint8_t *frame = fpm_frame(m->in, m->slots, m->slot_bytes, at);
    for (uint32_t byte = 0; byte < part.length && byte < m->slot_bytes; byte += LINE)
        __builtin_prefetch(frame + byte);
    const uint8_t *payload = part.payload_length ? regions_payload(&m->regions, &part) : NULL;
    for (uint32_t byte = 0; payload && byte < part.payload_length; byte += LINE)
        __builtin_prefetch(payload + byte);
}

static int memory_receive(struct port *port, struct received *packets, int room)
{
    struct memory_port *m = of(port);
    if (m->peer < 0)
        return 0;
    if (m->armed)
        atomic_store_explicit(&m->in->armed, 0, memory_order_relaxed);
    m->armed = false;
    uint32_t waiting = atomic_load_explicit(&m->in->head, memory_order_acquire) - m->in_tail;
    if (waiting > m->slots) {
        port->stats.drops[FPN_RX_BAD_DESCRIPTOR]++;
        disconnect(m);
        return 0;
    }
    int n = 0;
    for (; waiting && n < room; waiting--, m->in_tail++) {
        uint8_t *copy = m->staging + (size_t)n * m->slot_bytes;
        if (waiting > AHEAD)
            fetch_packet(m, m->in_tail + AHEAD);
        uint32_t length = take_packet(m, copy);
        if (length)
            packets[n++] = (struct received){.data = copy, .length = length};
        else
            port->stats.drops[FPN_RX_BAD_DESCRIPTOR]++;
    }
    atomic_store_explicit(&m->in->tail, m->in_tail, memory_order_release);
    return n;
}

static void memory_release(struct port *port) { (void)port; }

/* What the answer is about to overwrite, for a worker that may outlive this process. The order of the stores is the processor's
 * own, and what a process has stored stays when it dies; the compiler must not change it. */
static void keep_place(struct memory_port *m, struct fpm_descriptor *part, const uint8_t *place)
{
    struct fpm_descriptor *shared = &fpm_descriptors(m->out)[m->out_head & (m->slots - 1)];
    memcpy(fpm_frame(m->out, m->slots, m->slot_bytes, m->out_head) + part->length, place, part->payload_length);
    shared->kept = 0;
    atomic_signal_fence(memory_order_seq_cst);
    *shared = *part;
    atomic_signal_fence(memory_order_seq_cst);
    part->kept = shared->kept = fpm_kept(m->slots, m->out_head);
    atomic_signal_fence(memory_order_seq_cst);
}

static void memory_send(struct port *port, uint8_t *data, uint32_t length, const struct virtio_net_hdr *offload)
{
    struct memory_port *m = of(port);
    enum fpn_drop reason = FPN_TX_LINK_DOWN;
    if (m->peer >= 0) {
        uint32_t used = m->out_head - atomic_load_explicit(&m->out->tail, memory_order_acquire);
        /* used > slots: the peer wrote nonsense; its ring then stays full until it mends it or goes */
        reason = offload || length > m->slot_bytes ? FPN_TX_TOO_LONG : used >= m->slots ? FPN_TX_QUEUE_FULL : FPN_DROPS;
    }
    if (reason != FPN_DROPS) {
        port->stats.drops[reason]++;
        return;
    }
    struct fpm_descriptor part = {.length = (uint16_t)length};
    bool keep = false;
    uint8_t *place = regions_place(&m->regions, data, length, &part, &keep); /* NULL: the frame takes it whole */
    if (keep)
        keep_place(m, &part, place);
    if (place)
        memcpy(place, data + part.length, part.payload_length);
    memcpy(fpm_frame(m->out, m->slots, m->slot_bytes, m->out_head), data, part.length);
    fpm_descriptors(m->out)[m->out_head & (m->slots - 1)] = part;
    m->out_head++;
    m->published = true;
    port->stats.tx_packets++;
    port->stats.tx_bytes += length;
}

static void wake(struct memory_port *m) { syscall(SYS_futex, &m->out->armed, FUTEX_WAKE, 1, NULL, NULL, 0); }

static void memory_flush(struct port *port)
{
    struct memory_port *m = of(port);
    if (m->peer < 0 || !m->published)
        return;
    m->published = false;
    port->stats.tx_batches++;
    atomic_store_explicit(&m->out->head, m->out_head, memory_order_seq_cst);
    if (fpm_must_wake(m->out, m->out_head, false))
        wake(m);
}

static void memory_idle(struct port *port)
{
    struct memory_port *m = of(port);
    if (m->peer >= 0 && fpm_must_wake(m->out, m->out_head, true))
        wake(m);
}

static bool memory_arm(struct port *port)
{
    struct memory_port *m = of(port);
    if (m->peer < 0)
        return true;
    fpm_arm(m->in, m->in_tail + 1);
    m->armed = true;
    memory_idle(port); /* the worker may have gone to sleep meanwhile; if after this, it sees that we are asleep */
    return atomic_load_explicit(&m->in->head, memory_order_seq_cst) == m->in_tail;
}

/* ---- connections ---- */

static int make_memory(struct memory_port *m)
{
    int fd = memfd_create("fpisa-port", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    /* sealed: the peer cannot shrink the file under us, which would be a fault on access */
    if (ftruncate(fd, (off_t)file_bytes(m)) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        close(fd);
        return -1;
    }
    void *map = mmap(NULL, file_bytes(m), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        close(fd);
        return -1;
    }
    m->map = map;
    m->in = map;
    m->out = (struct fpm_ring *)(m->map + fpm_ring_bytes(m->slots, m->slot_bytes));
    m->in_tail = m->out_head = 0;
    m->published = m->armed = false;
    return fd;
}

static int send_hello(const struct memory_port *m, int peer, int memory)
{
    struct fpm_hello hello = {FPM_MAGIC, FPM_VERSION, m->slots, m->slot_bytes};
    struct iovec part = {&hello, sizeof hello};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    *rights = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(rights), &memory, sizeof memory);
    return sendmsg(peer, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof hello ? 0 : -1;
}

static void accept_peer(struct memory_port *m)
{
    int peer = accept4(m->port.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (peer < 0)
        return;
    int memory = m->peer >= 0 ? -1 : make_memory(m); /* one peer at a time: a second is sent away */
    m->port.stats.state = m->peer >= 0 || memory >= 0 ? FPN_UP : FPN_DOWN;
    if (memory >= 0 && (send_hello(m, peer, memory) || watch(m->port.runner, &m->port, peer, false))) {
        munmap(m->map, file_bytes(m));
        close(memory);
        memory = -1;
    }
    if (memory < 0) {
        close(peer);
        m->port.stats.state = m->peer >= 0 ? FPN_UP : FPN_DOWN;
        return;
    }
    close(memory);
    m->peer = peer;
}

static void take_offer(struct memory_port *m)
{
    struct fpm_offer offer;
    memcpy(&offer, m->inbox, sizeof offer);
    bool accepted = offer.magic == FPM_MAGIC && m->offered >= 0 && !regions_accept(&m->regions, &offer, m->offered);
    atomic_fetch_add_explicit(accepted ? &m->out->accepted : &m->out->refused, 1, memory_order_release);
    forget_offer(m);
}

/* Doorbells, and among them offers. Returns what recvmsg does. */
static ssize_t take_bytes(struct memory_port *m)
{
    uint8_t bytes[256];
    struct iovec part = {bytes, sizeof bytes};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(m->peer, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct cmsghdr *rights = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS && rights->cmsg_len == CMSG_LEN(sizeof(int))) {
        if (m->offered >= 0)
            close(m->offered);
        memcpy(&m->offered, CMSG_DATA(rights), sizeof m->offered);
    }
    for (ssize_t i = 0; i < n; i++) {
        if (!m->inbox_bytes && !bytes[i])
            continue;
        m->inbox[m->inbox_bytes++] = bytes[i];
        if (m->inbox_bytes == sizeof m->inbox)
            take_offer(m);
    }
    return n;
}

/* Something happened on the listening or the connected socket: a peer, a doorbell, or the end. */
static void memory_event(struct port *port, uint32_t events)
{
    struct memory_port *m = of(port);
    (void)events;
    if (m->peer >= 0) {
        ssize_t bytes = take_bytes(m);
        if (bytes > 0) /* an accept in vain costs more than all the rest; who waits there is told of again */
            return;
        if (bytes == 0 || (errno != EAGAIN && errno != EINTR))
            disconnect(m);
    }
    accept_peer(m);
}

static void memory_close(struct port *port)
{
    struct memory_port *m = of(port);
    if (m->peer >= 0) {
        close(m->peer);
        munmap(m->map, file_bytes(m));
    }
    regions_free(&m->regions);
    forget_offer(m);
    if (m->port.fd >= 0)
        close(m->port.fd);
    if (m->bound)
        unlink(m->address.sun_path);
    free(m->staging);
    free(m);
}

static const struct port_kind MEMORY_KIND = {memory_receive, memory_release, memory_send, memory_flush,
                                             memory_arm,     memory_event,   NULL,        memory_close, NULL, memory_idle};

/* A socket file that nobody listens on any more is a crashed run's. */
static void remove_stale(const struct sockaddr_un *address)
{
    struct stat status;
    if (stat(address->sun_path, &status) || !S_ISSOCK(status.st_mode))
        return;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe >= 0 && connect(probe, (const struct sockaddr *)address, sizeof *address) && errno == ECONNREFUSED)
        unlink(address->sun_path);
    if (probe >= 0)
        close(probe);
}

static int open_memory(struct memory_port *m, const char *path, char *error)
{
    if (strlen(path) >= sizeof m->address.sun_path)
        return fail(error, "a Unix socket's path has at most %zu characters; \"%.80s...\" is longer",
                    sizeof m->address.sun_path - 1, path);
    m->address.sun_family = AF_UNIX;
    strcpy(m->address.sun_path, path);
    remove_stale(&m->address);
    m->port.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (m->port.fd < 0 || bind(m->port.fd, (struct sockaddr *)&m->address, sizeof m->address))
        return fail(error, "cannot listen on \"%s\": %s", path, strerror(errno));
    m->bound = true;
    if (listen(m->port.fd, 4))
        return fail(error, "cannot listen on \"%s\": %s", path, strerror(errno));
    return 0;
}

int32_t fpn_add_memory(struct fpn_runner *runner, int32_t number, const char *path, int32_t slots, int32_t slot_bytes,
                       char *error)
{
    if (slots < 2 || slots > FPM_MAX_SLOTS || slots & (slots - 1))
        return fail(error, "a shared-memory port needs a power of two of slots, at most %d, not %d", FPM_MAX_SLOTS, slots);
    if (slot_bytes < 64 || slot_bytes > FPM_MAX_SLOT_BYTES || slot_bytes % 64)
        return fail(error, "a shared-memory slot has a multiple of 64 bytes, at most %d, not %d", FPM_MAX_SLOT_BYTES,
                    slot_bytes);
    struct memory_port *m = calloc(1, sizeof *m);
    if (!m || !(m->staging = malloc((size_t)slot_bytes * BATCH))) {
        free(m);
        return fail(error, "memory is short");
    }
    m->port.kind = &MEMORY_KIND;
    m->port.fd = m->peer = m->offered = -1;
    m->port.stats.state = FPN_DOWN;
    m->slots = (uint32_t)slots;
    m->slot_bytes = (uint32_t)slot_bytes;
    if (open_memory(m, path, error) || adopt_port(runner, &m->port, number, path, error)) {
        memory_close(&m->port);
        return -1;
    }
    return 0;
}
