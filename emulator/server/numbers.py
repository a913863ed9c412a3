"""Unsigned numbers as P4Runtime's byte strings. `controller.p4rt.values` is the client's side; here refusals are Refused."""

from __future__ import annotations

from .errors import invalid


def unsigned(data: bytes, width: int, where: str) -> int:
    """The number in a byte string; leading zero bytes are allowed, as by simple_switch_grpc."""
    value = int.from_bytes(data, "big")
    if value >> width or not data:
        if not data:
            raise invalid(f"{where}: the value is an empty byte string", "write zero as one zero byte")
        raise invalid(f"{where}: 0x{value:x} does not fit in {width} bits", f"use at most 0x{(1 << width) - 1:x}")
    return value


def canonical(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) >> 3 or 1, "big")
