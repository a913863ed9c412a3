/* A worker's frames through shared memory (rings.h): built in the ring, and results read from it. */
#define _GNU_SOURCE
#include "rings.h"
#include "worker_core.h"
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_HELLO_MS 5000
#define SEARCH_HELLO_MS 200
#define SEARCH_NS 20000000u
#define OFFER_NS 5000000000u
#define AHEAD 4           /* frames: the switch's core wrote them, and to fetch one takes longer than to read it */
#define FEW 16
#define YIELDS 8 /* turns given to others before sleeping: on few cores the answer comes meanwhile */

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
};

static struct memory_transport *of(struct transport *t) { return (struct memory_transport *)t; }

static uint8_t *reserve(struct transport *t, uint32_t length)
{
    struct memory_transport *m = of(t);
    if (m->ended || length > m->slot_bytes || m->head - atomic_load_explicit(&m->out->tail, memory_order_acquire) >= m->slots)
        return NULL;
    return fpm_frame(m->out, m->slots, m->slot_bytes, m->head);
}

static void commit(struct transport *t, uint32_t length)
{
    struct memory_transport *m = of(t);
    fpm_descriptors(m->out)[m->head++ & (m->slots - 1)] = (struct fpm_descriptor){.length = (uint16_t)length};
    m->published = true;
}

static void commit_parts(struct transport *t, uint32_t headers, uint32_t region, uint64_t offset, uint32_t payload, bool place)
{
    struct memory_transport *m = of(t);
    fpm_descriptors(m->out)[m->head++ & (m->slots - 1)] = (struct fpm_descriptor){
        (uint16_t)headers, (uint16_t)payload, (uint8_t)region, place ? FPM_PLACE : 0, 0, offset};
    m->published = true;
}

static int flush(struct transport *t, char *error)
{
    struct memory_transport *m = of(t);
    if (m->published) {
        m->published = false;
        atomic_store_explicit(&m->out->head, m->head, memory_order_seq_cst);
        if (fpm_must_wake(m->out, m->head, 0))
            m->ended |= send(m->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN;
    }
    return m->ended && !m->path[0] ? fail(error, "the switch has closed its shared-memory port") : 0;
}

static int receive(struct transport *t, struct received *frames, int room, char *error)
{
    struct memory_transport *m = of(t);
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
    struct memory_transport *m = of(t);
    if (!m->map)
        return;
    m->tail += m->given;
    m->given = 0;
    atomic_store_explicit(&m->in->tail, m->tail, memory_order_release);
}

static bool arrived(const struct memory_transport *m, uint32_t enough)
{
    return m->map && atomic_load_explicit(&m->in->head, memory_order_seq_cst) - m->tail >= enough;
}

static void look_for_port(struct memory_transport *m, uint64_t until);

static bool gone(const struct memory_transport *m)
{
    char bell;
    ssize_t bytes = recv(m->fd, &bell, 1, MSG_DONTWAIT);
    return bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != EINTR);
}

static void wait_frames(struct transport *t, uint64_t until, uint32_t enough)
{
    struct memory_transport *m = of(t);
    if (m->ended && m->path[0]) {
        if (!arrived(m, 1)) /* what a dead switch had sent still counts */
            look_for_port(m, until);
        return;
    }
    for (int i = 0; i < YIELDS && enough <= FEW; i++) {
        sched_yield();
        if (arrived(m, enough))
            return;
    }
    fpm_arm(m->in, m->tail + enough);
    uint64_t now = now_ns();
    bool asleep = atomic_load_explicit(&m->out->armed, memory_order_seq_cst); /* the switch: what came is all for now */
    if (!arrived(m, asleep ? 1 : enough) && until > now) {
        struct timespec left = {(time_t)((until - now) / 1000000000u), (long)((until - now) % 1000000000u)};
        if (syscall(SYS_futex, &m->in->armed, FUTEX_WAIT, 1, &left, NULL, 0) && errno == ETIMEDOUT)
            m->ended |= gone(m);
    }
    atomic_store_explicit(&m->in->armed, 0, memory_order_relaxed);
}

/* ---- regions ---- */

static int send_offer(const struct memory_transport *m, const struct region *region)
{
    /* An answer carries its contribution's format, job, rank, queue, pool index and chunk (docs/PROTOCOL.md, "Frame"). */
    struct fpm_offer offer = {FPM_MAGIC, 43, 11, 5, region->bytes};
    struct iovec part = {&offer, sizeof offer};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    *rights = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(rights), &region->file, sizeof region->file);
    return sendmsg(m->fd, &message, MSG_NOSIGNAL) == sizeof offer ? 0 : -1;
}

/* Waits for the switch's word, which comes between two of its batches. */
static int offer(struct transport *t, const struct region *region, char *error)
{
    struct memory_transport *m = of(t);
    uint64_t until = now_ns() + OFFER_NS;
    if (m->n_regions == FPM_MAX_REGIONS)
        return fail(error, "a shared-memory port takes at most %d pools", FPM_MAX_REGIONS);
    if (m->ended || send_offer(m, region))
        return fail(error, "the switch has closed its shared-memory port");
    m->regions[m->n_regions++] = *region;
    for (struct timespec pause = {0, 20000}; now_ns() < until; nanosleep(&pause, NULL)) {
        if (atomic_load_explicit(&m->in->refused, memory_order_acquire))
            return fail(error, "the switch takes no pool of %llu bytes", (unsigned long long)region->bytes);
        if (atomic_load_explicit(&m->in->accepted, memory_order_acquire) == m->n_regions)
            return 0;
    }
    return fail(error, "the switch has not answered the offer of a pool");
}

static bool takes_regions(struct transport *t)
{
    const struct memory_transport *m = of(t);
    return m->map && atomic_load_explicit(&m->in->accepted, memory_order_acquire) == m->n_regions;
}

static void let_go(struct memory_transport *m)
{
    if (m->map)
        munmap(m->map, m->bytes);
    if (m->fd >= 0)
        close(m->fd);
    m->map = NULL;
    m->fd = -1;
}

static void close_transport(struct transport *t)
{
    let_go(of(t));
    free(of(t));
}

static const struct transport_kind MEMORY_KIND = {reserve, commit, flush, receive, release, wait_frames, close_transport, NULL,
                                                  offer,   takes_regions, commit_parts};

/* Returns the memory's descriptor. limit_ms: a switch whose loop does not run yet may take a connection and stay silent. */
static int take_hello(int fd, struct fpm_hello *hello, int limit_ms)
{
    struct iovec part = {hello, sizeof *hello};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct timeval limit = {limit_ms / 1000, limit_ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ssize_t bytes = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    int memory = -1;
    if (bytes == sizeof *hello && rights && rights->cmsg_type == SCM_RIGHTS && rights->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&memory, CMSG_DATA(rights), sizeof memory);
    return memory;
}

static int map_rings(struct memory_transport *m, const struct fpm_hello *hello, int memory, const char *path, char *error)
{
    struct stat status;
    if (hello->magic != FPM_MAGIC || hello->version != FPM_VERSION || !hello->slots || hello->slots > FPM_MAX_SLOTS ||
        hello->slots & (hello->slots - 1) || hello->slot_bytes < 64 || hello->slot_bytes > FPM_MAX_SLOT_BYTES ||
        hello->slot_bytes % 64)
        return fail(error, "\"%s\" speaks another version of shared-memory ports", path);
    m->slots = hello->slots;
    m->slot_bytes = hello->slot_bytes;
    m->bytes = 2 * fpm_ring_bytes(m->slots, m->slot_bytes);
    if (fstat(memory, &status) || (size_t)status.st_size < m->bytes)
        return fail(error, "the shared memory of \"%s\" is too small", path);
    void *map = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (map == MAP_FAILED)
        return fail(error, "cannot map the shared memory of \"%s\": %s", path, strerror(errno));
    m->map = map;
    m->out = map;
    m->in = (struct fpm_ring *)(m->map + fpm_ring_bytes(m->slots, m->slot_bytes));
    return 0;
}

static int connect_port(struct memory_transport *m, const char *path, int limit_ms, char *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return fail(error, "the socket path \"%s\" is too long", path);
    strcpy(address.sun_path, path);
    m->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (m->fd < 0 || connect(m->fd, (struct sockaddr *)&address, sizeof address))
        return fail(error, "no switch listens on \"%s\": %s", path, strerror(errno));
    struct fpm_hello hello;
    int memory = take_hello(m->fd, &hello, limit_ms);
    if (memory < 0)
        return fail(error, "the shared-memory port \"%s\" is taken, or no such port", path);
    int status = map_rings(m, &hello, memory, path, error);
    close(memory);
    if (!status && m->frame > m->slot_bytes)
        return fail(error, "frames of %u bytes do not fit the %u-byte slots of \"%s\"", m->frame, m->slot_bytes, path);
    return status;
}

/* The switch is gone: perhaps it comes back, with rings of its own. The window's deadline bounds the search. */
static void look_for_port(struct memory_transport *m, uint64_t until)
{
    char error[256];
    uint64_t now = now_ns();
    if (now < m->next_try) {
        uint64_t left = (until < m->next_try ? until : m->next_try) - now;
        struct timespec pause = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
        if (until > now)
            nanosleep(&pause, NULL);
        return;
    }
    let_go(m);
    m->head = m->tail = m->given = 0;
    m->published = false;
    m->ended = connect_port(m, m->path, SEARCH_HELLO_MS, error) != 0;
    for (uint32_t i = 0; i < m->n_regions && !m->ended; i++)
        m->ended = send_offer(m, &m->regions[i]) != 0; /* until it is accepted, values are copied */
    m->next_try = now_ns() + SEARCH_NS;
}

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
    if (connect_port(m, path, FIRST_HELLO_MS, error)) {
        close_transport(&m->base);
        return NULL;
    }
    if (options->resumable)
        strcpy(m->path, path); /* connect_port has found it short enough */
    return &m->base;
}
