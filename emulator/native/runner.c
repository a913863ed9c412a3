/* The packet loop's life: making, ports, running, sleeping and waking, pausing, stopping. */
#define _GNU_SOURCE
#include "runner.h"
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

int fail(char *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, FPN_ERROR, format, arguments);
    va_end(arguments);
    return -1;
}

/* ---- making ---- */

int runner_open(struct fpn_runner *r)
{
    r->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    r->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    r->arena = malloc(ARENA_BYTES);
    r->segment = malloc(FP_MAX_FRAME);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    return r->poll_fd < 0 || r->wake_fd < 0 || !r->arena || !r->segment || epoll_ctl(r->poll_fd, EPOLL_CTL_ADD, r->wake_fd, &event) ? -1 : 0;
}

struct fpn_runner *fpn_new(int32_t spin_us)
{
    struct fpn_runner *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    pthread_mutexattr_t recursive; /* a pipeline's callback may pause the loop it runs in */
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&r->lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    pthread_cond_init(&r->unpaused, NULL);
    pthread_mutex_init(&r->post_lock, NULL);
    r->injected.last = &r->injected.first;
    r->emitted.last = &r->emitted.first;
    r->spin_limit_ns = spin_us > 0 ? (uint64_t)spin_us * 1000 : 0;
    r->typical_gap_ns = UINT64_MAX / 2;
    r->now = now_ns();
    if (runner_open(r)) {
        fpn_free(r);
        return NULL;
    }
    return r;
}

void fpn_free(struct fpn_runner *r)
{
    if (!r)
        return;
    for (int i = 0; i < r->n_ports; i++) {
        struct port *port = r->list[i];
        impair_free(port->in);
        impair_free(port->out);
        if (port->log_in)
            fclose(port->log_in);
        if (port->log_out)
            fclose(port->log_out);
        port->kind->close(port);
    }
    free_posted(r->injected.first);
    free_posted(r->emitted.first);
    free_posted(r->in_use);
    if (r->poll_fd > 0)
        close(r->poll_fd);
    if (r->wake_fd > 0)
        close(r->wake_fd);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->unpaused);
    pthread_mutex_destroy(&r->post_lock);
    free(r->list);
    free(r->dirty);
    free(r->arena);
    free(r->segment);
    free(r);
}

/* ---- ports ---- */

int watch(struct fpn_runner *r, struct port *port, int fd, bool output)
{
    struct epoll_event event = {.events = EPOLLIN | (output ? EPOLLOUT : 0), .data.ptr = port};
    if (!epoll_ctl(r->poll_fd, EPOLL_CTL_MOD, fd, &event))
        return 0;
    return epoll_ctl(r->poll_fd, EPOLL_CTL_ADD, fd, &event);
}

void unwatch(struct fpn_runner *r, int fd) { epoll_ctl(r->poll_fd, EPOLL_CTL_DEL, fd, NULL); }

int adopt_port(struct fpn_runner *r, struct port *port, int32_t number, const char *name, char *error)
{
    if (number < 0 || number >= MAX_PORTS)
        return fail(error, "port number %d lies outside 0..%d", number, MAX_PORTS - 1);
    if (r->ports[number])
        return fail(error, "port number %d is used twice (%s and %s)", number, r->ports[number]->name, name);
    struct port **list = realloc(r->list, sizeof *list * ((size_t)r->n_ports + 1));
    if (list)
        r->list = list;
    struct port **dirty = realloc(r->dirty, sizeof *dirty * ((size_t)r->n_ports + 1));
    if (dirty)
        r->dirty = dirty;
    if (!list || !dirty)
        return fail(error, "memory is short");
    port->runner = r;
    port->number = (uint16_t)number;
    snprintf(port->name, sizeof port->name, "%s", name);
    if (port->fd >= 0 && watch(r, port, port->fd, false))
        return fail(error, "cannot wait for packets on %s: %s", name, strerror(errno));
    r->ports[number] = port;
    r->list[r->n_ports++] = port;
    return 0;
}

static struct port *find(struct fpn_runner *r, int32_t number)
{
    return number >= 0 && number < MAX_PORTS ? r->ports[number] : NULL;
}

int32_t fpn_set_impairment(struct fpn_runner *r, int32_t number, int32_t outward, const struct fpn_impairment *settings,
                           char *error)
{
    struct port *port = find(r, number);
    if (!port)
        return fail(error, "no port has the number %d", number);
    struct impair *impair = impair_new(settings, port->number, outward != 0, error);
    if (!impair)
        return -1;
    struct impair **place = outward ? &port->out : &port->in;
    impair_free(*place);
    *place = impair;
    return 0;
}

int32_t fpn_log_pcap(struct fpn_runner *r, int32_t number, const char *in_path, const char *out_path, char *error)
{
    struct port *port = find(r, number);
    if (!port)
        return fail(error, "no port has the number %d", number);
    if (in_path && !port->log_in && !(port->log_in = pcap_create(in_path, error)))
        return -1;
    if (out_path && !port->log_out && !(port->log_out = pcap_create(out_path, error)))
        return -1;
    return 0;
}

int32_t fpn_get_stats(struct fpn_runner *r, int32_t number, struct fpn_stats *stats)
{
    struct port *port = find(r, number);
    if (!port)
        return -1;
    if (port->kind->refresh_stats)
        port->kind->refresh_stats(port);
    *stats = port->stats;
    return 0;
}

void fpn_get_loop_stats(struct fpn_runner *r, struct fpn_loop_stats *stats) { *stats = r->stats; }

/* ---- pausing ---- */

void fpn_pause(struct fpn_runner *r)
{
    atomic_fetch_add(&r->pausers, 1);
    pthread_mutex_lock(&r->lock);
}

void fpn_resume(struct fpn_runner *r)
{
    atomic_fetch_sub(&r->pausers, 1);
    pthread_cond_broadcast(&r->unpaused);
    pthread_mutex_unlock(&r->lock);
}

void fpn_set_pipeline(struct fpn_runner *r, fp_process_fn process, void *state)
{
    fpn_pause(r);
    r->process = process;
    r->state = state;
    fpn_resume(r);
}

void fpn_set_departures(struct fpn_runner *r, fp_serve_fn serve, void *queues)
{
    fpn_pause(r);
    r->serve = serve;
    r->queues = queues;
    atomic_store(&r->has_queues, serve != NULL);
    fpn_resume(r);
    fpn_wake(r);
}

void fpn_cut_super_frames(struct fpn_runner *r, int32_t cut) { atomic_store(&r->cut, cut); }

void fpn_set_clock_base(struct fpn_runner *r, int64_t base_us)
{
    fpn_pause(r);
    r->clock_base_us = base_us;
    fpn_resume(r);
}

/* ---- packets from other threads ---- */

void runner_wake(struct fpn_runner *r)
{
    uint64_t one = 1;
    if (write(r->wake_fd, &one, sizeof one) < 0)
        return; /* full: it is awake already */
}

void fpn_wake(struct fpn_runner *r) { runner_wake(r); }

static int32_t post(struct fpn_runner *r, struct post_box *box, int32_t number, const uint8_t *data, int32_t length)
{
    if (length < 0 || length > FP_MAX_FRAME || number < 0 || number >= MAX_PORTS)
        return -1;
    struct posted *packet = malloc(sizeof *packet + (size_t)length);
    if (!packet)
        return -1;
    *packet = (struct posted){.length = (uint32_t)length, .number = (uint16_t)number};
    memcpy(packet->data, data, (size_t)length);
    pthread_mutex_lock(&r->post_lock);
    bool full = box->count == POSTED_LIMIT;
    if (!full) {
        *box->last = packet;
        box->last = &packet->next;
        box->count++;
        atomic_fetch_add(&r->posted, 1);
    }
    pthread_mutex_unlock(&r->post_lock);
    if (full)
        free(packet);
    else if (atomic_load(&r->sleeping))
        runner_wake(r);
    return full ? -1 : 0;
}

int32_t fpn_inject(struct fpn_runner *r, int32_t number, const uint8_t *data, int32_t length)
{
    return post(r, &r->injected, number, data, length);
}

int32_t fpn_emit(struct fpn_runner *r, int32_t number, const uint8_t *data, int32_t length)
{
    return post(r, &r->emitted, number, data, length);
}

int32_t fpn_take(struct fpn_runner *r, int32_t number, uint8_t *buffer, int32_t capacity, int32_t timeout_ms)
{
    struct port *port = find(r, number);
    return port && port->kind == &QUEUE_KIND ? queue_take(port, buffer, capacity, timeout_ms) : -3;
}

/* ---- running ---- */

static bool arm_ports(struct fpn_runner *r)
{
    bool idle = true;
    for (int i = 0; i < r->n_ports; i++) {
        struct port *port = r->list[i];
        if (port->log_in)
            fflush(port->log_in);
        if (port->log_out)
            fflush(port->log_out);
        if (port->kind->arm && !port->kind->arm(port))
            idle = false;
    }
    return idle;
}

static void take_events(struct fpn_runner *r, const struct epoll_event *events, int n)
{
    for (int i = 0; i < n; i++) {
        struct port *port = events[i].data.ptr;
        uint64_t count;
        if (!port) {
            if (read(r->wake_fd, &count, sizeof count) < 0)
                continue; /* already read */
        } else if (port->kind->event && (port->kind->arm || events[i].events & ~(uint32_t)EPOLLIN))
            port->kind->event(port, events[i].events);
    }
}

static int wait_events(struct fpn_runner *r, struct epoll_event *events, int room, uint64_t until)
{
    uint64_t now = now_ns();
    struct timespec time, *limit = NULL;
    if (until != UINT64_MAX) {
        uint64_t left = until > now ? until - now : 0;
        time = (struct timespec){(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
        limit = &time;
    }
    return epoll_pwait2(r->poll_fd, events, room, limit, NULL);
}

static void sleep_until(struct fpn_runner *r, uint64_t until)
{
    struct epoll_event events[64];
    atomic_store(&r->sleeping, 1);
    uint64_t start = now_ns();
    if (arm_ports(r) && !atomic_load(&r->posted) && !atomic_load(&r->stopping)) {
        int n = wait_events(r, events, 64, until);
        atomic_store(&r->sleeping, 0);
        take_events(r, events, n);
        r->stats.sleeps++;
    }
    atomic_store(&r->sleeping, 0);
    uint64_t gap = now_ns() - start;
    r->typical_gap_ns = r->typical_gap_ns > 1000000000u ? gap : (3 * r->typical_gap_ns + gap) / 4;
}

/* Events other than packets (a link down, room on a slow link) must not wait for an idle moment. */
static void poll_events(struct fpn_runner *r)
{
    struct epoll_event events[64];
    take_events(r, events, epoll_wait(r->poll_fd, events, 64, 0));
}

static bool any_waiting(const struct fpn_runner *r)
{
    for (int i = 0; i < r->n_ports; i++)
        if (r->list[i]->want_output)
            return true;
    return false;
}

/* True when packets came while spinning. The processor is offered to others meanwhile: on few cores it is they who will
 * send the next packet. */
static bool spin(struct fpn_runner *r)
{
    if (r->typical_gap_ns > r->spin_limit_ns)
        return false;
    uint64_t start = now_ns(), budget = 2 * r->typical_gap_ns + 1000;
    r->stats.spins++;
    do {
        sched_yield();
        r->now = now_ns();
        if (gather(r)) {
            r->typical_gap_ns = (3 * r->typical_gap_ns + (r->now - start)) / 4;
            return true;
        }
        finish_batch(r);
    } while (r->now - start < budget && !atomic_load_explicit(&r->stopping, memory_order_relaxed));
    return false;
}

static void run_gathered(struct fpn_runner *r)
{
    process_batch(r);
    finish_batch(r);
}

static void turn(struct fpn_runner *r)
{
    r->now = now_ns();
    serve_queues(r); /* what is due makes room before more comes */
    bool worked = gather(r) > 0;
    if (worked)
        run_gathered(r);
    else
        finish_batch(r);
    r->n_in = 0;
    uint64_t due = deliver_due(r); /* may bring inputs that were held back */
    if (r->n_in) {
        run_gathered(r);
        worked = true;
    }
    uint64_t leaves = serve_queues(r);
    due = leaves < due ? leaves : due;
    dispatch_emitted(r);
    if (worked) {
        if ((r->stats.batches & 63) == 0 || any_waiting(r))
            poll_events(r);
        return;
    }
    for (int i = 0; i < r->n_ports; i++)
        if (r->list[i]->kind->idle)
            r->list[i]->kind->idle(r->list[i]);
    if (spin(r))
        run_gathered(r);
    else
        sleep_until(r, due);
}

int32_t fpn_run(struct fpn_runner *r, char *error)
{
    if (!r->n_ports)
        return fail(error, "the switch has no ports");
    while (!atomic_load(&r->stopping))
        turn(r);
    for (int i = 0; i < r->n_ports; i++)
        if (r->list[i]->kind == &QUEUE_KIND)
            queue_stop(r->list[i]);
    return 0;
}

void fpn_stop(struct fpn_runner *r)
{
    atomic_store(&r->stopping, true);
    runner_wake(r);
}
