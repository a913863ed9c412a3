/* Work that a sender left to its network card: checksums, and the cutting of TCP super-frames.
 *
 * A packet with an unfinished checksum gets it here, on arrival, so that programs see what would be on a wire. A TCP
 * super-frame travels whole (cutting it would cost a trip through the pipeline per segment); on departure its headers are
 * read again, since the program may have changed them, and the kernel behind the port cuts it or passes it on. */
#include "port.h"
#include <string.h>

#define ETHERNET 14
#define IP_TCP 6
#define TCP_CHECKSUM 16 /* offset of the field */

static uint16_t load16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static void store16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* Ones'-complement sum, not folded or inverted. Summing native words and swapping once gives the same result (RFC 1071). */
static uint64_t sum_bytes(const uint8_t *data, uint32_t length)
{
    uint64_t sum = 0;
    uint32_t i = 0;
    for (; i + 4 <= length; i += 4) {
        uint32_t word;
        memcpy(&word, data + i, 4);
        sum += word;
    }
    uint8_t rest[4] = {0, 0, 0, 0};
    memcpy(rest, data + i, length - i);
    uint32_t word;
    memcpy(&word, rest, 4);
    return sum + word;
}

static uint16_t fold16(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static bool finish_checksum(uint8_t *data, uint32_t length, uint32_t start, uint32_t offset)
{
    if (start >= length || start + offset + 2 > length)
        return false;
    uint16_t sum = (uint16_t)~fold16(sum_bytes(data + start, length - start));
    if (!sum)
        sum = 0xffff; /* UDP reads zero as "none"; for TCP both mean the same */
    memcpy(data + start + offset, &sum, 2); /* summed in native order, stored in native order */
    return true;
}

bool offload_settle(uint8_t *data, uint32_t length, struct virtio_net_hdr *offload, bool *segmented)
{
    uint8_t type = offload->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
    *segmented = type == VIRTIO_NET_HDR_GSO_TCPV4 || type == VIRTIO_NET_HDR_GSO_TCPV6;
    if (*segmented)
        return true;
    if (type != VIRTIO_NET_HDR_GSO_NONE)
        return false; /* UDP segmentation is never asked of us: nothing here offers it */
    if (offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
        return finish_checksum(data, length, offload->csum_start, offload->csum_offset);
    return true;
}

/* Where TCP starts, and the sum of its pseudo-header; 0 where the packet is not TCP in IP in Ethernet (with VLAN tags). */
static uint32_t find_tcp(const uint8_t *data, uint32_t length, uint16_t *pseudo)
{
    uint32_t at = ETHERNET;
    if (length < at + 4)
        return 0;
    uint16_t type = load16(data + 12);
    while ((type == 0x8100 || type == 0x88a8) && at + 8 <= length) {
        type = load16(data + at + 2);
        at += 4;
    }
    uint64_t sum = 0;
    uint32_t tcp;
    if (type == 0x0800 && at + 20 <= length && data[at + 9] == IP_TCP) {
        tcp = at + (uint32_t)(data[at] & 15) * 4;
        sum = sum_bytes(data + at + 12, 8);
    } else if (type == 0x86dd && at + 40 <= length && data[at + 6] == IP_TCP) {
        tcp = at + 40;
        sum = sum_bytes(data + at + 8, 32);
    } else
        return 0;
    if (tcp < at + 20 || tcp + 20 > length)
        return 0;
    uint8_t tail[4] = {0, IP_TCP, 0, 0};
    store16(tail + 2, (uint16_t)(length - tcp));
    *pseudo = fold16(sum + sum_bytes(tail, 4));
    return tcp;
}

bool offload_prepare(uint8_t *data, uint32_t length, const struct virtio_net_hdr *from, struct virtio_net_hdr *to)
{
    uint16_t pseudo;
    uint32_t tcp = find_tcp(data, length, &pseudo);
    if (!tcp)
        return false;
    memcpy(data + tcp + TCP_CHECKSUM, &pseudo, 2);
    uint32_t headers = tcp + (uint32_t)(data[tcp + 12] >> 4) * 4;
    *to = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = (uint16_t)tcp, .csum_offset = TCP_CHECKSUM};
    if (length > headers + from->gso_size) {
        to->gso_type = from->gso_type;
        to->gso_size = from->gso_size;
        to->hdr_len = (uint16_t)headers;
    }
    return headers <= length;
}

void offload_complete(uint8_t *data, uint32_t length)
{
    uint16_t pseudo;
    uint32_t tcp = find_tcp(data, length, &pseudo);
    if (!tcp)
        return;
    memcpy(data + tcp + TCP_CHECKSUM, &pseudo, 2);
    finish_checksum(data, length, tcp, TCP_CHECKSUM);
}
