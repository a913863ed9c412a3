/* Inside a port on a network interface. */
#ifndef FPISA_PACKET_RING_H
#define FPISA_PACKET_RING_H
#include "train.h"
#include <sys/socket.h>

#define ASIDE 16 /* super-frames taken aside per batch */
#define VNET sizeof(struct virtio_net_hdr)

struct waiting {
    struct waiting *next;
    uint32_t length;
    struct virtio_net_hdr offload;
    uint8_t data[];
};

struct ring_port {
    struct port port;
    int index;
    uint8_t *map;
    size_t map_bytes;
    uint32_t frame_bytes, frames;
    uint32_t head, tail; /* next frame to read; first not yet given back */
    uint8_t *aside[ASIDE];
    int aside_used;
    struct train trains[ASIDE]; /* super-frames of UDP, cut; the last may wait for room */
    int n_trains;
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH][2];
    struct virtio_net_hdr headers[BATCH];
    struct train_front fronts[BATCH];
    uint32_t coupled[BATCH]; /* packets in each message */
    bool couples;            /* the other side reads trains: it sends them, or the options say so */
    uint32_t outgoing;
    struct waiting *waiting, **waiting_tail; /* the link is slow: packets in order */
    size_t waiting_bytes, waiting_limit;
};

static inline struct ring_port *ring_of(struct port *port) { return (struct ring_port *)port; }

/* pipeline_filter.c: receive only what belongs to this pipeline of several on the interface; -1 with errno. */
int keep_share(int fd, int32_t pipeline, int32_t pipelines);

/* packet_receive.c */
int ring_receive(struct port *port, struct received *packets, int room);
void ring_release(struct port *port);

/* packet_send.c */
void ring_send(struct port *port, uint8_t *data, uint32_t length, const struct virtio_net_hdr *offload);
void ring_flush(struct port *port);
void ring_drain_waiting(struct ring_port *ring);
#endif
