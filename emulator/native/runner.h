/* Inside the packet loop: its state. */
#ifndef FPISA_RUNNER_H
#define FPISA_RUNNER_H
#include "port.h"

#define MAX_PORTS 65536
#define BATCH_IN 512             /* packets gathered before the pipeline is called */
#define OUT_CAPACITY 4096
#define ARENA_BYTES (16 << 20)   /* touched from its start: an ordinary batch stays within the cache */
#define POSTED_LIMIT 65536

struct posted { /* a packet from another thread */
    struct posted *next;
    uint32_t length;
    uint16_t number;
    uint8_t data[];
};

struct post_box {
    struct posted *first, **last;
    uint32_t count;
};

struct fpn_runner {
    struct port *ports[MAX_PORTS]; /* by number */
    struct port **list;
    int n_ports, next_port;
    int poll_fd, wake_fd;
    atomic_bool stopping;
    atomic_int sleeping;
    /* The pipeline, under `lock`; `pausers` lets a writer pass a loop that would take the lock again at once. */
    pthread_mutex_t lock;
    pthread_cond_t unpaused;
    atomic_int pausers;
    fp_process_fn process;
    void *state;
    fp_serve_fn serve;
    void *queues;
    atomic_int has_queues;
    int64_t clock_base_us;
    atomic_int cut; /* super-frames before the pipeline */
    /* Packets from other threads. */
    pthread_mutex_t post_lock;
    struct post_box injected, emitted;
    atomic_int posted;
    struct posted *in_use; /* injected packets of the batch at hand */
    /* One batch. */
    struct fp_packet in[BATCH_IN];
    struct virtio_net_hdr *meta[BATCH_IN]; /* NULL: a plain packet */
    struct virtio_net_hdr metas[BATCH_IN];
    int n_in;
    struct fp_packet out[OUT_CAPACITY];
    uint8_t *arena, *segment;
    struct port **dirty;
    int n_dirty;
    uint64_t now;
    /* Spinning: worthwhile while packets arrive closer together than a sleep costs. */
    uint64_t spin_limit_ns, typical_gap_ns;
    struct fpn_loop_stats stats;
};

int runner_open(struct fpn_runner *runner);
void runner_wake(struct fpn_runner *runner);

/* batch.c */
int gather(struct fpn_runner *runner);
void process_batch(struct fpn_runner *runner);
void finish_batch(struct fpn_runner *runner);
uint64_t deliver_due(struct fpn_runner *runner); /* when the next held packet is due; UINT64_MAX: none */
uint64_t serve_queues(struct fpn_runner *runner); /* sends what waited for its time; when the next is due, as above */
void dispatch_emitted(struct fpn_runner *runner);
void free_posted(struct posted *posted);

/* queue_port.c */
extern const struct port_kind QUEUE_KIND;
void queue_stop(struct port *port);
int32_t queue_take(struct port *port, uint8_t *buffer, int32_t capacity, int32_t timeout_ms);
#endif
