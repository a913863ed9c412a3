#include "egress_queues.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000u
#define FASTEST 1000000000u /* what still waits at a port without a rate leaves at once */
#define COPIES 65           /* records kept free for what one packet may become */
#define PAD 64              /* zero bytes behind a packet's own */

struct item {
    struct item *next;
    uint64_t queued, arrived, left; /* left: its turn, once that has come */
    int64_t cut;
    uint32_t length, ports, behind; /* behind: packets still waiting at its port then */
    uint8_t bytes[]; /* the packet's state, then the packet */
};

struct lane {
    struct item *first, **last;
    uint32_t count;
};

/* When the next packet may leave: free_us + free_rest / rate. Whole numbers, so that no time is lost. */
struct port {
    uint64_t free_us, free_rest, rate;
    uint32_t number, waiting;
    struct lane lanes[FPQ_PRIORITIES];
};

struct fpq {
    uint8_t asked[FPQ_PORTS]; /* whether packets to a port come here at all; compiled code reads it */
    struct fpq_program program;
    const uint32_t *rates, *depths;
    int32_t priorities;
    struct port *ports[FPQ_PORTS];
    struct port **list; /* those that ever queued a packet */
    int n_list;
    struct lane ready; /* packets whose turn came at once: they are in nobody's way, and leave with the next fpq_serve */
};

typedef void (*stage_fn)(void *state, uint8_t *phv, const uint8_t *data, int64_t length);
typedef int64_t (*deparse_fn)(void *state, uint8_t *phv, const uint8_t *data, int64_t length, uint8_t *out);
typedef int64_t (*slow_fn)(int32_t kind, const uint8_t *data, int64_t length, uint32_t ports, struct fp_packet *out, int32_t count,
                           int32_t capacity, uint8_t *arena, int64_t used, int64_t size);
enum { AFTER_EGRESS = 1 };

static inline void *at(uint64_t address) { return (void *)(uintptr_t)address; }
static inline void count_event(uint64_t cell) { ++*(uint64_t *)at(cell); }

/* ---- variables ---- */

static uint64_t get(const struct fpq *q, const uint8_t *phv, enum fpq_field field)
{
    const struct fpq_place *place = &q->program.fields[field];
    uint64_t value = 0;
    memcpy(&value, phv + place->offset, place->bits / 8);
    return value;
}

static void put(const struct fpq *q, uint8_t *phv, enum fpq_field field, uint64_t value)
{
    const struct fpq_place *place = &q->program.fields[field];
    if (place->width < 64)
        value &= ((uint64_t)1 << place->width) - 1;
    memcpy(phv + place->offset, &value, place->bits / 8);
}

/* ---- one port ---- */

static struct port *port_of(struct fpq *q, uint32_t number)
{
    if (q->ports[number])
        return q->ports[number];
    struct port **list = realloc(q->list, sizeof *list * ((size_t)q->n_list + 1));
    if (list)
        q->list = list;
    struct port *port = list ? calloc(1, sizeof *port) : NULL;
    if (!port)
        return NULL;
    port->number = number;
    port->rate = q->rates[number];
    for (int i = 0; i < FPQ_PRIORITIES; i++)
        port->lanes[i].last = &port->lanes[i].first;
    q->list[q->n_list++] = q->ports[number] = port;
    return port;
}

static uint64_t oldest(const struct port *port)
{
    uint64_t found = UINT64_MAX;
    for (int i = 0; i < FPQ_PRIORITIES; i++)
        if (port->lanes[i].first && port->lanes[i].first->queued < found)
            found = port->lanes[i].first->queued;
    return found;
}

/* When its next packet leaves; only asked while one waits. */
static uint64_t next_of(const struct port *port)
{
    uint64_t free = port->free_us + (port->free_rest != 0), first = oldest(port);
    return free > first ? free : first;
}

static void append(struct lane *lane, struct item *item)
{
    item->next = NULL;
    *lane->last = item;
    lane->last = &item->next;
    lane->count++;
}

static struct item *take(struct lane *lane)
{
    struct item *item = lane->first;
    lane->first = item->next;
    if (!lane->first)
        lane->last = &lane->first;
    lane->count--;
    return item;
}

/* The packet that leaves a port at this time. */
static struct item *pop(struct port *port, uint64_t time)
{
    uint64_t first = oldest(port);
    int i = FPQ_PRIORITIES - 1;
    while (!port->lanes[i].first || port->lanes[i].first->queued > time)
        i--;
    struct item *item = take(&port->lanes[i]);
    item->left = time;
    item->behind = --port->waiting;
    if (port->free_us < first) {
        port->free_us = first;
        port->free_rest = 0;
    }
    port->free_rest += SECOND;
    port->free_us += port->free_rest / port->rate;
    port->free_rest %= port->rate;
    return item;
}

static struct port *earliest(const struct fpq *q, uint64_t *time)
{
    struct port *found = NULL;
    *time = UINT64_MAX;
    for (int i = 0; i < q->n_list; i++) {
        struct port *port = q->list[i];
        uint64_t next = port->waiting ? next_of(port) : UINT64_MAX;
        if (port->waiting && (next < *time || (next == *time && port->number < found->number))) {
            found = port;
            *time = next;
        }
    }
    return found;
}

/* ---- in ---- */

static struct item *item_of(const struct fpq *q, const uint8_t *phv, const uint8_t *data, int64_t length)
{
    size_t size = q->program.phv_size;
    struct item *item = malloc(sizeof *item + size + (size_t)length + PAD);
    if (!item)
        return NULL;
    memcpy(item->bytes, phv, size);
    memcpy(item->bytes + size, data, (size_t)length);
    memset(item->bytes + size + length, 0, PAD);
    item->length = (uint32_t)length;
    return item;
}

static int32_t gone(uint64_t reason)
{
    count_event(reason);
    return FPQ_GONE;
}

int32_t fpq_offer(struct fpq *q, const uint8_t *phv, const uint8_t *data, int64_t length, uint32_t ports, int32_t rid,
                  int32_t kind, uint64_t now_us, uint64_t arrived_us, int64_t cut, int32_t priority)
{
    uint32_t number = ports >> 16;
    uint64_t lane_number = q->program.fields[FPQ_PRIORITY].bits ? get(q, phv, FPQ_PRIORITY) : (uint64_t)priority;
    if (q->priorities == 1)
        lane_number = 0;
    else if (lane_number >= (uint64_t)q->priorities)
        return gone(q->program.bad_priority);
    struct port *port = q->ports[number];
    if (!q->rates[number] && (!port || !port->waiting))
        return FPQ_GOES;
    port = port_of(q, number);
    if (!port || port->lanes[lane_number].count >= q->depths[lane_number * FPQ_PORTS + number])
        return gone(q->program.queue_full);
    struct item *item = item_of(q, phv, data, length);
    if (!item)
        return gone(q->program.queue_full);
    if (kind >= 0)
        put(q, item->bytes, FPQ_INSTANCE_TYPE, (uint64_t)kind);
    if (rid >= 0)
        put(q, item->bytes, FPQ_EGRESS_RID, (uint64_t)rid);
    put(q, item->bytes, FPQ_ENQ_TIMESTAMP, now_us);
    put(q, item->bytes, FPQ_ENQ_QDEPTH, port->waiting);
    item->queued = now_us;
    item->arrived = arrived_us;
    item->cut = cut;
    item->ports = ports;
    append(&port->lanes[lane_number], item);
    port->waiting++;
    if (port->waiting == 1 && next_of(port) <= now_us)
        append(&q->ready, pop(port, next_of(port)));
    return FPQ_WAITS;
}

/* ---- out ---- */

struct output {
    struct fp_packet *records;
    int32_t capacity, count;
    uint8_t *arena;
    int64_t size, used;
};

static bool has_room(const struct fpq *q, const struct output *out, uint32_t length)
{
    int64_t need = COPIES * ((int64_t)length + q->program.growth + PAD);
    return out->capacity - out->count >= COPIES && out->size - out->used >= need;
}

static void finish_slowly(const struct fpq *q, const struct item *item, struct output *out)
{
    const struct fpq_program *p = &q->program;
    uint8_t *phv = at(p->memory[0]), *copy = at(p->memory[1]);
    memcpy(copy + p->buffers, phv + p->buffers, p->phv_size - p->buffers);
    int64_t *told = at(p->told);
    told[0] = item->cut;
    told[1] = (int64_t)item->left + 1;
    int64_t result = ((slow_fn)at(p->slow))(AFTER_EGRESS, item->bytes + p->phv_size, item->length, item->ports, out->records,
                                            out->count, out->capacity, out->arena, out->used, out->size);
    told[0] = told[1] = 0;
    out->count += (int32_t)(result & 0xffff);
    out->used += (int64_t)((uint64_t)result >> 16);
}

static void emit(const struct fpq *q, const struct item *item, uint8_t *phv, struct output *out)
{
    const struct fpq_program *p = &q->program;
    uint8_t *place = out->arena + out->used;
    int64_t length = ((deparse_fn)at(p->deparse))(at(p->state), phv, item->bytes + p->phv_size, item->length, place);
    int64_t truncate = (int64_t)get(q, phv, FPQ_TRUNCATE); /* length + 1; 0: whole */
    if (truncate && length > truncate - 1)
        length = truncate - 1;
    if (item->cut && length > item->cut)
        length = item->cut;
    out->records[out->count++] = (struct fp_packet){place, (uint32_t)length, (uint16_t)(item->ports >> 16), 0};
    out->used += (length + 63) & ~(int64_t)63;
}

static void depart(const struct fpq *q, const struct item *item, struct output *out)
{
    const struct fpq_program *p = &q->program;
    uint8_t *phv = at(p->memory[0]);
    memcpy(phv, item->bytes, p->phv_size);
    put(q, phv, FPQ_DEQ_TIMEDELTA, item->left - item->queued);
    put(q, phv, FPQ_DEQ_QDEPTH, item->behind);
    put(q, phv, FPQ_EGRESS_PORT, item->ports >> 16);
    put(q, phv, FPQ_EGRESS_SPEC, p->drop_port + 1);
    put(q, phv, FPQ_PACKET_LENGTH, get(q, phv, FPQ_LENGTH));
    put(q, phv, FPQ_EGRESS_TIME, item->left);
    *(uint64_t *)at(p->packet_now) = item->arrived;
    ((stage_fn)at(p->egress))(at(p->state), phv, item->bytes + p->phv_size, item->length);
    if (get(q, phv, FPQ_CLONE) || get(q, phv, FPQ_RECIRCULATE))
        finish_slowly(q, item, out);
    else if (get(q, phv, FPQ_EGRESS_SPEC) == p->drop_port)
        count_event(p->drop_egress);
    else
        emit(q, item, phv, out);
}

/* The next packet whose turn has come by now_us; next_us: when the next one's does. */
static struct item *due(struct fpq *q, uint64_t now_us, uint64_t *next_us)
{
    if (q->ready.first)
        return take(&q->ready);
    struct port *port = earliest(q, next_us);
    if (!port || *next_us > now_us)
        return NULL;
    struct item *item = pop(port, *next_us);
    if (!port->waiting && !q->rates[port->number] && q->priorities == 1)
        q->asked[port->number] = 0;
    return item;
}

static void put_back(struct fpq *q, struct item *item)
{
    item->next = q->ready.first;
    if (!q->ready.first)
        q->ready.last = &item->next;
    q->ready.first = item;
    q->ready.count++;
}

int32_t fpq_serve(void *queues, uint64_t now_us, struct fp_packet *records, int32_t out_capacity, int32_t *n_out, uint8_t *arena,
                  int64_t arena_size, uint64_t *next_us)
{
    struct fpq *q = queues;
    struct output out = {records, out_capacity, 0, arena, arena_size, 0};
    struct item *item;
    *(uint64_t *)at(q->program.now) = now_us;
    while ((item = due(q, now_us, next_us))) {
        if (!has_room(q, &out, item->length) && out.count) {
            put_back(q, item);
            break;
        }
        depart(q, item, &out);
        free(item);
    }
    *n_out = out.count;
    return item != NULL;
}

uint64_t fpq_next_us(const struct fpq *q)
{
    uint64_t time;
    earliest(q, &time);
    return q->ready.first && q->ready.first->left < time ? q->ready.first->left : time;
}

uint32_t fpq_waiting(const struct fpq *q, uint32_t port)
{
    return port < FPQ_PORTS && q->ports[port] ? q->ports[port]->waiting : 0;
}

/* ---- life ---- */

void fpq_configure(struct fpq *q)
{
    for (int i = 0; i < q->n_list; i++) {
        struct port *port = q->list[i];
        uint64_t rate = q->rates[port->number], effective = rate ? rate : FASTEST;
        if (effective == port->rate)
            continue;
        port->free_us = rate ? port->free_us + (port->free_rest != 0) : 0;
        port->free_rest = 0;
        port->rate = effective;
    }
    bool judged = q->priorities > 1 && q->priorities < FPQ_PRIORITIES; /* some priorities are dropped, whatever the port */
    for (uint32_t n = 0; n < FPQ_PORTS; n++)
        q->asked[n] = q->rates[n] || judged || (q->ports[n] && q->ports[n]->waiting);
}

struct fpq *fpq_new(const struct fpq_program *program, const uint32_t *rates, const uint32_t *depths, int32_t priorities)
{
    struct fpq *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->program = *program;
    q->rates = rates;
    q->depths = depths;
    q->priorities = priorities;
    q->ready.last = &q->ready.first;
    fpq_configure(q);
    return q;
}

static void drain(struct lane *lane)
{
    while (lane->first)
        free(take(lane));
}

void fpq_clear(struct fpq *q)
{
    for (int i = 0; i < q->n_list; i++) {
        struct port *port = q->list[i];
        for (int lane = 0; lane < FPQ_PRIORITIES; lane++)
            drain(&port->lanes[lane]);
        port->waiting = 0;
    }
    drain(&q->ready);
}

void fpq_rest(struct fpq *q)
{
    fpq_clear(q);
    memset(q->asked, 0, sizeof q->asked);
}

void fpq_free(struct fpq *q)
{
    if (!q)
        return;
    fpq_clear(q);
    for (int i = 0; i < q->n_list; i++)
        free(q->list[i]);
    free(q->list);
    free(q);
}
