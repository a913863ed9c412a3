"""Canonical bytes and what people write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.p4rt import values


@pytest.mark.parametrize(
    ("value", "width", "data"),
    [
        (0, 1, b"\x00"),
        (0, 128, b"\x00"),
        (1, 9, b"\x01"),
        (255, 8, b"\xff"),
        (256, 9, b"\x01\x00"),
        (511, 9, b"\x01\xff"),
        (0x0A000001, 32, b"\x0a\x00\x00\x01"),
        ((1 << 48) - 1, 48, b"\xff" * 6),
    ],
)
def test_encode_is_shortest(value: int, width: int, data: bytes) -> None:
    assert values.encode(value, width) == data
    assert values.decode(data, width) == value
    assert values.decode(b"\x00\x00" + data, width) == value


@pytest.mark.parametrize(("value", "width"), [(-1, 8), (256, 8), (512, 9), (1 << 128, 128)])
def test_encode_refuses_what_does_not_fit(value: int, width: int) -> None:
    with pytest.raises(ValueError, match=f"bit<{width}>"):
        values.encode(value, width)


@pytest.mark.parametrize("data", [b"", b"\x02\x00", b"\xff\xff\xff"])
def test_decode_refuses(data: bytes) -> None:
    with pytest.raises(ValueError, match="bit<9>"):
        values.decode(data, 9)


@given(st.integers(1, 256).flatmap(lambda w: st.tuples(st.just(w), st.integers(0, (1 << w) - 1))))
def test_round_trip(case: tuple[int, int]) -> None:
    width, value = case
    data = values.encode(value, width)
    assert values.decode(data, width) == value
    assert len(data) == 1 or data[0] != 0
    assert values.parse(values.format_value(value, width), width) == value


@given(st.integers(2, 128).flatmap(lambda w: st.tuples(st.just(w), st.integers(-(1 << w - 1), (1 << w - 1) - 1))))
def test_signed_round_trip(case: tuple[int, int]) -> None:
    width, value = case
    data = values.encode_signed(value, width)
    assert values.decode_signed(data, width) == value
    longer = data[1:] and (data[0] in (0, 0xFF)) and (data[0] ^ data[1]) < 0x80
    assert not longer, "a shorter encoding exists"


@pytest.mark.parametrize(
    ("text", "width", "value"),
    [
        ("10", 8, 10),
        ("0x0a", 8, 10),
        ("0b1010", 8, 10),
        ("007", 8, 7),
        ("10.0.0.1", 32, 0x0A000001),
        ("02:00:00:00:00:01", 48, 0x020000000001),
        ("fe80::1", 128, 0xFE80 << 112 | 1),
        (True, 1, 1),
        (b"\x01\x00", 16, 256),
    ],
)
def test_parse(text: object, width: int, value: int) -> None:
    assert values.parse(text, width) == value  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "ten", "10.0.0", "0x", 1.5, None, -1, "300"])
def test_parse_refuses(text: object) -> None:
    with pytest.raises(ValueError, match="bit<8>"):
        values.parse(text, 8)  # type: ignore[arg-type]


def test_lpm_clears_the_tail_and_checks_the_length() -> None:
    assert values.parse_lpm("10.1.2.3/8", 32) == (0x0A000000, 8)
    assert values.parse_lpm((0xFFFF, 0), 16) == (0, 0)
    assert values.parse_lpm(5, 16) == (5, 16)
    with pytest.raises(ValueError, match="prefix length"):
        values.parse_lpm((0, 17), 16)


def test_ternary_and_range() -> None:
    assert values.parse_ternary("0xff&&&0x0f", 8) == (0x0F, 0x0F)
    assert values.parse_ternary(3, 8) == (3, 255)
    assert values.parse_range("1..9", 8) == (1, 9)
    assert values.parse_range("1->9", 8) == (1, 9)
    assert values.parse_range(4, 8) == (4, 4)
    with pytest.raises(ValueError, match="above"):
        values.parse_range((9, 1), 8)
