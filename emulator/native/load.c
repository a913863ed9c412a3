/* A load with a bounded window: one thread sends and receives, so that the other core belongs to what is measured. */
#define _GNU_SOURCE
#include "runner.h"
#include "traffic.h"
#include <poll.h>
#include <stdlib.h>
#include <string.h>

struct load {
    struct port *to, *from;
    uint8_t *frames;
    int32_t n_frames, length, number_at, window;
    uint64_t last_heard;
};

static void send_more(struct load *load, struct fpn_load_result *result)
{
    uint64_t under_way = result->sent - result->received - result->lost;
    uint64_t burst = under_way < (uint64_t)load->window ? (uint64_t)load->window - under_way : 0;
    if (burst < BATCH / 2 && under_way > (uint64_t)load->window / 2)
        return; /* a system call per packet would measure the load itself */
    for (; burst; burst--) {
        uint8_t *frame = load->frames + (size_t)(result->sent % (uint64_t)load->n_frames) * (size_t)load->length;
        uint32_t number = __builtin_bswap32((uint32_t)result->sent);
        if (load->number_at >= 0)
            memcpy(frame + load->number_at, &number, sizeof number);
        load->to->kind->send(load->to, frame, (uint32_t)load->length, NULL);
        result->sent++;
    }
    load->to->kind->flush(load->to);
}

static void receive(struct load *load, struct fpn_load_result *result, uint64_t patience_ns)
{
    struct received packets[BATCH];
    int n = load->from->kind->receive(load->from, packets, BATCH);
    load->from->kind->release(load->from);
    result->received += (uint64_t)n;
    uint64_t now = now_ns();
    if (n)
        load->last_heard = now;
    else if (now - load->last_heard > patience_ns) {
        result->lost = result->sent - result->received;
        load->last_heard = now;
    } else {
        struct pollfd ready = {load->from->fd, POLLIN, 0};
        poll(&ready, 1, 1);
    }
}

static double cpu_time(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

int32_t fpn_load(const char *send_interface, const char *receive_interface, uint8_t *frames, int32_t n_frames,
                 int32_t length, int32_t number_at, int32_t window, double seconds, int32_t patience_us, struct fpn_load_result *result,
                 char *error)
{
    struct fpn_runner *sockets = fpn_new(0);
    if (!sockets)
        return fail(error, "memory is short");
    bool same = !strcmp(send_interface, receive_interface);
    if (fpn_add_interface(sockets, 0, send_interface, NULL, error) ||
        (!same && fpn_add_interface(sockets, 1, receive_interface, NULL, error))) {
        fpn_free(sockets);
        return -1;
    }
    struct load load = {sockets->ports[0], sockets->ports[!same], frames, n_frames, length, number_at, window, now_ns()};
    *result = (struct fpn_load_result){0};
    uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9);
    double cpu = cpu_time();
    while (now_ns() < end) {
        send_more(&load, result);
        receive(&load, result, (uint64_t)patience_us * 1000);
    }
    result->seconds = (double)(now_ns() - start) * 1e-9;
    result->cpu_seconds = cpu_time() - cpu;
    fpn_free(sockets);
    return 0;
}
