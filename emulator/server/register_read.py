"""Register cells as P4Runtime's bytes: a whole array at once, for an array may have a million cells.

An entity here is ReadResponse.entities { register_entry { register_id, index { index }, data { bitstring } } }. Its fields
are written in order of their numbers, as protobuf's own serialiser does, cell after cell: by C, and where that is not built
by NumPy."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np

from controller.p4rt.protos import p4r
from emulator.native import lib_and_ffi

_LENGTH = 2  # wire type: length-delimited


def _tag(message: str, name: str) -> int:
    found: int = getattr(p4r, message).DESCRIPTOR.fields_by_name[name].number << 3
    assert found < 128 - _LENGTH
    return found


ENTITIES = _tag("ReadResponse", "entities") | _LENGTH
ENTRY = _tag("Entity", "register_entry") | _LENGTH
ID = _tag("RegisterEntry", "register_id")
INDEX = _tag("RegisterEntry", "index") | _LENGTH
DATA = _tag("RegisterEntry", "data") | _LENGTH
NUMBER = _tag("Index", "index")
BITS = _tag("P4Data", "bitstring") | _LENGTH


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def response_bytes(register_id: int, first: int, values: np.ndarray) -> bytes:
    """A serialised ReadResponse with cells first .. first + n - 1. values: (n,) of any unsigned integer dtype, also a strided
    view; bit strings are in the shortest form, as the specification has it."""
    head = bytes([ID]) + varint(register_id)
    library = _library()
    return by_numpy(head, first, values) if library is None else _by_c(*library, head, first, values)


@cache
def _library() -> tuple[Any, Any] | None:
    try:
        return lib_and_ffi() if sys.byteorder == "little" else None
    except RuntimeError:
        return None


def _by_c(lib: Any, ffi: Any, head: bytes, first: int, values: np.ndarray) -> bytes:
    tags = ffi.new("struct fpc_tags *", {
        "entities": ENTITIES, "entry": ENTRY, "index": INDEX, "number": NUMBER, "data": DATA, "bits": BITS,
        "head_size": len(head), "head": head,
    })  # fmt: skip
    room = np.empty(len(values) * lib.FPC_MOST_BYTES, np.uint8)
    at = ffi.cast("uint8_t *", values.ctypes.data)
    size = lib.fpc_write(tags, at, values.strides[0], values.itemsize, first, len(values),
                         ffi.cast("uint8_t *", room.ctypes.data))  # fmt: skip
    return room[:size].tobytes()


def by_numpy(head: bytes, first: int, values: np.ndarray) -> bytes:
    """`response_bytes` without C. head: the register's id with its tag."""
    index = np.arange(first, first + len(values), dtype=np.int64)
    digits = (index > 0) + (index > 127).astype(np.int64) + (index > 16383) + (index > 2097151) + (index > 268435455)
    number = np.where(index > 0, digits + 1, 0)  # an index of 0 is left out
    words = values.astype(np.uint64)
    used = np.ones(len(words), np.int64)
    for place in range(1, 8):
        used += words >> np.uint64(8 * place) != 0
    entry = len(head) + 2 + number + 4 + used
    size = entry + 4
    ends = np.cumsum(size)
    out = np.zeros(int(ends[-1]) if len(ends) else 0, np.uint8)
    at = ends - size
    out[at], out[at + 1], out[at + 2], out[at + 3] = ENTITIES, entry + 2, ENTRY, entry
    at += 4
    for place, byte in enumerate(head):
        out[at + place] = byte
    at += len(head)
    out[at], out[at + 1] = INDEX, number
    at += 2
    _indices(out, at, index, digits)
    at += number
    out[at], out[at + 1], out[at + 2], out[at + 3] = DATA, used + 2, BITS, used
    at += 4
    for place in range(8):
        has = used > place
        out[(at + used - 1 - place)[has]] = (words[has] >> np.uint64(8 * place)).astype(np.uint8)
    return out.tobytes()


def _indices(out: np.ndarray, at: np.ndarray, index: np.ndarray, digits: np.ndarray) -> None:
    out[at[index > 0]] = NUMBER
    for place in range(int(digits.max(initial=0))):
        has = digits > place
        more = np.where(digits[has] > place + 1, 128, 0)
        out[at[has] + 1 + place] = (index[has] >> 7 * place & 127) | more
