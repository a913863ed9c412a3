/* Rows of a query from a worker to the switch, and survivors at the master: frames of docs/QUERIES.md, sent by the window of
 * the worker engine (worker.h) over the same transports.
 *
 * A sender's frame p holds row p of each of sixteen lanes. Frames are built when they are sent, and again when they are
 * repeated: only the columns are kept. A place of the window takes its next frame once the last one is acknowledged, by the
 * switch or by the master. The receiver takes each (worker, sequence) once and acknowledges every copy. */
#ifndef FPISA_ROWS_H
#define FPISA_ROWS_H
#include <stdint.h>

#define FPR_LANES 16
#define FPR_HEADERS 56 /* Ethernet 14, IPv4 20, UDP 8, query 14 */
#define FPR_ENTRY 16   /* row 4, key 8, value 4 */
#define FPR_FRAME 312
#define FPR_QUERY_PORT 18001 /* UDP destination port of rows */
#define FPR_WINDOW_LIMIT 65536

struct fpr_link { /* how a host reaches the switch */
    uint8_t source_mac[6], peer_mac[6]; /* peer: the master, for a worker; unused by the receiver */
    uint32_t source_ip, peer_ip;        /* host byte order */
    uint16_t udp_port;                  /* where this host's frames arrive */
    uint16_t spare;
    uint32_t window; /* places, a power of two, as the program has it */
    int32_t initial_us, shortest_us, longest_us, deadline_ms; /* of a frame's acknowledgement */
};

struct fpr_batch { /* one run of rows; the arrays stay until the run has ended */
    const uint32_t *rows;
    const uint64_t *keys;
    const float *values;
    int64_t count;
    uint16_t query;
    uint8_t operator_code, worker;
    uint8_t second; /* the query's second phase */
    uint8_t spread; /* rows take lanes in turn; otherwise a key's low four bits name its lane */
    uint16_t spare;
    uint32_t first_sequence;
};

struct fpr_stats {
    uint64_t packets, repeats, timeouts; /* first transmissions, further ones */
    uint64_t received, discarded, bytes_sent, bytes_received;
    uint64_t duplicates, rows; /* at the receiver */
    uint64_t round_trip_ns;    /* of frames that the switch acknowledges */
};

struct fpr_sender;
struct fpr_receiver;

/* Through a packet socket on `interface`, or the shared-memory port at `socket_path`; the other is NULL. NULL with a
 * sentence (256 bytes) where that cannot be. */
struct fpr_sender *fpr_open_sender(const struct fpr_link *link, const char *interface, const char *socket_path, char *error);
void fpr_close_sender(struct fpr_sender *sender);
/* Number of frames, or -1 with a sentence. Then fpr_step until it returns anything but FPW_AGAIN (enum fpw_status). */
int64_t fpr_begin(struct fpr_sender *sender, const struct fpr_batch *batch, char *error);
int32_t fpr_step(struct fpr_sender *sender, int32_t slice_ms, char *error);
void fpr_sender_stats(const struct fpr_sender *sender, struct fpr_stats *stats);
/* The frames that a sender would make, one after the other, for who has another way to the switch. Their number, or -1 with a
 * sentence where there are more than `room`; out NULL: only their number. */
int64_t fpr_pack(const struct fpr_link *link, const struct fpr_batch *batch, uint8_t *out, int64_t room, char *error);

struct fpr_receiver *fpr_open_receiver(const struct fpr_link *link, const char *interface, const char *socket_path,
                                       char *error);
void fpr_close_receiver(struct fpr_receiver *receiver); /* after fpr_receive returned */
/* Forgets everything and takes survivors of this query only. before: of each worker, the sequence number before its first.
 * From any thread. */
int32_t fpr_expect(struct fpr_receiver *receiver, uint16_t query, uint8_t operator_code, uint8_t workers,
                   const uint32_t *before, char *error);
/* Takes and acknowledges for about slice_ms; 0, or -1 with a sentence. One thread only. */
int32_t fpr_receive(struct fpr_receiver *receiver, int32_t slice_ms, char *error);
/* Rows taken since the last time, and their packets; from any thread. Copies at most `room` rows, in order of arrival. */
int64_t fpr_taken(struct fpr_receiver *receiver, uint64_t *packets);
int64_t fpr_take(struct fpr_receiver *receiver, int64_t room, uint8_t *workers, uint32_t *rows, uint64_t *keys, float *values);
void fpr_receiver_stats(struct fpr_receiver *receiver, struct fpr_stats *stats);
#endif
