/* A worker's connection to the switch's shared-memory port, made once, and again where the switch comes back. */
#define _GNU_SOURCE
#include "memory_transport.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SEARCH_HELLO_MS 200
#define SEARCH_NS 20000000u

void memory_let_go(struct memory_transport *m)
{
    if (m->map)
        munmap(m->map, m->bytes);
    if (m->fd >= 0)
        close(m->fd);
    m->map = NULL;
    m->fd = -1;
}

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

int memory_connect(struct memory_transport *m, const char *path, int limit_ms, char *error)
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
void memory_look_for_port(struct memory_transport *m, uint64_t until)
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
    memory_undo(&m->base, error); /* flush tells of a failure */
    memory_let_go(m);
    m->head = m->tail = m->given = 0;
    m->published = m->undone = false;
    m->ended = memory_connect(m, m->path, SEARCH_HELLO_MS, error) != 0;
    for (uint32_t i = 0; i < m->n_regions && !m->ended; i++)
        m->ended = memory_send_offer(m, &m->regions[i]) != 0; /* until it is accepted, values are copied */
    m->next_try = now_ns() + SEARCH_NS;
}
