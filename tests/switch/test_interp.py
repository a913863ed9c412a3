"""Operations, header operations and the parser on small programs; the expected values are written by hand."""

from __future__ import annotations

import pytest

from emulator.switch.switch import Switch
from tests.switch.programs import (
    Builder,
    Json,
    assign,
    boolean,
    calculator,
    const,
    do,
    field,
    header,
    masked,
    op,
    sm,
)

ENGINES = ["interp", "jit"]
A, B, R = field("h", "a"), field("h", "b"), field("h", "r")

# (width, signed, expression for r, a, b, r as bits)
ROWS: list[tuple[int, bool, Json, int, int, int]] = [
    (8, False, masked(op("+", A, B), 8), 200, 100, 44),
    (8, False, masked(op("-", A, B), 8), 1, 2, 255),
    (8, False, masked(op("*", A, B), 8), 200, 3, 88),
    (8, False, op("usat_cast", op("+", A, B), const(8)), 200, 100, 255),
    (8, False, op("usat_cast", op("-", A, B), const(8)), 1, 2, 0),
    (8, True, op("sat_cast", op("+", A, B), const(8)), 100, 100, 127),
    (8, True, op("sat_cast", op("-", A, B), const(8)), 0x9C, 100, 0x80),
    (8, True, op("two_comp_mod", op("+", A, B), const(8)), 100, 100, 200),
    (8, True, op(">>", A, const(1)), 0xFE, 0, 0xFF),
    (8, False, op(">>", A, B), 0x80, 7, 1),
    (8, False, op(">>", A, B), 0x80, 200, 0),
    (8, False, masked(op("<<", A, B), 8), 0x81, 1, 2),
    (8, False, masked(op("<<", A, B), 8), 0x81, 255, 0),
    (8, False, masked(op("~", A), 8), 0x0F, 0, 0xF0),
    (8, False, masked(op("-", A), 8), 1, 0, 255),
    (8, False, op("/", A, B), 200, 7, 28),
    (8, False, op("%", A, B), 200, 7, 4),
    (8, False, op("/", A, B), 200, 0, 0),
    (8, False, op("%", A, B), 200, 0, 200),
    (8, True, op("/", A, B), 0xF9, 2, 0xFD),
    (8, True, op("%", A, B), 0xF9, 2, 0xFF),
    (8, True, op("b2d", op("<", A, B)), 0xFF, 0, 1),
    (8, False, op("b2d", op("<", A, B)), 0xFF, 0, 0),
    (8, False, op("?", op("==", A, B), const(7), const(9)), 3, 3, 7),
    (8, False, op("b2d", op("and", op("d2b", A), op("not", op("d2b", B)))), 5, 0, 1),
    (8, False, op("b2d", op("==", boolean(True), op("d2b", A))), 0, 0, 0),
    (65, False, masked(op("*", A, B), 65), (1 << 65) - 1, (1 << 65) - 1, 1),
    (128, False, op("^", A, op("|", B, const(1))), 1 << 127, 1 << 126, (3 << 126) | 1),
    (128, False, op(">>", A, const(64)), 0xABCD << 64, 0, 0xABCD),
    (256, False, masked(op("<<", A, const(255)), 256), 3, 0, 1 << 255),
    (33, True, op("two_comp_mod", op("*", A, B), const(33)), (1 << 33) - 1, 5, (1 << 33) - 5),
]


@pytest.mark.parametrize("engine", ENGINES)
def test_operations(engine: str) -> None:
    for width, signed, value, a, b, expected in ROWS:
        switch = Switch.load(calculator(width, [assign(R, value)], signed=signed).json(), engine=engine)
        pad = -3 * width % 8
        whole = ((a << width | b) << width) << pad
        ((port, out),) = switch.send(0, whole.to_bytes((3 * width + pad) // 8, "big"))
        found = int.from_bytes(out, "big") >> pad & ((1 << width) - 1)
        assert port == 1 and found == expected, (width, value, hex(found), hex(expected))


def stack_switch(engine: str, body: list[Json], count: int) -> Switch:
    """Extracts `count` one-byte elements into s[4], runs the body, emits."""
    build = Builder()
    build.header("h", [("r", 8)])
    build.stack("s", [("v", 8)], 4)
    take = do("extract", {"type": "stack", "value": "s"})
    build.state("start", [do("extract", {"type": "regular", "value": "h"}), *[take] * count])
    build.run("go", [*body, assign(sm("egress_spec"), const(1))])
    return Switch.load(build.json(), engine=engine)


def stack() -> Json:
    return {"type": "header_stack", "value": "s"}


def element(index: Json, name: int = 0) -> Json:
    inner = op("dereference_header_stack", stack(), index)
    return {"type": "expression", "value": {"op": "access_field", "left": inner, "right": name}}


STACKS: list[tuple[list[Json], int, str, str]] = [
    ([do("push", stack(), const(1))], 2, "00 0a 0b", "00 0a 0b"),
    ([do("push", stack(), const(1)), do("add_header", header("s[0]"))], 2, "00 0a 0b", "00 00 0a 0b"),
    ([do("push", stack(), const(3))], 3, "00 0a 0b 0c", "00 0a"),
    ([do("pop", stack(), const(1))], 3, "00 0a 0b 0c", "00 0b 0c"),
    ([do("pop", stack(), const(9))], 3, "00 0a 0b 0c", "00"),
    ([assign(field("h", "r"), op("last_stack_index", stack()))], 3, "00 0a 0b 0c", "02 0a 0b 0c"),
    ([assign(field("h", "r"), {"type": "stack_field", "value": ["s", "v"]})], 2, "00 0a 0b", "0b 0a 0b"),
    ([assign(field("h", "r"), element(const(1)))], 2, "00 0a 0b", "0b 0a 0b"),
    ([assign(field("h", "r"), element(const(9)))], 2, "07 0a 0b", "00 0a 0b"),
    ([assign(element(const(1)), const(0x77))], 2, "00 0a 0b", "00 0a 77"),
    ([assign(element(const(4)), const(0x77))], 2, "00 0a 0b", "00 0a 0b"),
    ([assign(field("h", "r"), op("size_stack", stack()))], 0, "00", "04"),
    ([do("assign_header", header("s[0]"), header("s[3]"))], 2, "00 0a 0b", "00 0b"),
]


@pytest.mark.parametrize("engine", ENGINES)
def test_stacks(engine: str) -> None:
    for body, count, data, expected in STACKS:
        out = stack_switch(engine, body, count).send(0, bytes.fromhex(data))
        assert out == [(1, bytes.fromhex(expected))], (body, out)


@pytest.mark.parametrize("engine", ENGINES)
def test_overrun_of_a_stack_is_a_parser_error(engine: str) -> None:
    switch = stack_switch(engine, [assign(field("h", "r"), sm("parser_error"))], 5)
    assert switch.send(0, bytes.fromhex("000a0b0c0d0e")) == [(1, bytes.fromhex("030a0b0c0d0e"))]


def parser_switch(
    engine: str, states: list[tuple[str, list[Json], list[Json], list[Json]]], **more: bool
) -> Switch:
    """Header h: err(8) x(8) before g: y(16) and the varbit header v."""
    build = Builder()
    build.header("h", [("err", 8), ("x", 8)])
    build.header("g", [("y", 16)])
    build.header("v", [("n", 8), ("opt", "*")], max_length=5)
    build.metadata([["m", 16]])
    for name, ops, key, to in states:
        build.state(name, ops, key, to)
    build.run("go", [assign(field("h", "err"), sm("parser_error")), assign(sm("egress_spec"), const(1))])
    return Switch.load(build.json(), engine=engine, **more)  # type: ignore[arg-type]


def regular(name: str) -> Json:
    return {"type": "regular", "value": name}


def goto(state: str | None, value: int | None = None, mask: int | None = None) -> Json:
    if value is None:
        return {"type": "default", "value": None, "mask": None, "next_state": state}
    return {
        "type": "hexstr",
        "value": hex(value),
        "mask": None if mask is None else hex(mask),
        "next_state": state,
    }


H = do("extract", regular("h"))
X = field("h", "x")


@pytest.mark.parametrize("engine", ENGINES)
class TestParser:
    def test_endless_loop_is_cut(self, engine: str) -> None:
        switch = parser_switch(engine, [("start", [H], [], [goto("spin")]), ("spin", [], [], [goto("spin")])])
        assert switch.send(0, b"\0\1zz") == [(1, b"\5\1zz")]

    def test_no_match_accepts_or_errs(self, engine: str) -> None:
        states = [("start", [H], [X], [goto(None, 9)])]
        assert parser_switch(engine, states).send(0, b"\0\1zz") == [(1, b"\0\1zz")]
        assert parser_switch(engine, states, strict_select=True).send(0, b"\0\1zz") == [(1, b"\2\1zz")]

    def test_masks_and_order(self, engine: str) -> None:
        take = [("g", [do("extract", regular("g"))], [], [goto(None)])]
        states = [("start", [H], [X], [goto(None, 0x81), goto("g", 0x80, 0xF0), goto(None)]), *take]
        switch = parser_switch(engine, states)
        for x_value, error in ((0x81, 0), (0x82, 1), (0x92, 0)):
            assert switch.send(0, bytes([0, x_value, 5])) == [(1, bytes([error, x_value, 5]))]

    @pytest.mark.parametrize(
        ("bits", "data", "out"),
        [
            (16, "0000 07aabb cc", "0000 07aabb cc"),
            (32, "0000 07aabbccdd", "0000 07aabbccdd"),
            (40, "0000 07aabbccddee", "0400 07aabbccddee"),
            (12, "0000 07aabb", "0600 07aabb"),
            (24, "0000 07aabb", "0100 07aabb"),
            (0, "0000 07aabb", "0000 07aabb"),
        ],
    )
    def test_varbit(self, engine: str, bits: int, data: str, out: str) -> None:
        """Errors: HeaderTooShort 4 past max_length, ParserInvalidArgument 6, PacketTooShort 1."""
        switch = parser_switch(
            engine, [("start", [H, do("extract_VL", regular("v"), const(bits))], [], [goto(None)])]
        )
        assert switch.send(0, bytes.fromhex(data)) == [(1, bytes.fromhex(out))]

    def test_lookahead_and_advance(self, engine: str) -> None:
        peek = do("set", X, {"type": "lookahead", "value": [4, 8]})
        switch = parser_switch(engine, [("start", [H, peek, do("advance", const(8))], [], [goto(None)])])
        assert switch.send(0, bytes.fromhex("0000abcdef")) == [(1, bytes.fromhex("00bccdef"))]
        assert switch.send(0, bytes.fromhex("0011ab")) == [(1, bytes.fromhex("0111ab"))]
        states = [("start", [H], [{"type": "lookahead", "value": [0, 16]}], [goto(None, 0xABCD), goto("e")]),
                  ("e", [do("verify", boolean(False), const(42))], [], [goto(None)])]  # fmt: skip
        switch = parser_switch(engine, states)
        assert switch.send(0, bytes.fromhex("0000abcd")) == [(1, bytes.fromhex("0000abcd"))]
        assert switch.send(0, bytes.fromhex("0000abce")) == [(1, bytes.fromhex("2a00abce"))]
        assert switch.send(0, bytes.fromhex("0000ab")) == [(1, bytes.fromhex("0100ab"))]


@pytest.mark.parametrize("engine", ENGINES)
def test_unions_and_equality(engine: str) -> None:
    build = Builder()
    build.header("h", [("r", 8)])
    build.union("u", {"a": [("x", 8)], "b": [("y", 16)]})
    build.header("p", [("x", 8)])
    build.header("q", [("x", 8)])
    build.doc["headers"][-1]["header_type"] = "p_t"
    build.extract("h", "u.a")
    union: Json = {"type": "header_union", "value": "u"}
    bits = [
        op("d2b", field("u.a", "$valid$")),
        op("valid_union", union),
        op("==", header("p"), header("q")),
        op("==", union, union),
    ]
    total = const(0)
    for i, bit in enumerate(bits):
        total = op("|", total, op("<<", op("b2d", bit), const(i)))
    build.run("go", [assign(field("h", "r"), total), assign(sm("egress_spec"), const(1))])
    build.run("turn", [do("add_header", header("u.b")), assign(field("u.b", "y"), const(0x1234))])
    switch = Switch.load(build.json(), engine=engine)
    assert switch.send(0, b"\0\7") == [(1, b"\x0f\x12\x34")]


@pytest.mark.parametrize("engine", ENGINES)
def test_backward_jumps_are_bounded(engine: str) -> None:
    body = [assign(R, masked(op("+", R, const(1)), 8)), do("_jump", const(0))]
    switch = Switch.load(calculator(8, body).json(), engine=engine)
    assert switch.send(0, bytes(3)) == [(0, bytes([0, 0, (65536 + 1) % 256]))]
    if engine == "interp":
        assert switch.events["action_loop_cut"] == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_exit_skips_the_rest_of_the_pipeline_only(engine: str) -> None:
    build = Builder()
    build.header("h", [("r", 8)])
    build.extract("h")
    build.run("first", [assign(sm("egress_spec"), const(1)), do("exit"), assign(field("h", "r"), const(5))])
    build.run("second", [assign(sm("egress_spec"), const(2))])
    build.run("out", [assign(field("h", "r"), op("+", field("h", "r"), const(1)))], pipeline="egress")
    assert Switch.load(build.json(), engine=engine).send(0, b"\0") == [(1, b"\x06")]
