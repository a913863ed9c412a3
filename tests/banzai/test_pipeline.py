"""The pipeline against the scalar reference, on every bit of registers, result and flags."""

import random
from dataclasses import replace

import pytest

from fpisa.banzai.configuration import Configuration, Stage, Stateful, check
from fpisa.banzai.layout import DoesNotFit, configure, most_elements
from fpisa.banzai.machine import MACHINES, named
from fpisa.banzai.pipeline import Pipeline
from fpisa.banzai.units import Atom, StateOp
from fpisa.flags import INEXACT, INVALID, OVERFLOW, STATUS_MASK
from fpisa.formats import FORMATS
from fpisa.normalize import read
from fpisa.scalar import ADD

SEED = 20220404


def formats():
    return [replace(FORMATS[name], register_bits=32) for name in ("fp32", "fp16", "bf16")]


def corner_words(fmt):
    """Zeros, subnormals, powers of two, largest finite, infinities, NaNs, of both signs."""
    top = (1 << fmt.exponent_bits) - 1
    fields = [0, 1, 2, fmt.bias - 1, fmt.bias, fmt.bias + 1, fmt.bias + 7, fmt.bias + 8, top - 1, top]
    fractions = [0, 1, (1 << fmt.fraction_bits) - 1, 1 << fmt.fraction_bits - 1]
    magnitudes = [field << fmt.fraction_bits | fraction for field in fields for fraction in fractions]
    return magnitudes + [1 << fmt.width - 1 | m for m in magnitudes]


def random_word(rng, fmt, corners):
    """Half corners; else finite words of near exponents, now and then of far ones."""
    if rng.random() < 0.5:
        return rng.choice(corners)
    spread = 1 if rng.random() < 0.3 else 40
    field = min(max(fmt.bias + rng.randint(-spread, spread), 0), (1 << fmt.exponent_bits) - 2)
    return rng.getrandbits(1) << fmt.width - 1 | field << fmt.fraction_bits | rng.getrandbits(fmt.fraction_bits)


def stream(rng, fmt, count, slots=5):
    """Packets that hit the same slot back to back, and different ones, with rounds that start at random."""
    corners, started, packets = corner_words(fmt), set(), []
    for _ in range(count):
        slot = rng.choice([0, 0, rng.randrange(slots)])
        first = slot not in started or rng.random() < 0.2
        started.add(slot)
        packets.append({"x": random_word(rng, fmt, corners), "slot": slot, "first": int(first)})
    return packets


def entering(packet, swap):
    x = int.from_bytes(packet["x"].to_bytes(4, "little"), "big") if swap else packet["x"]
    return {**packet, "x": x, "zero": 0, "one": 1}


@pytest.mark.parametrize("fmt", formats(), ids=lambda f: f.name)
@pytest.mark.parametrize(("shape", "machine"), [("exact", "fpisa"), ("approx", "fpisa"), ("approx", "default")])
def test_pipeline_equals_scalar(fmt, shape, machine):
    print("seed", SEED)
    rng = random.Random(f"{SEED} {fmt.name} {shape}")
    packets = stream(rng, fmt, 6000)
    limits = named(machine)
    pipeline = Pipeline(configure(fmt, shape, limits), limits)
    results = pipeline.run([entering(packet, limits.parser_swap) for packet in packets])
    state = {}
    for packet, got in zip(packets, results, strict=True):
        slot = packet["slot"]
        before = None if packet["first"] else state[slot]
        if before is not None:
            before = before._replace(events=0)  # the pipeline gives one packet's events; the slot's OR is another unit
        state[slot] = ADD[shape](fmt, before, packet["x"])
        word, status = read(fmt, state[slot])
        where = (packet, before)
        assert got["result"] == word, where
        assert (got["e"], got["sticky"]) == (state[slot].exponent, state[slot].special), where
        assert got["m"] == state[slot].mantissa & 0xFFFFFFFF, where
        flags = got["inexact"] * INEXACT | got["overflow"] * OVERFLOW | got["invalid"] * INVALID
        assert flags == status & STATUS_MASK, where
    for slot, register in state.items():
        assert pipeline.state["mantissa"][slot] == register.mantissa & 0xFFFFFFFF
        assert pipeline.state["exponent"][slot] == register.exponent


def test_several_elements_share_a_packet_and_keep_apart():
    fmt, machine, count = FORMATS["fp32"], named("fpisa"), 4
    rng = random.Random(SEED)
    pipeline = Pipeline(configure(fmt, "exact", machine, count), machine)
    columns = [stream(random.Random(f"{SEED} {k}"), fmt, 200) for k in range(count)]
    packets = []
    for row, shared in enumerate(stream(rng, fmt, 200)):
        words = {f"{k}.x": entering(columns[k][row], True)["x"] for k in range(count)}
        packets.append({"slot": shared["slot"], "first": shared["first"], "zero": 0, "one": 1, **words})
    results = pipeline.run(packets)
    for k in range(count):
        state = {}
        for row, packet in enumerate(packets):
            before = None if packet["first"] else state[packet["slot"]]
            state[packet["slot"]] = ADD["exact"](fmt, before, columns[k][row]["x"])
            assert results[row][f"{k}.result"] == read(fmt, state[packet["slot"]]).word


def test_a_packet_leaves_every_clock_with_one_in_every_stage():
    fmt, machine = FORMATS["fp32"], named("fpisa")
    pipeline = Pipeline(configure(fmt, "exact", machine), machine)
    depth = len(pipeline.resident)
    packet = {"x": 0x0000803F, "slot": 0, "first": 1, "zero": 0, "one": 1}  # 1.0 as it lies in memory
    assert [pipeline.clock(packet) for _ in range(depth)] == [None] * depth
    assert all(resident is not None for resident in pipeline.resident)
    assert pipeline.clock(packet)["result"] == 0x3F800000


def test_todays_switch_holds_one_approximate_float_and_no_exact_one():
    fp32 = FORMATS["fp32"]
    assert most_elements(fp32, "approx", named("default"))[0] == 1
    none, reason = most_elements(fp32, "exact", named("default"))
    assert none == 0 and "cannot shift a stored word" in reason
    many = most_elements(fp32, "exact", named("fpisa"))[0]
    assert many > 4 * most_elements(fp32, "exact", named("+rsaw"))[0]
    assert {name: most_elements(fp32, "exact", m)[0] > 0 for name, m in MACHINES.items()} == {
        "default": False, "+shift": False, "+rsaw": True, "+parser-swap": False, "fpisa": True,
    }  # fmt: skip


def test_the_machine_refuses_what_it_cannot_hold():
    fmt = FORMATS["fp32"]
    with pytest.raises(ValueError, match="the parser cannot reverse"):
        Pipeline(configure(fmt, "approx", named("fpisa")), named("+shift"))
    with pytest.raises(DoesNotFit, match="stages are too few"):
        configure(fmt, "approx", replace(named("fpisa"), stages=8))
    twice = Stateful("m", Atom(StateOp.KEEP, StateOp.ADD), "slot", "x", "y")
    problems = check(Configuration("twice", (Stage(stateful=(twice,)), Stage(stateful=(twice,)))), named("fpisa"))
    assert problems == ["stage 1: register array m is accessed a second time"]
    with pytest.raises(ValueError, match="there are default"):
        named("tofino9")
