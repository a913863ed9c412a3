/* A worker's frames through shared memory (rings.h): built in the ring, and results read from it. */
#define _GNU_SOURCE
#include "rings.h"
#include "worker_core.h"
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_HELLO_MS 5000
#define SEARCH_HELLO_MS 200
#define SEARCH_NS 20000000u
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
    fpm_descriptors(m->out)[m->head++ & (m->slots - 1)] = (struct fpm_descriptor){length, 0};
    m->published = true;
}

static int flush(struct transport *t, char *error)
{
    struct memory_transport *m = of(t);
    if (m->published) {
        m->published = false;
        atomic_store_explicit(&m->out->head, m->head, memory_order_seq_cst);
        atomic_thread_fence(memory_order_seq_cst);
        if (atomic_exchange_explicit(&m->out->armed, 0, memory_order_seq_cst))
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
        uint32_t at = m->tail + m->given, length = fpm_descriptors(m->in)[at & (m->slots - 1)].length;
        if (length <= m->slot_bytes)
            frames[n++] = (struct received){.data = fpm_frame(m->in, m->slots, m->slot_bytes, at), .length = length};
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

static bool arrived(struct memory_transport *m)
{
    return m->map && atomic_load_explicit(&m->in->head, memory_order_seq_cst) != m->tail;
}

static void look_for_port(struct memory_transport *m, uint64_t until);

static void wait_frames(struct transport *t, uint64_t until)
{
    struct memory_transport *m = of(t);
    if (m->ended && m->path[0]) {
        if (!arrived(m)) /* what a dead switch had sent still counts */
            look_for_port(m, until);
        return;
    }
    for (int i = 0; i < YIELDS; i++) {
        sched_yield();
        if (arrived(m))
            return;
    }
    atomic_store_explicit(&m->in->armed, 1, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst);
    uint64_t now = now_ns(), left = until > now ? until - now : 0;
    struct timespec time = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
    struct pollfd ready = {m->fd, POLLIN, 0};
    if (!arrived(m) && ppoll(&ready, 1, &time, NULL) > 0) {
        char bells[256];
        ssize_t bytes = recv(m->fd, bells, sizeof bells, MSG_DONTWAIT);
        m->ended |= bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != EINTR);
    }
    atomic_store_explicit(&m->in->armed, 0, memory_order_relaxed);
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

static const struct transport_kind MEMORY_KIND = {reserve, commit, flush, receive, release, wait_frames, close_transport, NULL};

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
