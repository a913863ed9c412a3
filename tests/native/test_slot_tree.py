"""Workers below two switches of a tree, in plain C: hops that they do not know of, and whatever is lost on the way."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from emulator.native import lib_and_ffi
from emulator.native.engine import QUANTISED, RAW, SWAPPED, NativeEngine
from emulator.native.pool import Pool
from emulator.switch.ports import Memory, parse_impairments
from emulator.switch.runner import Runner
from tests.native.test_worker import FATES, FP32, INT32, seat, together, whole_floats

AT_CHILDREN = ("raised", "raised_again", "answered", "stale_answer")
WORKERS, SLOTS, COUNT = 4, 16, 64 * 100 + 7


class Tree:
    """The C model of a tree as a pipeline."""

    def __init__(self, number_format: int, loses: int) -> None:
        self.lib, self.ffi = lib_and_ffi()
        raw = self.lib.fpn_slot_tree_new(7, 2, WORKERS // 2, SLOTS, 64, number_format, loses)
        self.state = self.ffi.gc(raw, self.lib.fpn_slot_tree_free)

    def native_process(self) -> tuple[int, int]:
        function = self.ffi.addressof(self.lib, "fpn_slot_tree_run")
        return int(self.ffi.cast("intptr_t", function)), int(self.ffi.cast("intptr_t", self.state))

    def fates(self) -> dict[str, int]:
        names = (*AT_CHILDREN, *(f"root {fate}" for fate in FATES))
        raw = self.ffi.new("uint64_t[]", len(names))
        self.lib.fpn_slot_tree_fates(self.state, raw)
        return dict(zip(names, raw, strict=True))


def arrays_of(representation: int, rng: np.random.Generator) -> list[np.ndarray]:
    if representation == SWAPPED:
        return [rng.integers(-(1 << 31), 1 << 31, COUNT).astype(np.int32) for _ in range(WORKERS)]
    return [whole_floats(rng, COUNT) for _ in range(WORKERS)]


@pytest.mark.parametrize("loses", [0, 12])
@pytest.mark.parametrize("representation", [RAW, SWAPPED, QUANTISED])
def test_sums_through_a_tree(tmp_path: Path, representation: int, loses: int) -> None:
    """One packet in twelve is lost between the switches, and some at every worker's port. RAW arrays lie in registered memory."""
    rng = np.random.default_rng(representation * 100 + loses)
    tree = Tree(FP32 if representation == RAW else INT32, loses)
    impair = parse_impairments("loss=0.02,dup=0.03,reorder=0.03,seed=8") if loses else None
    with ExitStack() as stack:
        runner = stack.enter_context(Runner({i: Memory(tmp_path / f"w{i}") for i in range(WORKERS)}, impair=impair))
        runner.set_pipeline(tree)
        form = FP32 if representation == RAW else INT32
        engines, pools = [], [Pool(1 << 20) for _ in range(WORKERS)]
        for rank, pool in enumerate(pools):
            place = seat(rank, WORKERS, slots=SLOTS, format=form)
            engines.append(stack.enter_context(NativeEngine(place, memory=str(tmp_path / f"w{rank}"))))
            engines[-1].register(pool)
        for _ in range(2):
            inputs = arrays_of(representation, rng)
            arrays = [pool.empty(COUNT, array.dtype) for pool, array in zip(pools, inputs, strict=True)]
            for array, given in zip(arrays, inputs, strict=True):
                array[:] = given
            want = sum(inputs[1:], inputs[0].copy())
            assert together(engines, arrays, representation) == [0] * WORKERS
            for array in arrays:
                if representation == QUANTISED:
                    np.testing.assert_array_equal(array, arrays[0])
                    np.testing.assert_allclose(array, want, atol=1e-2)
                else:
                    np.testing.assert_array_equal(array, want)
    fates = tree.fates()
    assert fates["answered"] == fates["raised"] and fates["root completed"] * 2 == fates["raised"]
    assert not loses or (fates["raised_again"] > 0 and fates["root duplicate"] > 0 and fates["root resent"] > 0)
    assert fates["root early"] == fates["root refused"] == 0
