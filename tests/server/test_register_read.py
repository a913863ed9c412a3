"""Cells written as bytes by NumPy against protobuf's own serialiser and parser."""

from __future__ import annotations

import numpy as np
import pytest

from controller.p4rt.protos import p4r
from controller.p4rt.register_cells import arrays, in_usual_order
from emulator.server.match import canonical
from emulator.server.register_read import (
    BITS,
    DATA,
    ENTITIES,
    ENTRY,
    ID,
    INDEX,
    NUMBER,
    by_numpy,
    response_bytes,
    varint,
)

SEED = 20261121


def by_protobuf(register_id: int, first: int, values: list[int]) -> bytes:
    response = p4r.ReadResponse()
    for index, value in enumerate(values, first):
        entry = response.entities.add().register_entry
        entry.register_id = register_id
        entry.index.index = index
        entry.data.bitstring = canonical(value)
    return response.SerializeToString()


@pytest.mark.parametrize("register_id", [1, 127, 128, 369098753, 2**32 - 1])
@pytest.mark.parametrize("first", [0, 1, 100, 16_000, 2_097_000, 268_435_400])
def test_bytes_are_protobufs(register_id: int, first: int) -> None:
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    random = rng.integers(0, 2**64, 500, dtype=np.uint64) >> rng.integers(0, 64, 500).astype(np.uint64)
    corners = [0, 1, 127, 128, 255, 256, 2**31, 2**32 - 1, 2**32, 2**56 - 1, 2**56, 2**63, 2**64 - 1]
    values = [*corners, *random.tolist()]
    assert response_bytes(register_id, first, np.array(values, np.uint64)) == by_protobuf(register_id, first, values)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_narrow_cells(dtype: type) -> None:
    values = np.arange(300).astype(dtype)
    assert response_bytes(7, 0, values) == by_protobuf(7, 0, values.tolist())
    assert response_bytes(7, 0, values[:0]) == b""


def shifted(count: int, seed: int) -> np.ndarray:
    """Numbers of all lengths."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**64, count, dtype=np.uint64) >> rng.integers(0, 64, count).astype(np.uint64)


@pytest.mark.parametrize("first", [0, 100, 2_097_000])
def test_c_and_numpy_write_the_same_of_strided_arrays(first: int) -> None:
    block = shifted(3000, SEED + 2).reshape(1000, 3)
    for values in (block[:, 1], block.astype(np.uint32)[:, 2], block.astype(np.uint16)[::-1, 0], block.astype(np.uint8)[:, 0]):
        for register_id in (5, 300, 369098753):
            by_c, head = response_bytes(register_id, first, values), bytes([ID]) + varint(register_id)
            assert by_c == by_numpy(head, first, values)


def test_cells_come_back_from_the_bytes() -> None:
    """Of several registers, in responses cut anywhere, in any order."""
    ids, size = [369098753, 352321544, 352321545], 70_000
    want = shifted(3 * size, SEED + 1).reshape(3, size)
    want[0, 7] = 0x0A0A030A01FF0A01  # looks like a shorter one from behind
    want[1, 5] = int.from_bytes(bytes([ENTITIES, 40, ENTRY, 38, ID, 0x88, 0x80, 0x80]), "big")  # looks like the next one
    parts = [response_bytes(one, first, row[first : first + 16384])
             for one, row in zip(ids, want, strict=True) for first in range(0, size, 16384)]  # fmt: skip
    for responses in (parts, parts[::-1], [b"".join(parts)]):
        assert np.array_equal(arrays(responses, ids, size), want)


def test_cells_in_an_unusual_order_of_fields() -> None:
    odd = bytes([ENTITIES, 19, ENTRY, 17, DATA, 9, BITS, 7, 1, 2, 3, 4, 5, 6, 7, ID, 9, INDEX, 2, NUMBER, 1])
    assert p4r.ReadResponse.FromString(odd).entities[0].register_entry.index.index == 1
    assert arrays([odd + by_protobuf(9, 0, [8])], [9], 2).tolist() == [[8, 0x01020304050607]]
    assert arrays([by_protobuf(5, 0, [9, 2**64 - 1, 0])], [5], 3).tolist() == [[9, 2**64 - 1, 0]]


def test_what_is_no_whole_array() -> None:
    with pytest.raises(ValueError, match="more than 64 bits"):
        arrays([by_protobuf(5, 0, [2**64])], [5], 1)
    with pytest.raises(ValueError, match="gave 1 cells of 1 arrays of 2"):
        arrays([by_protobuf(5, 0, [2])], [5], 2)
    with pytest.raises(ValueError, match="gave 2 cells"):
        arrays([by_protobuf(5, 1, [2]), by_protobuf(5, 1, [2])], [5], 2)
    for strange in (by_protobuf(6, 0, [2, 2]), by_protobuf(5, 2, [1])):
        with pytest.raises(ValueError, match="nobody asked"):
            arrays([strange], [5], 2)
    with pytest.raises(ValueError):
        arrays([], [5], 2)


def test_broken_bytes_are_never_cells() -> None:
    """Whatever the quick parser takes, protobuf's takes too, with the same result."""
    rng = np.random.default_rng(SEED + 3)
    whole = response_bytes(369098753, 120, shifted(40, SEED + 3))
    for _ in range(400):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            data[place] = rng.integers(0, 256)
        found = in_usual_order(bytes(data))
        if found is None:
            continue
        entries = [one.register_entry for one in p4r.ReadResponse.FromString(bytes(data)).entities]
        assert [e.register_id for e in entries] == (found.ids & np.uint64(0xFFFFFFFF)).tolist()
        assert [e.index.index for e in entries] == found.indices.tolist()
        assert [int.from_bytes(e.data.bitstring, "big") for e in entries] == found.values.tolist()
