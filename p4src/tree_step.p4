// The slot protocol's truth table where a switch may have a parent.
#ifndef TREE_STEP_P4
#define TREE_STEP_P4
#include "types.p4"

control TreeStep(in bit<1> answer, in relation_t relation, in bit<1> mine, in bit<1> gone, in bit<1> complete, in bit<1> settled,
                 in bit<1> empty, in bit<1> last, in bit<1> child, out fate_t fate, inout step_t step) {
    action add(fate_t becomes, bool first, bool read, bool up) {
        fate = becomes;
        step.first = first;
        step.absorb = true;
        step.read = read;
        step.up = up;
    }
    action read_again(fate_t becomes, bool up) {
        fate = becomes;
        step.first = false;
        step.absorb = false;
        step.read = true;
        step.up = up;
    }
    action refuse(fate_t becomes) {
        fate = becomes;
        step.first = false;
        step.absorb = false;
        step.read = false;
        step.up = false;
    }

    table next_step {
        key = {
            answer : ternary @name("answer");      // it comes from the parent
            relation : ternary @name("relation");
            mine : ternary @name("mine");          // the sender's bit is set
            gone : ternary @name("gone");          // it is in the other set, for a later chunk
            complete : ternary @name("complete");  // no worker is missing, no answer has come
            settled : ternary @name("settled");    // the parent has answered
            empty : ternary @name("empty");        // no worker's bit is set
            last : ternary @name("last");          // only the sender was missing
            child : ternary @name("child");        // the job's sum is the parent's to finish
        }
        actions = { add; read_again; refuse; }
        const default_action = refuse(fate_t.stale);
        const entries = {
            // The parent's answer, once: it overwrites the partial sum and goes to everybody below.
            (1, relation_t.same, _, _, 1, _, _, _, _) : add(fate_t.answered, true, true, false);
            (1, relation_t.same, _, _, _, 1, _, _, _) : refuse(fate_t.duplicate);
            (1, _, _, _, _, _, _, _, _) : refuse(fate_t.stale);
            // The set's own round: each worker once; then the partial sum up until it is answered, the result down.
            (0, relation_t.same, 0, 0, 0, 0, _, 0, _) : add(fate_t.absorbed, false, false, false);
            (0, relation_t.same, 0, 0, 0, 0, _, 1, 0) : add(fate_t.completed, false, true, false);
            (0, relation_t.same, 0, 0, 0, 0, _, 1, 1) : add(fate_t.raised, false, true, true);
            (0, relation_t.same, 1, _, 0, 0, _, _, _) : refuse(fate_t.duplicate);
            (0, relation_t.same, 1, _, 1, _, _, _, 1) : read_again(fate_t.raised_again, true);
            (0, relation_t.same, 1, _, _, _, _, _, _) : read_again(fate_t.resent, false);
            // A later round begins. Workers see to it that every bit has left the set by then.
            (0, relation_t.newer, _, _, _, _, 0, 0, _) : add(fate_t.early, true, false, false);
            (0, relation_t.newer, _, _, _, _, _, 0, _) : add(fate_t.absorbed, true, false, false);
            (0, relation_t.newer, _, _, _, _, _, 1, 0) : add(fate_t.completed, true, true, false);
            (0, relation_t.newer, _, _, _, _, _, 1, 1) : add(fate_t.raised, true, true, true);
            // A slot passed on by another job, or never used.
            (0, relation_t.foreign, _, _, _, _, _, 0, _) : add(fate_t.absorbed, true, false, false);
            (0, relation_t.foreign, _, _, _, _, _, 1, 0) : add(fate_t.completed, true, true, false);
            (0, relation_t.foreign, _, _, _, _, _, 1, 1) : add(fate_t.raised, true, true, true);
            // Of an earlier round, or of this one by a worker that has moved on.
            (_, _, _, _, _, _, _, _, _) : refuse(fate_t.stale);
        }
    }

    apply { next_step.apply(); }
}

#endif
