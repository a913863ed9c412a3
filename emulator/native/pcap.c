/* Capture files: the format of libpcap (microseconds, Ethernet), as a log of a port or as a port itself. */
#include "port.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct file_header {
    uint32_t magic;
    uint16_t major, minor;
    int32_t zone;
    uint32_t accuracy, snap_length, link_type;
};
struct record {
    uint32_t seconds, fraction, captured, length;
};
#define MAGIC_US 0xa1b2c3d4u
#define MAGIC_NS 0xa1b23c4du
#define ETHERNET_LINK 1

FILE *pcap_create(const char *path, char *error)
{
    FILE *file = fopen(path, "wb");
    struct file_header header = {MAGIC_US, 2, 4, 0, 0, FP_MAX_FRAME, ETHERNET_LINK};
    if (!file || fwrite(&header, sizeof header, 1, file) != 1 || fflush(file)) {
        fail(error, "cannot write the capture file \"%s\": %s", path, strerror(errno));
        if (file)
            fclose(file);
        return NULL;
    }
    return file;
}

void pcap_write(FILE *file, const uint8_t *data, uint32_t length)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    struct record record = {(uint32_t)time.tv_sec, (uint32_t)(time.tv_nsec / 1000), length, length};
    if (fwrite(&record, sizeof record, 1, file) == 1)
        fwrite(data, 1, length, file);
}

struct pcap_port {
    struct port port;
    FILE *out;
    uint8_t *bytes; /* the whole input file */
    size_t size, at;
    bool swapped;
};

static uint32_t number(const struct pcap_port *file, uint32_t value)
{
    return file->swapped ? __builtin_bswap32(value) : value;
}

static int pcap_receive(struct port *port, struct received *packets, int room)
{
    struct pcap_port *file = (struct pcap_port *)port;
    int n = 0;
    while (n < room && file->at + sizeof(struct record) <= file->size) {
        struct record record;
        memcpy(&record, file->bytes + file->at, sizeof record);
        uint32_t captured = number(file, record.captured);
        file->at += sizeof record;
        if (captured > file->size - file->at) {
            port->stats.drops[FPN_RX_TRUNCATED]++;
            file->at = file->size;
        } else if (captured > FP_MAX_FRAME || captured < number(file, record.length)) {
            port->stats.drops[captured > FP_MAX_FRAME ? FPN_RX_TOO_LONG : FPN_RX_TRUNCATED]++;
            file->at += captured;
        } else {
            packets[n++] = (struct received){.data = file->bytes + file->at, .length = captured};
            file->at += captured;
        }
    }
    return n;
}

static bool pcap_arm(struct port *port)
{
    struct pcap_port *file = (struct pcap_port *)port;
    if (file->out)
        fflush(file->out);
    return file->at + sizeof(struct record) > file->size;
}

static void pcap_release(struct port *port) { (void)port; }

static void pcap_send(struct port *port, uint8_t *data, uint32_t length, const struct virtio_net_hdr *offload)
{
    struct pcap_port *file = (struct pcap_port *)port;
    if (file->out && offload) { /* not in place: another port may still send these bytes */
        uint8_t *copy = malloc(length);
        if (copy) {
            memcpy(copy, data, length);
            offload_complete(copy, length);
            pcap_write(file->out, copy, length);
            free(copy);
        }
    } else if (file->out)
        pcap_write(file->out, data, length);
    port->stats.tx_packets++;
    port->stats.tx_bytes += length;
}

static void pcap_flush(struct port *port) { (void)port; }

static void pcap_close(struct port *port)
{
    struct pcap_port *file = (struct pcap_port *)port;
    if (file->out)
        fclose(file->out);
    free(file->bytes);
    free(file);
}

static const struct port_kind PCAP_KIND = {pcap_receive, pcap_release, pcap_send, pcap_flush,
                                           pcap_arm,     NULL,         NULL,      pcap_close, NULL, NULL};

static int read_whole(struct pcap_port *file, const char *path, char *error)
{
    struct stat kind;
    if (!stat(path, &kind) && !S_ISREG(kind.st_mode))
        return fail(error, "\"%s\" is no file: captures are read whole, at the start", path);
    FILE *in = fopen(path, "rb");
    if (!in)
        return fail(error, "cannot read the capture file \"%s\": %s", path, strerror(errno));
    long size = fseek(in, 0, SEEK_END) ? -1 : ftell(in);
    rewind(in);
    if (size >= 0 && (file->bytes = malloc((size_t)size + 1)))
        file->size = fread(file->bytes, 1, (size_t)size, in);
    fclose(in);
    struct file_header header;
    if (file->size < sizeof header)
        return fail(error, "\"%s\" is no capture file: too short", path);
    memcpy(&header, file->bytes, sizeof header);
    file->swapped = header.magic == __builtin_bswap32(MAGIC_US) || header.magic == __builtin_bswap32(MAGIC_NS);
    uint32_t magic = number(file, header.magic);
    if ((magic != MAGIC_US && magic != MAGIC_NS) || number(file, header.link_type) != ETHERNET_LINK)
        return fail(error, "\"%s\" is no capture file of Ethernet packets", path);
    file->at = sizeof header;
    return 0;
}

int32_t fpn_add_pcap(struct fpn_runner *runner, int32_t port, const char *in_path, const char *out_path, char *error)
{
    struct pcap_port *file = calloc(1, sizeof *file);
    if (!file)
        return fail(error, "memory is short");
    file->port.kind = &PCAP_KIND;
    file->port.fd = -1;
    if ((in_path && read_whole(file, in_path, error)) || (out_path && !(file->out = pcap_create(out_path, error))) ||
        adopt_port(runner, &file->port, port, in_path ? in_path : "capture", error)) {
        pcap_close(&file->port);
        return -1;
    }
    return 0;
}
