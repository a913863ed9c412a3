"""Cells written as bytes by NumPy against protobuf's own serialiser and parser."""

from __future__ import annotations

import numpy as np
import pytest

from controller.p4rt.protos import p4r
from controller.p4rt.register_cells import cells
from emulator.server.match import canonical
from emulator.server.register_read import BITS, DATA, ENTITIES, ENTRY, INDEX, NUMBER, response_bytes

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


def test_cells_come_back_from_the_bytes() -> None:
    """Also from entities in another order of fields, or of another kind of cell, by the slow way."""
    rng = np.random.default_rng(SEED + 1)
    values = rng.integers(0, 2**64, 70_000, dtype=np.uint64) >> rng.integers(0, 64, 70_000).astype(np.uint64)
    values[7] = 0x0A0A030A01FF0A01  # looks like a shorter one from behind
    parts = [response_bytes(369098753, first, values[first : first + 16384]) for first in range(0, len(values), 16384)]
    assert np.array_equal(cells(parts), values)
    assert np.array_equal(cells([by_protobuf(5, 3, [9, 2**64 - 1, 0])]), np.array([9, 2**64 - 1, 0], np.uint64))
    odd = bytes([ENTITIES, 17, ENTRY, 15, DATA, 9, BITS, 7, 1, 2, 3, 4, 5, 6, 7, INDEX, 2, NUMBER, 1])
    assert p4r.ReadResponse.FromString(odd).entities[0].register_entry.index.index == 1
    assert cells([odd]).tolist() == [0x01020304050607]
    assert len(cells([])) == 0
    with pytest.raises(ValueError, match="more than 64 bits"):
        cells([by_protobuf(5, 0, [2**64])])
