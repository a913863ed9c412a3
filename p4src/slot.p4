// The state of a slot other than its numbers: round, bitmap and count, changed as one unit per packet.
#ifndef SLOT_P4
#define SLOT_P4
#include "headers.p4"
#include "next_step.p4"
#include "round.p4"
#include "slot_bitmap.p4"
#include "worker_count.p4"

control Slot(in fpisa_h contribution, in bit<8> workers, out fate_t fate, out step_t step) {
    register<round_t>(POOL) round;
    register<seen_t>(SLOTS) seen;
    register<bit<8>>(POOL) missing;
    Round() compare;
    SlotBitmap() bitmap;
    WorkerCount() count;
    NextStep() next_step;

    apply {
        index_t slot = (index_t)contribution.pool_index[15:1];
        step.index = (index_t)contribution.pool_index;

        round_t stored_round;
        seen_t stored_seen;
        bit<8> stored_missing;
        round.read(stored_round, step.index);
        seen.read(stored_seen, slot);
        missing.read(stored_missing, step.index);

        relation_t relation;
        compare.apply(stored_round, contribution.job, contribution.chunk, relation);
        bit<1> mine;
        bit<1> empty;
        seen_t marked;
        bitmap.apply(stored_seen, contribution.pool_index[0:0], contribution.rank, relation, mine, empty, marked);
        bit<8> remaining;
        bit<1> complete;
        bit<1> last;
        count.apply(stored_missing, workers, relation, remaining, complete, last);

        next_step.apply(relation, mine, complete, empty, last, fate, step);
        if (step.absorb) {
            round.write(step.index, contribution.job ++ contribution.chunk);
            seen.write(slot, marked);
            missing.write(step.index, remaining);
        }
    }
}

#endif
