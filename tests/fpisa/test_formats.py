import pytest

from fpisa.formats import BF16, FORMATS, FP8_E4M3, FP8_E5M2, FP16, FP32, FormatError, get_format


def test_parameters_are_those_of_the_specification():
    assert [(f.exponent_bits, f.fraction_bits, f.bias) for f in (FP32, FP16, BF16)] == [
        (8, 23, 127),
        (5, 10, 15),
        (8, 7, 127),
    ]
    assert FP32.headroom == 7
    assert [get_format("fp16", bits).headroom for bits in (16, 32)] == [4, 20]
    assert [get_format("bf16", bits).headroom for bits in (16, 32)] == [7, 23]


def test_special_words():
    assert [hex(f.nan) for f in FORMATS.values()] == ["0x7fc00000", "0x7e00", "0x7fc0", "0x7f", "0x7e"]
    assert [hex(f.overflowed) for f in (FP32, FP16, BF16, FP8_E5M2)] == [
        "0x7f800000",
        "0x7c00",
        "0x7f80",
        "0x7c",
    ]
    assert FP8_E4M3.overflowed == FP8_E4M3.nan and FP8_E4M3.max_finite == 0x7E
    assert FP32.max_finite == 0x7F7FFFFF


@pytest.mark.parametrize("name", ["FP32", "float32", "bfloat16", "fp8-e4m3", "E5M2", "fp16"])
def test_names_people_use(name):
    assert get_format(name).name in FORMATS


@pytest.mark.parametrize(
    ("name", "bits", "guard", "sentence"),
    [
        ("fp31", None, None, "unknown format 'fp31'"),
        ("fp32", 16, None, "needs a register of 26 bits or more"),
        ("fp32", 32, 7, "needs a register of 33 bits or more"),
        ("fp16", 16, 4, "needs a register of 17 bits or more"),
        ("fp32", 33, None, "register width 33 is not one of"),
        ("fp32", 64, 33, "33 guard bits are not within"),
        ("fp32", None, -1, "-1 guard bits are not within"),
    ],
)
def test_registers_that_cannot_be(name, bits, guard, sentence):
    with pytest.raises(FormatError, match=sentence):
        get_format(name, bits, guard)


def test_widest_registers_that_can_be():
    assert get_format("fp32", 32, 6).headroom == 1
    assert get_format("fp32", 64, 32).headroom == 7
    assert get_format("fp16", 16, 3).headroom == 1
