/* The window: which chunks are under way, which are answered, when to send again. No packets and no clock of its own.
 *
 * A chunk may go out once the one before it in its slot is answered (and, for the baseline, the one `lag` before it). Each
 * has a timer that follows the measured round trip and doubles when it runs out again. A chunk that many later ones have
 * overtaken is taken for lost earlier: the switch answers in the order in which the slowest worker sends. */
#include "worker_core.h"
#include <string.h>

#define OVERTAKEN_BY 24
#define FLOOR_LIMIT_NS 32e6
#define NS_PER_US 1000.0

static double timeout_ns(const struct lane *lane)
{
    const struct fpw_options *o = &lane->engine->options;
    if (!lane->trip.measured)
        return o->initial_us * NS_PER_US;
    double timeout = lane->trip.mean + 4 * lane->trip.deviation;
    double shortest = o->shortest_us * NS_PER_US, longest = o->longest_us * NS_PER_US;
    shortest = lane->floor_ns > shortest ? lane->floor_ns : shortest;
    return timeout < shortest ? shortest : timeout > longest ? longest : timeout;
}

static void sample(struct trip *trip, double ns)
{
    if (!trip->measured) {
        *trip = (struct trip){ns, ns / 2, true};
        return;
    }
    double error = ns - trip->mean;
    trip->deviation += ((error < 0 ? -error : error) - trip->deviation) / 4;
    trip->mean += error / 8;
}

static struct flight *flight_of(const struct lane *lane, int64_t chunk)
{
    return &lane->flights[(lane->first + (uint32_t)chunk) % lane->share];
}

static void make_ready(struct lane *lane, int64_t chunk)
{
    bit_set(lane->sent, chunk);
    lane->ready[(lane->ready_head + lane->ready_count++) % lane->share] = chunk;
}

void window_start(struct lane *lane, uint64_t now)
{
    memset(lane->sent, 0, lane->bitmap_words * 8);
    memset(lane->done, 0, lane->bitmap_words * 8);
    for (uint32_t slot = 0; slot < lane->share; slot++)
        lane->flights[slot] = (struct flight){.chunk = -1};
    lane->answered = 0;
    lane->ready_head = lane->ready_count = lane->under_way = 0;
    lane->next_expiry = UINT64_MAX;
    lane->next_early = now;
    lane->order = lane->newest_answered = lane->first_answer = 0;
    int64_t first = lane->lag && lane->lag < lane->share ? lane->lag : lane->share;
    for (int64_t chunk = 0; chunk < first && chunk < lane->total; chunk++)
        make_ready(lane, chunk);
}

int64_t window_next(struct lane *lane, uint64_t now)
{
    uint32_t limit = lane->engine->options.window > 0 ? (uint32_t)lane->engine->options.window : lane->share;
    if (!lane->ready_count || lane->under_way >= limit)
        return -1;
    int64_t chunk = lane->ready[lane->ready_head];
    lane->ready_head = (lane->ready_head + 1) % lane->share;
    lane->ready_count--;
    lane->under_way++;
    uint64_t expiry = now + (uint64_t)timeout_ns(lane);
    *flight_of(lane, chunk) = (struct flight){chunk, now, now, expiry, ++lane->order, 0};
    if (expiry < lane->next_expiry)
        lane->next_expiry = expiry;
    return chunk;
}

void window_unsend(struct lane *lane, int64_t chunk)
{
    flight_of(lane, chunk)->chunk = -1;
    lane->under_way--;
    lane->ready_head = (lane->ready_head + lane->share - 1) % lane->share;
    lane->ready[lane->ready_head] = chunk;
    lane->ready_count++;
}

static void release(struct lane *lane, int64_t chunk)
{
    if (chunk >= lane->total || bit_get(lane->sent, chunk))
        return;
    if (chunk >= lane->share && !bit_get(lane->done, chunk - lane->share))
        return;
    if (lane->lag && chunk >= lane->lag && !bit_get(lane->done, chunk - lane->lag))
        return;
    make_ready(lane, chunk);
}

/* A result sent again on request, for a chunk answered already: the request was in vain, the first answer was late and not
 * lost. On a crowded machine everyone waits for processors far longer than a smooth round trip tells. */
static void raise_floor(struct lane *lane, int64_t chunk)
{
    if (!bit_get(lane->done, chunk))
        return;
    double shortest = lane->engine->options.shortest_us * NS_PER_US;
    double floor = 1.25 * (lane->floor_ns > shortest ? lane->floor_ns : shortest);
    lane->floor_ns = floor < FLOOR_LIMIT_NS ? floor : FLOOR_LIMIT_NS;
}

bool window_answer(struct lane *lane, int64_t chunk, bool again, uint64_t now)
{
    struct flight *flight = flight_of(lane, chunk);
    if (flight->chunk != chunk) { /* answered before, or not yet sent */
        if (again)
            raise_floor(lane, chunk);
        return false;
    }
    lane->floor_ns -= lane->floor_ns / 4096;
    if (!lane->first_answer)
        lane->first_answer = now;
    /* A chunk sent twice does not say which copy was answered (Karn and Partridge 1987). What was sent before the first
     * answer of all waited for workers that began later: that is no round trip. */
    if (!flight->tries && flight->sent_at >= lane->first_answer)
        sample(&lane->trip, (double)(now - flight->sent_at));
    if (flight->order > lane->newest_answered)
        lane->newest_answered = flight->order;
    flight->chunk = -1;
    bit_set(lane->done, chunk);
    lane->answered++;
    lane->under_way--;
    release(lane, chunk + lane->share);
    if (lane->lag && lane->lag != lane->share)
        release(lane, chunk + lane->lag);
    return true;
}

static bool overtaken(const struct lane *lane, const struct flight *flight, uint64_t now)
{
    return !flight->tries && lane->trip.measured && lane->newest_answered > flight->order + OVERTAKEN_BY &&
           (double)(now - flight->sent_at) > lane->trip.mean + lane->trip.deviation;
}

static void send_later_again(struct lane *lane, struct flight *flight, uint64_t now)
{
    flight->tries++;
    double wait = timeout_ns(lane) * (double)(1u << (flight->tries < 16 ? flight->tries : 16));
    double longest = lane->engine->options.longest_us * NS_PER_US;
    flight->expiry = now + (uint64_t)(wait < longest ? wait : longest);
    flight->order = ++lane->order;
    lane->stats.retransmissions++;
}

int window_expired(struct lane *lane, uint64_t now, int64_t *chunks, int room)
{
    bool early = now >= lane->next_early;
    if (now < lane->next_expiry && !early)
        return 0;
    int n = 0;
    uint64_t next = UINT64_MAX;
    for (uint32_t slot = 0; slot < lane->share; slot++) {
        struct flight *flight = &lane->flights[slot];
        if (flight->chunk < 0)
            continue;
        if (n < room && (flight->expiry <= now || (early && overtaken(lane, flight, now)))) {
            lane->stats.timeouts += flight->expiry <= now;
            send_later_again(lane, flight, now);
            chunks[n++] = flight->chunk;
        }
        if (flight->expiry < next)
            next = flight->expiry;
    }
    lane->next_expiry = next;
    lane->next_early = now + 1000 + (uint64_t)(lane->trip.mean / 4);
    return n;
}

bool window_overdue(struct lane *lane, uint64_t now)
{
    uint64_t deadline = (uint64_t)lane->engine->options.deadline_ms * 1000000u;
    int64_t lowest = INT64_MAX;
    for (uint32_t slot = 0; slot < lane->share; slot++) {
        const struct flight *flight = &lane->flights[slot];
        if (flight->chunk >= 0 && now - flight->since > deadline && flight->chunk < lowest)
            lowest = flight->chunk;
    }
    if (lowest == INT64_MAX)
        return false;
    lane->overdue_pool = pool_index_of(lane, lowest);
    lane->overdue_chunk = lane->first + (uint32_t)lowest;
    return true;
}
