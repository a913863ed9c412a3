"""Whole register arrays in bulk: cells straight from a response's bytes, for a message object each would cost seconds.

A server may write a message's fields in any order, and entities too; what does not look like the usual order of fields is left
to protobuf's parser, and every cell is put where its register's id and its index say."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from google.protobuf.message import DecodeError

from .protos import p4r

_LENGTH = 2


def _tag(message: str, name: str, kind: int = _LENGTH) -> int:
    return int(getattr(p4r, message).DESCRIPTOR.fields_by_name[name].number) << 3 | kind


_ENTITIES, _ENTRY = _tag("ReadResponse", "entities"), _tag("Entity", "register_entry")
_ID, _INDEX, _DATA = _tag("RegisterEntry", "register_id", 0), _tag("RegisterEntry", "index"), _tag("RegisterEntry", "data")
_NUMBER, _BITS = _tag("Index", "index", 0), _tag("P4Data", "bitstring")
TAGS = {"entities": _ENTITIES, "entry": _ENTRY, "id": _ID, "index": _INDEX, "data": _DATA, "number": _NUMBER, "bits": _BITS}
"""Bytes that begin a response's fields, for who decodes them elsewhere."""
_VARINT = 5
"""Bytes of an id or an index, at most."""
_WORD = 8
_MORE = np.uint64(0x8080808080)
_BELOW = np.array([(1 << 8 * count) - 1 for count in range(_WORD + 1)], np.uint64)
"""Masks of the first bytes of a little-endian word, by their number."""


@dataclass(frozen=True)
class Cells:
    """(n,) arrays, a row for each cell: its register's id, its index, its value."""

    ids: np.ndarray
    indices: np.ndarray
    values: np.ndarray


def arrays(responses: Iterable[bytes], ids: Sequence[int], size: int) -> np.ndarray:
    """(ids, size) uint64: the registers' cells from serialised ReadResponses, whatever their order. Raises ValueError for
    values of more than 64 bits, and where not every cell came once."""
    wanted = np.array(ids, np.uint64)
    order = np.argsort(wanted)
    found = np.zeros(len(ids) * size, np.uint64)
    seen = np.zeros(len(ids) * size, bool)
    count = 0
    for response in responses:
        part = _decoded(response)
        near = np.minimum(np.searchsorted(wanted, part.ids, sorter=order), len(ids) - 1)
        row = order[near]
        if (wanted[row] != part.ids).any() or (part.indices >= size).any():
            raise ValueError("the switch gave cells that nobody asked for")
        place = row * size + part.indices.astype(np.int64)
        found[place], seen[place] = part.values, True
        count += len(place)
    if count != len(found) or not seen.all():
        raise ValueError(f"the switch gave {count} cells of {len(ids)} arrays of {size}")
    return found.reshape(len(ids), size)


def _decoded(response: bytes) -> Cells:
    usual = in_usual_order(response) if sys.byteorder == "little" else None
    return _by_protobuf(response) if usual is None else usual


def in_usual_order(response: bytes) -> Cells | None:
    """The cells of a response in the usual order; None where it is not in it."""
    size = len(response)
    data = np.frombuffer(response + bytes(2 * _WORD), np.uint8)
    words = np.ndarray((size + _WORD,), "<u8", data, 0, (1,))  # at each byte, that and the seven that follow
    if size < 2 * _WORD:
        return None
    id_bytes = _varint_bytes(int(words[5]))
    at = _starts(data, size, 5 + id_bytes)
    if not len(at) or at[0]:
        return None
    end = np.append(at[1:], size)
    ids = words[at + 5] & _BELOW[id_bytes]
    at += 5 + id_bytes
    head = words[at]
    length = (head >> np.uint64(8) & np.uint64(255)).astype(np.int64)
    at += 2 + length
    if (length > 1 + _VARINT).any() or (at > end).any():
        return None
    tail = words[at]
    used = (tail >> np.uint64(24) & np.uint64(255)).astype(np.int64)
    usual = (tail & np.uint64(0xFF00FF) == np.uint64(_BITS << 16 | _DATA)) & (at + 4 + used == end) & (used <= _WORD)
    usual &= tail >> np.uint64(8) & np.uint64(255) == (used + 2).astype(np.uint64)
    width = np.maximum(length - 1, 0)
    usual &= (length == 0) | (head >> np.uint64(16) & np.uint64(255) == _NUMBER)
    varints = head >> np.uint64(24) & _BELOW[width]
    usual &= _ends_there(varints, width) & _ends_there(ids, id_bytes)
    if not usual.all():
        return None
    return Cells(_by_runs(ids), _numbers(varints), words[end - _WORD].byteswap() & _BELOW[used])


def _starts(data: np.ndarray, size: int, head: int) -> np.ndarray:
    """Where entities with `head` bytes before their index start; none where they do not fill the response."""
    at = np.flatnonzero((data[:size] == _ENTITIES) & (data[2 : size + 2] == _ENTRY) & (data[4 : size + 4] == _ID))
    at = at[at + head < size]
    at = at[(data[at + head] == _INDEX) & (data[at + 1] == data[at + 3] + 2) & (data[at + 1] < 128)]
    fills = len(at) and (np.append(at[1:], size) - at == data[at + 1].astype(np.int64) + 2).all()
    return at if fills else at[:0]


def _varint_bytes(word: int) -> int:
    """Bytes of the number that begins in the lowest byte."""
    return next((place + 1 for place in range(_VARINT) if not word >> 8 * place & 128), _VARINT)


def _ends_there(varints: np.ndarray, width: np.ndarray | int) -> np.ndarray:
    """Whether all bytes but the last of `width` say that more follow."""
    return varints & _MORE == _MORE & _BELOW[np.maximum(width, 1) - 1]


def _numbers(varints: np.ndarray) -> np.ndarray:
    """(n,) uint64 of little-endian words that have nothing but a varint."""
    found = varints & np.uint64(127)
    most = int(varints.max(initial=0)).bit_length()
    for place in range(1, -(-most // 8)):
        found |= (varints >> np.uint64(8 * place) & np.uint64(127)) << np.uint64(7 * place)
    return found


def _by_runs(varints: np.ndarray) -> np.ndarray:
    """`_numbers` of words that are mostly like the one before."""
    first = np.flatnonzero(np.append(True, varints[1:] != varints[:-1]))
    return np.repeat(_numbers(varints[first]), np.diff(np.append(first, len(varints))))


def _by_protobuf(response: bytes) -> Cells:
    try:
        entries = [entity.register_entry for entity in p4r.ReadResponse.FromString(response).entities]
    except DecodeError:
        raise ValueError("the switch's answer is no P4Runtime message") from None
    numbers = [int.from_bytes(entry.data.bitstring, "big") for entry in entries]
    if any(number >> 64 for number in numbers):
        raise ValueError("a register of more than 64 bits is not read in bulk")
    return Cells(
        np.array([entry.register_id for entry in entries], np.uint64),
        np.array([entry.index.index & 2**64 - 1 for entry in entries], np.uint64), np.array(numbers, np.uint64),
    )  # fmt: skip
