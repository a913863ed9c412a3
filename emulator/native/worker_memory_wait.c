/* A worker that waits for the switch's frames: it gives its turn to others, then sleeps. */
#define _GNU_SOURCE
#include "memory_transport.h"
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FEW 16
#define YIELDS 8 /* turns given to others before sleeping: on few cores the answer comes meanwhile */

bool memory_arrived(const struct memory_transport *m, uint32_t enough)
{
    return m->map && atomic_load_explicit(&m->in->head, memory_order_seq_cst) - m->tail >= enough;
}

static bool gone(const struct memory_transport *m)
{
    char bell;
    ssize_t bytes = recv(m->fd, &bell, 1, MSG_DONTWAIT);
    return bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != EINTR);
}

void memory_wait(struct transport *t, uint64_t until, uint32_t enough)
{
    struct memory_transport *m = memory_of(t);
    if (m->ended && m->path[0]) {
        if (!memory_arrived(m, 1)) /* what a dead switch had sent still counts */
            memory_look_for_port(m, until);
        return;
    }
    for (int i = 0; i < YIELDS && enough <= FEW; i++) {
        sched_yield();
        if (memory_arrived(m, enough))
            return;
    }
    fpm_arm(m->in, m->tail + enough);
    uint64_t now = now_ns();
    bool asleep = atomic_load_explicit(&m->out->armed, memory_order_seq_cst); /* the switch: what came is all for now */
    if (!memory_arrived(m, asleep ? 1 : enough) && until > now) {
        struct timespec left = {(time_t)((until - now) / 1000000000u), (long)((until - now) % 1000000000u)};
        if (syscall(SYS_futex, &m->in->armed, FUTEX_WAIT, 1, &left, NULL, 0) && errno == ETIMEDOUT)
            m->ended |= gone(m);
    }
    atomic_store_explicit(&m->in->armed, 0, memory_order_relaxed);
}
