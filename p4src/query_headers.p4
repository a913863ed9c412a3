// Wire headers of queries: sixteen rows a packet, all in network byte order. workers/query/pack.py holds the same
// fields; tests/query compares the two.
#ifndef QUERY_HEADERS_P4
#define QUERY_HEADERS_P4
#include "query_config.p4"
#include "headers.p4"

#ifndef OPERATOR
#error "a program names its OPERATOR"
#endif
#define ANY_OPERATOR 0  // of the program that has them all
#define DELIVER_ALL 0   // of a query whose rows are not pruned
#define QUERY_VERSION 1
#define QUERY_HEADER_BYTES 14
#define ROWS_BYTES 256

typedef bit<16> query_t;
typedef bit<8> worker_t;
typedef bit<32> sequence_t;
typedef bit<16> lanes_t;   // a bit for each of a packet's rows
typedef bit<64> key_t;     // a mixed hash of the real key; its low four bits are the row's lane
typedef bit<32> order_t;   // a float as an integer that compares the same way

enum bit<4> query_kind_t {
    rows = 0,             // from a worker
    survivors = 1,        // what the switch let through, to the master
    acknowledgement = 2   // to the worker, from the switch or the master
}

// The index into the counter `fate`.
enum bit<8> query_fate_t {
    pruned = 0,      // no row is left: acknowledged by the switch
    delivered = 1,   // some row goes on to the master
    again = 2,       // a repeated packet: answered as the first time, no register changed
    stale = 3,       // of a sequence number long acknowledged
    malformed = 4,   // short, or of another version, kind or operator
    query = 5,       // no such query
    worker = 6,      // no such worker, or not from where it lives
    forwarded = 7,   // not a query's rows
    flooded = 8,
    unknown = 9
}

header query_h {
    bit<4> version;
    bit<4> kind;
    bit<8> operator_code;
    query_t query;
    worker_t worker;
    bit<8> flags;          // bit 0: second phase
    sequence_t sequence;   // from 1
    lanes_t valid;         // entries that hold a row; to the master: that survive
    lanes_t taken;         // entries a register has taken in
}

// The fields and calls of sixteen lanes, written once. X(suffix, number)
#define FOR_EACH_LANE(X) X(_0, 0) X(_1, 1) X(_2, 2) X(_3, 3) X(_4, 4) X(_5, 5) X(_6, 6) X(_7, 7) \
    X(_8, 8) X(_9, 9) X(_a, 10) X(_b, 11) X(_c, 12) X(_d, 13) X(_e, 14) X(_f, 15)

#define ROW_FIELDS(i, n) bit<32> row##i; key_t key##i; value_t value##i;
header rows_h {
    FOR_EACH_LANE(ROW_FIELDS)
}

struct query_headers_t {
    ethernet_h ethernet;
    ipv4_h ipv4;
    udp_h udp;
    query_h query;
    rows_h rows;
}

// What a query's entry says. Its cells in every lane's arrays are first .. first + mask.
struct query_info_t {
    bit<8> code;       // the operator that the query is for
    bit<8> slot;       // of arrays with one cell a query
    index_t first;
    index_t mask;
    order_t flip;      // all ones reverses the order of values
    bit<32> a;         // parameters; each operator says what they mean
    bit<32> b;
    port_t master_port;
    mac_t master_mac;
    ipv4_t master_ip;
}

#endif
