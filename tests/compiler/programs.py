"""Two small programs with gaps, for tests of one language feature each: what fills the gaps is the test.

`full`: the header h has a b c d of 8 bits, w and x of 16; the blocks are filled by their statements.
`small`: the header h has a and b of 8 bits, w of 16; the blocks are filled with declarations and `apply`.
What leaves is worked out by hand from the specification.
"""
from __future__ import annotations

from pathlib import Path

from emulator.compiler.emit_entries import emit_entries
from emulator.switch.switch import Switch

from .harness import compile_text

IN = "0102030400050006"
SHORT = "01020304"
START = "state start { b.extract(h.h); transition accept; }"
Row = tuple[str, str, "tuple[int, str] | None", str]
"""name, program, what leaves as (port, hex) or None, the packet"""


def full(*, top: str = "", parser: str = START, ig: str = "", dep: str = "b.emit(h);", hdrs: str = "h_t h; g_t g;",
         meta: str = "", locs: str = "", ver: str = "", upd: str = "", eg: str = "", prefix: str = "",
         edits: list[tuple[str, str]] | None = None) -> str:
    """`edits` replaces text of the whole program."""
    text = f"""
#include <core.p4>
#include <v1model.p4>
header h_t {{ bit<8> a; bit<8> b; bit<8> c; bit<8> d; bit<16> w; bit<16> x; }}
header g_t {{ bit<8> v; }}
{top}
struct H {{ {hdrs} }}
struct M {{ {meta} }}
parser P(packet_in b, out H h, inout M m, inout standard_metadata_t sm) {{ {parser} }}
control V(inout H h, inout M m) {{ apply {{ {ver} }} }}
control I(inout H h, inout M m, inout standard_metadata_t sm) {{ {locs} apply {{ {ig} }} }}
control E(inout H h, inout M m, inout standard_metadata_t sm) {{ apply {{ {eg} }} }}
control U(inout H h, inout M m) {{ apply {{ {upd} }} }}
control Dd(packet_out b, in H h) {{ apply {{ {dep} }} }}
V1Switch(P(), V(), I(), E(), U(), Dd()) main;
"""
    return prefix + edited(text, edits)


def small(*, first: str = "", top: str = "", hdr: str = "", meta: str = "", after: str = "", parser: str = START,
          before: str = "", ig: str = "apply { }", eg: str = "apply { }", dep: str = "apply { b.emit(h); }", vr: str = "",
          ck: str = "", main: str = "V1Switch(p(), vrfy(), ingress(), egress(), update(), deparser()) main;",
          edits: list[tuple[str, str]] | None = None) -> str:
    """top: before the headers; after: behind the structs; before: in front of the ingress control."""
    text = f"""{first}#include <core.p4>
#include <v1model.p4>
{top}
header h_t {{ bit<8> a; bit<8> b; bit<16> w; }}
struct Headers {{ h_t h; {hdr} }}
struct Meta {{ {meta} }}
{after}
parser p(packet_in b, out Headers h, inout Meta m, inout standard_metadata_t sm) {{ {parser} }}
control vrfy(inout Headers h, inout Meta m) {{ apply {{ {vr} }} }}
{before}
control ingress(inout Headers h, inout Meta m, inout standard_metadata_t sm) {{ {ig} }}
control egress(inout Headers h, inout Meta m, inout standard_metadata_t sm) {{ {eg} }}
control update(inout Headers h, inout Meta m) {{ apply {{ {ck} }} }}
control deparser(packet_out b, in Headers h) {{ {dep} }}
{main}
"""
    return edited(text, edits)


def edited(text: str, edits: list[tuple[str, str]] | None) -> str:
    for old, new in edits or []:
        assert old in text
        text = text.replace(old, new)
    return text


def check(row: Row, folder: Path, engine: str = "interp") -> None:
    """What leaves is right, and P4Info and the entries can be written."""
    _, program, wanted, packet = row
    result = compile_text(program, folder)
    assert result.ok, result.text()
    switch = Switch.load(result.json, engine=engine, seed=0)
    left = [(port, data.hex()) for port, data in switch.send(0, bytes.fromhex(packet))]
    assert left == ([wanted] if wanted else [])
    emit_entries(result.program, result.p4info)


def refused(program: str, words: str, folder: Path) -> None:
    result = compile_text(program, folder)
    assert not result.ok
    assert words in result.text(), result.text()
