"""Externs of the program that return values, inside expressions, on both engines."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulator.switch.externs import Cell
from emulator.switch.model import ModelError
from emulator.switch.switch import Switch

from .harness import compile_text, source

IN = "0102030400050006"
TOP = """
extern Sum { Sum(bit<8> start); bit<16> add(in bit<8> x); bit<16> last(); }
extern Box<T> { Box(); T swap(in T v); }
struct pair_t { bit<8> q; bool z; bit<16> r; }
extern bit<8> inc(in bit<8> v);
extern bool odd(in bit<8> v);
extern T same<T>(in T v);
extern int<8> minus(in bit<8> v);
extern pair_t divide(in bit<8> a, in bit<8> b);
extern tuple<bit<8>, bit<8>> halves(in bit<8> v);
extern void fill(out pair_t p, inout bit<8> w);
"""
LOCALS = "Sum(3) sum; Box<bit<16>>() box;"


class Sum:
    def __init__(self, start: int) -> None:
        self.total = start

    def add(self, x: Cell) -> int:
        self.total += x.value
        return self.total

    def last(self) -> int:
        return self.total


class Box:
    def __init__(self) -> None:
        self.kept = 9

    def swap(self, v: Cell) -> int:
        old, self.kept = self.kept, v.value
        return old


def divide(a: Cell, b: Cell) -> tuple[int, bool, int]:
    return a.value // b.value, a.value % b.value == 0, a.value % b.value


def fill(q: Cell, z: Cell, r: Cell, w: Cell) -> None:
    q.value, z.value, r.value = 1, 1, w.value
    w.value += 1


EXTERNS: dict[str, Any] = {
    "Sum": Sum, "Box": Box, "divide": divide, "fill": fill, "inc": lambda v: v.value + 1, "same": lambda v: v.value,
    "odd": lambda v: v.value % 2 == 1, "minus": lambda v: -v.value, "halves": lambda v: [v.value >> 4, v.value & 15]}


def both(body: str, folder: Path, packet: str = IN, **parts: str) -> str:
    """The packet that leaves; both engines agree on it."""
    result = compile_text(source(body, top=TOP, locals=LOCALS, **parts), folder, emit_externs=True)
    assert result.json is not None, result.text()
    out = [Switch.load(result.json, engine=engine, externs=EXTERNS).send(0, bytes.fromhex(packet))
           for engine in ("interp", "jit")]
    assert out[0] == out[1] and len(out[0]) == 1
    return out[0][0][1].hex()


@pytest.mark.parametrize(("body", "wanted"), [
    # 3 + 1 = 4, then 4 + 2 = 6; together 10
    ("hdr.h.w = sum.add(hdr.h.a) + sum.add(hdr.h.b);", "01020304000a0006"),
    # left to right: 3, then 5, then 5 again: 3 + 5 * 5 = 28
    ("hdr.h.w = sum.last() + sum.add(hdr.h.b) * sum.last();", "01020304001c0006"),
    # the value read before keeps what it was: b is 2, inc gives 3
    ("hdr.h.b = hdr.h.b + inc(hdr.h.b);", "0105030400050006"),
    # the second side of && does not run: Sum stays 3
    ("if (odd(hdr.h.b) && sum.add(9) > 0) { hdr.h.a = 0xff; } hdr.h.w = sum.last();", "0102030400030006"),
    ("hdr.h.c = odd(hdr.h.b) ? inc(7) : inc(8);", "0102090400050006"),
    ("hdr.h.a = inc(inc(inc(hdr.h.a)));", "0402030400050006"),
    ("hdr.h.b[3:0] = inc(hdr.h.d)[3:0];", "0105030400050006"),
    # 4 / 3 is 1, rest 1
    ("pair_t p = divide(hdr.h.d, hdr.h.c); hdr.h.a = p.q; hdr.h.w = p.r; if (!p.z) { hdr.h.b = 0xbb; }",
     "01bb030400010006"),
    ("hdr.h.a = divide(hdr.h.d, hdr.h.b).q;", "0202030400050006"),
    ("tuple<bit<8>, bit<8>> t = halves(0x5a); hdr.h.a = t[0]; hdr.h.b = t[1];", "050a030400050006"),
    # a method's type parameter comes from the object, a function's from the call or its place
    ("hdr.h.w = box.swap(5) + box.swap(6); hdr.h.x = same<bit<16>>(7); hdr.h.a = same(8w3);", "03020304000e0007"),
    ("int<8> n = minus(hdr.h.b); hdr.h.a = (bit<8>)(n < 0 ? 8w1 : 8w0); hdr.h.b = (bit<8>)n;", "01fe030400050006"),
    # an out struct is one cell for each number in it
    ("pair_t p; fill(p, hdr.h.b); hdr.h.a = p.q; hdr.h.w = p.r;", "0103030400020006"),
    # results nobody takes, one cut to its width, a switch on one
    ("inc(5); divide(1, 1); hdr.h.a = inc(0xff); switch (inc(hdr.h.b)) { 3: { hdr.h.b = 0x33; } default: { } }",
     "0033030400050006"),
])
def test_results_in_expressions(body: str, wanted: str, tmp_path: Path) -> None:
    assert both(body, tmp_path) == wanted


def test_a_result_as_a_key(tmp_path: Path) -> None:
    table = """table t { key = { inc(hdr.h.a) : exact @name("k"); } actions = { NoAction; hit; }
               const entries = { 2 : hit; } } action hit() { hdr.h.a = inc(0x40); }"""
    table = " ".join([table[table.index("action hit"):], table[:table.index("action hit")]])
    result = compile_text(source("t.apply();", top=TOP, locals=LOCALS + table), tmp_path, emit_externs=True)
    assert result.json is not None, result.text()
    for engine in ("interp", "jit"):
        switch = Switch.load(result.json, engine=engine, externs=EXTERNS)  # type: ignore[arg-type]
        assert switch.send(0, bytes.fromhex(IN))[0][1].hex() == "4102030400050006"
        assert switch.send(0, bytes.fromhex("05" + IN[2:]))[0][1].hex() == "05" + IN[2:]


def test_results_in_a_parser(tmp_path: Path) -> None:
    parser = """state start { pkt.extract(hdr.h); hdr.h.b = inc(hdr.h.a);
                    transition select(inc(hdr.h.a)) { 4: two; default: accept; } }
                state two { hdr.h.c = 0xee; transition accept; }"""
    assert both("", tmp_path, "03" + IN[2:], parser=parser) == "0304ee0400050006"
    assert both("", tmp_path, IN, parser=parser) == "0102030400050006"


def test_the_form_in_the_file(tmp_path: Path) -> None:
    """Destinations follow the instance, and `returns` counts them."""
    result = compile_text(source("hdr.h.w = sum.add(hdr.h.a);", top=TOP, locals=LOCALS), tmp_path, emit_externs=True)
    assert result.json is not None
    call, = (p for a in result.json["actions"] for p in a["primitives"] if p["op"] == "_Sum_add")
    kinds = [p["type"] for p in call["parameters"]]
    assert call["returns"] == 1 and kinds == ["extern", "field", "field"] and call["parameters"][2]["value"] == ["h", "a"]


def test_one_that_fails_leaves_the_variable(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A call that raises, and one that returns too few, cost nothing but their result, which stays 0."""
    for bad in (lambda a, b: 1 // 0, lambda a, b: (1, 2)):
        result = compile_text(source("hdr.h.a = divide(1, 2).q;", top=TOP, locals=LOCALS), tmp_path, emit_externs=True)
        assert result.json is not None
        for engine in ("interp", "jit"):
            switch = Switch.load(result.json, engine=engine, externs={"divide": bad})  # type: ignore[arg-type]
            assert switch.send(0, bytes.fromhex(IN))[0][1].hex() == "00" + IN[2:]
            assert switch.events["extern_failed"] == 1


def test_what_cannot_be_returned(tmp_path: Path) -> None:
    top = "extern h_t make(); extern string name(); header e_t { } extern void f(in bit<8> x);"
    result = compile_text(source("h_t x = make(); hdr.h.a = x.a;", top=top), tmp_path, emit_externs=True)
    assert "extern make returns h_t; externs return numbers, bools, and structs of them" in result.text()
    result = compile_text(source("bit<8> x = f(1); hdr.h.a = x;", top=top), tmp_path, emit_externs=True)
    assert not result.ok and result.diagnostics


def test_a_file_that_promises_too_much(tmp_path: Path) -> None:
    result = compile_text(source("hdr.h.a = inc(1);", top=TOP, locals=LOCALS), tmp_path, emit_externs=True)
    assert result.json is not None
    call, = (p for a in result.json["actions"] for p in a["primitives"] if p["op"] == "inc")
    call["returns"] = 3
    with pytest.raises(ModelError, match="it returns 3 numbers, but has only 2 arguments to take them"):
        Switch.load(result.json, externs=EXTERNS)
    call["returns"], call["parameters"][0] = 1, {"type": "hexstr", "value": "0x1"}
    with pytest.raises(ModelError, match="the destination is not a field"):
        Switch.load(result.json, externs=EXTERNS)
