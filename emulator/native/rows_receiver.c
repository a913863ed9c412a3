/* The master's end: each survivor packet taken once, every copy of it acknowledged. */
#define _GNU_SOURCE
#include "rows_core.h"
#include <stdlib.h>
#include <string.h>

#define LOOK_NS 20000000u
#define FIRST_ROOM 65536

struct fpr_receiver {
    struct transport *transport;
    struct fpr_link link;
    pthread_mutex_t lock; /* for all that follows */
    uint32_t *latest;     /* per worker and place of its window: sequence taken last */
    uint32_t workers;
    uint16_t query;
    uint8_t operator_code;
    bool short_of_memory;
    int64_t count, room; /* rows not yet fetched */
    uint64_t fresh;      /* their packets */
    uint8_t *from;
    uint32_t *rows;
    uint64_t *keys;
    float *values;
    struct fpr_stats stats;
};

static bool grow(struct fpr_receiver *r)
{
    int64_t room = r->room ? 2 * r->room : FIRST_ROOM;
    uint8_t *from = realloc(r->from, (size_t)room);
    r->from = from ? from : r->from;
    uint32_t *rows = realloc(r->rows, (size_t)room * 4);
    r->rows = rows ? rows : r->rows;
    uint64_t *keys = realloc(r->keys, (size_t)room * 8);
    r->keys = keys ? keys : r->keys;
    float *values = realloc(r->values, (size_t)room * 4);
    r->values = values ? values : r->values;
    if (!from || !rows || !keys || !values)
        return false;
    r->room = room;
    return true;
}

static void take_rows(struct fpr_receiver *r, const uint8_t *frame, uint8_t worker)
{
    for (uint32_t valid = rows_get16(frame + AT_VALID); valid; valid &= valid - 1) {
        const uint8_t *entry = frame + FPR_HEADERS + __builtin_ctz(valid) * FPR_ENTRY;
        uint32_t bits = rows_get32(entry + 12);
        r->from[r->count] = worker;
        r->rows[r->count] = rows_get32(entry);
        r->keys[r->count] = rows_get64(entry + 4);
        memcpy(&r->values[r->count++], &bits, 4);
    }
}

/* Whether the frame is to be acknowledged: taken now or before. Nothing is acknowledged that is not kept. */
static bool take_frame(struct fpr_receiver *r, const struct received *received)
{
    const uint8_t *frame = received->data, *q = frame + AT_QUERY;
    if (!r->latest || !rows_match(received, r->link.udp_port, SURVIVORS_KIND, FPR_FRAME) || q[1] != r->operator_code ||
        rows_get16(q + 2) != r->query || q[4] >= r->workers) {
        r->stats.discarded++;
        return false;
    }
    uint32_t sequence = rows_get32(frame + AT_SEQUENCE);
    uint32_t *latest = &r->latest[q[4] * r->link.window + (sequence & (r->link.window - 1))];
    if (sequence == *latest) {
        r->stats.duplicates++;
        return true;
    }
    if ((sequence - *latest) >> 31) { /* its sender has moved on: it was acknowledged */
        r->stats.discarded++;
        return false;
    }
    if (r->count + FPR_LANES > r->room && !grow(r)) {
        r->short_of_memory = true;
        return false;
    }
    *latest = sequence;
    int64_t before = r->count;
    take_rows(r, frame, q[4]);
    r->stats.rows += (uint64_t)(r->count - before);
    r->stats.packets++;
    r->fresh++;
    return true;
}

static void acknowledge(struct fpr_receiver *r, const uint8_t *frame)
{
    uint8_t *out = r->transport->kind->reserve(r->transport, FPR_HEADERS);
    if (!out)
        return; /* the sender will ask again */
    rows_headers(out, &r->link, frame + 6, rows_get32(frame + 26), FPR_QUERY_PORT, rows_get16(frame + 34), FPR_HEADERS);
    memcpy(out + AT_QUERY, frame + AT_QUERY, FPR_HEADERS - AT_QUERY);
    out[AT_QUERY] = ROWS_VERSION << 4 | ACKNOWLEDGEMENT_KIND;
    r->transport->kind->commit(r->transport, FPR_HEADERS);
    r->stats.bytes_sent += FPR_HEADERS;
}

static int turn(struct fpr_receiver *r, char *error)
{
    struct received frames[BATCH];
    int n = r->transport->kind->receive(r->transport, frames, BATCH, error);
    if (n > 0)
        pthread_mutex_lock(&r->lock);
    for (int i = 0; i < n; i++) {
        r->stats.received++;
        r->stats.bytes_received += frames[i].length;
        if (take_frame(r, &frames[i]))
            acknowledge(r, frames[i].data);
    }
    if (n > 0)
        pthread_mutex_unlock(&r->lock);
    if (n >= 0)
        r->transport->kind->release(r->transport);
    return r->transport->kind->flush(r->transport, error) ? -1 : n;
}

int32_t fpr_receive(struct fpr_receiver *r, int32_t slice_ms, char *error)
{
    uint64_t until = now_ns() + (uint64_t)slice_ms * 1000000u;
    for (;;) {
        int n = turn(r, error);
        if (n < 0)
            return -1;
        if (r->short_of_memory)
            return fail(error, "the survivors of the query do not fit into memory");
        uint64_t now = now_ns();
        if (now >= until)
            return 0;
        if (!n)
            r->transport->kind->wait(r->transport, until < now + LOOK_NS ? until : now + LOOK_NS, 1);
    }
}

int32_t fpr_expect(struct fpr_receiver *r, uint16_t query, uint8_t operator_code, uint8_t workers, const uint32_t *before,
                   char *error)
{
    uint32_t window = r->link.window, *latest = calloc((size_t)workers * window, sizeof *latest);
    if (!latest || !workers) {
        free(latest);
        return fail(error, workers ? "memory is short" : "a query needs a worker");
    }
    /* Each place as if the last of its numbers before had been taken. */
    for (uint32_t worker = 0; worker < workers; worker++)
        for (uint32_t back = 0; back < window; back++)
            latest[worker * window + ((before[worker] - back) & (window - 1))] = before[worker] - back;
    pthread_mutex_lock(&r->lock);
    free(r->latest);
    r->latest = latest;
    r->query = query;
    r->operator_code = operator_code;
    r->workers = workers;
    r->count = 0;
    r->fresh = 0;
    pthread_mutex_unlock(&r->lock);
    return 0;
}

int64_t fpr_taken(struct fpr_receiver *r, uint64_t *packets)
{
    pthread_mutex_lock(&r->lock);
    int64_t count = r->count;
    *packets = r->fresh;
    pthread_mutex_unlock(&r->lock);
    return count;
}

int64_t fpr_take(struct fpr_receiver *r, int64_t room, uint8_t *workers, uint32_t *rows, uint64_t *keys, float *values)
{
    pthread_mutex_lock(&r->lock);
    int64_t n = r->count < room ? r->count : room, rest = r->count - n;
    if (n) {
        memcpy(workers, r->from, (size_t)n);
        memcpy(rows, r->rows, (size_t)n * 4);
        memcpy(keys, r->keys, (size_t)n * 8);
        memcpy(values, r->values, (size_t)n * 4);
        memmove(r->from, r->from + n, (size_t)rest);
        memmove(r->rows, r->rows + n, (size_t)rest * 4);
        memmove(r->keys, r->keys + n, (size_t)rest * 8);
        memmove(r->values, r->values + n, (size_t)rest * 4);
    }
    r->count = rest;
    r->fresh = 0;
    pthread_mutex_unlock(&r->lock);
    return n;
}

void fpr_receiver_stats(struct fpr_receiver *r, struct fpr_stats *stats)
{
    pthread_mutex_lock(&r->lock);
    *stats = r->stats;
    pthread_mutex_unlock(&r->lock);
}

struct fpr_receiver *fpr_open_receiver(const struct fpr_link *link, const char *interface, const char *socket_path, char *error)
{
    if (rows_check(link, error))
        return NULL;
    struct fpr_receiver *r = calloc(1, sizeof *r);
    if (!r) {
        fail(error, "memory is short");
        return NULL;
    }
    r->link = *link;
    pthread_mutex_init(&r->lock, NULL);
    r->transport = rows_transport(link, interface, socket_path, error);
    if (r->transport)
        return r;
    fpr_close_receiver(r);
    return NULL;
}

void fpr_close_receiver(struct fpr_receiver *r)
{
    if (!r)
        return;
    if (r->transport)
        r->transport->kind->close(r->transport);
    pthread_mutex_destroy(&r->lock);
    free(r->latest);
    free(r->from);
    free(r->rows);
    free(r->keys);
    free(r->values);
    free(r);
}
