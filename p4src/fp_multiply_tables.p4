// Products where no unit multiplies: 2^(log2 |a| + log2 |b|), three look-ups and additions.
#ifndef FP_MULTIPLY_TABLES_P4
#define FP_MULTIPLY_TABLES_P4
#include "fp_multiply.p4"
#include "fp_table.p4"

// Logarithms have this many bits below the point.
#define LOG_PLACES (FRACTION_BITS + 3)

control FpMultiplyTables(in operand_t a, in operand_t b, in fraction_of_t a_parts, in fraction_of_t b_parts,
                         out unrounded_t result) {
    FpProductSpecial() product_special;
    FpTable() logarithm_a;  // of 1 + fraction, to the base of 2
    FpTable() logarithm_b;
    FpTable() power;        // 2^fraction, with FRACTION_BITS + 1 places

    apply {
        product_special.apply(a, b, result.negative, result.special);
        entry_t log_a;
        entry_t log_b;
        entry_t value;
        logarithm_a.apply(table_index(a_parts.fraction), log_a);
        logarithm_b.apply(table_index(b_parts.fraction), log_b);
        bit<(FRACTION_BITS + 4)> sum = (bit<(FRACTION_BITS + 4)>)log_a + (bit<(FRACTION_BITS + 4)>)log_b;
        power.apply(sum[LOG_PLACES - 1:LOG_PLACES - TABLE_BITS], value);
        int<16> carry = (int<16>)(bit<16>)sum[LOG_PLACES:LOG_PLACES];
        bool zero = a.significand == 0 || b.significand == 0;
        result.magnitude = zero ? 0 : (exit_t)value;
        result.exponent = a_parts.power + b_parts.power + carry + (BIAS + GUARD_BITS - 1);
    }
}

#endif
