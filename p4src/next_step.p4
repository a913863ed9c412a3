// The slot protocol's truth table: what becomes of an admitted contribution.
#ifndef NEXT_STEP_P4
#define NEXT_STEP_P4
#include "types.p4"

control NextStep(in relation_t relation, in bit<1> mine, in bit<1> gone, in bit<1> complete, in bit<1> empty,
                 in bit<1> last, out fate_t fate, inout step_t step) {
    action add(fate_t becomes, bool first, bool read) {
        fate = becomes;
        step.first = first;
        step.absorb = true;
        step.read = read;
    }
    action read_again() {
        fate = fate_t.resent;
        step.first = false;
        step.absorb = false;
        step.read = true;
    }
    action refuse(fate_t becomes) {
        fate = becomes;
        step.first = false;
        step.absorb = false;
        step.read = false;
    }

    table next_step {
        key = {
            relation : ternary @name("relation");
            mine : ternary @name("mine");          // the sender's bit is set
            gone : ternary @name("gone");          // it is in the other set, for a later chunk
            complete : ternary @name("complete");  // no worker is missing
            empty : ternary @name("empty");        // no worker's bit is set
            last : ternary @name("last");          // only the sender was missing
        }
        actions = { add; read_again; refuse; }
        const default_action = refuse(fate_t.stale);
        const entries = {
            // The set's own round: each worker once, then the result as often as it is asked for.
            (relation_t.same, 0, 0, 0, _, 0) : add(fate_t.absorbed, false, false);
            (relation_t.same, 0, 0, 0, _, 1) : add(fate_t.completed, false, true);
            (relation_t.same, 1, _, 0, _, _) : refuse(fate_t.duplicate);
            (relation_t.same, 1, _, 1, _, _) : read_again();
            // A later round begins. Workers see to it that every bit has left the set by then.
            (relation_t.newer, _, _, _, 0, 0) : add(fate_t.early, true, false);
            (relation_t.newer, _, _, _, _, 0) : add(fate_t.absorbed, true, false);
            (relation_t.newer, _, _, _, _, 1) : add(fate_t.completed, true, true);
            // A slot passed on by another job, or never used.
            (relation_t.foreign, _, _, _, _, 0) : add(fate_t.absorbed, true, false);
            (relation_t.foreign, _, _, _, _, 1) : add(fate_t.completed, true, true);
            // Of an earlier round, or of this one by a worker that has moved on.
            (_, _, _, _, _, _) : refuse(fate_t.stale);
        }
    }

    apply { next_step.apply(); }
}

#endif
