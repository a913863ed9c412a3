// Who has contributed, a bitmap for each set of a slot. A worker's bit is in one set at a time: by contributing to one it
// says that it holds the other's result.
#ifndef SLOT_BITMAP_P4
#define SLOT_BITMAP_P4
#include "types.p4"

// `ahead`: the other set holds a later chunk of the job. `mine`: the sender's bit is set; `empty`: nobody's is;
// `gone`: the sender's bit is in the other set, for a later chunk.
control SlotBitmap(in seen_t seen, in bit<1> set, in rank_t rank, in relation_t relation, in bool ahead,
                   out bit<1> mine, out bit<1> empty, out bit<1> gone, out seen_t marked) {
    apply {
        bitmap_t me = (bitmap_t)1 << rank;
        bitmap_t own = set == 1 ? seen[2 * MAX_WORKERS - 1:MAX_WORKERS] : seen[MAX_WORKERS - 1:0];
        bitmap_t other = set == 1 ? seen[MAX_WORKERS - 1:0] : seen[2 * MAX_WORKERS - 1:MAX_WORKERS];
        bool moved_on = ahead && (other & me) != 0;
        mine = (own & me) != 0 ? 1w1 : 0;
        empty = own == 0 ? 1w1 : 0;
        gone = moved_on ? 1w1 : 0;

        // What another job left behind says nothing about this one. A bit that is set already stays as it is, for the
        // sender's bit is then not in the other set.
        bool keep = relation == relation_t.older || (relation == relation_t.same && moved_on);
        bitmap_t own_marked = (relation == relation_t.same ? own : 0) | me;
        bitmap_t other_marked = other & ~me;
        marked = keep ? seen : (set == 1 ? own_marked ++ other_marked : other_marked ++ own_marked);
    }
}

#endif
