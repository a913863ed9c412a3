/* Trains: UDP packets alike but for their payloads travel the kernel as one super-frame (UDP segmentation offload).
 *
 * What a packet costs in the kernel - socket buffer, queue, softirq, the receiver's wake-up - is then paid once for up to
 * TRAIN_PACKETS of them, as TCP always had it. A link's rate still counts every header. Only packets of the same length and
 * the same 42 bytes of Ethernet, IPv4 and UDP header join, so cutting gives back exactly those packets; only their UDP
 * checksum, 0 before, is then a real one. */
#include "train.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define IP_AT 14
#define UDP_AT 34
#define STRIDE(length) (((length) + 63u) & ~63u)

static uint16_t load16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static void store16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static uint16_t sum16(const uint8_t *p, uint32_t bytes, uint32_t sum)
{
    for (uint32_t i = 0; i < bytes; i += 2)
        sum += load16(p + i);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static void set_lengths(uint8_t *head, uint32_t payload)
{
    store16(head + IP_AT + 2, 28 + payload);
    store16(head + IP_AT + 10, 0);
    store16(head + IP_AT + 10, (uint16_t)~sum16(head + IP_AT, 20, 0));
    store16(head + UDP_AT + 4, 8 + payload);
    store16(head + UDP_AT + 6, sum16(head + IP_AT + 12, 8, 17 + 8 + payload)); /* the pseudo-header's, to be finished */
}

/* IPv4 without options or fragments, UDP without checksum, filling the packet. */
static bool may_join(const uint8_t *data, uint32_t length)
{
    return length > TRAIN_HEAD && load16(data + 12) == 0x0800 && data[IP_AT] == 0x45 && data[IP_AT + 9] == 17 &&
           !(load16(data + IP_AT + 6) & 0x3fff) && load16(data + IP_AT + 2) == length - IP_AT &&
           load16(data + UDP_AT + 4) == length - UDP_AT && !load16(data + UDP_AT + 6);
}

uint32_t train_length(const struct iovec (*parts)[2], const struct virtio_net_hdr *offloads, uint32_t n)
{
    const struct iovec *first = &parts[0][1];
    if (offloads[0].gso_type || offloads[0].flags || !may_join(first->iov_base, (uint32_t)first->iov_len))
        return 1;
    uint32_t most = TRAIN_BYTES / (uint32_t)first->iov_len, length = 1;
    most = most < TRAIN_PACKETS ? most : TRAIN_PACKETS;
    while (length < n && length < most && parts[length][1].iov_len == first->iov_len && !offloads[length].gso_type &&
           !offloads[length].flags && !memcmp(parts[length][1].iov_base, first->iov_base, TRAIN_HEAD))
        length++;
    return length;
}

void train_couple(struct iovec (*parts)[2], uint32_t n, struct train_front *front)
{
    uint32_t payload = (uint32_t)parts[0][1].iov_len - TRAIN_HEAD;
    front->offload = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                             .gso_type = VIRTIO_NET_HDR_GSO_UDP_L4,
                                             .hdr_len = TRAIN_HEAD,
                                             .gso_size = (uint16_t)payload,
                                             .csum_start = UDP_AT,
                                             .csum_offset = 6};
    memcpy(front->head, parts[0][1].iov_base, TRAIN_HEAD);
    set_lengths(front->head, n * payload);
    for (uint32_t i = 0; i < n; i++) {
        parts[i][0] = (struct iovec){front, i ? 0 : sizeof *front};
        parts[i][1] = (struct iovec){(uint8_t *)parts[i][1].iov_base + TRAIN_HEAD, payload};
    }
}

void train_uncouple(struct iovec (*parts)[2], uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        parts[i][1] = (struct iovec){(uint8_t *)parts[i][1].iov_base - TRAIN_HEAD, parts[i][1].iov_len + TRAIN_HEAD};
}

/* ---- arriving ---- */

static void finish(uint8_t *packet, uint32_t payload)
{
    set_lengths(packet, payload);
    uint32_t length = UDP_AT + 8 + payload;
    struct virtio_net_hdr offload = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = UDP_AT, .csum_offset = 6};
    bool segmented;
    offload_settle(packet, length, &offload, &segmented);
}

bool train_cut(struct train *train, const uint8_t *data, uint32_t length, uint32_t payload)
{
    train->n = train->next = 0;
    if (length <= TRAIN_HEAD || !payload || load16(data + 12) != 0x0800 || data[IP_AT] != 0x45 || data[IP_AT + 9] != 17 ||
        load16(data + UDP_AT + 4) != length - UDP_AT)
        return false;
    uint32_t left = length - TRAIN_HEAD, n = (left + payload - 1) / payload;
    size_t bytes = (size_t)n * STRIDE(TRAIN_HEAD + payload);
    if (bytes > train->room) {
        free(train->bytes);
        train->bytes = malloc(bytes);
        train->room = train->bytes ? bytes : 0;
        if (!train->bytes)
            return false;
    }
    train->stride = STRIDE(TRAIN_HEAD + payload);
    train->payload = payload;
    train->rest = left - (n - 1) * payload;
    for (const uint8_t *from = data + TRAIN_HEAD; train->n < n; train->n++, from += payload) {
        uint8_t *packet = train->bytes + (size_t)train->n * train->stride;
        uint32_t mine = train->n + 1 < n ? payload : train->rest;
        memcpy(packet, data, TRAIN_HEAD);
        memcpy(packet + TRAIN_HEAD, from, mine);
        finish(packet, mine);
    }
    return true;
}

int train_unload(struct train *train, struct received *packets, int room)
{
    int count = 0;
    for (; count < room && train->next < train->n; train->next++)
        packets[count++] = (struct received){
            .data = train->bytes + (size_t)train->next * train->stride,
            .length = TRAIN_HEAD + (train->next + 1 < train->n ? train->payload : train->rest),
        };
    return count;
}
