"""The parts of a random program, and their text. fuzz_program makes them, fuzz_model evaluates them."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

HEAD = """#include <core.p4>
#include <v1model.p4>
header h_t { bit<8> a; bit<8> b; bit<8> c; bit<16> w; }
struct headers_t { h_t h; h_t g; h_t[2] s; }
struct meta_t { bit<8> m; bit<16> n; }
struct pair_t { bit<8> p; bit<16> q; }
"""
TAIL = """
parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    state start { pkt.extract(hdr.h); pkt.extract(hdr.s.next); transition accept; }
}
control Vf(inout headers_t hdr, inout meta_t meta) { apply { } }
control Eg(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) { apply { } }
control Ck(inout headers_t hdr, inout meta_t meta) { apply { } }
control Dp(packet_out pkt, in headers_t hdr) { apply { pkt.emit(hdr); } }
V1Switch(P(), Vf(), Ig(), Eg(), Ck(), Dp()) main;
"""


@dataclass
class Callee:
    """A function ("function", result 8 or 16 bits or None), action or control. params: (name, direction, type)."""

    name: str
    kind: str
    params: list[tuple[str, str, Any]]
    result: int | None = None
    body: list[Any] = field(default_factory=list)
    actions: list[Callee] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


@dataclass
class Table:
    """key: an expression of 8 bits or None; entries: value -> (action number, argument)."""

    name: str
    key: Any
    actions: list[Callee]
    entries: list[tuple[int, int, int]]
    default: tuple[int, int]


@dataclass
class Program:
    functions: list[Callee]
    controls: list[Callee]
    main: Callee

    def text(self) -> str:
        return HEAD + "".join(function_text(f) for f in self.functions) + \
            "".join(control_text(c) for c in self.controls) + control_text(self.main, True) + TAIL


NAMED = {"header": "h_t", "pair": "pair_t"}


def function_text(f: Callee) -> str:
    head = "void" if f.result is None else f"bit<{f.result}>"
    return f"{head} {f.name}({params_text(f.params)}) {{\n{block_text(f.body)}}}\n"


def params_text(params: list[tuple[str, str, Any]]) -> str:
    return ", ".join(f"{d} {NAMED.get(t, f'bit<{t}>')} {n}".strip() for n, d, t in params)


def control_text(c: Callee, main: bool = False) -> str:
    params = "inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm" if main else params_text(c.params)
    parts = [f"control {c.name}({params}) {{\n"]
    parts += [f"action {a.name}({params_text(a.params)}) {{\n{block_text(a.body)}}}\n" for a in c.actions]
    parts += [table_text(t) for t in c.tables]
    return "".join(parts) + f"apply {{\n{block_text(c.body)}}}\n}}\n"


def table_text(t: Table) -> str:
    key = f'key = {{ {text(t.key)} : exact @name("key"); }} ' if t.key is not None else ""
    actions = " ".join(f"{a.name};" for a in t.actions)
    entries = "".join(f"8w{v} : {t.actions[n].name}({arg}); " for v, n, arg in t.entries)
    entries = f"const entries = {{ {entries}}} " if entries else ""
    default = f"{t.actions[t.default[0]].name}({t.default[1]})"
    return f"table {t.name} {{ {key}actions = {{ {actions} }} {entries}default_action = {default}; }}\n"


def block_text(body: list[Any]) -> str:
    return "".join(f"  {stmt_text(s)}\n" for s in body)


def stmt_text(s: Any) -> str:
    kind = s[0]
    if kind == "assign":
        return f"{text(s[1])} = {text(s[2])};"
    if kind == "local":
        return f"bit<{s[2]}> {s[1]}{f' = {text(s[3])}' if s[3] is not None else ''};"
    if kind == "localpair":
        return f"pair_t {s[1]}{f' = {text(s[2])}' if s[2] is not None else ''};"
    if kind == "pairset":
        return f"{text(s[1])} = {text(s[2])};"
    if kind == "loop":
        return f"for (bit<8> {s[1]} = 0; {s[1]} < {s[2]}; {s[1]} = {s[1]} + 1) {{\n{block_text(s[3])}}}"
    if kind in ("break", "continue", "exit"):
        return f"{kind};"
    if kind == "callstmt":
        callee = s[1][1]
        return f"{text(s[1])};" if callee.kind != "control" else \
            f"{callee.name}.apply({', '.join(text(a) for a in s[1][2])});"
    if kind in ("setvalid", "setinvalid"):
        return f"{text(s[1])}.{'setValid' if kind == 'setvalid' else 'setInvalid'}();"
    if kind == "init":
        return f"{text(s[1])} = {{ {', '.join(text(v) for v in s[2])} }};"
    if kind == "copy":
        return f"{text(s[1])} = {text(s[2])};"
    if kind == "if":
        orelse = f" else {{\n{block_text(s[3])}}}" if s[3] else ""
        return f"if ({text(s[1])}) {{\n{block_text(s[2])}}}{orelse}"
    if kind == "switch":
        cases = "".join("".join(f"8w{v}: " for v in labels) + f"{{\n{block_text(b)}}}\n" for labels, b in s[2])
        default = f"default: {{\n{block_text(s[3])}}}\n" if s[3] is not None else ""
        return f"switch ({text(s[1])}) {{\n{cases}{default}}}"
    if kind == "apply":
        if s[2] is None:
            return f"{s[1].name}.apply();"
        cases = "".join(f"{s[1].actions[n].name}: {{\n{block_text(b)}}}\n" for n, b in s[2])
        default = f"default: {{\n{block_text(s[3])}}}\n" if s[3] is not None else ""
        return f"switch ({s[1].name}.apply().action_run) {{\n{cases}{default}}}"
    return "return;" if s[1] is None else f"return {text(s[1])};"


def text(e: Any) -> str:
    kind = e[0]
    if kind in ("var", "header", "pair"):
        return str(e[1])
    if kind == "dyn":
        return f"hdr.s[{text(e[1])}]"
    if kind == "pairinit":
        return f"{{ {text(e[1])}, {text(e[2])} }}"
    if kind == "field":
        return f"{text(e[1])}.{e[2]}"
    if kind in ("slice", "part"):
        return f"{text(e[1])}[{e[2]}:{e[3]}]"
    if kind == "const":
        return f"{e[2]}w{e[1]}"
    if kind == "call":
        return f"{e[1].name}({', '.join(text(a) for a in e[2])})"
    if kind == "choose":
        return f"({text(e[1])} ? {text(e[2])} : {text(e[3])})"
    if kind == "cast":
        return f"((bit<{e[2]}>){text(e[1])})"
    if kind == "not":
        return f"(~{text(e[1])})"
    if kind == "isvalid":
        return f"{text(e[1])}.isValid()"
    if kind in ("hit", "miss"):
        return f"{e[1].name}.apply().{kind}"
    sign = {"and": "&&", "or": "||", "same": "==", "concat": "++"}.get(kind, kind)
    return f"({text(e[1])} {sign} {text(e[2])})"
