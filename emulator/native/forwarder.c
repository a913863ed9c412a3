/* The yardstick: the least code that forwards packets between two interfaces at full speed. It shares nothing with the
 * switch's loop on purpose. */
#define _GNU_SOURCE
#include "traffic.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME 2048
#define FRAMES 4096
#define BURST 64

struct side {
    int fd;
    uint8_t *ring;
    uint32_t head;
};

static int open_side(struct side *side, const char *interface, char *error)
{
    int version = TPACKET_V2, one = 1;
    struct tpacket_req ring = {1 << 18, FRAMES / ((1 << 18) / FRAME), FRAME, FRAMES};
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(interface)};
    side->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (side->fd < 0 || !address.sll_ifindex ||
        setsockopt(side->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) ||
        setsockopt(side->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) ||
        setsockopt(side->fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring)) {
        snprintf(error, 256, "cannot open interface \"%s\": %s", interface, strerror(errno));
        return -1;
    }
    side->ring = mmap(NULL, (size_t)FRAME * FRAMES, PROT_READ | PROT_WRITE, MAP_SHARED, side->fd, 0);
    if (side->ring == MAP_FAILED || bind(side->fd, (struct sockaddr *)&address, sizeof address)) {
        snprintf(error, 256, "cannot map the ring of \"%s\": %s", interface, strerror(errno));
        return -1;
    }
    return 0;
}

static int move(struct side *from, const struct side *to)
{
    struct mmsghdr messages[BURST];
    struct iovec parts[BURST];
    struct tpacket2_hdr *headers[BURST];
    int n = 0;
    for (; n < BURST; n++) {
        struct tpacket2_hdr *header = (void *)(from->ring + (size_t)(from->head % FRAMES) * FRAME);
        if (!(__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
            break;
        from->head++;
        headers[n] = header;
        parts[n] = (struct iovec){(uint8_t *)header + header->tp_mac, header->tp_snaplen};
        messages[n] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[n], .msg_iovlen = 1}};
    }
    for (int sent = 0; sent < n;) {
        int done = sendmmsg(to->fd, messages + sent, (unsigned)(n - sent), 0);
        sent += done > 0 ? done : 1;
    }
    for (int i = 0; i < n; i++)
        __atomic_store_n(&headers[i]->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    return n;
}

int32_t fpn_forward(const char *interface_a, const char *interface_b, volatile int32_t *stop, uint64_t *packets, char *error)
{
    struct side a = {.fd = -1}, b = {.fd = -1};
    int status = open_side(&a, interface_a, error) || open_side(&b, interface_b, error) ? -1 : 0;
    while (!status && !*stop) {
        int moved = move(&a, &b) + move(&b, &a);
        *packets += (uint64_t)moved;
        if (!moved) {
            struct pollfd ready[2] = {{a.fd, POLLIN, 0}, {b.fd, POLLIN, 0}};
            poll(ready, 2, 20);
        }
    }
    if (a.fd >= 0)
        close(a.fd);
    if (b.fd >= 0)
        close(b.fd);
    if (a.ring && a.ring != MAP_FAILED)
        munmap(a.ring, (size_t)FRAME * FRAMES);
    if (b.ring && b.ring != MAP_FAILED)
        munmap(b.ring, (size_t)FRAME * FRAMES);
    return status;
}
