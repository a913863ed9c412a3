// A calculator: a packet asks for one operation on two words and comes back with the result. Each float operation of
// this directory that is not a sum can be tried, and tested, through it.
#include <core.p4>
#include <v1model.p4>
#ifndef REGISTER_BITS
#define REGISTER_BITS 32
#endif
#define EXIT_BITS (REGISTER_BITS + 32)
#include "fp_compare.p4"
#include "fp_convert.p4"
#include "fp_from_int.p4"
#include "fp_multiply.p4"
#include "fp_multiply_tables.p4"
#include "fp_readout.p4"
#include "fp_reciprocal.p4"
#include "fp_round.p4"
#include "fp_scale.p4"
#include "fp_sqrt.p4"
#include "fp_to_int.p4"

const bit<16> ETHERTYPE_FLOAT = 0x88b5;  // IEEE 802's for local experiments

enum bit<8> operation_t {
    order_key = 0,
    order = 1,              // compared_t
    minimum = 2,
    maximum = 3,
    to_integer = 4,         // toward zero
    to_nearest_integer = 5,
    from_integer = 6,
    to_fp32 = 7,
    to_fp16 = 8,
    to_bf16 = 9,
    to_fp8_e4m3 = 10,
    to_fp8_e5m2 = 11,
    scale = 12,             // left * 2^right
    multiply = 13,
    multiply_tables = 14,
    reciprocal = 15,
    square_root = 16,
    average = 17            // the accumulator in left, extra and special, times right * 2^-shift
}

header ethernet_h {
    mac_t destination;
    mac_t source;
    bit<16> ethertype;
}

// Words narrower than their field lie at its low end. An answer is the question with `result` and `flags` filled in.
header question_h {
    operation_t operation;
    flags_t flags;        // a question's are those its accumulator has raised
    exponent_t exponent;
    bit<8> special;
    bit<8> shift;
    bit<8> zero;
    bit<64> left;
    bit<32> right;
    bit<32> result;
}

struct headers_t {
    ethernet_h ethernet;
    question_h question;
}

parser CalculatorParser(packet_in packet, out headers_t hdr, inout metadata_t meta,
                        inout standard_metadata_t standard) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.ethertype) {
            ETHERTYPE_FLOAT: question;
            default: accept;
        }
    }
    state question {
        packet.extract(hdr.question);
        transition accept;
    }
}

control Verify(inout headers_t hdr, inout metadata_t meta) {
    apply { }
}

// Results that are no rounded float: nothing to normalise.
control Direct(inout question_h q, in operand_t x, out bool done) {
    FpCompare() compare;
    FpMinimum() smallest;
    FpMaximum() largest;
    FpToInt() to_int;

    apply {
        value_t left = (value_t)q.left;
        value_t right = (value_t)q.right;
        value_t word = 0;
        done = true;
        if (q.operation == operation_t.order_key) {
            q.result = (bit<32>)order_key(left);
        } else if (q.operation == operation_t.order) {
            compared_t order;
            compare.apply(left, right, order);
            q.result = (bit<32>)(bit<8>)order;
        } else if (q.operation == operation_t.minimum) {
            smallest.apply(left, right, word);
            q.flags = is_nan(word) ? INVALID : 0;
            q.result = (bit<32>)word;
        } else if (q.operation == operation_t.maximum) {
            largest.apply(left, right, word);
            q.flags = is_nan(word) ? INVALID : 0;
            q.result = (bit<32>)word;
        } else if (q.operation == operation_t.to_integer || q.operation == operation_t.to_nearest_integer) {
            int<32> integer;
            to_int.apply(x, q.operation == operation_t.to_nearest_integer, integer, q.flags);
            q.result = (bit<32>)integer;
        } else {
            done = false;
        }
    }
}

control Convert(inout question_h q, in operand_t x, out bool done) {
    FpConvert(TO_FP32) to_fp32;
    FpConvert(TO_FP16) to_fp16;
    FpConvert(TO_BF16) to_bf16;
    FpConvert(TO_FP8_E4M3) to_fp8_e4m3;
    FpConvert(TO_FP8_E5M2) to_fp8_e5m2;

    apply {
        done = true;
        if (q.operation == operation_t.to_fp32) {
            to_fp32.apply(x, q.result, q.flags);
        } else if (q.operation == operation_t.to_fp16) {
            to_fp16.apply(x, q.result, q.flags);
        } else if (q.operation == operation_t.to_bf16) {
            to_bf16.apply(x, q.result, q.flags);
        } else if (q.operation == operation_t.to_fp8_e4m3) {
            to_fp8_e4m3.apply(x, q.result, q.flags);
        } else if (q.operation == operation_t.to_fp8_e5m2) {
            to_fp8_e5m2.apply(x, q.result, q.flags);
        } else {
            done = false;
        }
    }
}

// What takes the operands apart by table.
control ByTable(in question_h q, in operand_t x, in operand_t y, out unrounded_t number, inout flags_t flags) {
    FpFraction() fraction_x;
    FpFraction() fraction_y;
    FpReciprocal() reciprocal;
    FpSquareRoot() square_root;
    FpMultiplyTables() multiply;

    apply {
        fraction_of_t x_parts;
        fraction_of_t y_parts;
        fraction_x.apply(x, x_parts);
        fraction_y.apply(y, y_parts);
        if (q.operation == operation_t.reciprocal) {
            reciprocal.apply(x, x_parts, number, flags);
        } else if (q.operation == operation_t.square_root) {
            square_root.apply(x, x_parts, number);
        } else {
            multiply.apply(x, y, x_parts, y_parts, number);
        }
    }
}

// Results that leave through the one exit door.
control Rounded(inout question_h q, in operand_t x, in operand_t y, out bool known) {
    FpFromInt() from_int;
    FpScale() scale;
    FpMultiply() multiply;
    FpAverage() average;
    ByTable() by_table;
    FpRound(GUARD_BITS, OWN_FORMAT) round;

    apply {
        unrounded_t number;
        bool tells_inexact = false;
        known = true;
        if (q.operation == operation_t.from_integer) {
            from_int.apply((int<32>)(bit<32>)q.left, number);
            tells_inexact = true;
        } else if (q.operation == operation_t.scale) {
            scale.apply(x, (int<16>)(bit<16>)q.right, number);
            tells_inexact = true;
        } else if (q.operation == operation_t.multiply) {
            multiply.apply(x, y, number);
            tells_inexact = true;
        } else if (q.operation == operation_t.average) {
            accumulator_t sum = { q.exponent, (mantissa_t)(magnitude_t)q.left, (special_t)q.special };
            average_t factor = { q.right, q.shift };
            average.apply(sum, factor, number);
        } else if (q.operation == operation_t.multiply_tables || q.operation == operation_t.reciprocal
                   || q.operation == operation_t.square_root) {
            by_table.apply(q, x, y, number, q.flags);
        } else {
            known = false;
        }
        if (known) {
            flags_t before = q.flags;
            flags_t raised = 0;
            round.apply(number, q.result, raised);
            // A look-up is inexact by nature, and of a sum the flag tells what its additions lost.
            q.flags = before | (tells_inexact ? raised : raised & ~INEXACT);
        }
    }
}

control ingress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    FpOperand() left;
    FpOperand() right;
    Direct() direct;
    Convert() convert;
    Rounded() rounded;

    apply {
        bool known = false;
        if (hdr.question.isValid()) {
            if (hdr.question.operation != operation_t.average) { hdr.question.flags = 0; }
            operand_t x;
            operand_t y;
            left.apply((value_t)hdr.question.left, x);
            right.apply((value_t)hdr.question.right, y);
            direct.apply(hdr.question, x, known);
            if (!known) { convert.apply(hdr.question, x, known); }
            if (!known) { rounded.apply(hdr.question, x, y, known); }
        }
        if (known) {
            mac_t asker = hdr.ethernet.source;
            hdr.ethernet.source = hdr.ethernet.destination;
            hdr.ethernet.destination = asker;
            standard.egress_spec = standard.ingress_port;
        } else {
            mark_to_drop(standard);
        }
    }
}

control egress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    apply { }
}

control Update(inout headers_t hdr, inout metadata_t meta) {
    apply { }
}

control CalculatorDeparser(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.question);
    }
}

V1Switch(CalculatorParser(), Verify(), ingress(), egress(), Update(), CalculatorDeparser()) main;
