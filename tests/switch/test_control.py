"""The control plane: what is refused and why, what a refusal leaves behind, and who is told of changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emulator.switch.control import Change, Control, ControlError, Exact, Lpm, Place, Range, Ternary
from emulator.switch.switch import Switch
from tests.switch.programs import Builder, assign, field, sm

RUNTIME = {"type": "runtime_data", "value": 0}


def builder() -> Builder:
    build = Builder()
    build.header("h", [("a", 8), ("b", 16), ("c", 8)])
    build.extract("h")
    build.register("r", 13, 4)
    build.action("out", [assign(sm("egress_spec"), RUNTIME)], [("port", 9)])
    build.action("mark", [assign(field("h", "c"), RUNTIME)], [("v", 8)])
    build.table("e", [("exact", "h", "a")], ["out", "mark"], ("out", [1]), max_size=3)
    build.table("l", [("lpm", "h", "b")], ["out", "mark"])
    build.table("t", [("ternary", "h", "a"), ("range", "h", "b")], ["out"], support_timeout=True)
    return build


@pytest.fixture
def switch() -> Switch:
    return Switch.load(builder().json(), engine="interp")


REFUSED: list[tuple[str, Callable[[Control], Any], str]] = [
    (
        "exists",
        lambda c: (c.tables["e"].insert((1,), "out", (1,)), c.tables["e"].insert((1,), "mark", (1,))),
        "this key",
    ),
    ("not_found", lambda c: c.tables["e"].delete(99), "handle 99"),
    ("full", lambda c: [c.tables["e"].insert((i,), "out", (1,)) for i in range(4)], "it holds 3"),
    ("invalid", lambda c: c.tables["e"].insert((256,), "out", (1,)), "does not fit 8 bits"),
    ("invalid", lambda c: c.tables["e"].insert((-1,), "out", (1,)), "does not fit 8 bits"),
    ("invalid", lambda c: c.tables["e"].insert((1, 2), "out", (1,)), "has 1 keys, not 2"),
    ("invalid", lambda c: c.tables["e"].insert((Lpm(1, 3),), "out", (1,)), "matched by exact, not Lpm"),
    ("invalid", lambda c: c.tables["e"].insert((1,), "nix"), "no action 'nix'"),
    ("invalid", lambda c: c.tables["e"].insert((1,), "out", ()), "takes 1 arguments, not 0"),
    ("invalid", lambda c: c.tables["e"].insert((1,), "out", (512,)), "does not fit 9 bits"),
    ("invalid", lambda c: c.tables["l"].insert((Lpm(0, 17),), "out", (1,)), "matched by lpm"),
    ("invalid", lambda c: c.tables["t"].insert((None, Range(5, 4)), "out", (1,)), "is empty"),
    ("invalid", lambda c: c.tables["e"].insert_member((1,), 0), "no action profile"),
    ("invalid", lambda c: c.multicast.set_group(0, []), "not in 1..65535"),
    ("not_found", lambda c: c.multicast.delete_group(5), "no multicast group 5"),
    ("invalid", lambda c: c.mirror.set_session(1 << 15, port=1), "not in 0..32767"),
    ("not_found", lambda c: c.mirror.delete_session(5), "no clone session 5"),
]


@pytest.mark.parametrize(("kind", "act", "words"), REFUSED, ids=[f"{r[0]}-{r[2]}" for r in REFUSED])
def test_refusals(switch: Switch, kind: str, act: Callable[[Control], Any], words: str) -> None:
    with pytest.raises(ControlError) as caught:
        act(switch.control)
    assert caught.value.kind == kind
    assert words in caught.value.message and "\n" not in caught.value.message


def test_a_refusal_changes_nothing(switch: Switch) -> None:
    table = switch.control.tables["e"]
    handle = table.insert((1,), "out", (2,))
    before = [(e.handle, e.key, e.action, e.args) for e in table.entries()], table.version
    for act in (
        lambda: table.modify(handle, "out", (512,)),
        lambda: table.insert((1,), "mark", (3,)),
        lambda: table.set_default("nix"),
        lambda: table.delete(handle + 1),
    ):
        with pytest.raises(ControlError):
            act()
    assert ([(e.handle, e.key, e.action, e.args) for e in table.entries()], table.version) == before
    assert table.default == ("out", (1,))


def test_entries_rule_packets(switch: Switch) -> None:
    table = switch.control.tables["e"]
    packet = bytes([7, 0, 0, 0])
    assert switch.send(0, packet) == [(1, packet)]
    handle = table.insert((7,), "out", (5,))
    assert switch.send(0, packet) == [(5, packet)]
    table.modify(handle, "mark", (9,))
    assert switch.send(0, packet) == [(0, bytes([7, 0, 0, 9]))]
    table.delete(handle)
    table.set_default("out", (6,))
    assert switch.send(0, packet) == [(6, packet)]
    table.reset_default()
    assert switch.send(0, packet) == [(1, packet)]


def test_priorities_and_masks(switch: Switch) -> None:
    table = switch.control.tables["t"]
    table.insert((None, None), "out", (2,), priority=1)
    table.insert((Ternary(0x80, 0xF0), Range(10, 20)), "out", (3,), priority=5)
    first = table.insert((Ternary(0x80, 0x80), None), "out", (4,), priority=5)
    assert switch.send(0, bytes([0x85, 0, 15, 0]))[0][0] == 3
    assert switch.send(0, bytes([0x85, 0, 21, 0]))[0][0] == 4
    assert switch.send(0, bytes([0x05, 0, 15, 0]))[0][0] == 2
    assert table.find((Ternary(0xFF, 0x80), None), 5) == first
    assert table.find((Ternary(0xFF, 0x80), None), 4) is None


def test_constant_entries_and_default() -> None:
    build = builder()
    entry = {
        "match_key": [{"match_type": "exact", "key": "0x05"}],
        "action_entry": {"action_id": 0, "action_data": ["0x3"]},
        "priority": 1,
    }
    build.pipelines["ingress"]["tables"][0]["entries"] = [entry]
    build.pipelines["ingress"]["tables"][0]["default_entry"]["action_const"] = True
    table = Switch.load(build.json(), engine="interp").control.tables["e"]
    (const,) = table.entries()
    assert const.is_const and const.args == (3,)
    for act in (
        lambda: table.insert((1,), "out", (1,)),
        lambda: table.delete(const.handle),
        lambda: table.modify(const.handle, "out", (2,)),
        lambda: table.set_default("out", (2,)),
    ):
        with pytest.raises(ControlError) as caught:
            act()
        assert caught.value.kind == "const"


def test_listeners_and_batches(switch: Switch) -> None:
    heard: list[list[Change]] = []
    switch.control.listeners.append(heard.append)
    table = switch.control.tables["e"]
    handle = table.insert((1,), "out", (1,))
    with switch.control.batch():
        table.delete(handle)
        switch.control.multicast.set_group(3, [(1, 0)])
        assert len(heard) == 1
    assert [[(c.kind, c.name, c.op) for c in changes] for changes in heard] == [
        [("table", "e", "insert")],
        [("table", "e", "delete"), ("multicast", "3", "insert")],
    ]


def test_registers_keep_their_width(switch: Switch) -> None:
    register = switch.control.registers["r"]
    register.write(2, 0xFFFF)
    assert register.read_all() == [0, 0, 0x1FFF, 0]
    with pytest.raises(IndexError, match="no index 4; its size is 4"):
        register.read(4)
    register.reset()
    assert register.read(2) == 0


@pytest.mark.parametrize("width", [64, 65, 128, 200])
def test_wide_registers(width: int) -> None:
    build = Builder()
    build.register("w", width, 3)
    register = Switch.load(build.json(), engine="interp").control.registers["w"]
    value = (1 << width) - 2
    register.write(1, value)
    assert register.read_all() == [0, value, 0]


def test_restart_forgets_everything(switch: Switch) -> None:
    control = switch.control
    control.tables["e"].insert((1,), "out", (1,))
    control.tables["e"].set_default("out", (9,))
    control.registers["r"].write(0, 1)
    control.multicast.set_group(1, [(1, 1)])
    control.mirror.set_session(1, port=1)
    control.restart()
    assert len(control.tables["e"]) == 0 and control.tables["e"].default == ("out", (1,))
    assert control.registers["r"].read(0) == 0
    assert not control.multicast.groups() and not control.mirror.sessions()


def profile_switch(now: Callable[[], int] = lambda: 0) -> Switch:
    build = Builder()
    build.header("h", [("a", 8), ("b", 16), ("c", 8)])
    build.extract("h")
    build.action("out", [assign(sm("egress_spec"), RUNTIME)], [("port", 9)])
    selector = {"algo": "identity", "input": [field("h", "c")]}
    build.pipelines["ingress"]["action_profiles"].append(
        {"name": "p", "id": 0, "max_size": 4, "selector": selector}
    )
    build.table(
        "t", [("exact", "h", "a")], ["out"], type="indirect_ws", action_profile="p", support_timeout=True
    )
    return Switch.load(build.json(), engine="interp", clock=now)


def ports(switch: Switch, *choices: int) -> list[int]:
    return [switch.send(0, bytes([1, 0, 0, c]))[0][0] for c in choices]


def test_groups_weights_and_watch_ports() -> None:
    switch = profile_switch()
    profile, table = switch.control.action_profiles["p"], switch.control.tables["t"]
    members = [profile.add_member("out", (port,)) for port in (5, 6, 7)]
    group = profile.add_group([Place(members[0], 2, watch_port=5), Place(members[1], 1, watch_port=6)])
    table.insert_group((1,), group)
    assert ports(switch, 0, 1, 2, 3) == [5, 5, 6, 5]
    switch.control.set_port(5, up=False)
    assert ports(switch, 0, 1, 2) == [6, 6, 6]
    switch.control.set_port(6, up=False)
    assert ports(switch, 0) == [0]  # no member is left: nothing is done, port 0 as the field begins
    assert switch.events["empty_group"] == 1
    switch.control.set_port(5, up=True)
    assert ports(switch, 2) == [5]
    profile.modify_group(group, [members[2]])
    assert ports(switch, 0, 1) == [7, 7]
    for act, kind in (
        (lambda: profile.delete_member(members[2]), "invalid"),
        (lambda: profile.delete_group(group), "invalid"),
        (lambda: profile.add_group([99]), "not_found"),
        (lambda: table.insert((2,), "out", (1,)), "invalid"),
    ):
        with pytest.raises(ControlError) as caught:
            act()
        assert caught.value.kind == kind
    table.clear()
    profile.delete_group(group)
    profile.delete_member(members[2])
    assert [m.handle for m in profile.members()] == members[:2]


def test_profile_is_full() -> None:
    profile = profile_switch().control.action_profiles["p"]
    for port in range(4):
        profile.add_member("out", (port,))
    with pytest.raises(ControlError) as caught:
        profile.add_member("out", (9,))
    assert caught.value.kind == "full"
    with pytest.raises(ControlError, match="more than 2"):
        profile.add_group([Place(0, 2), Place(1, 1)], max_size=2)


def test_many_inserts_and_lookups() -> None:
    """100,000 exact entries; a look-up touches one of them."""
    build = Builder()
    build.header("h", [("a", 32)])
    build.extract("h")
    build.action("out", [assign(sm("egress_spec"), RUNTIME)], [("port", 9)])
    build.table("e", [("exact", "h", "a")], ["out"], max_size=1 << 20)
    switch = Switch.load(build.json(), engine="interp")
    table = switch.control.tables["e"]
    with switch.control.batch():
        table.insert_many(((Exact(i * 7919),), "out", (i % 511,), 0) for i in range(100_000))
    assert len(table) == 100_000
    for i in (0, 17, 99_999):
        assert switch.send(0, (i * 7919).to_bytes(4, "big"))[0][0] == i % 511
