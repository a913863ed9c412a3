// The flags a round has raised so far, over all its elements and contributions.
#ifndef STATUS_P4
#define STATUS_P4
#include "types.p4"

control Status(in index_t index, in bool first, inout flags_t flags) {
    register<flags_t>(POOL) status;

    apply {
        flags_t stored;
        status.read(stored, index);
        flags = flags | (first ? 0 : stored);
        status.write(index, flags);
    }
}

#endif
