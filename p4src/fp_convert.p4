// The program's format as the nearest number of another one. Infinities stay, or become NaN where there are none.
#ifndef FP_CONVERT_P4
#define FP_CONVERT_P4
#include "fp_operand.p4"
#include "fp_round.p4"

// The five formats, as FpConvert's arguments: the bias, and what FpPack asks for.
#define TO_FP32 127, 31, 23, 0x7f800000, 0x7fc00000
#define TO_FP16 15, 15, 10, 0x7c00, 0x7e00
#define TO_BF16 127, 15, 7, 0x7f80, 0x7fc0
#define TO_FP8_E4M3 7, 7, 3, 0x7f, 0x7f
#define TO_FP8_E5M2 15, 7, 2, 0x7c, 0x7e

control FpConvert(in operand_t x, out bit<32> word, inout flags_t flags)
                 (int<16> bias,
                  bit<8> sign_bit, bit<8> fraction_bits, bit<32> overflow_bits, bit<32> nan_bits) {
    FpRound(0, sign_bit, fraction_bits, overflow_bits, nan_bits) round;

    apply {
        unrounded_t number;
        number.negative = x.negative;
        number.magnitude = (exit_t)x.significand;
        number.exponent = x.exponent - (BIAS + FRACTION_BITS) + (bias + (int<16>)(bit<16>)fraction_bits);
        number.special = x.special;
        if (x.special != 0 && overflow_bits == nan_bits) { number.special = NOT_A_NUMBER; }
        round.apply(number, word, flags);
    }
}

#endif
