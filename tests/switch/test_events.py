"""What goes wrong quietly is counted by name, once per packet and stage, alike by both engines and in batches."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.switch.switch import Switch
from tests.switch.programs import Builder, Json, assign, const, do, field, masked, op, sm

A, B = field("h", "a"), field("h", "b")
STACK = {"type": "header_stack", "value": "s"}


def element(index: Json) -> Json:
    chosen = op("dereference_header_stack", STACK, index)
    return {"type": "expression", "value": {"op": "access_field", "left": chosen, "right": 0}}


def array(kind: str, name: str) -> Json:
    return {"type": f"{kind}_array", "value": name}


def counted(body: list[Json], packets: list[bytes], egress: list[Json] | None = None) -> dict[str, int]:
    """The events, drops left out."""
    build = Builder()
    build.header("h", [("a", 8), ("b", 8)])
    build.stack("s", [("v", 8)], 2)
    build.extract("h")
    build.register("r", 8, 4)
    build.doc["counter_arrays"].append({"name": "c", "id": 0, "size": 4, "is_direct": False})
    build.doc["meter_arrays"].append({"name": "m", "id": 0, "size": 4, "is_direct": False, "rate_count": 2, "type": "bytes"})
    build.run("in", [*body, assign(sm("egress_spec"), const(1))])
    if egress is not None:
        build.run("eg", egress, pipeline="egress")
    found: list[Any] = []
    for engine, batch in (("interp", False), ("jit", False), ("jit", True)):
        switch = Switch.load(build.json(), engine=engine, seed=1)  # type: ignore[arg-type]
        out = switch.send_batch([(0, p) for p in packets]) if batch else [o for p in packets for o in switch.send(0, p)]
        assert len(out) == len(packets)
        found.append(dict(switch.events))
    assert found[0] == found[1] == found[2]
    return found[0]


PACKETS = [bytes([0, 0]), bytes([3, 0]), bytes([4, 0]), bytes([9, 1])]
"""Index 0 and 3 are inside, 4 and 9 are not."""
CASES: list[tuple[str, list[Json]]] = [
    ("register_index_out_of_range", [do("register_write", array("register", "r"), A, const(1))]),
    ("register_index_out_of_range", [do("register_read", B, array("register", "r"), A)] * 2),
    ("register_index_out_of_range", [assign(B, {"type": "register", "value": ["r", A]})]),
    ("counter_index_out_of_range", [do("count", array("counter", "c"), A)]),
    ("meter_index_out_of_range", [do("execute_meter", array("meter", "m"), A, B)]),
    ("stack_index_out_of_range", [assign(B, element(op("-", A, const(2))))]),
    ("random_range_empty", [do("modify_field_rng_uniform", B, A, const(3))]),
    ("assert_failed", [do("assert", op("<=", A, const(3)))]),
    ("action_loop_cut", [do("_jump_if_zero", op("b2d", op("<=", A, const(3))), const(0))]),
]


@pytest.mark.parametrize(("name", "body"), CASES, ids=[f"{name}{i}" for i, (name, _) in enumerate(CASES)])
def test_counted_once_per_packet(name: str, body: list[Json]) -> None:
    packets = [bytes([p[0] + 2, p[1]]) if name == "stack_index_out_of_range" and p[0] < 3 else p for p in PACKETS]
    assert counted(body, packets)[name] == 2


def test_each_stage_counts() -> None:
    body = [do("count", array("counter", "c"), A)]
    assert counted(body, PACKETS, body) == {"counter_index_out_of_range": 4}


def test_what_is_not_needed_does_not_count() -> None:
    far = {"type": "register", "value": ["r", const(9)]}
    near = op(">", A, const(100))
    body = [
        assign(B, op("?", near, far, const(1))),
        assign(B, op("b2d", op("and", near, op("==", far, const(0))))),
        assign(B, op("b2d", op("or", op("not", near), op("==", far, const(0))))),
        do("_jump_if_zero", op("b2d", near), const(5)),
        assign(B, masked(far, 8)),
    ]
    assert counted(body, PACKETS) == {}
    assert counted(body, [bytes([200, 0])]) == {"register_index_out_of_range": 1}
