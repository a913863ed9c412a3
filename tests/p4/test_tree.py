"""Trees of switches: the invariants of docs/PROTOCOL.md, "A tree of switches", on the compiled programs beside the model."""

import contextlib
import random
import struct

import numpy as np
import pytest

from fpisa.formats import get_format
from tests.p4.fabric import SPINE, Fabric, ResultsDiffer, Shape, Trouble, switch_address
from tests.p4.model import Job, Parent, Program, Worker
from tests.p4.rig import Rig
from tests.p4.test_numbers import drive
from tests.p4.traffic import contribution

SEED = 20261121
FP32 = get_format("fp32")
PACKED = Program("exact", FP32, 32, 16, tree=True)
RAW = Program("exact", FP32, 32, 16, tree=True, uplink="raw")
MAIN = {
    "packed": PACKED,
    "raw": RAW,
    "approx": Program("approx", FP32, 32, 16, tree=True),
    "int": Program("int", FP32, 32, 16, tree=True),
}
VARIANTS = {
    "raw-average": Program("exact", FP32, 32, 16, average=True, tree=True, uplink="raw"),
    "packed-average": Program("exact", get_format("fp32", 32, 3), 32, 16, average=True, tree=True),
    "raw-fp16": Program("exact", get_format("fp16", 32, 8), 32, 16, tree=True, uplink="raw"),
    "packed-bf16": Program("exact", get_format("bf16", 16), 32, 16, tree=True),
    "raw-wide": Program("exact", get_format("fp32", 64, 32), 32, 16, tree=True, uplink="raw"),
    "packed-e4m3": Program("exact", get_format("fp8_e4m3", 16, 2), 32, 16, tree=True),
    "packed-rtz": Program("exact", FP32, 32, 16, rounding="rtz", tree=True),
}
WORST = Trouble(loss=0.1, twice=0.1, reorder=0.3, late=0.1)
ELEMENTS = 32
pytestmark = pytest.mark.xdist_group("p4-tree")


def word(value: float) -> int:
    return struct.unpack("<I", struct.pack("<f", value))[0]


def values(data: bytes) -> float:
    return struct.unpack("<f", data[58:62])[0]


def kind(data: bytes) -> int:
    return data[42] & 15


class Tree:
    """A fabric driven by hand: nothing moves unless told to."""

    def __init__(self, program: Program, *workers: int) -> None:
        self.fabric = Fabric(program, Shape(workers or (2, 2)))
        self.program = program

    def send(self, rack, rank, chunk, value, queue=0):
        """One worker's contribution of `value` in every element, to its leaf; what comes out there."""
        job = self.fabric.leaves[rack]
        frame = contribution(self.program, job, rank, chunk, [word(value)] * ELEMENTS, queue=queue)
        return self.fabric.rigs[rack].feed([frame])

    def up(self, rack, data):
        """A leaf's frame at the spine."""
        return self.fabric.rigs[SPINE].feed([(rack + 1, data)])

    def down(self, rack, data, port=30):
        """A frame from the spine at a leaf."""
        return self.fabric.rigs[rack].feed([(port, data)])

    def rack(self, rack, chunk, *numbers):
        """All workers of a rack; the leaf's partial sum."""
        for rank, value in enumerate(numbers[:-1]):
            assert self.send(rack, rank, chunk, value) == []
        ((port, data),) = self.send(rack, len(numbers) - 1, chunk, numbers[-1])
        assert port == 30 and kind(data) == (3 if self.program.uplink == "raw" else 0)
        return data

    def fates(self, where):
        return self.fabric.rigs[where].fates()

    def unchanged(self, where, work):
        """Whether `work()` leaves every register of the switch as it is."""
        rig = self.fabric.rigs[where]
        before = rig.registers()
        out = work()
        after = rig.registers()
        assert all(np.array_equal(after[name], before[name]) for name in before)
        return out


@pytest.fixture(params=["packed", "raw"])
def tree(request):
    made = Tree(MAIN[request.param])
    yield made
    for rig in made.fabric.rigs.values():
        rig.compare()


def finish(tree, chunk, first, second):
    """Both partial sums at the spine: its answers by rack."""
    assert tree.up(0, first) == []
    out = tree.up(1, second)
    assert [port for port, _ in out] == [1, 2] and {kind(data) for _, data in out} == {1}
    return [data for _, data in out]


def test_sums_of_sums_reach_everybody(tree):
    answers = finish(tree, 0, tree.rack(0, 0, 1.0, 2.0), tree.rack(1, 0, 4.0, 8.0))
    for rack in (0, 1):
        out = tree.down(rack, answers[rack])
        assert [(port, data[46], kind(data), values(data)) for port, data in out] == [(1, 0, 1, 15.0), (2, 1, 1, 15.0)]


def test_a_lost_partial_sum_is_sent_again_when_asked_for(tree):
    """Invariant T2, and T1 where it was not lost after all: the same bytes, counted once."""
    first = tree.rack(0, 0, 1.0, 2.0)
    for rank in (0, 1, 0):
        ((port, again),) = tree.unchanged(0, lambda rank=rank: tree.send(0, rank, 0, 9.0))
        assert (port, again) == (30, first)
    assert tree.fates(0)["raised_again"] == 3
    assert tree.up(0, first) == []
    assert tree.unchanged(SPINE, lambda: tree.up(0, first)) == []
    out = tree.up(1, tree.rack(1, 0, 4.0, 8.0))
    assert values(out[0][1]) == 15.0


def test_a_lost_answer_is_asked_for_through_the_leaf(tree):
    """Invariant T3: the parent answers the repeated partial sum alone; the leaf tells all below and remembers."""
    first = tree.rack(0, 0, 1.0, 2.0)
    finish(tree, 0, first, tree.rack(1, 0, 4.0, 8.0))
    ((_, again),) = tree.send(0, 1, 0, 2.0)
    ((port, answer),) = tree.unchanged(SPINE, lambda: tree.up(0, again))
    assert (port, kind(answer), values(answer)) == (1, 2, 15.0)
    assert [(port, kind(data)) for port, data in tree.down(0, answer)] == [(1, 1), (2, 1)]
    ((port, data),) = tree.unchanged(0, lambda: tree.send(0, 0, 0, 1.0, queue=3))
    assert (port, kind(data), values(data)) == (1, 2, 15.0)
    assert struct.unpack(">H", data[36:38])[0] == 18103
    assert tree.fates(0) == {"absorbed": 1, "raised": 1, "raised_again": 1, "answered": 1, "resent": 1}


def test_an_answer_counts_once_and_only_where_it_belongs(tree):
    """Invariant T4: again, of an earlier or a later chunk, or before the rack is complete: nothing changes."""
    answers = finish(tree, 0, tree.rack(0, 0, 1.0, 2.0), tree.rack(1, 0, 4.0, 8.0))
    later = finish(tree, 4, tree.rack(0, 4, 1.0, 1.0), tree.rack(1, 4, 1.0, 1.0))
    tree.down(0, answers[0])
    assert tree.unchanged(0, lambda: tree.down(0, answers[0])) == []
    assert tree.fates(0)["duplicate"] == 1
    tree.down(0, later[0])
    assert tree.send(0, 0, 8, 5.0) == []  # the set's next round begins
    assert tree.unchanged(0, lambda: tree.down(0, answers[0])) == []
    ahead = bytearray(answers[0])
    ahead[50:54] = struct.pack(">I", 8)
    assert tree.unchanged(0, lambda: tree.down(0, bytes(ahead))) == []  # the rack still misses a worker
    assert tree.unchanged(1, lambda: tree.down(1, bytes(answers[1][:50]) + struct.pack(">I", 80) + answers[1][54:])) == []
    assert tree.fates(0)["stale"] == 2 and tree.fates(1)["stale"] == 1


def test_only_the_parent_answers(tree):
    """Invariant T5: port, addresses and rank are the parent's; a root takes no answers."""
    answers = finish(tree, 0, tree.rack(0, 0, 1.0, 2.0), tree.rack(1, 0, 4.0, 8.0))
    good = answers[0]
    changes = {
        "source": [good[:6] + bytes(6) + good[12:], good[:26] + bytes(4) + good[30:]],
        "rank": [good[:46] + b"\1" + good[47:]],
        "slot": [good[:48] + struct.pack(">H", 2 * 13) + good[50:]],
        "kind": [good[:42] + b"\x14" + good[43:]],
    }
    for fate, frames in changes.items():
        for frame in frames:
            assert tree.unchanged(0, lambda frame=frame: tree.down(0, frame)) == []
        assert tree.fates(0)[fate] == len(frames), fate
    assert tree.unchanged(0, lambda: tree.down(0, good, port=1)) == []
    assert tree.fates(0)["source"] == 3
    assert tree.unchanged(SPINE, lambda: tree.up(0, good)) == [] and tree.fates(SPINE)["rank"] == 1
    assert len(tree.down(0, good)) == 2


def test_a_partial_sum_is_admitted_like_any_contribution(tree):
    first = tree.rack(0, 0, 1.0, 2.0)
    for length in range(42, len(first)):
        assert tree.unchanged(SPINE, lambda length=length: tree.up(0, first[:length])) == []
    assert tree.fates(SPINE) == {"short": len(first) - 42}
    assert tree.up(1, first) == [] and tree.fates(SPINE)["source"] == 1
    wrong = first[:38] + struct.pack(">H", 24) + first[40:]
    assert tree.up(0, wrong) == [] and tree.fates(SPINE)["short"] == len(first) - 41


def test_the_sets_of_leaf_and_spine_stay_in_step(tree):
    """Invariant T6: a worker that misses a result gets it from its leaf although the other rack is a set ahead; a leaf's stale
    partial sum changes nothing; no set is reused too soon."""
    previous = b""
    for chunk in (0, 4, 8, 12, 16):
        sums = tree.rack(0, chunk, 1.0, 2.0), tree.rack(1, chunk, 4.0, float(chunk))
        answers = finish(tree, chunk, *sums)
        for rack in (0, 1):
            tree.down(rack, answers[rack])
        assert tree.send(1, 0, chunk + 4, 4.0) == []  # rack 1 goes ahead
        ((_, data),) = tree.send(0, 0, chunk, 1.0)
        assert values(data) == 7.0 + chunk
        assert tree.send(1, 0, chunk + 4, 4.0) == []
        if chunk:
            assert tree.unchanged(SPINE, lambda old=previous: tree.up(0, old)) == []
        previous = sums[0]
    assert tree.fates(SPINE)["stale"] == 4
    assert all(tree.fates(where)["early"] == 0 for where in (0, 1, SPINE))


def test_a_single_worker_in_a_rack():
    for program in (PACKED, RAW):
        tree = Tree(program, 1, 2)
        for chunk in (0, 4, 8):
            answers = finish(tree, chunk, tree.rack(0, chunk, 5.0), tree.rack(1, chunk, 1.0, float(chunk)))
            assert [values(data) for _, data in tree.down(0, answers[0])] == [6.0 + chunk]
            assert len(tree.down(1, answers[1])) == 2
        for rig in tree.fabric.rigs.values():
            rig.compare()


@pytest.mark.parametrize(
    ("first", "second", "packed", "raw"),
    [
        # A partial sum of 25 bits loses one when it is packed, and tells; its registers lose none.
        ((2.0**24 - 1, 2.0**24 - 2), (0.0, 0.0), (2.0**25 - 4, 1), (2.0**25 - 4, 0)),
        ((1e20, 1.0), (0.0, 0.0), (1e20, 1), (1e20, 1)),  # lost in the leaf's own addition
        ((3e38, 3e38), (0.0, 0.0), (np.inf, 2), (np.inf, 2)),
        ((3e38, 3e38), (-3e38, -3e38), (np.nan, 6), (0.0, 0)),  # packed, two infinities; raw, the headroom holds the sums
        ((np.inf, 1.0), (2.0, 3.0), (np.inf, 0), (np.inf, 0)),
        ((np.inf, 1.0), (2.0, -np.inf), (np.nan, 4), (np.nan, 4)),
        ((np.nan, 1.0), (2.0, 1.0), (np.nan, 4), (np.nan, 4)),
        ((1e-45, 1e-45), (-1e-45, -1e-45), (0.0, 0), (0.0, 0)),
        ((-0.0, -0.0), (-0.0, -0.0), (0.0, 0), (0.0, 0)),
    ],
)
def test_flags_and_special_values_over_both_hops(tree, first, second, packed, raw):
    """Invariant T7: what any switch lost is told to every worker, and to who asks again."""
    value, flags = raw if tree.program.uplink == "raw" else packed
    answers = finish(tree, 0, tree.rack(0, 0, *first), tree.rack(1, 0, *second))
    for rack in (0, 1):
        for _, data in [*tree.down(rack, answers[rack]), *tree.send(rack, 0, 0, 0.0)]:
            assert data[54] == flags
            assert data[58:62] == struct.pack("<f", np.float32(value)), values(data)
    assert finish(tree, 4, tree.rack(0, 4, 1.0, 1.0), tree.rack(1, 4, 1.0, 1.0))[0][54] == 0


def test_three_levels():
    """A switch may be parent and child at once: workers, two leaves, a spine that is a child itself, a root above it."""
    for program in (PACKED, RAW):
        tree = Tree(program)
        fabric = tree.fabric
        middle, top = switch_address(100), switch_address(200)
        spine = fabric.rigs[SPINE]
        spine.remove(fabric.spine)
        parent = Parent(7, *top, *middle, rank=1, pool_offset=(0 - 2 * fabric.spine.first_slot) & 0xFFFF)
        spine.install(Job(fabric.spine.id, fabric.spine.first_slot, 4, fabric.spine.workers, parent))
        root = Rig.make(program, "interp", 9)
        alone = Worker(0, 1, bytes([2, 0, 0, 9, 9, 9]), bytes([10, 9, 9, 9]), 18100)
        whole = Job(fabric.spine.id, 0, 4, (alone, Worker(1, 2, *middle, 0, is_switch=True)))
        root.install(whole)
        for chunk in (0, 4, 8):
            assert root.feed([contribution(program, whole, 0, chunk, [word(100.0)] * ELEMENTS)]) == []
            first, second = tree.rack(0, chunk, 1.0, 2.0), tree.rack(1, chunk, 4.0, 8.0)
            assert tree.up(0, first) == []
            ((port, raised),) = tree.up(1, second)
            assert port == 7
            out = dict(root.feed([(2, raised)]))
            assert values(out[1]) == 115.0
            for port, data in spine.feed([(7, out[2])]):
                assert [values(result) for _, result in tree.down(port - 1, data)] == [115.0, 115.0]
        for rig in (root, *fabric.rigs.values()):
            rig.compare()


def run(program, shape, chunks, engine="interp", seed=SEED):
    print(f"{program} {shape} on {engine}: seed {seed}")
    fabric = Fabric(program, shape, chunks, seed, engine, WORST)
    fabric.run()
    fabric.compare()
    fates = fabric.fates()
    assert fates["early"] == 0
    for fate in ("absorbed", "raised", "raised_again", "completed", "resent", "answered", "duplicate", "stale"):
        assert fates[fate] > 0, (fate, fates)


@pytest.mark.parametrize("name", ["packed", "raw", "int", "raw-average", pytest.param("approx", marks=pytest.mark.slow)])
def test_every_bit_under_loss_duplication_and_reordering(name):
    """Both hops, both directions, copies that come at any later moment."""
    run((MAIN | VARIANTS)[name], Shape((2, 1) if name == "raw-average" else (2, 2)), 24)


@pytest.mark.parametrize("name", ["raw", pytest.param("packed", marks=pytest.mark.slow)])
def test_every_bit_compiled(name):
    run(MAIN[name], Shape((2, 1)), 24, "jit", SEED + 1)


def damaged(frame, draw):
    """A frame with a few header bytes changed, cut short, extended, or with its kind or addresses another's."""
    port, data = frame
    way = draw.random()
    if way < 0.2:
        return port, data[: draw.randrange(len(data))]
    if way < 0.3:
        return draw.choice((0, 1, 2, 3, 30)), data + draw.randbytes(draw.randrange(9))
    raw = bytearray(data)
    if way < 0.6:  # another kind, rank, slot or chunk: what a confused peer would send
        raw[42] = 0x10 | draw.randrange(5)
        raw[draw.choice((46, 47, 49, 53, 54, 55))] = draw.randrange(256)
    else:
        for _ in range(draw.randrange(1, 4)):
            raw[draw.randrange(58)] = draw.randrange(256)
    return port, bytes(raw)


@pytest.mark.parametrize("name", ["packed", "raw"])
def test_damaged_frames_do_what_the_model_says(name):
    """Wherever a frame goes, damaged copies of it arrive, too; registers, answers and counters stay the model's."""
    print(f"seed {SEED}")
    draw = random.Random(SEED)
    fabric = Fabric(MAIN[name], Shape((2, 2)), 40, SEED, trouble=Trouble(loss=0.05, twice=0.05))
    while fabric.steps < 250:
        if not fabric.flying:
            fabric.poke()
        to, frame = fabric.flying[0]
        if not isinstance(to, tuple):
            for _ in range(3):
                fabric.rigs[to].feed([damaged(frame, draw)])  # what comes of it goes nowhere
        with contextlib.suppress(ResultsDiffer):  # a damaged one may be taken, and then results differ
            fabric.step()
    fates = fabric.fates()
    for rig in fabric.rigs.values():
        rig.compare()
    for fate in ("short", "version", "kind", "format", "elements", "job", "rank", "source", "slot", "unknown", "stale"):
        assert fates[fate] > 0, (fate, fates)


def test_jobs_over_one_tree_do_not_touch_each_other():
    """Three at once, of other sizes and slots; one dies in the middle and another takes its slots."""
    print(f"seed {SEED}")
    draw = random.Random(SEED)
    one = Fabric(RAW, Shape((2, 2), 3, (0, 4, 8)), 15, SEED, trouble=WORST)
    two = Fabric(RAW, Shape((1, 2), 4, (3, 0, 4), job=12), 15, SEED + 1, trouble=WORST, beside=one)
    three = Fabric(RAW, Shape((2, 1), 2, (7, 7, 0), job=13), 15, SEED + 2, trouble=WORST, beside=one)
    while two.steps < 150:
        draw.choice((one, two, three)).turn()
    assert not two.done
    two.remove()
    heir = Fabric(RAW, Shape((2, 2), 4, (3, 0, 4), job=14), 15, SEED + 3, trouble=WORST, beside=one)
    living = [one, three, heir]
    for to, frame in two.flying:  # what the dead job still had under way arrives, too
        if not isinstance(to, tuple):
            assert one.rigs[to].feed([frame]) == []
    while not all(job.done for job in living):
        draw.choice(living).turn()
    for job in living:
        job.compare()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("engine", ["interp", "jit"])
@pytest.mark.parametrize("name", [*MAIN, *VARIANTS])
def test_every_bit_of_every_variant(name, engine, seed):
    shape = random.Random(seed).choice([Shape((3, 1)), Shape((2, 2, 2), first=(0, 3, 11, 6)), Shape((1, 4), slots=3)])
    run((MAIN | VARIANTS)[name], shape, 40, engine, SEED + 10 + seed)


def test_a_tree_program_may_be_the_only_switch():
    """A job whose workers hang on one switch: the root's role alone."""
    drive(RAW, "interp", 5_000, SEED + 2)
