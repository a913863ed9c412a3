/* One lane of the worker engine: a loop of sending, receiving and timers, in the caller's thread or its own. */
#define _GNU_SOURCE
#include "worker_core.h"

#define PATIENCE_NS 20000000u /* a waiting lane looks this often whether it was cancelled */

/* The values lie where the switch can read and overwrite them, and fill the packet. A chunk that went as a copy (regions were not
 * accepted yet) and is sent again goes as a copy: the first one's answer may be here before the port would place another. */
static bool by_reference(struct lane *lane, int64_t chunk)
{
    if (lane->region < 0 || chunk < lane->region_from || chunk >= lane->region_to)
        return false;
    int64_t *copied = &lane->copied[slot_of(lane, lane->first + (uint32_t)chunk)];
    if (*copied == chunk)
        return false;
    bool taken = lane->transport->kind->takes_regions(lane->transport);
    if (!taken)
        *copied = chunk;
    return taken;
}

static bool send_chunk(struct lane *lane, int64_t chunk)
{
    struct fpw_engine *engine = lane->engine;
    const struct transport_kind *kind = lane->transport->kind;
    uint8_t *frame = kind->reserve(lane->transport, engine->frame);
    if (!frame)
        return false;
    if (by_reference(lane, chunk)) {
        uint64_t offset = (uint64_t)(lane->region_at + chunk * engine->payload);
        build_headers(lane, chunk, frame);
        kind->commit_parts(lane->transport, FPW_HEADERS, (uint32_t)lane->region, offset, engine->payload);
        lane->stats.packets_by_reference++;
    } else {
        build_frame(lane, chunk, frame);
        kind->commit(lane->transport, engine->frame);
    }
    lane->stats.packets_sent++;
    lane->stats.bytes_sent += engine->frame;
    return true;
}

static bool send_ready(struct lane *lane, uint64_t now)
{
    int64_t chunk;
    bool sent = false;
    while ((chunk = window_next(lane, now)) >= 0) {
        if (!send_chunk(lane, chunk)) {
            window_unsend(lane, chunk);
            break;
        }
        sent = true;
    }
    return sent;
}

static bool send_again(struct lane *lane, uint64_t now)
{
    int64_t chunks[BATCH];
    int n = window_expired(lane, now, chunks, BATCH);
    if (n && lane->backoff && lane->transport->kind->doubt)
        lane->transport->kind->doubt(lane->transport);
    for (int i = 0; i < n; i++)
        if (!send_chunk(lane, chunks[i]))
            break; /* its timer runs on */
    return n > 0;
}

int receive_results(struct lane *lane, uint64_t *now)
{
    struct received frames[BATCH];
    int n = lane->transport->kind->receive(lane->transport, frames, BATCH, lane->error);
    *now = now_ns();
    for (int i = 0; i < n; i++) {
        lane->stats.packets_received++;
        lane->stats.bytes_received += frames[i].length;
        lane->stats.packets_placed += frames[i].placed;
        int64_t chunk = match_result(lane, &frames[i]);
        if (chunk >= 0 && window_answer(lane, chunk, sent_again(&frames[i]), *now))
            take_result(lane, chunk, frames[i].data, frames[i].placed);
        else if (frames[i].placed && lane->status == FPW_AGAIN) {
            fail(lane->error, "the switch wrote a result that nobody awaited into this process's memory");
            lane->status = FPW_FAILED;
        } else
            lane->stats.discarded++;
    }
    if (n >= 0)
        lane->transport->kind->release(lane->transport);
    return n;
}

/* The thread's own processor time is asked for only around system calls: asking is one itself. */
static int flush(struct lane *lane)
{
    if (!lane->transport->sends_by_syscall)
        return lane->transport->kind->flush(lane->transport, lane->error);
    uint64_t start = thread_cpu();
    int status = lane->transport->kind->flush(lane->transport, lane->error);
    lane->syscall_ns += thread_cpu() - start;
    return status;
}

/* Half the answers under way are worth waking for: a sleep may cost as much as a hundred packets. */
static void wait_frames(struct lane *lane, uint64_t until)
{
    uint64_t start = thread_cpu();
    lane->transport->kind->wait(lane->transport, until, 1 + lane->under_way / 2);
    lane->syscall_ns += thread_cpu() - start;
}

/* One turn; true when there was nothing to do. */
static bool turn(struct lane *lane)
{
    uint64_t now;
    int n = receive_results(lane, &now);
    bool sent = send_ready(lane, now);
    sent |= send_again(lane, now);
    if (n < 0 || ((sent || n == 0) && flush(lane)))
        lane->status = FPW_FAILED;
    return n == 0 && !sent;
}

void run_lane(struct lane *lane, uint64_t until)
{
    uint64_t next_check = 0;
    while (lane->answered < lane->total && lane->status == FPW_AGAIN) {
        bool idle = turn(lane);
        uint64_t now = now_ns();
        if (now >= next_check) {
            next_check = now + PATIENCE_NS;
            if (window_overdue(lane, now))
                lane->status = FPW_OVERDUE;
            if (atomic_load_explicit(&lane->engine->cancelled, memory_order_relaxed))
                lane->status = FPW_CANCELLED;
            if (atomic_load_explicit(&lane->engine->halted, memory_order_relaxed))
                break;
        }
        if (now >= until)
            return;
        if (!idle || lane->status != FPW_AGAIN || lane->answered == lane->total)
            continue;
        uint64_t wake = now + PATIENCE_NS;
        wake = until < wake ? until : wake;
        wait_frames(lane, lane->next_expiry < wake ? lane->next_expiry : wake);
    }
    if (lane->answered == lane->total)
        lane->status = FPW_DONE;
}

void *lane_thread(void *argument)
{
    struct lane *lane = argument;
    uint64_t cpu = thread_cpu();
    run_lane(lane, UINT64_MAX);
    lane->stats.cpu_ns += thread_cpu() - cpu;
    if (lane->status < 0)
        atomic_store(&lane->engine->cancelled, true); /* the all-reduce is lost: no lane need go on */
    atomic_fetch_sub(&lane->engine->running, 1);
    return NULL;
}
