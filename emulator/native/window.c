/* The window: which chunks are under way, which are answered, when to send again. No packets and no clock of its own.
 *
 * A chunk may go out once the one before it in its slot is answered (and, for the baseline, the one `lag` before it).
 * Nothing is sent again merely because it is old: behind a slow link a whole window is old. Two signs of loss count.
 * Overtaken: chunks sent well after it are answered, and the switch answers in the order in which the slowest worker sends.
 * Stall: nothing at all was answered for a timeout. Then a few of the oldest go out as probes, and the timeout of the whole
 * window doubles until a chunk sent once is answered. workers/window.py is the same in NumPy. */
#include "worker_core.h"
#include <stdlib.h>
#include <string.h>

#define OVERTAKEN_BY 24
#define SOONER_WHERE_FEW 4
#define MAX_PROBES 8u
#define MAX_DOUBLINGS 16u
#define NS_PER_US 1000.0

static double longest_ns(const struct lane *lane) { return lane->engine->options.longest_us * NS_PER_US; }

/* No more than these can overtake one that is lost: at the end of an all-reduce, where slots that lost more than others still
 * have some chunks to go, or in a short window. */
static bool few_under_way(const struct lane *lane)
{
    return lane->under_way <= OVERTAKEN_BY || lane->answered + lane->under_way == lane->total;
}

/* Below the shortest timeout, processes that wait for a processor look like loss. Where few are under way a probe in vain is
 * cheap, and everybody waits for them. */
static double timeout_ns(const struct lane *lane)
{
    const struct fpw_options *o = &lane->engine->options;
    if (!lane->trip.measured)
        return o->initial_us * NS_PER_US;
    double timeout = lane->trip.mean + 4 * lane->trip.deviation;
    double shortest = o->shortest_us * NS_PER_US / (few_under_way(lane) ? SOONER_WHERE_FEW : 1), longest = longest_ns(lane);
    return timeout < shortest ? shortest : timeout > longest ? longest : timeout;
}

static double doubled(const struct lane *lane, uint32_t times)
{
    double timeout = timeout_ns(lane) * (double)(1u << (times < MAX_DOUBLINGS ? times : MAX_DOUBLINGS));
    return timeout < longest_ns(lane) ? timeout : longest_ns(lane);
}

static void sample(struct trip *trip, double ns)
{
    if (!trip->measured) {
        *trip = (struct trip){ns, ns / 2, ns, true};
        return;
    }
    double error = ns - trip->mean;
    trip->deviation += ((error < 0 ? -error : error) - trip->deviation) / 4;
    trip->mean += error / 8;
    trip->least = ns < trip->least ? ns : trip->least;
}

static struct flight *flight_of(const struct lane *lane, int64_t chunk)
{
    return &lane->flights[slot_of(lane, lane->first + (uint32_t)chunk)];
}

static void make_ready(struct lane *lane, int64_t chunk)
{
    bit_set(lane->sent, chunk);
    lane->ready[wrapped(lane, lane->ready_head + lane->ready_count++)] = chunk;
}

/* The stall's clock runs from the last answer or probe, or from when something was sent into an empty window. */
static void restart_clock(struct lane *lane, uint64_t now)
{
    lane->next_expiry = lane->under_way ? now + (uint64_t)doubled(lane, lane->backoff) : UINT64_MAX;
}

void window_start(struct lane *lane, uint64_t now)
{
    memset(lane->sent, 0, lane->bitmap_words * 8);
    memset(lane->done, 0, lane->bitmap_words * 8);
    for (uint32_t slot = 0; slot < lane->share; slot++)
        lane->flights[slot] = (struct flight){.chunk = -1};
    lane->answered = 0;
    lane->ready_head = lane->ready_count = lane->under_way = 0;
    lane->next_early = now;
    lane->order = lane->newest_order = lane->newest_sent = lane->first_answer = 0;
    lane->backoff = 0;
    window_size_start(lane, now);
    restart_clock(lane, now);
    int64_t first = lane->lag && lane->lag < lane->share ? lane->lag : lane->share;
    for (int64_t chunk = 0; chunk < first && chunk < lane->total; chunk++)
        make_ready(lane, chunk);
}

int64_t window_next(struct lane *lane, uint64_t now)
{
    if (!lane->ready_count || lane->under_way >= lane->size.limit)
        return -1;
    int64_t chunk = lane->ready[lane->ready_head];
    lane->ready_head = wrapped(lane, lane->ready_head + 1);
    lane->ready_count--;
    *flight_of(lane, chunk) = (struct flight){chunk, now, now, ++lane->order, 0};
    if (!lane->under_way++)
        restart_clock(lane, now);
    return chunk;
}

void window_unsend(struct lane *lane, int64_t chunk)
{
    flight_of(lane, chunk)->chunk = -1;
    lane->under_way--;
    lane->ready_head = wrapped(lane, lane->ready_head + lane->share - 1);
    lane->ready[lane->ready_head] = chunk;
    lane->ready_count++;
}

static int by_chunk(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* A slot has a chunk under way or ready, never both: first all are marked in the slots, then all are ready. */
void window_restart(struct lane *lane)
{
    lane->stats.retransmissions += lane->under_way;
    for (uint32_t i = 0; i < lane->ready_count; i++) {
        int64_t chunk = lane->ready[wrapped(lane, lane->ready_head + i)];
        flight_of(lane, chunk)->chunk = chunk;
    }
    lane->ready_head = lane->ready_count = lane->under_way = lane->backoff = 0;
    for (uint32_t slot = 0; slot < lane->share; slot++) {
        if (lane->flights[slot].chunk >= 0)
            lane->ready[lane->ready_count++] = lane->flights[slot].chunk;
        lane->flights[slot].chunk = -1;
    }
    qsort(lane->ready, lane->ready_count, sizeof *lane->ready, by_chunk);
    lane->newest_order = lane->newest_sent = lane->first_answer = 0;
    lane->next_expiry = UINT64_MAX;
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

static void see_newest(struct lane *lane, const struct flight *flight)
{
    if (flight->order < lane->newest_order)
        return;
    lane->newest_order = flight->order;
    lane->newest_sent = flight->sent_at;
}

/* A chunk sent twice does not say which copy was answered (Karn and Partridge 1987), unless the answer was sent again on
 * request, or follows the second faster than any round trip: then it is the first one's (as in Eifel, Ludwig and Katz 2000).
 * What was sent before the first answer of all waited for workers that began later, and what is answered long after its turn
 * for another worker's loss: those are no round trips. */
static void learn(struct lane *lane, const struct flight *flight, bool again, uint64_t now)
{
    if (again && flight->tries == 1) {
        lane->backoff = 0;
        sample(&lane->trip, (double)(now - flight->sent_at));
        see_newest(lane, flight);
        return;
    }
    bool firsts = !flight->tries || (lane->trip.measured && (double)(now - flight->sent_at) < lane->trip.least);
    if (!firsts)
        return;
    lane->backoff = 0;
    uint64_t out_of_turn = flight->order + (few_under_way(lane) ? 0 : OVERTAKEN_BY);
    if (flight->since >= lane->first_answer && lane->newest_order <= out_of_turn)
        sample(&lane->trip, (double)(now - flight->since));
    if (!flight->tries)
        see_newest(lane, flight);
}

bool window_answer(struct lane *lane, int64_t chunk, bool again, uint64_t now)
{
    struct flight *flight = flight_of(lane, chunk);
    if (flight->chunk != chunk) /* answered before, or not yet sent */
        return false;
    if (!lane->first_answer)
        lane->first_answer = now;
    learn(lane, flight, again, now);
    flight->chunk = -1;
    bit_set(lane->done, chunk);
    lane->answered++;
    lane->under_way--;
    restart_clock(lane, now);
    window_size_answer(lane, now);
    release(lane, chunk + lane->share);
    if (lane->lag && lane->lag != lane->share)
        release(lane, chunk + lane->lag);
    return true;
}

/* How old an overtaken chunk is at least when it goes out again. Each time doubles it, from a time that has no floor: here
 * there is more to go by than age. */
static double patience_ns(const struct lane *lane, uint32_t tries)
{
    double first = lane->trip.mean + lane->trip.deviation;
    return first * (double)(1u << (tries < MAX_DOUBLINGS ? tries : MAX_DOUBLINGS));
}

/* Something sent well after it is answered, by count or by time. Each time waits longer. Where few are under way, anything
 * answered after it will do, and twice the time. */
static bool overtaken(const struct lane *lane, const struct flight *flight, uint64_t now)
{
    double age = (double)(now - flight->sent_at), lead = (double)lane->newest_sent - (double)flight->sent_at;
    if (lane->newest_order <= flight->order || !lane->trip.measured)
        return false;
    bool well_after = lane->newest_order > flight->order + OVERTAKEN_BY || lead > timeout_ns(lane);
    return (well_after || few_under_way(lane)) && age > patience_ns(lane, flight->tries + !well_after);
}

static int64_t send_later_again(struct lane *lane, struct flight *flight, uint64_t now)
{
    flight->tries++;
    flight->sent_at = now;
    flight->order = ++lane->order;
    lane->stats.retransmissions++;
    return flight->chunk;
}

/* The oldest chunks under way, more each time the stall lasts. */
static int probe(struct lane *lane, uint64_t now, int64_t *chunks, int room)
{
    uint32_t probes = lane->backoff < 2 ? 2u << lane->backoff : MAX_PROBES;
    int n = 0;
    for (; n < room && (uint32_t)n < probes; n++) {
        struct flight *oldest = NULL;
        for (uint32_t slot = 0; slot < lane->share; slot++) {
            struct flight *flight = &lane->flights[slot];
            if (flight->chunk >= 0 && flight->sent_at < now && (!oldest || flight->order < oldest->order))
                oldest = flight;
        }
        if (!oldest)
            break;
        chunks[n] = send_later_again(lane, oldest, now);
    }
    lane->stats.timeouts++;
    lane->backoff += lane->backoff < MAX_DOUBLINGS;
    restart_clock(lane, now);
    return n;
}

int window_expired(struct lane *lane, uint64_t now, int64_t *chunks, int room)
{
    if (now >= lane->next_expiry)
        return probe(lane, now, chunks, room);
    if (now < lane->next_early)
        return 0;
    int n = 0;
    for (uint32_t slot = 0; slot < lane->share && n < room; slot++) {
        struct flight *flight = &lane->flights[slot];
        if (flight->chunk >= 0 && overtaken(lane, flight, now))
            chunks[n++] = send_later_again(lane, flight, now);
    }
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
