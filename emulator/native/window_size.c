/* How many chunks a lane keeps under way: as few as fill the path. A longer window than that only waits in queues, where it
 * delays every loss's repair and everybody else's packets.
 *
 * A round is a window's worth of answers. At first, and again now and then, the window shrinks by an eighth a round: what the
 * least round trip is shows only when nothing waits. When answers come more slowly than they did, it was too short: it
 * doubles, and does not shrink below that for a while. Later it shrinks where round trips take more than twice the least
 * one, and grows where they are near it. A round in which something was sent again decides nothing. In the spirit of TCP
 * Vegas (Brakmo and Peterson 1995), with the measured rate as the judge: over shared memory most of a round trip is the wait
 * for a processor, and a long window is what lets packets go in batches. */
#include "worker_core.h"

#define SHORTEST 16u
#define TOO_SLOW 0.95       /* of the best rate */
#define BEST_FADES 0.99     /* a round */
#define ROUNDS_TO_KEEP 256u /* before shorter windows are tried again */

void window_size_start(struct lane *lane, uint64_t now)
{
    struct window_size *size = &lane->size;
    uint32_t most = lane->engine->options.window > 0 ? (uint32_t)lane->engine->options.window : lane->share;
    size->most = most < lane->share ? most : lane->share;
    if (!size->limit || size->limit > size->most) {
        size->limit = size->most;
        size->rounds = ROUNDS_TO_KEEP;
    }
    size->answers = 0;
    size->began = now;
    size->again = lane->stats.retransmissions;
}

static void shrink(struct window_size *size)
{
    uint32_t shorter = size->limit - size->limit / 8;
    uint32_t least = size->keep > SHORTEST ? size->keep : SHORTEST;
    size->settled |= shorter < least;
    if (shorter >= least)
        size->limit = shorter;
}

static void grow(struct window_size *size, uint32_t by)
{
    size->limit = size->limit + by < size->most ? size->limit + by : size->most;
}

static void end_round(struct lane *lane, double rate)
{
    struct window_size *size = &lane->size;
    bool clean = lane->stats.retransmissions == size->again;
    size->best = rate > size->best * BEST_FADES ? rate : size->best * BEST_FADES;
    if (size->settled && !--size->rounds) {
        size->keep = 0;
        size->settled = false;
        size->rounds = ROUNDS_TO_KEEP;
    }
    if (!clean || !lane->trip.measured)
        return;
    if (rate < TOO_SLOW * size->best) {
        if (size->limit < size->most) {
            grow(size, size->limit);
            size->keep = size->limit;
            size->settled = true;
        }
    } else if (!size->settled || lane->trip.mean > 2 * lane->trip.least)
        shrink(size);
    else if (lane->trip.mean < 1.25 * lane->trip.least)
        grow(size, size->limit / 8 + 1);
}

void window_size_answer(struct lane *lane, uint64_t now)
{
    struct window_size *size = &lane->size;
    uint64_t elapsed = now - size->began;
    if (lane->engine->options.window < 0 || ++size->answers < size->limit || (double)elapsed < lane->trip.mean || !elapsed)
        return;
    end_round(lane, (double)size->answers * 1e9 / (double)elapsed);
    size->answers = 0;
    size->began = now;
    size->again = lane->stats.retransmissions;
}
