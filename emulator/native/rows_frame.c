/* What frames of queries share, whoever makes them. */
#include "rows_core.h"
#include <string.h>

void rows_headers(uint8_t *h, const struct fpr_link *link, const uint8_t *mac, uint32_t to_ip, uint32_t from, uint32_t to,
                  uint32_t bytes)
{
    uint8_t *ip = h + 14, *udp = h + 34;
    memset(h, 0, FPR_HEADERS);
    memcpy(h, mac, 6);
    memcpy(h + 6, link->source_mac, 6);
    rows_put16(h + 12, 0x0800);
    ip[0] = 0x45;
    rows_put16(ip + 2, bytes - 14);
    ip[8] = 64;
    ip[9] = 17;
    rows_put32(ip + 12, link->source_ip);
    rows_put32(ip + 16, to_ip);
    uint32_t sum = 0;
    for (int i = 0; i < 20; i += 2)
        sum += rows_get16(ip + i);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    rows_put16(ip + 10, ~sum);
    rows_put16(udp, from);
    rows_put16(udp + 2, to);
    rows_put16(udp + 4, bytes - 34);
    h[AT_QUERY] = ROWS_VERSION << 4;
}

bool rows_match(const struct received *received, uint32_t udp_port, uint32_t kind, uint32_t bytes)
{
    const uint8_t *f = received->data;
    return !received->segmented && received->length >= bytes && rows_get16(f + 12) == 0x0800 && f[14] == 0x45 &&
           f[23] == 17 && !(rows_get16(f + 20) & 0x3fff) && rows_get16(f + 36) == udp_port &&
           f[AT_QUERY] == (ROWS_VERSION << 4 | kind);
}

struct fpw_options rows_options(const struct fpr_link *link)
{
    struct fpw_options options = {
        .udp_port = link->udp_port, .elements = FPR_LANES, .value_bytes = FPR_ENTRY, .initial_us = link->initial_us,
        .shortest_us = link->shortest_us, .longest_us = link->longest_us, .deadline_ms = link->deadline_ms,
    };
    _Static_assert(FPW_HEADERS + FPR_LANES * FPR_ENTRY >= FPR_FRAME, "a transport's frame holds a frame of rows");
    return options;
}

int rows_check(const struct fpr_link *link, char *error)
{
    if (!link->window || link->window > FPR_WINDOW_LIMIT || link->window & (link->window - 1))
        return fail(error, "a window of rows has a power of two of places, at most %d, not %u", FPR_WINDOW_LIMIT, link->window);
    if (link->initial_us < 1 || link->shortest_us < 1 || link->longest_us < link->shortest_us || link->deadline_ms < 1)
        return fail(error, "timeouts must be positive, and the longest not below the shortest");
    if (!link->udp_port)
        return fail(error, "a host needs a UDP port");
    return 0;
}

struct transport *rows_transport(const struct fpr_link *link, const char *interface, const char *socket_path, char *error)
{
    struct fpw_options options = rows_options(link);
    return interface ? packet_transport(&options, 0, interface, error) : memory_transport(&options, socket_path, error);
}
