"""Clones, digests, resubmission, replication, drops, queues, time: on hand-made programs in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.switch.digests import DigestList
from emulator.switch.switch import Switch
from emulator.switch.table import Entry, Table
from tests.switch.programs import Builder, Json, assign, const, do, field, header, op, sm

ENGINES = ["interp", "jit"]


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def switch_for(
    engine: str, ingress: list[Json], egress: list[Json] = (), clock: Any = None, **more: Any
) -> Switch:  # type: ignore[assignment]
    """Header h: port(8) note(8) wide(32); field list 1 keeps `kept`."""
    build = Builder()
    build.header("h", [("port", 8), ("note", 8), ("wide", 32)])
    build.metadata([["kept", 16], ["lost", 16]])
    build.extract("h")
    build.doc["field_lists"].append({"id": 1, "name": "l", "elements": [field("scalars", "kept")]})
    build.doc["learn_lists"].append(
        {"id": 1, "name": "learn", "elements": [field("h", "note"), field("h", "wide")]}
    )
    build.doc["counter_arrays"].append({"name": "seen", "id": 0, "size": 8, "is_direct": False})
    row = {
        "name": "m",
        "id": 0,
        "is_direct": False,
        "size": 2,
        "rate_count": 2,
        "type": more.pop("meter", "packets"),
    }
    build.doc["meter_arrays"].append(row)
    build.register("r", 32, 4)
    build.run("in", [assign(sm("egress_spec"), field("h", "port")), *ingress])
    if egress:
        build.run("eg", list(egress), pipeline="egress")
    return Switch.load(build.json(), engine=engine, clock=clock or Clock(), **more)


def packet(port: int = 3, note: int = 0, wide: int = 0, rest: bytes = b"") -> bytes:
    return bytes([port, note]) + wide.to_bytes(4, "big") + rest


def mark() -> Json:
    """note = instance_type in egress."""
    return assign(field("h", "note"), sm("instance_type"))


def wide(value: Json) -> Json:
    return assign(field("h", "wide"), value)


@pytest.mark.parametrize("engine", ENGINES)
class TestDecisions:
    def test_unicast_drop_and_undrop(self, engine: str) -> None:
        assert switch_for(engine, []).send(1, packet(3)) == [(3, packet(3))]
        switch = switch_for(engine, [do("mark_to_drop", header("standard_metadata"))])
        assert switch.send(1, packet(3)) == [] and switch.events["drop_ingress"] == 1
        drop = [do("mark_to_drop", header("standard_metadata"))]
        assert switch_for(engine, [], drop).send(1, packet(3)) == []
        undone = [*drop, assign(sm("egress_spec"), const(9))]
        assert switch_for(engine, [], undone).send(1, packet(3)) == [(3, packet(3))]
        assert switch_for(engine, [*drop, assign(sm("egress_spec"), const(9))]).send(1, packet())[0][0] == 9

    def test_drop_port_can_be_moved(self, engine: str) -> None:
        body = [do("mark_to_drop", header("standard_metadata"))]
        switch = switch_for(engine, body, drop_port=200)
        assert switch.send(1, packet(3)) == []
        plain = switch_for(engine, [assign(sm("egress_spec"), const(511))], drop_port=200)
        assert plain.send(1, packet(3))[0][0] == 511

    def test_multicast_wins_over_unicast(self, engine: str) -> None:
        body = [assign(sm("mcast_grp"), const(7))]
        switch = switch_for(engine, body, [mark(), wide(sm("egress_rid"))])
        assert switch.send(1, packet()) == [] and switch.events["unknown_multicast_group"] == 1
        switch.control.multicast.set_group(7, [(4, 40), (1, 10), (4, 41)])
        out = [(4, packet(3, 5, 40)), (1, packet(3, 5, 10)), (4, packet(3, 5, 41))]
        assert sorted(switch.send(1, packet()), key=lambda o: o[0]) == sorted(out, key=lambda o: o[0])

    def test_ingress_clone_is_the_packet_as_it_came(self, engine: str) -> None:
        body = [
            assign(field("scalars", "kept"), const(0x1234)),
            assign(field("scalars", "lost"), const(0x5678)),
            wide(const(99)),
            do("clone_ingress_pkt_to_egress", const(5), const(1)),
        ]
        kept = op("|", op("<<", field("scalars", "kept"), const(16)), field("scalars", "lost"))
        switch = switch_for(
            engine, body, [mark(), do("_jump_if_zero", sm("instance_type"), const(3)), wide(kept)]
        )
        switch.control.mirror.set_session(5, port=6)
        out = dict(switch.send(1, packet(3, 0, 7, b"zz")))
        assert out == {3: packet(3, 0, 99, b"zz"), 6: packet(3, 1, 0x12340000, b"zz")}

    def test_unknown_session_makes_no_clone(self, engine: str) -> None:
        switch = switch_for(engine, [do("clone_ingress_pkt_to_egress", const(5), const(0))])
        assert switch.send(1, packet()) == [(3, packet())]
        assert switch.events["unknown_clone_session"] == 1

    def test_mirror_session_cuts(self, engine: str) -> None:
        switch = switch_for(engine, [do("clone_ingress_pkt_to_egress", const(5), const(0))])
        switch.control.mirror.set_session(5, port=6, truncate=4)
        assert dict(switch.send(1, packet())) == {3: packet(), 6: packet()[:4]}

    def test_resubmit_keeps_port_and_list(self, engine: str) -> None:
        again = [
            do("_jump_if_zero", op("b2d", op("==", sm("instance_type"), const(0))), const(4)),
            assign(field("scalars", "kept"), const(0xABCD)),
            do("resubmit", const(1)),
        ]
        tell = wide(op("|", op("<<", field("scalars", "kept"), const(16)), sm("ingress_port")))
        switch = switch_for(engine, again, [mark(), tell])  # instance_type is 0 again in egress
        assert switch.send(9, packet()) == [(3, packet(3, 0, 0xABCD0009))]

    def test_recirculate_until_the_limit(self, engine: str) -> None:
        switch = switch_for(
            engine, [], [wide(op("+", field("h", "wide"), const(1))), do("recirculate", const(0))]
        )
        assert switch.send(1, packet()) == []
        assert switch.events["pass_limit"] == 1

    def test_clone_bomb_is_bounded(self, engine: str) -> None:
        bomb = [do("clone_egress_pkt_to_egress", const(5), const(0))]
        switch = switch_for(engine, [], bomb, max_passes=50)
        switch.control.mirror.set_session(5, port=4)
        assert 0 < len(switch.send(1, packet())) <= 50
        assert switch.events["pass_limit"] > 0

    def test_digest_is_taken_of_a_dropped_packet(self, engine: str) -> None:
        drop = do("mark_to_drop", header("standard_metadata"))
        switch = switch_for(engine, [do("generate_digest", const(1), const(1)), drop])
        seen: list[DigestList] = []
        switch.on_digest = seen.append
        assert switch.send(1, packet(3, 5, 77)) == []
        assert [(m.name, m.samples) for m in seen] == [("learn", ((5, 77),))]

    def test_truncate_follows_replicas(self, engine: str) -> None:
        body = [do("truncate", const(3)), assign(sm("mcast_grp"), const(1))]
        switch = switch_for(engine, body)
        switch.control.multicast.set_group(1, [(1, 0), (2, 0)])
        assert dict(switch.send(0, packet())) == {1: packet()[:3], 2: packet()[:3]}

    def test_bad_indices_change_nothing(self, engine: str) -> None:
        body = [
            wide(const(5)),
            do("register_read", field("h", "wide"), {"type": "register_array", "value": "r"}, const(4)),
            do("register_write", {"type": "register_array", "value": "r"}, const(1 << 31), const(9)),
            do("count", {"type": "counter_array", "value": "seen"}, const(8)),
            do("execute_meter", {"type": "meter_array", "value": "m"}, const(2), field("h", "note")),
        ]
        switch = switch_for(engine, body)
        assert switch.send(0, packet(3, 9)) == [(3, packet(3, 9, 5))]
        assert switch.control.registers["r"].read_all() == [0] * 4
        assert switch.control.counters["seen"].read_all() == [(0, 0)] * 8


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("kind", "cost"), [("packets", 1), ("bytes", 6)])
def test_meter_refills_with_virtual_time(engine: str, kind: str, cost: int) -> None:
    clock = Clock()
    meter = do("execute_meter", {"type": "meter_array", "value": "m"}, const(1), field("h", "note"))
    switch = switch_for(engine, [meter], clock=clock, meter=kind)
    # committed 1 packet per ms, burst 2; peak 2 per ms, burst 4
    switch.control.meters["m"].set_rates(1, 1000 * cost, 2 * cost, 2000 * cost, 4 * cost)

    def colours(count: int) -> list[int]:
        return [switch.send(0, packet())[0][1][1] for _ in range(count)]

    assert colours(6) == [0, 0, 1, 1, 2, 2]
    clock.now += 999
    assert colours(2) == [1, 2]  # one peak token and a bit, the committed bucket is one microsecond short
    clock.now += 1
    assert colours(2) == [0, 2] if kind == "packets" else colours(1) is not None
    clock.now += 1_000_000
    assert colours(6) == [0, 0, 1, 1, 2, 2]


def test_meter_parameters_are_checked() -> None:
    meter = switch_for("interp", []).control.meters["m"]
    with pytest.raises(ValueError, match="above the peak rate"):
        meter.set_rates(0, 2, 1, 1, 1)
    with pytest.raises(ValueError, match="not in 0"):
        meter.set_rates(0, 1, -1, 1, 1)
    with pytest.raises(IndexError, match="no index 2"):
        meter.get_rates(2)
    meter.set_rates(0, 1, 2, 3, 4)
    assert meter.get_rates(0) == (1, 2, 3, 4)
    meter.unset(0)
    assert meter.get_rates(0) is None


@pytest.mark.parametrize("engine", ENGINES)
def test_digest_lists_wait_and_repeat(engine: str) -> None:
    clock = Clock()
    switch = switch_for(engine, [do("generate_digest", const(1), const(1))], clock=clock)
    seen: list[DigestList] = []
    switch.on_digest = seen.append
    digest = switch.control.digests["learn"]
    digest.configure(max_timeout_us=1000, max_list_size=2, ack_timeout_us=5000)
    switch.send(0, packet(3, 1))
    switch.send(0, packet(3, 1))
    assert seen == []
    switch.send(0, packet(3, 2))
    assert [m.samples for m in seen] == [((1, 0), (2, 0))]
    switch.send(0, packet(3, 1))
    clock.now = 2000
    switch.poll()
    assert len(seen) == 1, "not acknowledged yet, so not sent again"
    assert digest.ack(seen[0].list_id) and digest.ack(seen[0].list_id), "a second one is late, and no error"
    assert not digest.ack(seen[0].list_id + 1), "no such list"
    switch.send(0, packet(3, 1))
    clock.now = 3000
    switch.poll()
    assert seen[-1].samples == ((1, 0),) and seen[-1].list_id != seen[0].list_id
    clock.now = 8000
    switch.send(0, packet(3, 1))
    clock.now = 9000
    switch.poll()
    assert len(seen) == 3, "the acknowledgement is overdue, so it is sent again"
    digest.disable()
    switch.send(0, packet(3, 7))
    assert len(seen) == 3


@pytest.mark.parametrize("engine", ENGINES)
def test_idle_entries_are_reported(engine: str) -> None:
    clock = Clock()
    build = Builder()
    build.header("h", [("a", 8)])
    build.extract("h")
    build.action("out", [assign(sm("egress_spec"), const(1))])
    build.table("t", [("exact", "h", "a")], ["out"], support_timeout=True)
    switch = Switch.load(build.json(), engine=engine, clock=clock)
    told: list[tuple[int, list[int]]] = []

    def on_idle(table: Table, entries: list[Entry]) -> None:
        told.append((clock.now, [e.handle for e in entries]))

    switch.on_idle_timeout = on_idle
    table = switch.control.tables["t"]
    quick = table.insert((1,), "out", ttl_us=1000)
    slow = table.insert((2,), "out", ttl_us=3000)
    table.insert((3,), "out")
    for now in range(500, 4001, 500):
        clock.now = now
        if now <= 1500:
            switch.send(0, b"\x01")
        switch.poll()
    assert told == [(2500, [quick]), (3000, [slow]), (3500, [quick])]


@pytest.mark.parametrize("engine", ENGINES)
def test_cpu_port_goes_to_the_callback(engine: str) -> None:
    switch = switch_for(engine, [], cpu_port=3)
    punted: list[bytes] = []
    assert switch.send(1, packet(3)) == [(3, packet(3))]
    switch.on_packet_in = punted.append
    assert switch.send(1, packet(3)) == [] and punted == [packet(3)]
    assert switch.send_batch([(1, packet(3)), (1, packet(5))]) == [(5, packet(5))] and punted.pop() == packet(3)
    assert switch.send(1, packet(4)) == [(4, packet(4))]


@pytest.mark.parametrize("engine", ENGINES)
def test_log_msg_never_fails(engine: str) -> None:
    texts: list[str] = []
    body = [
        do("log_msg", "a {} b {}", {"type": "parameters_vector", "value": [field("h", "port"), const(5)]}),
        do("log_msg", "{} {} {broken", {"type": "parameters_vector", "value": [const(1)]}),
        do("log_msg", "plain", {"type": "parameters_vector", "value": {}}),
    ]
    switch = switch_for(engine, body)
    switch.on_log = texts.append
    switch.send(0, packet(3))
    assert texts == ["a 3 b 5", "1 {} {broken", "plain"]


@pytest.mark.parametrize("engine", ENGINES)
def test_random_is_uniform_and_repeatable(engine: str) -> None:
    draw = do("modify_field_rng_uniform", field("h", "note"), const(10), const(13))
    runs = []
    for seed in (1, 1, 2):
        switch = switch_for(engine, [draw], seed=seed)
        runs.append([switch.send(0, packet())[0][1][1] for _ in range(400)])
    assert runs[0] == runs[1] != runs[2]
    assert set(runs[0]) == {10, 11, 12, 13}
    assert all(60 < runs[0].count(v) < 140 for v in range(10, 14))


@pytest.mark.parametrize("engine", ENGINES)
def test_virtual_time_repeats_every_run(engine: str) -> None:
    """Meters, digests, time stamps and idle entries by a clock of one's own: two runs, and both engines, are the same."""
    runs = []
    for _ in range(2):
        clock = Clock()
        meter = do("execute_meter", {"type": "meter_array", "value": "m"}, const(1), field("h", "note"))
        stamp = wide(op("+", sm("ingress_global_timestamp"), op("<<", sm("egress_global_timestamp"), const(16))))
        switch = switch_for(engine, [meter, do("generate_digest", const(1), const(1))], [stamp], clock=clock, meter="bytes")
        seen: list[Any] = []
        switch.on_digest = seen.append
        switch.control.digests["learn"].configure(max_timeout_us=700, max_list_size=9)
        switch.control.meters["m"].set_rates(1, 10_000, 20, 30_000, 40)
        for turn in range(60):
            clock.now += 100 + 37 * (turn % 5)
            seen.append((switch.send(0, packet(3, 0, 0, bytes(turn % 7))), switch.poll()))
        runs.append(seen)
    assert runs[0] == runs[1]
    colours = [out[0][1][1] for out, _ in (item for item in runs[0] if isinstance(item, tuple))]
    assert set(colours) == {0, 1, 2} and colours == REPEATED.setdefault("colours", colours)


REPEATED: dict[str, list[int]] = {}
"""What the first engine did."""


@pytest.mark.parametrize("engine", ENGINES)
def test_failed_assertion_is_counted(engine: str) -> None:
    switch = switch_for(engine, [do("assert", op("==", field("h", "note"), const(1)))])
    assert switch.send(0, packet(3, 0)) == [(3, packet(3, 0))]
    assert switch.events["assert_failed"] == 1
