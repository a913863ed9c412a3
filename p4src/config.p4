// Every size of the programs, each with its reason. All may be given with -D on the command line.
#ifndef CONFIG_P4
#define CONFIG_P4

// Number formats by name; the numbers are those of the `format` field on the wire.
#define fp32 1
#define fp16 2
#define bf16 3
#define fp8_e4m3 4
#define fp8_e5m2 5
#define rne 1
#define rtz 2

// -DFORMAT=fp32|fp16|bf16|fp8_e4m3|fp8_e5m2. The integer baseline sets FORMAT_CODE itself.
#ifndef FORMAT
#define FORMAT fp32
#endif

#if FORMAT == fp32
#define VALUE_BITS 32
#define EXPONENT_BITS 8
#define FRACTION_BITS 23
#elif FORMAT == fp16
#define VALUE_BITS 16
#define EXPONENT_BITS 5
#define FRACTION_BITS 10
#elif FORMAT == bf16
#define VALUE_BITS 16
#define EXPONENT_BITS 8
#define FRACTION_BITS 7
#elif FORMAT == fp8_e4m3
#define VALUE_BITS 8
#define EXPONENT_BITS 4
#define FRACTION_BITS 3
#elif FORMAT == fp8_e5m2
#define VALUE_BITS 8
#define EXPONENT_BITS 5
#define FRACTION_BITS 2
#else
#error "FORMAT must be fp32, fp16, bf16, fp8_e4m3 or fp8_e5m2"
#endif

// E4M3 spends its topmost exponent on numbers: no infinity, and one NaN, all bits set.
#if FORMAT == fp8_e4m3
#define HAS_INFINITY 0
#else
#define HAS_INFINITY 1
#endif

#ifndef FORMAT_CODE
#if FORMAT == fp32
#define FORMAT_CODE 1
#elif FORMAT == fp16
#define FORMAT_CODE 2
#elif FORMAT == bf16
#define FORMAT_CODE 3
#elif FORMAT == fp8_e4m3
#define FORMAT_CODE 4
#else
#define FORMAT_CODE 5
#endif
#endif

// How a sum is rounded when it leaves: to nearest, ties to even, or toward zero.
#ifndef ROUNDING
#define ROUNDING rne
#endif
#if ROUNDING == rtz
#define ROUND_TO_NEAREST 0
#elif ROUNDING == rne
#define ROUND_TO_NEAREST 1
#else
#error "ROUNDING must be rne or rtz"
#endif

// The names above are only for the comparisons; as macros they would shadow P4 identifiers.
#undef fp32
#undef fp16
#undef bf16
#undef fp8_e4m3
#undef fp8_e5m2
#undef rne
#undef rtz

// Width of a mantissa register: 16, 32 or 64. 32 is what a switch's stateful unit has today.
#ifndef REGISTER_BITS
#define REGISTER_BITS 32
#endif

// Bits kept below the format's last fraction bit. They cost headroom and buy accuracy.
#ifndef GUARD_BITS
#define GUARD_BITS 0
#endif

// Bits above the hidden one: 2^HEADROOM equal exponents add without overflow.
#define HEADROOM (REGISTER_BITS - 2 - FRACTION_BITS - GUARD_BITS)
#if HEADROOM < 1
#error "REGISTER_BITS leaves no headroom above the hidden bit"
#endif

// -DAVERAGE=1: what leaves is the sum times a constant of the job's, such as 1 / workers; both round once.
#ifndef AVERAGE
#define AVERAGE 0
#endif

// Bits of a magnitude on its way out: a mantissa's, or those of its product with a 32-bit constant.
#ifndef EXIT_BITS
#if AVERAGE
#define EXIT_BITS (REGISTER_BITS + 32)
#else
#define EXIT_BITS REGISTER_BITS
#endif
#endif

// Whether an addition that drops a nonzero bit is reported. Costs one shift and one xor an element.
#ifndef TRACK_INEXACT
#define TRACK_INEXACT 1
#endif

// Functions by table: 2^TABLE_BITS entries, or, -DBIPARTITE=1, two tables of about 2^(2/3 TABLE_BITS) that are added.
#ifndef TABLE_BITS
#if FRACTION_BITS < 8
#define TABLE_BITS FRACTION_BITS
#else
#define TABLE_BITS 8
#endif
#endif
#if TABLE_BITS > FRACTION_BITS
#error "TABLE_BITS must be at most the format's fraction bits"
#endif
#if TABLE_BITS < 1
#error "TABLE_BITS must be at least 1"
#endif
#ifndef BIPARTITE
#define BIPARTITE 0
#endif
#if BIPARTITE && TABLE_BITS < 3
#error "BIPARTITE needs TABLE_BITS of at least 3"
#endif

// TREE is the tree programs' own: a switch may be a child of another. -DUPLINK=packed|raw is what it sends up: rounded
// floats, or its registers as they are.
#ifndef TREE
#define TREE 0
#endif
#define packed 1
#define raw 2
#ifndef UPLINK
#define UPLINK packed
#endif
#if UPLINK == raw
#define RAW_UPLINK TREE
#elif UPLINK == packed
#define RAW_UPLINK 0
#else
#error "UPLINK must be packed or raw"
#endif
#undef packed
#undef raw

// Workers of one job at this switch: a bit each in a slot's bitmaps. Jobs of 33 and more need -DMAX_WORKERS=64 or 128.
#ifndef MAX_WORKERS
#define MAX_WORKERS 32
#endif
#if MAX_WORKERS < 1 || MAX_WORKERS > 128
#error "MAX_WORKERS must be from 1 to 128"
#endif

// Values a packet. 64 floats are 256 bytes; 256 of them, 1 KiB, still fit an Ethernet frame.
#ifndef ELEMENTS
#if VALUE_BITS == 32
#define ELEMENTS 64
#elif VALUE_BITS == 16
#define ELEMENTS 128
#else
#define ELEMENTS 256
#endif
#endif
#if ELEMENTS < 32
#error "ELEMENTS must be at least 32"
#endif
#if ELEMENTS > 256
#error "ELEMENTS must be at most 256"
#endif

#if RAW_UPLINK && ELEMENTS * (REGISTER_BITS / 8 + 1) > 1456
#error "raw registers of ELEMENTS values do not fit an Ethernet frame; take fewer, or UPLINK=packed"
#endif

// Slots of the whole switch, shared by its jobs; each has two sets. At 64 floats a slot takes 768 bytes
// of element registers. The 16-bit pool index allows 32768.
#ifndef SLOTS
#define SLOTS 1024
#endif
#if SLOTS > 32768
#error "SLOTS must be at most 32768, what a 16-bit pool index can name"
#endif
#define POOL (SLOTS * 2)

// Table sizes: 64 jobs, and on average 16 workers in each.
#define MAX_JOBS 64
#define MAX_MEMBERS 1024
#define MAX_HOSTS 1024

// UDP destination port of contributions.
#define FPISA_PORT 18000

#endif
