"""Rows to frames: C and NumPy write the same bytes."""

from __future__ import annotations

import numpy as np
import pytest

from workers.query.pack import FRAME, Address, Host, Stream, by_numpy, pack, valid_lanes

SEED = 20261121
HOSTS = Host(1, 0x020000000001, 0x0A000001), Host(2, 0x02FE00000002, 0x0AFF00FE)


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 15, 16, 17, 1000, 20_000])
def test_c_and_numpy_pack_the_same(rows: int, spread: bool) -> None:
    """Also over the end of sequence numbers, and where most rows have one lane."""
    rng = np.random.default_rng(SEED + rows)
    print("seed", SEED + rows)
    for mask, first in ((0xFFFFFFFFFFFFFFFF, 1), (0xFFFFFFFFFFFFFFF1, 0xFFFFFFF0), (0xF0, 2**32 + 5)):
        keys = rng.integers(0, 2**64, rows, dtype=np.uint64) & np.uint64(mask)
        values = rng.integers(0, 2**32, rows, dtype=np.uint32).view(np.float32)  # NaN payloads among them
        stream = Stream(rng.permutation(rows).astype(np.uint32), keys, values)
        address = Address(5, 0xABCD, 31, bool(rows % 2), *HOSTS)
        frames = pack(stream, address, first, spread)
        assert frames.dtype == FRAME and frames.tobytes() == by_numpy(stream, address, first, spread).tobytes()
        assert np.sort(frames["rows"]["row"][valid_lanes(frames)]).tolist() == list(range(rows))


def test_columns_of_wider_types_and_strides() -> None:
    stream = Stream(np.arange(80)[::2], np.arange(80, dtype=np.uint64)[1::2], np.arange(120, dtype=np.float64)[::3])
    address = Address(1, 1, 0, False, *HOSTS)
    assert pack(stream, address, 1, False).tobytes() == by_numpy(stream, address, 1, False).tobytes()
