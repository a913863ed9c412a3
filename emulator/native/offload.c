/* Work that a sender left to its network card: checksums, and the cutting of TCP super-frames.
 *
 * A packet with an unfinished checksum gets it here, on arrival, so that programs see what would be on a wire. A TCP
 * super-frame travels whole (cutting it would cost a trip through the pipeline per segment); on departure its headers are
 * read again, since the program may have changed them, and the kernel behind the port cuts it or passes it on. Only where
 * packets are counted one by one, in the switch's queues, it is cut before the pipeline. */
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

/* Where IP and TCP start, and the sum of TCP's pseudo-header; false where the packet is not TCP in IP in Ethernet (with
 * VLAN tags). */
struct tcp_place {
    uint32_t ip, tcp, headers; /* headers: bytes before the payload */
    uint16_t pseudo;
};

static bool find_tcp(const uint8_t *data, uint32_t length, struct tcp_place *place)
{
    uint32_t at = ETHERNET;
    if (length < at + 4)
        return false;
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
        return false;
    if (tcp < at + 20 || tcp + 20 > length || data[tcp + 12] >> 4 < 5)
        return false;
    uint8_t tail[4] = {0, IP_TCP, 0, 0};
    store16(tail + 2, (uint16_t)(length - tcp));
    *place = (struct tcp_place){at, tcp, tcp + (uint32_t)(data[tcp + 12] >> 4) * 4, fold16(sum + sum_bytes(tail, 4))};
    return true;
}

bool offload_prepare(uint8_t *data, uint32_t length, const struct virtio_net_hdr *from, struct virtio_net_hdr *to)
{
    struct tcp_place place;
    if (!find_tcp(data, length, &place))
        return false;
    memcpy(data + place.tcp + TCP_CHECKSUM, &place.pseudo, 2);
    *to = (struct virtio_net_hdr){
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = (uint16_t)place.tcp, .csum_offset = TCP_CHECKSUM};
    if (length > place.headers + from->gso_size) {
        to->gso_type = from->gso_type;
        to->gso_size = from->gso_size;
        to->hdr_len = (uint16_t)place.headers;
    }
    return place.headers <= length;
}

void offload_complete(uint8_t *data, uint32_t length)
{
    struct tcp_place place;
    if (!find_tcp(data, length, &place))
        return;
    memcpy(data + place.tcp + TCP_CHECKSUM, &place.pseudo, 2);
    finish_checksum(data, length, place.tcp, TCP_CHECKSUM);
}

static void store32(uint8_t *p, uint32_t v)
{
    store16(p, (uint16_t)(v >> 16));
    store16(p + 2, (uint16_t)v);
}

/* Lengths, numbers and flags of segment `index`, which carries `body` bytes and ends the frame where `last`. */
static void settle_headers(uint8_t *data, const struct tcp_place *place, uint32_t index, uint32_t size, uint32_t body, bool last)
{
    enum { FIN = 1, PSH = 8, CWR = 128 };
    uint8_t *ip = data + place->ip, *tcp = data + place->tcp;
    uint32_t length = place->headers - place->ip + body;
    if (ip[0] >> 4 == 4) {
        store16(ip + 2, (uint16_t)length);
        store16(ip + 4, (uint16_t)(load16(ip + 4) + index));
        store16(ip + 10, 0);
        uint16_t sum = (uint16_t)~fold16(sum_bytes(ip, place->tcp - place->ip));
        memcpy(ip + 10, &sum, 2);
    } else
        store16(ip + 4, (uint16_t)(length - 40));
    store32(tcp + 4, ((uint32_t)load16(tcp + 4) << 16 | load16(tcp + 6)) + index * size);
    tcp[13] &= (uint8_t)~((last ? 0 : FIN | PSH) | (index ? CWR : 0));
}

uint32_t offload_segment(const uint8_t *data, uint32_t length, uint32_t size, uint32_t index, uint8_t *to)
{
    struct tcp_place place;
    if (!size || !find_tcp(data, length, &place) || place.headers >= length) {
        memcpy(to, data, length);
        return index ? 0 : length;
    }
    uint64_t from = place.headers + (uint64_t)index * size;
    if (from >= length)
        return 0;
    uint32_t left = length - (uint32_t)from, body = left < size ? left : size;
    memcpy(to, data, place.headers);
    memcpy(to + place.headers, data + from, body);
    settle_headers(to, &place, index, size, body, body == left);
    offload_complete(to, place.headers + body);
    return place.headers + body;
}
