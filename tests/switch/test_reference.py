"""What the reference's JSON may hold and no other test does: each item on both engines, in single packets and batches."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.switch.keys import Lpm
from emulator.switch.load import load_model
from emulator.switch.model import ModelError
from emulator.switch.switch import Switch
from tests.switch.programs import Builder, Json, assign, boolean, const, do, field, header, op, sm


def play(build: Builder | Json, *packets: bytes, setup: Any = None, port: int = 0) -> list[list[tuple[int, bytes]]]:
    """What leaves for each packet; the interpreter, compiled stages and a compiled batch must agree."""
    doc = build.json() if isinstance(build, Builder) else build
    found = []
    for engine, batch in (("interp", False), ("jit", False), ("jit", True)):
        switch = Switch.load(doc, engine=engine, seed=1, clock=lambda: 5)  # type: ignore[arg-type]
        if setup is not None:
            setup(switch)
        found.append([switch.send_batch([(port, p)]) if batch else switch.send(port, p) for p in packets])
    assert found[0] == found[1] == found[2]
    return found[0]


def one(build: Builder | Json, packet: bytes, **more: Any) -> bytes:
    """The one packet that leaves by port 1 for this one."""
    ((to, data),) = play(build, packet, **more)[0]
    assert to == 1
    return data


def base(*fields: tuple[str, int]) -> Builder:
    build = Builder()
    build.header("h", fields or [("a", 8), ("b", 8), ("c", 16)])
    build.extract("h")
    return build


def run(build: Builder, *body: Json) -> Builder:
    build.run("in", [*body, assign(sm("egress_spec"), const(1))])
    return build


# --- Primitives of older and hand-written files ---

A, B, C = (field("h", name) for name in "abc")
OLD = [
    (do("modify_field", A, const(7)), (7, 6, 1000)),
    (do("add_to_field", A, const(250)), (255, 6, 1000)),
    (do("subtract_from_field", A, const(6)), (255, 6, 1000)),
    (do("add", C, A, B), (5, 6, 11)),
    (do("subtract", C, B, A), (5, 6, 1)),
    (do("subtract", C, A, B), (5, 6, 65535)),
    (do("bit_xor", C, A, B), (5, 6, 3)),
    (do("bit_or", C, A, B), (5, 6, 7)),
    (do("bit_and", C, A, B), (5, 6, 4)),
    (do("shift_left", C, A, const(9)), (5, 6, 2560)),
    (do("shift_right", C, C, const(3)), (5, 6, 125)),
    (do("no_op"), (5, 6, 1000)),
    (assign(C, {"type": "hexstr", "value": "-0x2"}), (5, 6, 65534)),
    (assign(C, op("%", C, B)), (5, 6, 4)),
    (assign(C, op("/", C, const(0))), (5, 6, 0)),
    (assign(C, {"type": "expression", "value": op("+", A, B)}), (5, 6, 11)),
    (assign(C, op("usat_cast", op("-", A, B), const(16))), (5, 6, 0)),
    (assign(C, op("~", C)), (5, 6, 64535)),
    (assign(C, op("?", op("<", A, B), const(1), const(2))), (5, 6, 1)),
    (assign(C, op("b2d", op("==", boolean(True), op("!=", A, B)))), (5, 6, 1)),
]


@pytest.mark.parametrize(("step", "wanted"), OLD, ids=[f"{row[0]['op']}{i}" for i, row in enumerate(OLD)])
def test_primitive(step: Json, wanted: tuple[int, int, int]) -> None:
    out = one(run(base(), step), bytes([5, 6]) + (1000).to_bytes(2, "big"))
    assert (out[0], out[1], int.from_bytes(out[2:4], "big")) == wanted


def test_drop_and_headers_by_their_old_names() -> None:
    assert play(run(base(), do("drop")), bytes(4)) == [[(1, bytes(4))]], "a later egress_spec undoes it"
    build = base()
    build.run("in", [do("drop")])
    assert play(build, bytes(4)) == [[]]
    build = base(("a", 8))
    build.header("g", [("a", 8)])
    build.doc["headers"][2]["header_type"] = "h_t"
    body = [do("add_header_fast", header("g")), assign(field("g", "a"), const(9)), do("copy_header", header("h"), header("g"))]
    assert one(run(build, *body), b"\x01rest") == b"\x09\x09rest"


def test_registers_inside_expressions() -> None:
    build = base()
    build.register("r", 16, 4)
    value = {"type": "register", "value": ["r", op("&", A, const(7))]}

    def setup(switch: Switch) -> None:
        switch.control.registers["r"].write(2, 500)

    assert one(run(build, assign(C, op("+", value, const(1)))), bytes([2, 0, 0, 0]), setup=setup)[2:] == b"\x01\xf5"
    assert one(build, bytes([4, 0, 9, 9]), setup=setup)[2:] == b"\x00\x01", "out of range reads 0"


def test_action_calls_and_parser_primitives() -> None:
    build = Builder()
    build.header("h", [("a", 8)])
    build.metadata([("m", 8)])
    ops = [do("extract", {"type": "regular", "value": "h"}), do("primitive", assign(field("scalars", "m"), const(4)))]
    build.state("start", ops)
    build.action("go", [assign(sm("egress_spec"), const(1)), assign(field("h", "a"), field("scalars", "m"))])
    doc = build.json()
    doc["pipelines"][0]["init_table"] = "call"
    doc["pipelines"][0]["action_calls"] = [{"name": "call", "id": 0, "action_id": 0, "next_node": None}]
    assert one(doc, b"\x01") == b"\x04"


def test_deparser_statements_and_whole_header_checksums() -> None:
    build = base(("a", 16), ("ck", 16), ("b", 32))
    build.doc["checksums"].append(
        {"name": "ck", "id": 0, "target": ["h", "ck"], "type": "ipv4", "verify": False, "update": True}
    )
    doc = run(build).json()
    doc["deparsers"][0]["primitives"] = [assign(field("h", "a"), const(0x1234))]
    assert one(doc, bytes(4) + bytes.fromhex("00010002")) == bytes.fromhex("1234 edc8 00010002")


# --- Headers ---


def stacked(size: int = 3) -> Builder:
    """A stack s of headers (v, w), extracted while v has its top bit set."""
    build = Builder()
    build.header("h", [("a", 8), ("b", 8)])
    build.stack("s", [("v", 8)], size)
    key = [{"type": "stack_field", "value": ["s", "v"]}]
    to = [{"type": "hexstr", "value": "0x80", "mask": "0x80", "next_state": "more"},
          {"type": "default", "value": None, "mask": None, "next_state": None}]  # fmt: skip
    build.state("start", [do("extract", {"type": "regular", "value": "h"})], [], [{**to[1], "next_state": "more"}])
    build.state("more", [do("extract", {"type": "stack", "value": "s"})], key, to)
    return build


STACK = {"type": "header_stack", "value": "s"}


def element(index: Json, which: str = "dereference_header_stack") -> Json:
    return op(which, STACK, index)


def access(of: Json, index: int) -> Json:
    return {"type": "expression", "value": {"op": "access_field", "left": of, "right": index}}


def test_stacks_indexed_measured_and_assigned() -> None:
    body = [assign(field("h", "b"), access(element(field("h", "a"), "dereference_stack"), 0)),
            assign(field("h", "a"), op("+", op("size_stack", STACK), op("last_stack_index", STACK)))]  # fmt: skip
    assert one(run(stacked(), *body), b"\x01\x00\x81\x82\x03") == b"\x05\x82\x81\x82\x03"
    out = one(run(stacked(), assign(access(element(field("h", "a")), 0), const(7))), b"\x02\x00\x81\x82\x03")
    assert out == b"\x02\x00\x81\x82\x07"
    build = stacked(2)
    build.stack("t", [("v", 8)], 2)
    build.doc["header_stacks"][1]["header_type"] = "s_t"
    for row in build.doc["headers"]:
        row["header_type"] = row["header_type"].replace("t_t", "s_t")
    body = [do("assign_header_stack", {"type": "header_stack", "value": "t"}, STACK), do("pop", STACK, const(1))]
    assert one(run(build, *body), b"\x00\x00\x81\x02!") == b"\x00\x00\x02\x81\x02!"


@pytest.mark.parametrize("index", [3, 200])
def test_an_index_past_the_end_is_bounded(index: int) -> None:
    body = [assign(field("h", "b"), access(element(field("h", "a")), 0)), assign(access(element(field("h", "a")), 0), const(7))]
    assert one(run(stacked(), *body), bytes([index, 9, 0x01])) == bytes([index, 0, 0x01])


def unions() -> Builder:
    """A stack us of two unions {x: 8 bits, y: 16 bits}; the next is an x while a byte ahead is below 128, else a y."""
    build = Builder()
    build.header("h", [("a", 8), ("b", 8)])
    kinds: dict[str, Any] = {"x": [("v", 8)], "y": [("v", 8), ("w", 8)]}
    build.union_stack("us", kinds, 2)
    ahead = [{"type": "lookahead", "value": [0, 1]}]
    choose = [{"type": "hexstr", "value": "0x1", "mask": None, "next_state": "y"},
              {"type": "default", "value": None, "mask": None, "next_state": "x"}]  # fmt: skip
    build.state("start", [do("extract", {"type": "regular", "value": "h"})], ahead, choose)
    end = [{"type": "default", "value": None, "mask": None, "next_state": None}]
    for name in kinds:
        ops = [do("extract", {"type": "union_stack", "value": ["us", name]})]
        key = [{"type": "union_stack_field", "value": ["us", name, "v"]}]
        again = [{"type": "hexstr", "value": "0x40", "mask": "0x40", "next_state": f"{name}2"}, *end]
        build.state(name, ops, key, again)
        build.state(f"{name}2", ops, [], end)
    return build


US = {"type": "header_union_stack", "value": "us"}


def test_stacks_of_unions() -> None:
    second = op("dereference_union_stack", US, const(1))
    member = {"type": "expression", "value": {"op": "access_union_header", "left": second, "right": 0}}
    body = [assign(field("h", "b"), op("b2d", op("valid_union", second))), assign(field("h", "a"), access(member, 0))]
    assert one(run(unions(), *body), b"\x00\x00\x41\x05!") == b"\x05\x01\x41\x05!"
    assert one(run(unions(), *body), b"\x00\x00\x01!") == b"\x00\x00\x01!"
    assert one(run(unions(), *body), b"\x00\x00\xc1\x02\x83\x04!") == b"\x00\x01\xc1\x02\x83\x04!"


@pytest.mark.parametrize(("step", "wanted"), [
    (do("push", US, const(1)), b"\x41"),
    (do("pop", US, const(1)), b"\x05"),
    (do("assign_union", {"type": "header_union", "value": "us[0]"}, {"type": "header_union", "value": "us[1]"}), b"\x05\x05"),
    (do("assign_union_stack", US, US), b"\x41\x05"),
])  # fmt: skip
def test_whole_unions_move(step: Json, wanted: bytes) -> None:
    assert one(run(unions(), step), b"\x00\x00\x41\x05!") == b"\x00\x00" + wanted + b"!"


def test_unions_compare_by_valid_member_and_value() -> None:
    same = op("==", {"type": "header_union", "value": "us[0]"}, {"type": "header_union", "value": "us[1]"})
    build = run(unions(), assign(field("h", "a"), op("b2d", same)))
    cases = [b"\x41\x41", b"\x41\x42", b"\xc1\x02\xc1\x02", b"\x01"]
    assert [out[0][1][0] for out in play(build, *[b"\x09\x00" + c for c in cases])] == [1, 0, 1, 0]


# --- Varbits ---


def test_length_of_a_varbit_from_its_own_header() -> None:
    """`length_exp` counts bits of the varbit."""
    build = Builder()
    expression = op("<<", {"type": "local", "value": 0}, const(3))
    build.header("v", [("n", 8), ("opt", "*"), ("end", 8)], max_length=8, length_exp=expression)
    build.extract("v")
    run(build, assign(field("v", "n"), sm("parser_error")), assign(field("v", "end"), const(0xEE)))
    assert one(build, b"\x03abc!rest") == b"\x00abc\xeerest"
    assert one(build, b"\x00!rest") == b"\x00\xeerest"
    assert one(build, b"\x09" + bytes(20)) == b"\x09" + bytes(20), "longer than max_length: not valid, all is payload"


def test_varbits_are_assigned_with_their_length() -> None:
    build = Builder()
    build.header("h", [("n", 8)])
    for name in ("v", "w"):
        build.header(name, [("opt", "*")], max_length=8)
    bits = op("<<", field("h", "n"), const(3))
    ops = [do("extract", {"type": "regular", "value": "h"}), do("extract_VL", {"type": "regular", "value": "v"}, bits)]
    build.state("start", ops)
    body = [do("add_header", header("w")), do("assign_VL", field("w", "opt"), field("v", "opt"))]
    assert one(run(build, *body), b"\x03abc!") == b"\x03abcabc!"


# --- Parser ---


def test_shift_skips_bytes_and_wide_lookahead_sets_fields() -> None:
    build = Builder()
    build.header("h", [("a", 8)])
    build.metadata([("m", 24)])
    ops = [do("set", field("scalars", "m"), {"type": "lookahead", "value": [4, 20]}), do("shift", 2)]
    build.state("start", [*ops, do("extract", {"type": "regular", "value": "h"})])
    run(build, assign(field("h", "a"), op("&", field("scalars", "m"), const(0xFF))))
    assert one(build, b"\x12\x34\x56\x78") == b"\x56\x78"


def test_value_sets_with_masks() -> None:
    build = Builder()
    build.header("h", [("a", 4), ("b", 12)])
    build.doc["parse_vsets"].append({"name": "vs", "id": 0, "compressed_bitwidth": 16, "max_size": 4})
    build.header("g", [("x", 8)])
    key = [field("h", "a"), field("h", "b")]
    to = [{"type": "parse_vset", "value": "vs", "mask": "0x0f00ff", "next_state": "more"},
          {"type": "default", "value": None, "mask": None, "next_state": None}]  # fmt: skip
    build.state("start", [do("extract", {"type": "regular", "value": "h"})], key, to)
    build.state("more", [do("extract", {"type": "regular", "value": "g"})])
    run(build, do("remove_header", header("g")))

    def setup(switch: Switch) -> None:
        switch.control.value_sets["vs"].add(0x5234)

    out = play(build, b"\x51\x34!", b"\x52\x34!", b"\x61\x34!", b"\x52\x35!", setup=setup)
    assert [data for ((_, data),) in out] == [b"\x51\x34", b"\x52\x34", b"\x61\x34!", b"\x52\x35!"]


# --- Tables ---


def test_valid_as_a_kind_of_key() -> None:
    build = Builder()
    build.header("h", [("a", 8)])
    build.header("g", [("a", 8)])
    end = {"type": "default", "value": None, "mask": None, "next_state": None}
    build.state("start", [do("extract", {"type": "regular", "value": "h"})], [field("h", "a")],
                [{"type": "hexstr", "value": "0x1", "mask": None, "next_state": "more"}, end])  # fmt: skip
    build.state("more", [do("extract", {"type": "regular", "value": "g"})])
    build.action("out", [assign(sm("egress_spec"), {"type": "runtime_data", "value": 0})], [("p", 9)])
    build.table("t", [], ["out"], ("out", [7]))
    doc = build.json()
    table = doc["pipelines"][0]["tables"][0]
    table["key"] = [{"match_type": "valid", "target": "g", "mask": None}]
    entry = {"action_id": 0, "action_data": ["0x1"]}
    table["entries"] = [{"match_key": [{"match_type": "valid", "key": True}], "action_entry": entry, "priority": 1}]
    assert [out[0][0] for out in play(doc, b"\x01\x05", b"\x00\x05")] == [1, 7]


def test_two_prefixes_in_one_table() -> None:
    """p4c refuses it; here both are masks and the priority decides."""
    build = base()
    build.action("out", [assign(sm("egress_spec"), {"type": "runtime_data", "value": 0})], [("p", 9)])
    build.table("t", [("lpm", "h", "a"), ("lpm", "h", "c")], ["out"], ("out", [7]))

    def setup(switch: Switch) -> None:
        table = switch.control.tables["t"]
        table.insert((Lpm(0x80, 1), Lpm(0, 0)), "out", (1,), 1)
        table.insert((Lpm(0, 0), Lpm(0x1200, 8)), "out", (2,), 2)

    packets = [bytes([a, 0]) + c.to_bytes(2, "big") for a, c in ((0x81, 0x1234), (0x81, 0x3333), (1, 0x12FF), (1, 0))]
    assert [out[0][0] for out in play(build, *packets, setup=setup)] == [2, 1, 2, 7]


def test_what_is_refused_says_why() -> None:
    build = base()
    build.action("a", [])
    build.table("t", [("exact", "h", "a")], ["a"])
    doc = build.json()
    doc["header_types"][1]["fields"][0][1] = 0
    with pytest.raises(ModelError, match="a field of 0 bits cannot be matched"):
        load_model(doc)


def test_sections_nobody_reads_are_said(caplog: pytest.LogCaptureFixture) -> None:
    doc = run(base()).json()
    load_model({**doc, "force_arith": [], "config_options": {}})
    assert not caplog.messages
    load_model({**doc, "registrars": [], "config_options": {"x": 1}})
    assert len(caplog.messages) == 2 and "registrars" in caplog.messages[0] and "config_options" in caplog.messages[1]


def test_a_wide_value_set_and_a_narrow_value() -> None:
    """The key has 100 bits, though what stands in it is known to have 12."""
    build = Builder()
    build.header("h", [("wide", 100), ("pad", 4)])
    build.doc["parse_vsets"].append({"name": "vs", "id": 0, "compressed_bitwidth": 100, "max_size": 4})
    build.header("g", [("x", 8)])
    to = [{"type": "parse_vset", "value": "vs", "mask": None, "next_state": "more"},
          {"type": "default", "value": None, "mask": None, "next_state": None}]  # fmt: skip
    ops = [do("extract", {"type": "regular", "value": "h"}),
           do("set", field("h", "wide"), {"type": "lookahead", "value": [0, 12]})]  # fmt: skip
    build.state("start", ops, [field("h", "wide")], to)
    build.state("more", [do("extract", {"type": "regular", "value": "g"})])
    run(build, do("remove_header", header("g")))

    def setup(switch: Switch) -> None:
        for value in (0x123, 5, 1 << 99):
            switch.control.value_sets["vs"].add(value)

    out = play(build, bytes(13) + b"\x12\x34", bytes(13) + b"\x00\x5f", bytes(13) + b"\x00\x00", setup=setup)
    assert [len(data) for ((_, data),) in out] == [14, 14, 15]
