"""Headers that compiled code leaves in memory: whoever reads, clears, writes or copies them, on whatever way, finds what the
interpreter finds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from emulator.compiler.api import compile_file
from emulator.switch.jit import home_plan
from emulator.switch.jit.phv import Phv
from emulator.switch.load import load_model
from emulator.switch.switch import Switch

SEED = 20261122
COUNT = home_plan.FEW + 3
PROGRAMS, MANY_PROGRAMS, PACKETS = 6, 300, 60

PROGRAM = """
#include <core.p4>
#include <v1model.p4>
header head_t { bit<8> kind; bit<8> a; bit<8> b; bit<8> c; }
header values_t { %(fields)s }
struct headers { head_t head; values_t one; values_t two; }
struct meta { bit<32> sum; bit<%(width)d> last; }
parser P(packet_in p, out headers hdr, inout meta m, inout standard_metadata_t s) {
    state start {
        p.extract(hdr.head);
        transition select(hdr.head.kind) { 0: accept; 1: one; 2: two; 3: two_only; default: both; }
    }
    state one { p.extract(hdr.one); %(turn_one)s transition accept; }
    state two_only { p.extract(hdr.two); transition accept; }
    state two { p.extract(hdr.one); %(turn_one)s transition two_only; }
    state both { p.extract(hdr.one); %(turn_one)s p.extract(hdr.two); %(turn_some)s transition accept; }
}
control V(inout headers hdr, inout meta m) { apply { } }
control I(inout headers hdr, inout meta m, inout standard_metadata_t s) {
    register<bit<32>>(4) total;
    apply {
        s.egress_spec = 1;
        m.sum = 0;
        m.last = 0;
        %(ingress)s
        total.write((bit<32>)hdr.head.a & 3, m.sum);
        if (hdr.head.c[0:0] == 1) { s.mcast_grp = 1; }
        if (hdr.head.c[1:1] == 1) { mark_to_drop(s); }
    }
}
control E(inout headers hdr, inout meta m, inout standard_metadata_t s) { apply { %(egress)s } }
control C(inout headers hdr, inout meta m) { apply { } }
control D(packet_out p, in headers hdr) { apply { p.emit(hdr.head); p.emit(hdr.one); p.emit(hdr.two); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
"""
TESTS = (
    "hdr.head.a < 100", "hdr.head.b[0:0] == 1", "hdr.head.a == hdr.head.b", "hdr.one.isValid()", "m.sum != 0", "hdr.head.b > 60"
)  # fmt: skip
# A hash is not computed on a way that is not taken: it keeps the branches around it.
PARTING = "hash(hdr.head.b, HashAlgorithm.crc32, 8w0, { hdr.head.b, hdr.head.c }, 8w255);"


def each(text: str) -> str:
    return " ".join(text.replace("@", str(i)) for i in range(COUNT))


def statements(rng: random.Random, width: int, depth: int) -> str:
    """A stretch of code that works on headers `one` and `two`."""
    return "\n".join(statement(rng, width, depth) for _ in range(rng.randrange(1, 4)))


def statement(rng: random.Random, width: int, depth: int) -> str:
    header, other = rng.sample(("hdr.one", "hdr.two"), 2)
    k, n = rng.randrange(COUNT), rng.randrange(COUNT)
    if depth and rng.random() < 0.5:
        otherwise = f"else {{ {statements(rng, width, depth - 1)} }}" if rng.random() < 0.4 else ""
        return f"if ({rng.choice(TESTS)}) {{ {statements(rng, width, depth - 1)} }} {otherwise}"
    return rng.choice(
        (
            each(f"{header}.v@ = 0;"),
            each(f"{header}.v@ = 7;"),
            each(f"{header}.v@ = {header}.v@ + {other}.v{k};"),
            f"{header}.v{k} = {other}.v{n} ^ (bit<{width}>)hdr.head.a;",
            f"{header}.v{k} = 0;",
            f"{header} = {other};",
            f"{header}.setInvalid();",
            f"{header}.setValid();",
            each(f"m.sum = m.sum + (bit<32>)(bit<8>){header}.v@[7:0];"),
            f"m.last = {header}.v{k} - {header}.v{n};",
            f"{header}.v{k} = m.last;",
            f"{header}.v{n} = {turned(f'{header}.v{n}', width)};",
            PARTING,
        )
    )


def turned(value: str, width: int) -> str:
    return " ++ ".join(f"{value}[{i + 7}:{i}]" for i in range(0, width, 8))


def source(rng: random.Random) -> str:
    width = rng.choice((8, 16, 32, 32, 64))
    turn = each(f"hdr.one.v@ = {turned('hdr.one.v@', width)};") if rng.random() < 0.5 else ""
    some = f"hdr.two.v5 = {turned('hdr.two.v5', width)};" if rng.random() < 0.3 else ""
    return PROGRAM % {
        "fields": each(f"bit<{width}> v@;"),
        "width": width,
        "turn_one": turn,
        "turn_some": some,
        "ingress": statements(rng, width, 3),
        "egress": statements(rng, width, 1) if rng.random() < 0.5 else "",
    }


def packet(rng: random.Random) -> tuple[int, bytes]:
    size = rng.choice((0, 3, 40, 100, 300, 600, 600, 600))
    return rng.randrange(4), bytes([rng.randrange(6)]) + rng.randbytes(size)


def compare(number: int, folder: Path, text: str | None = None) -> bool:
    """Whether the program of this seed has a header with a home, once both engines agree on it."""
    rng = random.Random(f"{SEED} {number}")
    path = folder / "program.p4"
    path.write_text(source(rng) if text is None else text)
    result = compile_file(path)
    assert result.json is not None, f"program {number}: {result.text()}"
    slow, fast = (Switch.load(result.json, engine=engine, clock=lambda: 5) for engine in ("interp", "jit"))
    for switch in (slow, fast):
        switch.control.multicast.set_group(1, [(1, 2), (3, 4)])
    for _ in range(PACKETS):
        port, data = packet(rng)
        expected, found = slow.send(port, data), fast.engine.process([(port, data)])
        assert found == expected, f"program {number}, packet {data.hex()}\n{path.read_text()}"
        for a, b in zip(slow.state.registers, fast.state.registers, strict=True):
            assert a.read_all() == b.read_all(), f"program {number}, packet {data.hex()}\n{path.read_text()}"
    model = load_model(result.json)
    return bool(home_plan.plan(model, Phv(model)))


def test_random_programs(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    assert sum(compare(number, tmp_path) for number in range(PROGRAMS)) > PROGRAMS // 2


def test_one_way_clears_and_writes_what_was_read_before(tmp_path: Path) -> None:
    """The ways' headers lie at different addresses, and one of them has a field of its own."""
    read = each("m.sum = m.sum + hdr.one.v@;")
    ingress = f"{read} if (hdr.head.a < 100) {{ if (hdr.head.b > 60) {{ {each('hdr.one.v@ = 0;')} }} hdr.one.v3 = 9; }} {read}"
    parts = {
        "width": 32,
        "turn_one": "",
        "turn_some": "",
        "egress": "",
        "fields": each("bit<32> v@;"),
        "ingress": ingress,
    }
    assert compare(0, tmp_path, PROGRAM % parts)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_random_programs(tmp_path: Path) -> None:
    start = random.SystemRandom().randrange(1 << 30)
    print(f"programs {start} to {start + MANY_PROGRAMS}")
    for number in range(start, start + MANY_PROGRAMS):
        compare(number, tmp_path)


def test_plan_takes_large_plain_headers_that_some_packets_only_pass_with(tmp_path: Path) -> None:
    def planned(ingress: str, fields: str = each("bit<32> v@;")) -> list[str]:
        parts = {"width": 32, "turn_one": "", "turn_some": "", "egress": "", "fields": fields, "ingress": ingress}
        path = tmp_path / "plan.p4"
        path.write_text(PROGRAM % parts)
        result = compile_file(path)
        assert result.json is not None, result.text()
        model = load_model(result.json)
        return [model.headers[home.header].name for home in home_plan.plan(model, Phv(model))]

    assert planned("m.sum = hdr.one.v0;") == ["one", "two"]
    assert planned("if (hdr.head.a == 0) { hdr.one.v0 = m.sum; } m.sum = hdr.one.v1;") == ["one", "two"]
    assert planned(each("hdr.one.v@ = hdr.one.v@ + 1;")) == ["two"]
    assert planned("", each("bit<24> v@;")) == []
