"""Whole register arrays in bulk: cells straight from a response's bytes, for a message object each would cost seconds.

A server may write a message's fields in any order; what does not look like the usual order is left to protobuf's parser."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from .protos import p4r

_LENGTH = 2


def _tag(message: str, name: str, kind: int = _LENGTH) -> int:
    return int(getattr(p4r, message).DESCRIPTOR.fields_by_name[name].number) << 3 | kind


_ENTITIES, _ENTRY = _tag("ReadResponse", "entities"), _tag("Entity", "register_entry")
_ID, _INDEX, _DATA = _tag("RegisterEntry", "register_id", 0), _tag("RegisterEntry", "index"), _tag("RegisterEntry", "data")
_BITS = _tag("P4Data", "bitstring")
_ID_BYTES = 5


def cells(responses: Iterable[bytes]) -> np.ndarray:
    """(n,) uint64: the values of the register entities in serialised ReadResponses, in their order. Values of more than
    64 bits raise ValueError."""
    parts = [_quick(response) for response in responses]
    return np.concatenate(parts) if parts else np.zeros(0, np.uint64)


def _quick(response: bytes) -> np.ndarray:
    ends = _ends(response)
    if not ends:
        return _slow(response)
    data = np.frombuffer(response + bytes(16), np.uint8)
    end = np.array(ends, np.int64)
    at = np.concatenate([[0], end[:-1]])
    right = (data[at + 2] == _ENTRY) & (data[at + 4] == _ID)
    at += 5
    for _ in range(_ID_BYTES - 1):
        at += data[at] > 127
    at = np.minimum(at + 1, end)
    right &= data[at] == _INDEX
    at = np.minimum(at + 2 + data[at + 1], end)
    length = data[at + 3].astype(np.int64)
    right &= (data[at] == _DATA) & (data[at + 2] == _BITS) & (length <= 8) & (at + 4 + length == end)
    if not right.all():
        return _slow(response)
    values = np.zeros(len(end), np.uint64)
    for place in range(8):
        has = length > place
        values[has] |= data[end[has] - 1 - place].astype(np.uint64) << np.uint64(8 * place)
    return values


def _ends(response: bytes) -> list[int]:
    """Where each entity ends; empty if one is longer than 127 bytes or something else stands between."""
    found, at, size = [], 0, len(response)
    while at < size:
        if response[at] != _ENTITIES or at + 1 >= size or response[at + 1] > 127:
            return []
        at += response[at + 1] + 2
        found.append(at)
    return found if at == size else []


def _slow(response: bytes) -> np.ndarray:
    entities: Sequence[object] = p4r.ReadResponse.FromString(response).entities
    numbers = [int.from_bytes(entity.register_entry.data.bitstring, "big") for entity in entities]  # type: ignore[attr-defined]
    if any(number >> 64 for number in numbers):
        raise ValueError("a register of more than 64 bits is not read in bulk")
    return np.array(numbers, np.uint64)
