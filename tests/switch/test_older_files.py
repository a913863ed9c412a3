"""Files from before v1model: what the switch and the program tell one another lies in headers of other names."""

from __future__ import annotations

from typing import Any

import pytest

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
