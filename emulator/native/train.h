/* Several UDP packets as one super-frame through the kernel. */
#ifndef FPISA_TRAIN_H
#define FPISA_TRAIN_H
#include "port.h"
#include <sys/uio.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* headers older than Linux 6.2 */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define TRAIN_HEAD 42u /* Ethernet, IPv4, UDP */
#define TRAIN_PACKETS 16u
#define TRAIN_BYTES 32768u

struct train_front { /* what precedes the first payload of a train */
    struct virtio_net_hdr offload;
    uint8_t head[TRAIN_HEAD];
} __attribute__((packed));

/* parts: per packet its virtio-net header and its bytes, in the order of sending. */
uint32_t train_length(const struct iovec (*parts)[2], const struct virtio_net_hdr *offloads, uint32_t n);
void train_couple(struct iovec (*parts)[2], uint32_t n, struct train_front *front);
void train_uncouple(struct iovec (*parts)[2], uint32_t n); /* the packets' bytes are as before */

struct train { /* one that arrived, cut */
    uint8_t *bytes;
    size_t room;
    uint32_t n, next, stride, payload, rest;
};
/* false: no whole UDP packet in IPv4, or memory is short. */
bool train_cut(struct train *train, const uint8_t *data, uint32_t length, uint32_t payload);
int train_unload(struct train *train, struct received *packets, int room);
#endif
