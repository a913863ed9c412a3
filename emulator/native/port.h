/* Inside the packet loop: what a kind of port provides, and what every port has. */
#ifndef FPISA_PORT_H
#define FPISA_PORT_H
#include "ports.h"
#include <linux/virtio_net.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#define BATCH 64

/* A received packet: bytes that stay until release(), and how much of its offloaded work is still to be done. */
struct received {
    uint8_t *data;
    uint32_t length;
    bool segmented;              /* a TCP super-frame; `offload` says how to cut it */
    bool placed;                 /* a worker's: only headers lie at `data`, the rest where it was awaited (rings.h) */
    struct virtio_net_hdr offload;
};

struct port;
struct port_kind {
    /* Up to `room` packets; nothing there is 0. Frames are borrowed until release(). */
    int (*receive)(struct port *port, struct received *packets, int room);
    void (*release)(struct port *port);
    /* Takes the packet over (copies, or keeps until flush, before which its bytes do not change). */
    void (*send)(struct port *port, uint8_t *data, uint32_t length, const struct virtio_net_hdr *offload);
    void (*flush)(struct port *port);
    /* Called when the loop is about to sleep: false where packets are already waiting. May be NULL. */
    bool (*arm)(struct port *port);
    /* The loop's poll said something about a descriptor: for a kind that arms, anything; else anything but "readable", which
     * receive() finds out by itself. May be NULL. */
    void (*event)(struct port *port, uint32_t events);
    void (*refresh_stats)(struct port *port); /* may be NULL */
    void (*close)(struct port *port);
    void (*doubt)(struct port *port); /* nothing came back: no trains until one arrives (train.h). May be NULL */
    void (*idle)(struct port *port);  /* no port has packets: nothing more will leave for now. May be NULL */
};

struct port {
    const struct port_kind *kind;
    struct fpn_runner *runner;
    int fd; /* to poll; -1: none */
    uint16_t number;
    bool dirty;       /* has packets to flush */
    bool want_output; /* waits for EPOLLOUT */
    struct fpn_stats stats;
    struct impair *in, *out; /* NULL: perfect */
    FILE *log_in, *log_out;
    char name[64];
};

static inline uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Fills error with one sentence and returns -1. */
int fail(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

int watch(struct fpn_runner *runner, struct port *port, int fd, bool output); /* (re)registers fd with the loop's poll */
void unwatch(struct fpn_runner *runner, int fd);
int adopt_port(struct fpn_runner *runner, struct port *port, int32_t number, const char *name, char *error);

/* impair.c: a packet passes through; `deliver` is called for each copy that goes on now. */
typedef void (*deliver_fn)(struct port *port, uint8_t *data, uint32_t length, const struct virtio_net_hdr *offload);
struct impair *impair_new(const struct fpn_impairment *settings, uint16_t port, bool outward, char *error);
void impair_free(struct impair *impair);
void impair_packet(struct impair *impair, struct port *port, uint8_t *data, uint32_t length,
                   const struct virtio_net_hdr *offload, uint64_t now, deliver_fn deliver);
void impair_reap(struct impair *impair); /* the delivered packets' bytes are no longer in use */
/* Delivers what is due; returns when the next is (nanoseconds), or UINT64_MAX. */
uint64_t impair_due(struct impair *impair, struct port *port, uint64_t now, deliver_fn deliver);

/* offload.c */
bool offload_settle(uint8_t *data, uint32_t length, struct virtio_net_hdr *offload, bool *segmented);
bool offload_prepare(uint8_t *data, uint32_t length, const struct virtio_net_hdr *from, struct virtio_net_hdr *to);
void offload_complete(uint8_t *data, uint32_t length);
/* Segment number `index` of a TCP super-frame with `size` bytes of payload each, into `to`; its length, 0 past the last. */
uint32_t offload_segment(const uint8_t *data, uint32_t length, uint32_t size, uint32_t index, uint8_t *to);

/* pcap.c */
FILE *pcap_create(const char *path, char *error);
void pcap_write(FILE *file, const uint8_t *data, uint32_t length);
#endif
