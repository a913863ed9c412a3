/* Several pipelines on one interface: the kernel gives each the packets of its own queues, as a card does with several
 * receive queues. A packet to the FPISA port (18000) belongs to pipeline `queue mod pipelines`, every other to pipeline 0.
 * Trains stay whole: their frames have one UDP source port, and so one queue. */
#define _GNU_SOURCE
#include "packet_ring.h"
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/in.h>

#define AT_ETHERTYPE 12
#define AT_LENGTH_OF_IP 14
#define AT_PROTOCOL 23
#define AT_DESTINATION 36
#define AT_QUEUE 47
#define FPISA_PORT 18000
#define IP_4_OF_20 0x45

int keep_share(int fd, int32_t pipeline, int32_t pipelines)
{
    /* Jumps count from the next instruction; reading past the packet's end refuses it, so the ethertype is asked first. */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT_ETHERTYPE),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 12),
        BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, AT_QUEUE, 0, 10),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_LENGTH_OF_IP),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IP_4_OF_20, 0, 8),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_PROTOCOL),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 6),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT_DESTINATION),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FPISA_PORT, 0, 4),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_QUEUE),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, (uint32_t)pipelines),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)pipeline, 2, 0),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, pipeline ? 0 : 0x40000),
        BPF_STMT(BPF_RET | BPF_K, 0x40000),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}
