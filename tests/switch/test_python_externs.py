"""Externs that a program declares itself, given in Python: on both engines, in single packets and batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulator.compiler.api import Options, compile_file
from emulator.server.p4_cli import main
from emulator.switch.externs import Cell
from emulator.switch.model import ModelError
from emulator.switch.switch import Switch
from tests.switch.programs import Builder, Json, assign, const, do, field, op, sm

ENGINES = ["interp", "jit"]


class Sum:
    """extern Sum { Sum(bit<8> start, string note); void add(in bit<16> more, out bit<16> total); }"""

    def __init__(self, start: int, note: str) -> None:
        self.total, self.note = start, note

    def add(self, more: Cell, total: Cell) -> None:
        self.total += more.value
        total.value = self.total


def program(*body: Json) -> Json:
    build = Builder()
    build.header("h", [("a", 16), ("b", 16), ("n", 8, True), ("pad", 8)])
    build.metadata([("wide", 130), ("full", 8, False, True)])
    build.extract("h")
    build.run("in", [*body, assign(sm("egress_spec"), const(1))])
    doc = build.json()
    start = {"name": "start", "type": "hexstr", "value": "0x3"}
    note = {"name": "note", "type": "string", "value": "n"}
    doc["extern_instances"] = [{"name": "sum", "id": 0, "type": "Sum", "attribute_values": [start, note]}]
    return doc


SUM = {"type": "extern", "value": "sum"}
A, B, N = (field("h", name) for name in ("a", "b", "n"))


def packet(a: int, b: int = 0, n: int = 0) -> bytes:
    return a.to_bytes(2, "big") + b.to_bytes(2, "big") + n.to_bytes(1, "big", signed=True) + b"!"


def values(data: bytes) -> tuple[int, int, int]:
    return int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:5], "big", signed=True)


@pytest.mark.parametrize("engine", ENGINES)
def test_instances_keep_their_state(engine: str) -> None:
    doc = program(do("_Sum_add", SUM, op("+", A, const(1)), B))
    switch = Switch.load(doc, engine=engine, externs={"Sum": Sum})  # type: ignore[arg-type]
    out = [*switch.send(0, packet(4)), *switch.send_batch([(0, packet(10)), (0, packet(1))])]
    assert [values(data)[1] for _, data in out] == [8, 19, 21]
    switch.control.restart()
    assert values(switch.send(0, packet(0))[0][1])[1] == 4


@pytest.mark.parametrize("engine", ENGINES)
def test_every_kind_of_argument(engine: str) -> None:
    seen: list[Any] = []

    def look(first: Cell, *rest: Any) -> None:
        seen.append((first.value, first.width, first.signed, *[r.value if isinstance(r, Cell) else r for r in rest]))
        first.value = -3
        rest[0].value = (1 << 130) + 5  # cut to the field's width
        rest[1].value = 300  # cut as well: a saturating field does not see it

    vector = {"type": "parameters_vector", "value": [A, op("+", A, B)]}
    truth = op("==", A, const(7))
    wide, full = field("scalars", "wide"), field("scalars", "full")
    doc = program(do("look", N, wide, full, op("-", A, const(9)), truth, vector, {"type": "string", "value": "text"}),
                  assign(A, full), assign(B, wide))  # fmt: skip
    switch = Switch.load(doc, engine=engine, externs={"look": look})  # type: ignore[arg-type]
    for send in (switch.send, lambda port, data: switch.send_batch([(port, data)])):
        seen.clear()
        assert values(send(0, packet(7, 2, -1))[0][1]) == (44, 5, -3)
        assert seen == [(-1, 8, True, 0, 0, -2, True, (7, 9), "text")]


@pytest.mark.parametrize("engine", ENGINES)
def test_one_that_fails_is_counted_and_changes_nothing(engine: str, caplog: pytest.LogCaptureFixture) -> None:
    def broken(place: Cell) -> None:
        raise RuntimeError("no")

    switch = Switch.load(program(do("broken", A)), engine=engine, externs={"broken": broken})  # type: ignore[arg-type]
    assert [switch.send(0, packet(5)) for _ in range(2)] == [[(1, packet(5))]] * 2
    assert switch.events["extern_failed"] == 2 and len(caplog.records) == 1


def test_what_is_refused() -> None:
    with pytest.raises(ModelError, match=r"there is no primitive '_Sum_add' \(an extern\? Switch.load takes those in Python\)"):
        Switch.load(program(do("_Sum_add", SUM, A, B)))
    with pytest.raises(ModelError, match="no extern instance of type Sum"):
        Switch.load(program(do("_Sum_add", A, A, B)), externs={"Sum": Sum})
    with pytest.raises(ModelError, match="externs take numbers"):
        Switch.load(program(do("f", {"type": "header", "value": "h"})), externs={"f": print})
    with pytest.raises(ModelError, match="extern sum of type Sum cannot be made"):
        Switch.load(program(), externs={"Sum": lambda **more: 1 // 0} | {"Sum": type("Sum", (), {})})


SOURCE = """#include <core.p4>
#include <v1model.p4>
extern Sum { Sum(bit<8> start, string note); void add(in bit<16> more, out bit<16> total); }
extern void twice(inout bit<16> x);
header h_t { bit<16> a; bit<16> b; }
struct headers { h_t h; }
struct meta { }
parser P(packet_in p, out headers h, inout meta m, inout standard_metadata_t s) {
    state start { p.extract(h.h); transition accept; }
}
control V(inout headers h, inout meta m) { apply { } }
control Ig(inout headers h, inout meta m, inout standard_metadata_t s) {
    Sum(3, "n") sum;
    apply { s.egress_spec = 1; if (h.h.a > 4) { sum.add(h.h.a, h.h.b); } else { twice(h.h.b); } }
}
control Eg(inout headers h, inout meta m, inout standard_metadata_t s) { apply { } }
control C(inout headers h, inout meta m) { apply { } }
control D(packet_out p, in headers h) { apply { p.emit(h.h); } }
V1Switch(P(), V(), Ig(), Eg(), C(), D()) main;
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_from_the_source(engine: str, tmp_path: Path) -> None:
    (tmp_path / "sum.p4").write_text(SOURCE)
    result = compile_file(tmp_path / "sum.p4", options=Options(emit_externs=True))
    assert result.json is not None, result.text()

    def twice(place: Cell) -> None:
        place.value *= 2

    switch = Switch.load(result.json, engine=engine, externs={"Sum": Sum, "twice": twice})  # type: ignore[arg-type]
    packets = [(0, a.to_bytes(2, "big") + b.to_bytes(2, "big")) for a, b in ((9, 1), (2, 40000), (7, 0))]
    out = [*switch.send(*packets[0]), *switch.send_batch(packets[1:])]
    assert [int.from_bytes(data[2:], "big") for _, data in out] == [12, 80000 & 0xFFFF, 19]


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sum.p4").write_text(SOURCE)
    given = tmp_path / "given.py"
    given.write_text("def twice(x): x.value *= 2\n\nclass Sum:\n    def __init__(self, start, note): self.total = start\n"
                     "    def add(self, more, total): total.value = self.total + more.value\n\n"
                     "EXTERNS = {'Sum': Sum, 'twice': twice}\n")  # fmt: skip
    (tmp_path / "case.stf").write_text("packet 0 00020003\nexpect 1 00020006\npacket 0 00090000\nexpect 1 0009000c\n")
    words = [str(tmp_path / "sum.p4"), "--externs", str(given)]
    for engine in ENGINES:
        assert main(["test", *words, str(tmp_path / "case.stf"), "--engine", engine]) == 0
    assert main(["trace", *words, "--packet", "00020003"]) == 0
    assert "leaves port 1: 00020006" in capsys.readouterr().out
    for text, sentence in (("1 +", "is no Python file with externs: SyntaxError"), ("x = 1", "has no dictionary EXTERNS")):
        given.write_text(text)
        assert main(["graph", *words]) == 1
        assert sentence in capsys.readouterr().err
