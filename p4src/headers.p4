// Wire headers. workers/wire.py holds the same fields; tests/test_contract.py compares the two.
#ifndef HEADERS_P4
#define HEADERS_P4
#include "types.p4"
#include "elements.p4"

const bit<16> ETHERTYPE_IPV4 = 0x0800;
const bit<8> PROTOCOL_UDP = 17;
const bit<4> FPISA_VERSION = 1;
const bit<16> UDP_BYTES = 8 + 16 + ELEMENTS * VALUE_BITS / 8;

header ethernet_h {
    mac_t destination;
    mac_t source;
    bit<16> ethertype;
}

header ipv4_h {
    bit<4> version;
    bit<4> header_words;
    bit<8> diffserv;
    bit<16> total_bytes;
    bit<16> identification;
    bit<16> fragment;      // three flags and the offset
    bit<8> ttl;
    bit<8> protocol;
    bit<16> checksum;
    ipv4_t source;
    ipv4_t destination;
}

header udp_h {
    bit<16> source;
    bit<16> destination;
    bit<16> bytes;
    bit<16> checksum;
}

header fpisa_h {
    bit<4> version;
    kind_t kind;
    bit<8> format;
    job_t job;
    rank_t rank;
    bit<8> queue;
    bit<16> pool_index;    // slot * 2 + set
    chunk_t chunk;
    flags_t flags;
    int<8> exponent;       // block exponent, of the integer baseline only
    bit<16> elements;
}

#define VALUE_FIELD(i) value_t v##i;
header values_h {
    FOR_EACH_ELEMENT(VALUE_FIELD)
}

#if RAW_UPLINK
const bit<16> RAW_UDP_BYTES = 8 + 16 + ELEMENTS * (REGISTER_BITS / 8 + 1);

// Registers on the wire. An exponent of 0, which no finite sum has, says that the mantissa field holds the special bits.
#define RAW_MANTISSA(i) magnitude_t mantissa##i;
#define RAW_EXPONENT(i) exponent_t exponent##i;
header raw_h {
    FOR_EACH_ELEMENT(RAW_MANTISSA)
    FOR_EACH_ELEMENT(RAW_EXPONENT)
}
#endif

struct headers_t {
    ethernet_h ethernet;
    ipv4_h ipv4;
    udp_h udp;
    fpisa_h fpisa;
    values_h values;
#if RAW_UPLINK
    raw_h raw;
#endif
}

#endif
