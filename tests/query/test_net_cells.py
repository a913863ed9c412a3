"""Register cells decoded in C at the master, beside the controller's decoder and protobuf."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from controller.p4rt.protos import p4r
from controller.p4rt.register_cells import TAGS, arrays
from workers.query.net.cells import decoded

SEED = 20261121
IDS, SIZE = [369098753, 369098755, 7], 300


def response(cells: Sequence[tuple[int, int, bytes]]) -> bytes:
    message = p4r.ReadResponse()
    for register, index, digits in cells:
        entry = message.entities.add().register_entry
        entry.register_id, entry.index.index, entry.data.bitstring = register, index, digits
    return bytes(message.SerializeToString())


def answer(parts: Sequence[bytes], first: int = 0, cells: int = SIZE) -> np.ndarray | None:
    told = {"ids": IDS, "size": SIZE, "first": first, "cells": cells, "tags": TAGS, "parts": [len(part) for part in parts]}
    return decoded(told, b"".join(parts))


def all_cells() -> list[tuple[int, int, bytes]]:
    """Numbers of all lengths, some with zeros before them."""
    print("seed", SEED)
    rng = np.random.default_rng(SEED)
    found = []
    for register in IDS:
        for index in range(SIZE):
            value = int(rng.integers(0, 2**64, dtype=np.uint64)) >> int(rng.integers(0, 65))
            size = max(1, -(-value.bit_length() // 8)) + (2 if index % 9 == 0 else 0)
            found.append((register, index, value.to_bytes(size, "big")))
    return found


def test_any_order_of_cells_in_any_parts() -> None:
    cells = all_cells()
    np.random.default_rng(SEED).shuffle(cells)  # type: ignore[arg-type]
    parts = [response(cells[at : at + 250]) for at in range(0, len(cells), 250)]
    expected = arrays(parts, IDS, SIZE)
    found = answer(parts)
    assert found is not None and (found == expected).all() and found.any()
    some = answer(parts, 64, 32)
    assert some is not None and (some == expected[:, 64:96]).all()


def test_fields_in_another_order() -> None:
    """A server may write the index before the id; a number that is left out is 0."""
    whole = response(all_cells()[1:])  # cell 0 of the first register is missing
    index, data, register = b"\x12\x00", bytes([TAGS["data"], 3, TAGS["bits"], 1, 42]), b"\x08" + b"\x81\x80\x80\xb0\x01"
    entry = data + index + register
    other = bytes([0x0A, len(entry) + 2, TAGS["entry"], len(entry)]) + entry
    found = answer([whole, other])
    assert found is not None and found[0, 0] == 42


@pytest.mark.parametrize("wrong", [[], [(IDS[0], 0, b"\1")] * 2, [(IDS[0], SIZE, b"\1")], [(8, 0, b"\1")],
                                   [(IDS[0], 0, bytes([1] * 9))], [(IDS[0], -1, b"\1")]])  # fmt: skip
def test_cells_that_nobody_asked_for(wrong: list[tuple[int, int, bytes]]) -> None:
    """Or that are missing, doubled, or longer than 64 bits."""
    assert answer([response(all_cells()[1:]), response(wrong)]) is None


def test_cut_and_broken_bytes() -> None:
    """Nothing outside is read; whatever is taken for cells after all has every cell once."""
    rng = np.random.default_rng(SEED)
    whole = response(all_cells())
    for length in [*range(1, 40), *rng.integers(40, len(whole), 200).tolist()]:
        assert answer([whole[:length]]) is None
    for _ in range(300):
        broken = bytearray(whole)
        broken[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        found = answer([bytes(broken)])
        assert found is None or found.shape == (len(IDS), SIZE)
