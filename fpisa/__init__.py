"""FPISA's number format: floats summed in integer registers, as a programmable switch can do it.

The scalar reference, on plain integers, is the judge of every other implementation:

    fpisa.formats   get_format(name, register_bits=32, guard_bits=0) -> Format; FORMATS, FP32, FP16, BF16, ...
    fpisa.codec     unpack(fmt, word) -> (exponent, mantissa, special);
                    to_float(fmt, word), to_fraction(fmt, word)
    fpisa.register         add(fmt, register or None, word) -> Register(exponent, mantissa, special, events)
    fpisa.register_approx  add(...), the same for the approximate shape
    fpisa.normalize  read(fmt, register, rounding="rne") -> Result(word, flags)
    fpisa.scalar     sum_words(fmt, words, shape="exact", rounding="rne") -> Result;
                     accumulate(fmt, words, shape) yields the Register after each word
    fpisa.literals   parse_value(fmt, text) -> word; from_fraction(fmt, Fraction) -> word;
                     show(fmt, word) -> hex text

Words are ints; `register=None` starts a round; `special` is PINF | NINF | NAN, `flags` INEXACT | OVERFLOW |
INVALID (fpisa.flags). `fpisa.batch` has NumPy twins of the same names on arrays of words (uint8/16/32):

    batch.add(fmt, registers or None, words) / batch.add_approx(...) -> Registers (exponent int32, mantissa
    int64, special uint8, events uint8);  batch.read(fmt, registers, rounding) -> Results(words, flags)
    batch.sum_rows(fmt, rows, shape, rounding): along axis 0;  batch.sum_ragged(fmt, words, lengths, ...)

This package needs NumPy only; its torch twin is imported on request.
"""
