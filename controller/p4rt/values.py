"""Numbers to P4Runtime bytes and back.

The canonical form of a value is the shortest big-endian byte string, never empty: 0 is one zero byte. Readers
accept leading zero bytes; writers never produce them. Widths are in bits.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

Value = int | str | bytes | bool

_MAC = re.compile(r"[0-9A-Fa-f]{1,2}([:-][0-9A-Fa-f]{1,2}){5}")


def invalid(value: object, bitwidth: int, kind: str = "") -> ValueError:
    kind = f" {kind}" if kind else ""
    return ValueError(f"invalid{kind} value for bit<{bitwidth}>: {value!r}")


def all_ones(bitwidth: int) -> int:
    return (1 << bitwidth) - 1


def encode(value: int, bitwidth: int) -> bytes:
    """Canonical bytes of an unsigned number; ValueError where it does not fit."""
    if value < 0 or value >> bitwidth:
        raise invalid(value, bitwidth)
    return value.to_bytes((value.bit_length() + 7) // 8 or 1, "big")


def decode(data: bytes, bitwidth: int) -> int:
    """The number in `data`, leading zero bytes allowed; ValueError where it is empty or does not fit."""
    if not data:
        raise ValueError(f"empty byte string for bit<{bitwidth}>; zero is one zero byte")
    value = int.from_bytes(data, "big")
    if value >> bitwidth:
        raise ValueError(f"value 0x{value:x} does not fit in bit<{bitwidth}>")
    return value


def encode_signed(value: int, bitwidth: int) -> bytes:
    """int<W> on the wire: shortest two's complement big-endian."""
    if not -(1 << (bitwidth - 1)) <= value < 1 << (bitwidth - 1):
        raise ValueError(f"invalid value for int<{bitwidth}>: {value!r}")
    magnitude = value if value >= 0 else ~value
    return value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True)


def decode_signed(data: bytes, bitwidth: int) -> int:
    if not data:
        raise ValueError(f"empty byte string for int<{bitwidth}>")
    value = int.from_bytes(data, "big", signed=True)
    if not -(1 << (bitwidth - 1)) <= value < 1 << (bitwidth - 1):
        raise ValueError(f"value {value} does not fit in int<{bitwidth}>")
    return value


def parse(value: Value, bitwidth: int) -> int:
    """What a person writes, as a number.

    Accepts: int, bool, bytes (big-endian), "10", "0x0a", "0b1010", "0o12", "10.0.0.1", "fe80::1" and
    "00:11:22:33:44:55". Raises ValueError for anything else and for what does not fit in `bitwidth`.
    """
    if isinstance(value, bytes):
        return decode(value, bitwidth)
    if isinstance(value, str):
        number = _parse_text(value.strip())
        if number is None:
            raise invalid(value, bitwidth)
    elif isinstance(value, int):
        number = int(value)
    else:
        raise invalid(value, bitwidth)
    if number < 0 or number >> bitwidth:
        raise invalid(value, bitwidth)
    return number


def _parse_text(text: str) -> int | None:
    if _MAC.fullmatch(text):
        return int("".join(part.rjust(2, "0") for part in re.split("[:-]", text)), 16)
    readers: tuple[Callable[[str], int], ...] = (
        lambda t: int(t, 0),
        lambda t: int(t, 10),  # "007", which the first refuses
        lambda t: int(ipaddress.ip_address(t)),
    )
    for reader in readers:
        try:
            return reader(text)
        except ValueError:
            continue
    return None


def format_value(value: int, bitwidth: int) -> str:
    """Text that `parse` reads back: MAC for 48 bits, hexadecimal for wide ones, decimal for up to 16."""
    if bitwidth == 48:
        return ":".join(f"{byte:02x}" for byte in value.to_bytes(6, "big"))
    return str(value) if bitwidth <= 16 else f"0x{value:x}"


def encode_field(value: Value, bitwidth: int, translation: str) -> bytes:
    """What a person writes for a field or parameter, as bytes; text of a translated `type` goes as it is."""
    if not translation:
        return encode(parse(value, bitwidth), bitwidth)
    data = value if isinstance(value, bytes) else str(value).encode()
    if not data:
        raise ValueError(f"empty text for type {translation}")
    return data


def decode_field(data: bytes, bitwidth: int, translation: str) -> int | str:
    """The number, or the text of a translated `type`."""
    return data.decode(errors="replace") if translation else decode(data, bitwidth)


def prefix_mask(prefix_len: int, bitwidth: int) -> int:
    """A mask of `prefix_len` ones at the top of `bitwidth` bits."""
    return all_ones(bitwidth) ^ all_ones(bitwidth - prefix_len)


def parse_ternary(value: Value | tuple[Value, Value], bitwidth: int) -> tuple[int, int]:
    """(value, mask) from a pair, "v&&&m", "v &mask" or a bare value (all bits)."""
    if isinstance(value, str) and "&" in value:
        left, _, right = value.partition("&")
        value = (left, right.lstrip("&"))
    if isinstance(value, tuple):
        number, mask = parse(value[0], bitwidth), parse(value[1], bitwidth)
    else:
        number, mask = parse(value, bitwidth), all_ones(bitwidth)
    return number & mask, mask


def parse_lpm(value: Value | tuple[Value, int], bitwidth: int) -> tuple[int, int]:
    """(value, prefix length) from a pair, "v/len" or a bare value (all bits)."""
    if isinstance(value, str) and "/" in value:
        left, _, right = value.partition("/")
        length = parse(right, 32)
        value = (left, length)
    if isinstance(value, tuple):
        number, length = parse(value[0], bitwidth), int(value[1])
    else:
        number, length = parse(value, bitwidth), bitwidth
    if not 0 <= length <= bitwidth:
        raise ValueError(f"invalid prefix length for bit<{bitwidth}>: {length}")
    return number & prefix_mask(length, bitwidth), length


def parse_range(value: Value | tuple[Value, Value], bitwidth: int) -> tuple[int, int]:
    """(low, high) from a pair, "low..high", "low->high" or a bare value."""
    if isinstance(value, str):
        for separator in ("->", ".."):
            if separator in value:
                left, _, right = value.partition(separator)
                value = (left, right)
                break
    if isinstance(value, tuple):
        low, high = parse(value[0], bitwidth), parse(value[1], bitwidth)
    else:
        low = high = parse(value, bitwidth)
    if low > high:
        raise ValueError(f"invalid range for bit<{bitwidth}>: {low} is above {high}")
    return low, high
