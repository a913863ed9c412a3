// Widths and enumerations, named once.
#ifndef TYPES_P4
#define TYPES_P4
#include "config.p4"

typedef bit<48> mac_t;
typedef bit<32> ipv4_t;
typedef bit<9> port_t;          // as v1model has it
typedef bit<16> group_t;        // multicast group
typedef bit<16> job_t;
typedef bit<8> rank_t;
typedef bit<32> chunk_t;
typedef bit<16> slot_t;
typedef bit<32> index_t;        // of a register cell: slot * 2 + set
typedef bit<MAX_WORKERS> bitmap_t;
typedef bit<(MAX_WORKERS * 2)> seen_t; // set 0's bitmap in the low half, set 1's in the high half
typedef bit<48> round_t;        // job in the high 16 bits, chunk in the low 32

typedef bit<VALUE_BITS> value_t;         // one float as on the wire, in the order of the host's registers
typedef bit<8> exponent_t;               // biased; 8 bits hold that of every format
typedef int<REGISTER_BITS> mantissa_t;   // signed, not normalised
typedef bit<REGISTER_BITS> magnitude_t;  // the same bits; what a register stores
typedef bit<EXIT_BITS> exit_t;           // a magnitude before it is rounded
typedef bit<3> special_t;                // sticky: bit 0 +inf, bit 1 -inf, bit 2 NaN
typedef bit<8> flags_t;                  // bit 0 inexact, bit 1 overflow, bit 2 invalid

const special_t PLUS_INFINITY = 1;
const special_t MINUS_INFINITY = 2;
const special_t NOT_A_NUMBER = 4;

const flags_t INEXACT = 1;
const flags_t OVERFLOW = 2;
const flags_t INVALID = 4;

enum bit<4> kind_t {
    contribution = 0,
    result = 1,       // multicast to all workers
    result_again = 2, // to the one that asked again
    partial = 3       // a contribution as a switch's registers hold it
}

// What became of a packet: the index into the counter `fate`.
enum bit<8> fate_t {
    absorbed = 0,   // added; more workers are missing
    completed = 1,  // added as the last one; the result was multicast
    resent = 2,     // a duplicate of a complete set: the result went to its sender
    duplicate = 3,  // of an incomplete set: dropped
    stale = 4,      // of an earlier round: dropped
    early = 5,      // begins a round though some worker may still need the set's old result
    short = 6,      // the frame ends before its last value, or the UDP length is not that of a full packet
    version = 7,
    kind = 8,       // not a contribution
    format = 9,     // not the program's number format
    elements = 10,  // not the program's number of values
    job = 11,       // no such job
    rank = 12,      // no such rank in the job
    source = 13,    // another ingress port, MAC or IP address than the rank's
    slot = 14,      // outside the job's slots
    forwarded = 15, // not for FPISA: sent to the port of its destination
    flooded = 16,   // not for FPISA: destination unknown or broadcast, and a flood group is installed
    unknown = 17,   // not for FPISA: no way to send it on, or not even an Ethernet header; dropped
    raised = 18,    // tree: added as the last one below; the partial sum went to the parent
    raised_again = 19, // tree: a duplicate of a set whose answer has not come: the partial sum went up again
    answered = 20   // tree: the parent's result took the partial sum's place and was multicast
}

// A contribution's round compared with the one its set holds.
enum bit<2> relation_t { same = 0, newer = 1, older = 2, foreign = 3 }

// Value = mantissa * 2^(exponent - bias - FRACTION_BITS - GUARD_BITS), unless a special bit is set.
struct accumulator_t {
    exponent_t exponent;
    mantissa_t mantissa;
    special_t special;
}

// A number on its way out: magnitude * 2^(exponent - bias - FRACTION_BITS - GUARD_BITS), unless a special bit is set.
struct unrounded_t {
    bool negative;
    exit_t magnitude;
    int<16> exponent;
    special_t special;
}

// What additions lost, ORed over the elements: nonzero in `lost` means inexact, in `clamped` overflow.
// Whole words rather than flags, so that one test at the end serves all elements.
struct residue_t {
    magnitude_t lost;
    magnitude_t clamped;
}

// What a job's entry says.
struct job_info_t {
    bit<8> workers;
    slot_t first_slot;
    bit<16> slots;
    group_t group;
#if TREE
    bit<1> child;        // this switch contributes to a parent
    port_t port;         // the parent's
    mac_t own_mac;
    ipv4_t own_ip;
    mac_t parent_mac;
    ipv4_t parent_ip;
    rank_t rank;         // this switch's own, at the parent
    bit<16> pool_offset; // the parent's pool index for the same chunk, less this switch's
#endif
}

// A job's factor, constant * 2^-shift: for an average 1 / workers, to 32 bits.
struct average_t {
    bit<32> constant;
    bit<8> shift;
}

// What is to be done with an admitted contribution.
struct step_t {
    index_t index;  // slot * 2 + set
    bool first;     // it starts a round: overwrite, do not add
    bool absorb;    // it changes the slot
    bool read;      // the result is wanted
#if AVERAGE
    average_t average;
#endif
#if TREE
    bool up;        // the partial sum is wanted by the parent
    flags_t carried; // what the sender's own additions raised
#endif
}

struct metadata_t {
    bool flood;     // replicas go everywhere but back
}

#endif
