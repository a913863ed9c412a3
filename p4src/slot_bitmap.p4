// Who has contributed, a bitmap for each set of a slot. A worker's bit is in one set at a time: by
// contributing to one it says that it holds the other's result.
#ifndef SLOT_BITMAP_P4
#define SLOT_BITMAP_P4
#include "types.p4"

control SlotBitmap(in seen_t seen, in bit<1> set, in rank_t rank, in relation_t relation,
                   out bit<1> mine, out bit<1> empty, out seen_t marked) {
    apply {
        bitmap_t me = (bitmap_t)1 << rank;
        bitmap_t own = set == 1 ? seen[63:32] : seen[31:0];
        bitmap_t other = set == 1 ? seen[31:0] : seen[63:32];
        mine = (own & me) != 0 ? 1w1 : 0;
        empty = own == 0 ? 1w1 : 0;

        // What another job left behind says nothing about this one.
        bitmap_t own_marked = (relation == relation_t.same ? own : 0) | me;
        bitmap_t other_marked = other & ~me;
        marked = set == 1 ? own_marked ++ other_marked : other_marked ++ own_marked;
    }
}

#endif
