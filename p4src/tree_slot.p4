// A slot's state as in slot.p4, and for a child's set whether the parent has answered. An answer leaves rounds and bitmaps
// alone; the arrays are touched in the same order.
#ifndef TREE_SLOT_P4
#define TREE_SLOT_P4
#include "headers.p4"
#include "round.p4"
#include "slot_bitmap.p4"
#include "tree_count.p4"
#include "tree_step.p4"

control Slot(in fpisa_h packet, in job_info_t info, in bool answer, out fate_t fate, out step_t step) {
    register<round_t>(SLOTS) round_0;
    register<round_t>(SLOTS) round_1;
    register<seen_t>(SLOTS) seen;
    register<bit<8>>(POOL) missing;
    Round() compare_0;
    Round() compare_1;
    SlotBitmap() bitmap;
    TreeCount() count;
    TreeStep() next_step;

    apply {
        index_t slot = (index_t)packet.pool_index[15:1];
        bit<1> set = packet.pool_index[0:0];
        step.index = (index_t)packet.pool_index;

        round_t own = packet.job ++ packet.chunk;
        round_t stored_0;
        round_t stored_1;
        relation_t relation_0;
        relation_t relation_1;
        bool begins_0;
        bool begins_1;
        round_0.read(stored_0, slot);
        round_1.read(stored_1, slot);
        compare_0.apply(stored_0, packet.job, packet.chunk, relation_0, begins_0);
        compare_1.apply(stored_1, packet.job, packet.chunk, relation_1, begins_1);
        round_0.write(slot, set == 0 && begins_0 && !answer ? own : stored_0);
        round_1.write(slot, set == 1 && begins_1 && !answer ? own : stored_1);
        relation_t relation = set == 0 ? relation_0 : relation_1;
        bool ahead = (set == 0 ? relation_1 : relation_0) == relation_t.older;

        seen_t stored_seen;
        seen_t marked;
        bit<1> mine;
        bit<1> empty;
        bit<1> gone;
        seen.read(stored_seen, slot);
        // A packet of an earlier round marks nothing; neither does an answer.
        bitmap.apply(stored_seen, set, packet.rank, answer ? relation_t.older : relation, ahead, mine, empty, gone, marked);
        seen.write(slot, marked);

        bit<8> stored_missing;
        bit<8> remaining;
        bit<1> complete;
        bit<1> settled;
        bit<1> last;
        bool contributes = relation == relation_t.same ? mine == 0 && gone == 0 : relation != relation_t.older;
        missing.read(stored_missing, step.index);
        count.apply(stored_missing, info.workers, relation, contributes, answer, remaining, complete, settled, last);
        missing.write(step.index, remaining);

        next_step.apply(answer ? 1w1 : 0, relation, mine, gone, complete, settled, empty, last, info.child, fate, step);
    }
}

#endif
