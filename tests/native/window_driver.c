/* The C engine's window alone, for tests that bring their own clock and link. */
#include "worker_core.h"
#include <stdlib.h>

uint32_t pool_index_of(const struct lane *lane, int64_t chunk)
{
    (void)lane;
    return (uint32_t)chunk;
}

struct lane *driver_new(uint32_t slots, int64_t total, int32_t initial_us, int32_t shortest_us, int32_t longest_us)
{
    struct fpw_engine *engine = calloc(1, sizeof *engine);
    struct lane *lane = &engine->lanes[0];
    engine->options.initial_us = initial_us;
    engine->options.shortest_us = shortest_us;
    engine->options.longest_us = longest_us;
    lane->engine = engine;
    set_share(lane, slots);
    lane->total = lane->blocks = total;
    lane->flights = calloc(slots, sizeof *lane->flights);
    lane->ready = calloc(slots, sizeof *lane->ready);
    lane->bitmap_words = (size_t)total / 64 + 1;
    lane->sent = calloc(lane->bitmap_words, 8);
    lane->done = calloc(lane->bitmap_words, 8);
    return lane;
}

void driver_free(struct lane *lane)
{
    free(lane->flights);
    free(lane->ready);
    free(lane->sent);
    free(lane->done);
    free(lane->engine);
}

double driver_round_trip(const struct lane *lane) { return lane->trip.mean / 1e9; }
uint32_t driver_window(const struct lane *lane) { return lane->size.limit; }
void driver_set_window(struct lane *lane, int32_t window) { lane->engine->options.window = window; }
uint64_t driver_expiry(const struct lane *lane) { return lane->next_expiry; }
int64_t driver_answered(const struct lane *lane) { return lane->answered; }
uint64_t driver_retransmissions(const struct lane *lane) { return lane->stats.retransmissions; }
