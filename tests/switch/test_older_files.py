"""Files from before v1model: what the switch and the program tell one another lies in headers of other names."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.switch.keys import Exact
from emulator.switch.model import ModelError
from emulator.switch.queues import QueueSettings
from emulator.switch.switch import Switch
from tests.switch.programs import Builder, assign, const, field, op, sm

ENGINES = ["interp", "jit"]
MOVED = {"intrinsic_metadata": ("mcast_grp", "egress_rid", "priority", "ingress_global_timestamp"),
         "queueing_metadata": ("enq_qdepth", "deq_timedelta")}  # fmt: skip
WIDTHS = {"mcast_grp": 4, "egress_rid": 16, "priority": 3, "ingress_global_timestamp": 48, "enq_qdepth": 16, "deq_timedelta": 32}
"""Not all are v1model's."""


def program(how: str) -> dict[str, Any]:
    """how: "aliases" onto a header called mine, or "headers" of the old names, or "standard"."""
    build = Builder()
    build.header("h", [("group", 8), ("port", 8), ("priority", 8), ("rid", 16), ("time", 48), ("depth", 16), ("waited", 32)])

    def place(name: str) -> Any:
        if how == "standard":
            return sm(name)
        return field(next(group for group, names in MOVED.items() if name in names), name)

    if how == "aliases":
        build.header("mine", [(f"{name}_x", width) for name, width in WIDTHS.items()], metadata=True)
        build.doc["field_aliases"] = [
            [f"{group}.{name}", ["mine", f"{name}_x"]] for group, names in MOVED.items() for name in names
        ]
    elif how == "headers":
        for group, names in MOVED.items():
            build.header(group, [(name, WIDTHS[name]) for name in names], metadata=True)
    build.extract("h")
    build.run("in", [
        assign(sm("egress_spec"), field("h", "port")),
        assign(place("mcast_grp"), field("h", "group")),
        assign(place("priority"), field("h", "priority")),
        assign(field("h", "time"), op("+", place("ingress_global_timestamp"), const(1))),
    ])  # fmt: skip
    told = {"rid": "egress_rid", "depth": "enq_qdepth", "waited": "deq_timedelta"}
    build.run("eg", [assign(field("h", to), place(name)) for to, name in told.items()], pipeline="egress")
    return build.json()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("how", ["aliases", "headers"])
def test_fields_of_other_headers_are_heeded(engine: str, how: str) -> None:
    def run(kind: str) -> list[Any]:
        now = [7]
        settings = QueueSettings(priorities=2, ports={5: (None, 1000)})
        switch = Switch.load(program(kind), engine=engine, clock=lambda: now[0], queues=settings)  # type: ignore[arg-type]
        switch.control.multicast.set_group(3, [(1, 8), (2, 9)])
        packets = [bytes([group, port, priority]) + bytes(16) for group, port, priority in
                   ((3, 4, 0), (0, 4, 0), (0, 5, 0), (0, 5, 0), (0, 5, 1), (9, 1, 0), (0, 1, 2))]  # fmt: skip
        out = [switch.send(0, packet) for packet in packets]
        now[0] = 9000
        return [*out, switch.poll(), dict(switch.events)]

    found = run(how)
    assert found == run("standard"), "as with the fields of standard_metadata"
    assert [port for port, _ in found[0]] == [1, 2] and found[0][1][1][3:5] == b"\x00\x09"
    assert found[0][0][1][5:11] == (8).to_bytes(6, "big")
    assert [data[2] for _, data in found[-2]] == [1, 0], "the urgent one goes first"
    assert found[-1] == {"unknown_multicast_group": 1, "drop_priority": 1}


def test_a_field_of_another_kind_is_refused() -> None:
    doc = program("headers")
    kind = next(t for t in doc["header_types"] if any(f[0] == "mcast_grp" and f[1] == 4 for f in t["fields"]))
    kind["fields"] = [[*f[:2], f[0] == "mcast_grp"] for f in kind["fields"]]
    with pytest.raises(ModelError, match=r"intrinsic_metadata\.mcast_grp, is not of a type bit<W>"):
        Switch.load(doc, engine="interp")


def call(op: str, *args: Any) -> dict[str, Any]:
    return {"op": op, "parameters": list(args)}


def router() -> dict[str, Any]:
    """A file as compilers of P4_14 wrote it: version 2.0, pragmas, force_arith, a key of the kind valid, whole numbers as floats,
    two checksums of one name under opposite conditions, sections absent."""

    def kind(name: str, *fields: Any) -> dict[str, Any]:
        return {"name": name, "id": 0, "fields": list(fields), "length_exp": None, "max_length": None, "pragmas": ["a 1"]}

    def action(number: int, name: str, params: list[str], *body: Any) -> dict[str, Any]:
        data = [{"name": p, "bitwidth": 16} for p in params]
        return {"name": name, "id": number, "runtime_data": data, "primitives": list(body), "pragmas": []}

    def table(name: str, key: list[Any], actions: list[str], following: str | None) -> dict[str, Any]:
        parts = [{"match_type": match, "target": target, "mask": None} for match, target in key]
        return {"name": name, "id": 0, "match_type": "exact", "type": "simple", "max_size": 512.0, "with_counters": False,
                "direct_meters": None, "support_timeout": False, "key": parts, "actions": actions, "pragmas": [],
                "next_tables": dict.fromkeys(actions, following), "base_default_next": following}  # fmt: skip

    standard = [["ingress_port", 9], ["packet_length", 32], ["egress_spec", 9], ["egress_port", 9], ["egress_instance", 32],
                ["instance_type", 32], ["clone_spec", 32], ["_padding", 5.0]]  # fmt: skip
    types = [kind("standard_metadata_t", *standard), kind("ip_t", ["v", 8], ["ttl", 8], ["sum", 16], ["dst", 32.0]),
             kind("route_t", ["hop", 32])]  # fmt: skip
    for number, item in enumerate(types):
        item["id"] = number
    headers = [{"name": n, "id": i, "header_type": t, "metadata": m, "pragmas": []} for i, (n, t, m) in enumerate(
        [("standard_metadata", "standard_metadata_t", True), ("ip", "ip_t", False), ("route", "route_t", True)])]  # fmt: skip
    first, last = ({"type": "lookahead", "value": [0, 8]}, {"type": "default", "value": None, "mask": None, "next_state": None})
    states = [
        {"name": "ip", "id": 0, "transition_key": [], "transitions": [last], "pragmas": [],
         "parser_ops": [call("extract", {"type": "regular", "value": "ip"}),
                        call("set", field("route", "hop"), field("ip", "dst"))]},
        {"name": "start", "id": 1, "parser_ops": [], "transition_key": [first], "pragmas": [],
         "transitions": [{"type": "hexstr", "value": "0x40", "mask": "0xf0", "next_state": "ip"},
                         {"value": "default", "mask": None, "next_state": None}]},
    ]  # fmt: skip
    actions = [
        action(0, "via", ["port"], call("modify_field", sm("egress_spec"), {"type": "runtime_data", "value": 0}),
               call("add_to_field", field("ip", "ttl"), const(-1)),
               call("bit_xor", field("ip", "dst"), field("route", "hop"), const(3))),
        action(1, "stop", [], call("drop")),
    ]  # fmt: skip
    valid = {"type": "expression", "value": {"op": "valid", "left": None, "right": {"type": "header", "value": "ip"}}}
    test = {"type": "expression", "value": {"op": "and", "left": valid, "right": op(">", field("ip", "ttl"), const(0))}}
    doubled = [{"name": "ip.sum|of", "id": n, "target": ["ip", "sum"], "type": "generic", "calculation": f"of{n}",
                "if_cond": op("==" if n else "!=", field("ip", "v"), const(0x45))} for n in (0, 1)]  # fmt: skip
    inputs = [[field("ip", "v"), field("ip", "ttl")], [field("ip", "dst")]]
    return {
        "__meta__": {"version": [2.0, 0]}, "header_types": types, "headers": headers, "header_stacks": [], "actions": actions,
        "parsers": [{"name": "parser", "id": 0, "init_state": "start", "parse_states": states}],
        "deparsers": [{"name": "deparser", "id": 0, "order": ["ip"]}],
        "pipelines": [
            {"name": "ingress", "id": 0, "init_table": "_condition_0", "action_profiles": [],
             "tables": [table("nexthop", [("valid", "ip"), ("exact", ["ip", "dst"])], ["via"], None),
                        table("refuse", [], ["stop"], None)],
             "conditionals": [{"name": "_condition_0", "id": 0, "expression": test,
                               "true_next": "nexthop", "false_next": "refuse"}]},
            {"name": "egress", "id": 1, "init_table": None, "tables": [], "conditionals": []},
        ],
        "calculations": [{"name": f"of{n}", "id": n, "input": inputs[n], "algo": "csum16", "pragmas": []} for n in (0, 1)],
        "checksums": doubled, "force_arith": [["standard_metadata", "ingress_port"]],
    }  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_a_file_of_a_compiler_for_p4_14(engine: str) -> None:
    switch = Switch.load(router(), engine=engine)  # type: ignore[arg-type]
    table = switch.control.tables["nexthop"]
    assert [key.name for key in table.spec.keys] == ["ip", "ip.dst"]
    table.insert((Exact(1), Exact(0x0A000001)), "via", (7,))
    switch.control.tables["refuse"].set_default("stop", ())
    packets = ["4505 ffff 0a000001 99", "4605 ffff 0a000001", "4505 0000 0a000009", "4500 0000 0a000001", "5505 0000 0a000001"]
    sent = [[(port, data.hex()) for port, data in switch.send(1, bytes.fromhex(packet))] for packet in packets]
    # ~0x0a000002 as 16 bits: ~(0x0a00 + 0x0002); ~0x4604
    assert sent == [[(7, "4504f5fd0a00000299")], [(7, "4604b9fb0a000002")], [(0, "4505f5f60a000009")], [], []]
    assert switch.events == {"drop_ingress": 2}
