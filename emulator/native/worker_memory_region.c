/* A worker's regions in shared memory: offered to the switch, and made sure of when the switch is gone. */
#define _GNU_SOURCE
#include "memory_transport.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OFFER_NS 5000000000u

int memory_send_offer(const struct memory_transport *m, const struct region *region)
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
int memory_offer(struct transport *t, const struct region *region, char *error)
{
    struct memory_transport *m = memory_of(t);
    uint64_t until = now_ns() + OFFER_NS;
    if (m->n_regions == FPM_MAX_REGIONS)
        return fail(error, "a shared-memory port takes at most %d pools", FPM_MAX_REGIONS);
    if (m->ended || memory_send_offer(m, region))
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

bool memory_takes_regions(struct transport *t)
{
    const struct memory_transport *m = memory_of(t);
    return m->map && atomic_load_explicit(&m->in->accepted, memory_order_acquire) == m->n_regions;
}

/* ---- the end of a connection ---- */

/* The other side closes its socket after its last write to our memory: when it hangs up, and when its process ends. */
static bool closed(int fd)
{
    char bells[64];
    ssize_t n;
    while ((n = recv(fd, bells, sizeof bells, MSG_DONTWAIT)) > 0)
        ;
    return !n || (errno != EAGAIN && errno != EINTR);
}

int memory_detach(struct transport *t, uint64_t until, char *error)
{
    struct memory_transport *m = memory_of(t);
    if (!m->map) /* looking for the port: nothing is offered yet */
        return 0;
    shutdown(m->fd, SHUT_WR); /* the switch hangs up when it reads that */
    m->ended = true;
    while (!closed(m->fd)) {
        uint64_t now = now_ns();
        struct pollfd end = {m->fd, POLLIN, 0};
        if (now >= until)
            return fail(error, "the switch has neither answered nor closed its shared-memory port");
        poll(&end, 1, (int)((until - now) / 1000000u) + 1);
    }
    return 0;
}

/* What stood in a region before an answer was written there that was never published (rings.h, FPM_KEEP). */
static bool put_back(const struct memory_transport *m, const struct fpm_descriptor *part, const uint8_t *frame)
{
    if (part->region >= m->n_regions || (uint32_t)part->length + part->payload_length > m->slot_bytes)
        return true;
    const struct region *region = &m->regions[part->region];
    if (part->payload_length > region->bytes || part->payload_offset > region->bytes - part->payload_length)
        return true;
    for (uint32_t done = 0; done < part->payload_length;) {
        const uint8_t *from = frame + part->length + done;
        ssize_t n = pwrite(region->file, from, part->payload_length - done, (off_t)(part->payload_offset + done));
        if (n <= 0 && errno != EINTR)
            return false;
        done += n > 0 ? (uint32_t)n : 0;
    }
    return true;
}

int memory_undo(struct transport *t, char *error)
{
    struct memory_transport *m = memory_of(t);
    uint32_t head = m->map ? atomic_load_explicit(&m->in->head, memory_order_acquire) : 0;
    for (uint32_t i = 0; m->map && !m->undone && i < m->slots; i++) {
        uint32_t at = head + i;
        struct fpm_descriptor part = fpm_descriptors(m->in)[at & (m->slots - 1)];
        if (part.kept == fpm_kept(m->slots, at))
            m->torn |= !put_back(m, &part, fpm_frame(m->in, m->slots, m->slot_bytes, at));
    }
    m->undone = true; /* what is taken from other workers afterwards stays */
    return m->torn ? fail(error, TORN) : 0;
}
