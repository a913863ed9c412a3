/* A worker's rows to the switch: one lane of the worker engine whose chunks are frames of sixteen rows. */
#define _GNU_SOURCE
#include "rows_core.h"
#include <stdlib.h>
#include <string.h>

#define LOOK_NS 20000000u

/* Frames with survivors are acknowledged by the master, the others by the switch: two round trips. */
enum { BY_SWITCH, BY_MASTER, WAYS };
struct way {
    struct trip trip;
    uint64_t newest_order, newest_sent;
};

struct fpr_sender {
    struct fpw_engine engine; /* its first lane has the window; nothing else of it is used but the timeouts */
    struct fpr_link link;
    struct fpr_batch batch;
    struct way ways[WAYS];
    uint8_t headers[FPR_HEADERS];
    uint32_t *order; /* the batch's rows, lane by lane */
    size_t order_room;
    int64_t offsets[FPR_LANES + 1];
    struct fpr_stats stats;
};

static struct lane *lane_of(struct fpr_sender *s) { return &s->engine.lanes[0]; }

/* ---- frames ---- */

static int sort_lanes(struct fpr_sender *s, char *error)
{
    const struct fpr_batch *b = &s->batch;
    int64_t at[FPR_LANES] = {0};
    if ((size_t)b->count > s->order_room) {
        free(s->order);
        s->order = malloc((size_t)b->count * sizeof *s->order);
        s->order_room = s->order ? (size_t)b->count : 0;
        if (!s->order)
            return fail(error, "memory is short for %lld rows", (long long)b->count);
    }
    for (int64_t i = 0; i < b->count; i++)
        at[b->keys[i] & (FPR_LANES - 1)]++;
    s->offsets[0] = 0;
    for (int l = 0; l < FPR_LANES; l++) {
        s->offsets[l + 1] = s->offsets[l] + at[l];
        at[l] = s->offsets[l];
    }
    for (int64_t i = 0; i < b->count; i++)
        s->order[at[b->keys[i] & (FPR_LANES - 1)]++] = (uint32_t)i;
    return 0;
}

static int64_t frames_of(const struct fpr_sender *s)
{
    int64_t most = 0;
    if (s->batch.spread)
        return (s->batch.count + FPR_LANES - 1) / FPR_LANES;
    for (int l = 0; l < FPR_LANES; l++)
        if (s->offsets[l + 1] - s->offsets[l] > most)
            most = s->offsets[l + 1] - s->offsets[l];
    return most;
}

/* Index of the row in lane l of a frame; -1: none. */
static int64_t row_at(const struct fpr_sender *s, int64_t frame, int l)
{
    if (s->batch.spread) {
        int64_t i = frame * FPR_LANES + l;
        return i < s->batch.count ? i : -1;
    }
    int64_t i = s->offsets[l] + frame;
    return i < s->offsets[l + 1] ? (int64_t)s->order[i] : -1;
}

static void build(const struct fpr_sender *s, int64_t frame, uint8_t *out)
{
    const struct fpr_batch *b = &s->batch;
    uint32_t valid = 0;
    memcpy(out, s->headers, FPR_HEADERS);
    rows_put32(out + AT_SEQUENCE, b->first_sequence + (uint32_t)frame);
    for (int l = 0; l < FPR_LANES; l++) {
        uint8_t *entry = out + FPR_HEADERS + l * FPR_ENTRY;
        int64_t i = row_at(s, frame, l);
        if (i < 0) {
            memset(entry, 0, FPR_ENTRY);
            continue;
        }
        uint32_t row = __builtin_bswap32(b->rows[i]), value;
        uint64_t key = __builtin_bswap64(b->keys[i]);
        memcpy(&value, &b->values[i], 4);
        value = __builtin_bswap32(value);
        memcpy(entry, &row, 4);
        memcpy(entry + 4, &key, 8);
        memcpy(entry + 12, &value, 4);
        valid |= 1u << l;
    }
    rows_put16(out + AT_VALID, valid);
}

static void first_headers(struct fpr_sender *s)
{
    uint8_t *q = s->headers + AT_QUERY;
    rows_headers(s->headers, &s->link, s->link.peer_mac, s->link.peer_ip, s->link.udp_port, FPR_QUERY_PORT, FPR_FRAME);
    q[1] = s->batch.operator_code;
    rows_put16(q + 2, s->batch.query);
    q[4] = s->batch.worker;
    q[5] = s->batch.second;
}

int64_t fpr_pack(const struct fpr_link *link, const struct fpr_batch *batch, uint8_t *out, int64_t room, char *error)
{
    struct fpr_sender *s = calloc(1, sizeof *s);
    int64_t frames = -1;
    if (!s)
        return fail(error, "memory is short");
    s->link = *link;
    s->batch = *batch;
    if (batch->spread || !sort_lanes(s, error))
        frames = frames_of(s);
    if (out && frames > room)
        frames = fail(error, "%lld frames do not fit where there is room for %lld", (long long)frames, (long long)room);
    first_headers(s);
    for (int64_t i = 0; out && i < frames; i++)
        build(s, i, out + i * FPR_FRAME);
    free(s->order);
    free(s);
    return frames;
}

/* ---- sending ---- */

static bool send_frame(struct fpr_sender *s, int64_t frame)
{
    struct transport *t = lane_of(s)->transport;
    uint8_t *out = t->kind->reserve(t, FPR_FRAME);
    if (!out)
        return false;
    build(s, frame, out);
    t->kind->commit(t, FPR_FRAME);
    s->stats.bytes_sent += FPR_FRAME;
    return true;
}

static bool send_ready(struct fpr_sender *s, uint64_t now)
{
    struct lane *lane = lane_of(s);
    bool sent = false;
    int64_t frame;
    while ((frame = window_next(lane, now)) >= 0) {
        if (!send_frame(s, frame)) {
            window_unsend(lane, frame);
            break;
        }
        s->stats.packets++;
        sent = true;
    }
    return sent;
}

/* Overtaken is judged by the slower way: a frame at the master is no lost frame because the switch was faster with others. */
static bool send_again(struct fpr_sender *s, uint64_t now)
{
    struct lane *lane = lane_of(s);
    struct trip *a = &s->ways[BY_SWITCH].trip, *b = &s->ways[BY_MASTER].trip;
    struct trip slow = !b->measured || (a->measured && a->mean + 4 * a->deviation > b->mean + 4 * b->deviation) ? *a : *b;
    slow.mean += 3 * slow.deviation;
    lane->trip = slow;
    int64_t frames[BATCH];
    int n = window_expired(lane, now, frames, BATCH);
    if (n && lane->backoff && lane->transport->kind->doubt)
        lane->transport->kind->doubt(lane->transport);
    for (int i = 0; i < n; i++)
        if (!send_frame(s, frames[i]))
            break; /* its timer runs on */
    return n > 0;
}

/* ---- acknowledgements ---- */

static int64_t match(const struct fpr_sender *s, const struct received *frame)
{
    if (!rows_match(frame, s->link.udp_port, ACKNOWLEDGEMENT_KIND, FPR_HEADERS))
        return -1;
    const uint8_t *q = frame->data + AT_QUERY, *mine = s->headers + AT_QUERY;
    if (memcmp(q + 1, mine + 1, 5)) /* operator, query, worker, flags */
        return -1;
    int64_t number = (uint32_t)(rows_get32(frame->data + AT_SEQUENCE) - s->batch.first_sequence);
    return number < s->engine.lanes[0].total ? number : -1;
}

static bool answered(struct fpr_sender *s, int64_t frame, int by, uint64_t now)
{
    struct lane *lane = lane_of(s);
    struct way *way = &s->ways[by];
    lane->trip = way->trip;
    lane->newest_order = way->newest_order;
    lane->newest_sent = way->newest_sent;
    bool fresh = window_answer(lane, frame, false, now);
    *way = (struct way){lane->trip, lane->newest_order, lane->newest_sent};
    for (int other = 0; other < WAYS; other++)
        if (s->ways[other].newest_order > lane->newest_order) {
            lane->newest_order = s->ways[other].newest_order;
            lane->newest_sent = s->ways[other].newest_sent;
        }
    return fresh;
}

static int receive(struct fpr_sender *s, uint64_t *now)
{
    struct lane *lane = lane_of(s);
    struct received frames[BATCH];
    int n = lane->transport->kind->receive(lane->transport, frames, BATCH, lane->error);
    *now = now_ns();
    for (int i = 0; i < n; i++) {
        s->stats.received++;
        s->stats.bytes_received += frames[i].length;
        int64_t frame = match(s, &frames[i]);
        int by = frame >= 0 && rows_get16(frames[i].data + AT_VALID) ? BY_MASTER : BY_SWITCH;
        if (frame < 0 || !answered(s, frame, by, *now))
            s->stats.discarded++;
    }
    if (n >= 0)
        lane->transport->kind->release(lane->transport);
    return n;
}

/* ---- a run ---- */

static int memory_for(struct fpr_sender *s, char *error)
{
    struct lane *lane = lane_of(s);
    size_t words = (size_t)(lane->total + 63) / 64 + 1;
    if (words > lane->bitmap_words) {
        free(lane->sent);
        free(lane->done);
        lane->sent = malloc(words * 8);
        lane->done = malloc(words * 8);
        lane->bitmap_words = lane->sent && lane->done ? words : 0;
    }
    return lane->bitmap_words ? 0 : fail(error, "memory is short for %lld packets", (long long)lane->total);
}

int64_t fpr_begin(struct fpr_sender *s, const struct fpr_batch *batch, char *error)
{
    struct lane *lane = lane_of(s);
    if (s->engine.broken || s->engine.begun)
        return fail(error, s->engine.broken ? "this sender failed before" : "a run of rows is under way");
    if (batch->count < 0 || batch->count > UINT32_MAX)
        return fail(error, "a run has at most 2^32 - 1 rows, not %lld", (long long)batch->count);
    s->batch = *batch;
    if (!batch->spread && sort_lanes(s, error))
        return -1;
    lane->total = lane->blocks = frames_of(s);
    lane->first = batch->first_sequence;
    lane->status = FPW_AGAIN;
    if (memory_for(s, error))
        return -1;
    first_headers(s);
    for (int way = 0; way < WAYS; way++)
        s->ways[way].newest_order = s->ways[way].newest_sent = 0;
    window_start(lane, now_ns());
    s->engine.begun = true;
    return lane->total;
}

/* One turn; true when there was nothing to do. */
static bool turn(struct fpr_sender *s)
{
    struct lane *lane = lane_of(s);
    uint64_t now;
    int n = receive(s, &now);
    bool sent = send_ready(s, now);
    sent |= send_again(s, now);
    if (n < 0 || ((sent || n == 0) && lane->transport->kind->flush(lane->transport, lane->error)))
        lane->status = FPW_FAILED;
    return n == 0 && !sent;
}

int32_t fpr_step(struct fpr_sender *s, int32_t slice_ms, char *error)
{
    struct lane *lane = lane_of(s);
    uint64_t until = now_ns() + (uint64_t)slice_ms * 1000000u, next_check = 0;
    if (!s->engine.begun)
        return fail(error, "no run of rows is under way"), FPW_FAILED;
    while (lane->answered < lane->total && lane->status == FPW_AGAIN) {
        bool idle = turn(s);
        uint64_t now = now_ns();
        if (now >= next_check) {
            next_check = now + LOOK_NS;
            if (window_overdue(lane, now))
                lane->status = FPW_OVERDUE;
        }
        if (now >= until && lane->status == FPW_AGAIN && lane->answered < lane->total)
            return FPW_AGAIN;
        if (!idle || lane->status != FPW_AGAIN || lane->answered == lane->total)
            continue;
        uint64_t wake = until < now + LOOK_NS ? until : now + LOOK_NS;
        lane->transport->kind->wait(lane->transport, lane->next_expiry < wake ? lane->next_expiry : wake, 1);
    }
    if (lane->answered == lane->total)
        lane->status = FPW_DONE;
    s->engine.begun = false;
    s->engine.broken = lane->status == FPW_FAILED;
    s->stats.repeats += lane->stats.retransmissions;
    s->stats.timeouts += lane->stats.timeouts;
    lane->stats = (struct fpw_stats){0};
    memcpy(error, lane->error, sizeof lane->error);
    return lane->status;
}

void fpr_sender_stats(const struct fpr_sender *s, struct fpr_stats *stats)
{
    *stats = s->stats;
    stats->round_trip_ns = (uint64_t)s->ways[BY_SWITCH].trip.mean;
}

/* ---- making ---- */

struct fpr_sender *fpr_open_sender(const struct fpr_link *link, const char *interface, const char *socket_path, char *error)
{
    if (rows_check(link, error))
        return NULL;
    struct fpr_sender *s = calloc(1, sizeof *s);
    struct lane *lane = s ? lane_of(s) : NULL;
    if (s) {
        s->link = *link;
        s->engine.options = rows_options(link);
        s->engine.n_lanes = 1;
        lane->engine = &s->engine;
        set_share(lane, link->window);
        lane->flights = calloc(lane->share, sizeof *lane->flights);
        lane->ready = calloc(lane->share, sizeof *lane->ready);
    }
    if (!s || !lane->flights || !lane->ready)
        fail(error, "memory is short");
    else if ((lane->transport = rows_transport(link, interface, socket_path, error)))
        return s;
    fpr_close_sender(s);
    return NULL;
}

void fpr_close_sender(struct fpr_sender *s)
{
    if (!s)
        return;
    struct lane *lane = lane_of(s);
    if (lane->transport)
        lane->transport->kind->close(lane->transport);
    free(lane->flights);
    free(lane->ready);
    free(lane->sent);
    free(lane->done);
    free(s->order);
    free(s);
}
