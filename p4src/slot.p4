// The state of a slot other than its numbers: a round for each set, the bitmaps, the counts. A packet touches each array
// once and none waits for the word of a later one, so that a pipeline can hold them: rounds, then bitmaps, then count.
#ifndef SLOT_P4
#define SLOT_P4
#include "headers.p4"
#include "next_step.p4"
#include "round.p4"
#include "slot_bitmap.p4"
#include "worker_count.p4"

control Slot(in fpisa_h contribution, in bit<8> workers, out fate_t fate, out step_t step) {
    register<round_t>(SLOTS) round_0;
    register<round_t>(SLOTS) round_1;
    register<seen_t>(SLOTS) seen;
    register<bit<8>>(POOL) missing;
    Round() compare_0;
    Round() compare_1;
    SlotBitmap() bitmap;
    WorkerCount() count;
    NextStep() next_step;

    apply {
        index_t slot = (index_t)contribution.pool_index[15:1];
        bit<1> set = contribution.pool_index[0:0];
        step.index = (index_t)contribution.pool_index;

        // Writing the round that is there already changes nothing.
        round_t own = contribution.job ++ contribution.chunk;
        round_t stored_0;
        round_t stored_1;
        relation_t relation_0;
        relation_t relation_1;
        bool begins_0;
        bool begins_1;
        round_0.read(stored_0, slot);
        round_1.read(stored_1, slot);
        compare_0.apply(stored_0, contribution.job, contribution.chunk, relation_0, begins_0);
        compare_1.apply(stored_1, contribution.job, contribution.chunk, relation_1, begins_1);
        round_0.write(slot, set == 0 && begins_0 ? own : stored_0);
        round_1.write(slot, set == 1 && begins_1 ? own : stored_1);
        relation_t relation = set == 0 ? relation_0 : relation_1;
        bool ahead = (set == 0 ? relation_1 : relation_0) == relation_t.older;

        seen_t stored_seen;
        seen_t marked;
        bit<1> mine;
        bit<1> empty;
        bit<1> gone;
        seen.read(stored_seen, slot);
        bitmap.apply(stored_seen, set, contribution.rank, relation, ahead, mine, empty, gone, marked);
        seen.write(slot, marked);

        bit<8> stored_missing;
        bit<8> remaining;
        bit<1> complete;
        bit<1> last;
        bool contributes = relation == relation_t.same ? mine == 0 && gone == 0 : relation != relation_t.older;
        missing.read(stored_missing, step.index);
        count.apply(stored_missing, workers, relation, contributes, remaining, complete, last);
        missing.write(step.index, remaining);

        next_step.apply(relation, mine, gone, complete, empty, last, fate, step);
    }
}

#endif
