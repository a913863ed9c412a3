"""One-shots: groups' actions, how a member is chosen, what sizes count, and watched ports (programs/selectors.p4)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from controller.p4rt.entities import (
    ActionCall,
    GroupMember,
    OneShot,
    ProfileGroup,
    ProfileMember,
    TableEntry,
    Weighted,
)
from controller.p4rt.protos import p4r
from controller.p4rt.status import Code, P4RuntimeError
from emulator.server.choice import WatchPorts
from emulator.server.errors import Refused

PORTS = {1: 11, 2: 12, 3: 13}
KIND = "hdr.frame.kind"
DROP = ActionCall("Ig.drop")


def refused(call: Any, *args: Any) -> tuple[Code, str]:
    with pytest.raises(P4RuntimeError) as caught:
        call(*args)
    (failure,) = caught.value.failures or (caught.value,)  # type: ignore[misc]
    return failure.code, str(caught.value)


def write(client: Any, *updates: tuple[str, Any], atomicity: int = 0) -> None:
    messages = [p4r.Update(type=p4r.Update.Type.Value(kind), entity=entity) for kind, entity in updates]
    client.client.write(messages, client.election, atomicity)


def to(way: int) -> ActionCall:
    return ActionCall("Ig.to", {"port": PORTS.get(way, 10 + way), "way": way})


def shot(*ways: int, **settings: Any) -> OneShot:
    return OneShot(tuple(Weighted(to(way)) for way in ways), **settings)


def entry(target: Any, kind: int = 1, table: str = "Ig.spread") -> TableEntry:
    return TableEntry(table, {KIND: kind}, target)


def frame(kind: int, flow: int = 0, mark: int = 5) -> bytes:
    return bytes([kind, flow, mark, 0, 0])


def mark(value: int, limit: int = 0xFF) -> ActionCall:
    return ActionCall("Ig.mark", {"value": value, "limit": limit})


@pytest.mark.parametrize("engine", ["interp", "jit"])
def test_a_groups_action_runs_before_the_members(live: Any, engine: str) -> None:
    found = live("selectors.p4", engine=engine)
    client, send = found.client, found.device.switch.send
    one = entry(shot(1, group_action=mark(7, 20)))
    client.insert(one, entry(shot(9), 2), entry(shot(2, group_action=ActionCall("Ig.count_up")), 3))
    assert send(0, frame(1)) == [(11, bytes([1, 0, 7, 8, 1]))]
    assert send(0, frame(1, flow=21)) == [(11, bytes([1, 21, 0xFF, 0, 1]))], "jumps of both actions are their own"
    assert send(0, frame(2)) == [(19, bytes([2, 0, 5, 14, 0]))], "no action of the group's"
    assert send(0, frame(3)) == [(12, bytes([3, 0, 6, 8, 2]))]
    assert next(iter(client.read(TableEntry("Ig.spread")))) == one, "read back as it was written"
    client.insert(entry(OneShot((Weighted(DROP),), group_action=mark(1)), 4))
    assert send(0, frame(4)) == [], "the member's action is the one that ran, for action_run"
    client.modify(entry(shot(3, 2, group_action=mark(30)), 1))
    assert {send(0, frame(1, flow))[0][1][3] for flow in range(40)} == {32, 33}
    client.modify(entry(shot(), 1))
    assert send(0, frame(1)) == [(100, frame(1))], "an empty group is a miss, and runs nothing"


def test_which_actions_a_group_may_have(live: Any) -> None:
    found = live("selectors.p4")
    client = found.client
    wrong = entry(shot(1, group_action=to(2)))
    code, text = refused(client.insert, wrong)
    assert code == Code.PERMISSION_DENIED and "Ig.to is no @groupaction in Ig.spread" in text
    code, text = refused(client.insert, entry(OneShot((Weighted(mark(1)),))))
    assert code == Code.PERMISSION_DENIED and "only a one-shot's group can use it" in text
    code, text = refused(client.insert, ProfileMember("Ig.ways", 1, mark(1)))
    assert code == Code.PERMISSION_DENIED
    other = found.p4info.tables[1].preamble.name
    alien = p4r.Entity(table_entry=_message(client, entry(shot(1), table=other)))
    alien.table_entry.action.action_profile_action_set.group_action.action_id = client.schema.actions["Ig.mark"].id
    code, text = refused(write, client, ("INSERT", alien))
    assert code == Code.INVALID_ARGUMENT and "is not one of table" in text
    assert list(client.read(TableEntry("Ig.spread"))) == []
    control = found.control.action_profiles["Ig.ways"]
    assert (control.members(), control.groups()) == ([], [])


def _message(client: Any, row: TableEntry) -> Any:
    return row.encode(client.schema).table_entry


@pytest.mark.parametrize("engine", ["interp", "jit"])
def test_random_choice_does_not_follow_the_hash(live: Any, engine: str) -> None:
    found = live("selectors.p4", engine=engine)
    client, send = found.client, found.device.switch.send
    client.insert(entry(shot(1, 2, 3, selection="random"), 1), entry(shot(1, 2, 3, selection="hash"), 2))
    client.insert(entry(OneShot((Weighted(to(1), 7), Weighted(to(2))), selection="random"), 3))
    client.insert(entry(shot(1, 2), 4, "Ig.loose"))
    ways = Counter(send(0, frame(1))[0][0] for _ in range(600))
    assert set(ways) == {11, 12, 13} and min(ways.values()) > 120, "of one flow, about a third each"
    assert len({send(0, frame(2))[0][0] for _ in range(50)}) == 1, "a flow keeps its way"
    weighted = Counter(send(0, frame(3))[0][0] for _ in range(800))
    assert 620 < weighted[11] < 780, weighted
    assert {send(0, frame(4))[0][0] for _ in range(60)} == {11, 12}, "a selector may be random itself"
    assert [row.action.selection for row in client.read(TableEntry("Ig.spread"))] == ["random", "hash", "random"]
    code, text = refused(client.insert, entry(shot(1, selection="hash"), 5, "Ig.loose"))
    assert code == Code.INVALID_ARGUMENT and "is random and has no hash" in text
    client.modify(entry(shot(1, 2, 3), 1))
    assert len({send(0, frame(1))[0][0] for _ in range(50)}) == 1, "the hash again"


def test_both_engines_draw_alike() -> None:
    """From one seed, the same members for the same packets, hashed and random ones mixed."""
    from emulator.server.program import SwitchOptions, build
    from tests.server.conftest import compiled

    p4info, json = compiled("selectors.p4")
    config = p4r.ForwardingPipelineConfig(p4info=p4info, p4_device_config=json)
    outcomes = []
    for engine in ("interp", "jit"):
        switch = build(config, SwitchOptions(engine, seed=77)).switch
        profile, table = switch.control.action_profiles["Ig.ways"], switch.control.tables["Ig.spread"]
        pair = "Ig.count_up + Ig.to"
        members = [profile.add_member(pair, (10 + n, n)) for n in range(5)]
        for kind, random in ((1, True), (2, False), (3, True)):
            table.insert_group([kind], profile.add_group(members[: kind + 2], random=random))
        table.insert_group([4], profile.add_group(random=True))
        outcomes.append([switch.send(0, frame(1 + n % 4, n % 256)) for n in range(400)])
    assert outcomes[0] == outcomes[1]


def test_sizes_count_weights_or_members(live: Any) -> None:
    client = live("selectors.p4").client
    heavy = OneShot((Weighted(to(1), 5), Weighted(to(2), 4)))
    code, text = refused(client.insert, entry(heavy))
    assert code == Code.INVALID_ARGUMENT and "the weights add up to 9, more than 8" in text
    client.insert(entry(OneShot(heavy.actions, sizes="members")))
    assert next(iter(client.read(TableEntry("Ig.spread")))).action.sizes == "members"
    client.insert(entry(OneShot((Weighted(to(1), 100),)), 1, "Ig.narrow"))
    code, text = refused(client.insert, entry(OneShot((Weighted(to(1), 101),)), 2, "Ig.narrow"))
    assert code == Code.INVALID_ARGUMENT and "weight 101 is above 100" in text
    code, text = refused(client.insert, entry(OneShot((Weighted(to(1), 4),), sizes="weights"), 2, "Ig.narrow"))
    assert code == Code.INVALID_ARGUMENT and "the weights add up to 4, more than 3" in text
    code, text = refused(client.insert, entry(shot(1, 2, 3, 4), 2, "Ig.narrow"))
    assert code == Code.INVALID_ARGUMENT and "members number 4, more than 3" in text


def test_the_groups_of_a_selector_have_a_size_in_all(live: Any) -> None:
    client = live("selectors.p4").client
    client.insert(entry(shot(1, 2, 3), 1, "Ig.narrow"))
    code, text = refused(client.insert, entry(shot(1, 2), 2, "Ig.narrow"))
    assert code == Code.RESOURCE_EXHAUSTED and "would be 5 large in all, more than 4" in text
    client.insert(entry(shot(1), 2, "Ig.narrow"))
    client.modify(entry(shot(3, 2, 1), 1, "Ig.narrow"))
    assert [len(row.action.actions) for row in client.read(TableEntry("Ig.narrow"))] == [3, 1], "changed in place"
    client.modify(entry(shot(2), 1, "Ig.narrow"))
    client.modify(entry(shot(1, 2, 3), 2, "Ig.narrow"))
    client.delete(entry(None, 1, "Ig.narrow"), entry(None, 2, "Ig.narrow"))
    client.insert(entry(shot(1, 2, 3), 1, "Ig.narrow"))


def test_groups_without_weights(live: Any) -> None:
    found = live("selectors.p4")
    client = found.client
    code, text = refused(client.insert, entry(shot(1, 2), 1, "Ig.level"))
    assert code == Code.INVALID_ARGUMENT and "it has weight 1, and groups of Ig.equal have no weights" in text
    plain = OneShot((Weighted(to(1), 0), Weighted(to(2), 0)))
    client.insert(entry(plain, 1, "Ig.level"))
    assert next(iter(client.read(TableEntry("Ig.level")))).action == plain
    assert {found.device.switch.send(0, frame(1, flow))[0][0] for flow in range(20)} == {11, 12}
    client.delete(entry(None, 1, "Ig.level"))
    client.insert(ProfileMember("Ig.equal", 1, to(1)))
    assert refused(client.insert, ProfileGroup("Ig.equal", 1, (GroupMember(1, 1),)))[0] == Code.INVALID_ARGUMENT
    client.insert(ProfileGroup("Ig.equal", 1, (GroupMember(1, 0),)))


@pytest.mark.parametrize("field, value", [("action_selection_mode", 3), ("size_semantics", 9)])
def test_settings_that_are_not_known(live: Any, field: str, value: int) -> None:
    found = live("selectors.p4")
    message = p4r.Entity(table_entry=_message(found.client, entry(shot(1))))
    setattr(message.table_entry.action.action_profile_action_set, field, value)
    code, text = refused(write, found.client, ("INSERT", message))
    assert code == Code.INVALID_ARGUMENT and str(value) in text


def test_a_batch_that_is_rolled_back_leaves_the_old_one_shot(live: Any) -> None:
    found = live("selectors.p4")
    client, send = found.client, found.device.switch.send
    before = entry(shot(1, group_action=mark(4)))
    client.insert(before, entry(shot(2), 2))
    stale = p4r.Entity(table_entry=_message(client, entry(None, 77)))
    updates = [
        ("MODIFY", p4r.Entity(table_entry=_message(client, entry(shot(2, 3, selection="random"))))),
        ("DELETE", p4r.Entity(table_entry=_message(client, entry(None, 2)))),
        ("INSERT", p4r.Entity(table_entry=_message(client, entry(shot(3), 3)))),
        ("DELETE", stale),
    ]
    with pytest.raises(P4RuntimeError) as caught:
        write(client, *updates, atomicity=p4r.WriteRequest.ROLLBACK_ON_ERROR)
    assert [f.code for f in caught.value.failures] == [Code.ABORTED] * 3 + [Code.NOT_FOUND]
    assert {row.match[KIND]: row.action for row in client.read(TableEntry("Ig.spread"))} == {1: before.action, 2: shot(2)}
    assert send(0, frame(1)) == [(11, bytes([1, 0, 4, 5, 1]))] and send(0, frame(3))[0][0] == 100
    assert len(found.control.action_profiles["Ig.ways"].members()) == 2


@pytest.mark.parametrize("engine", ["interp", "jit"])
def test_watched_ports_and_their_state(live: Any, engine: str) -> None:
    found = live("selectors.p4", engine=engine)
    client, send = found.client, found.device.switch.send
    found.control.set_port(2, False)
    client.insert(entry(OneShot((Weighted(to(1), watch_port=1), Weighted(to(2), watch_port=2)))))
    ways = lambda: {send(0, frame(1, flow))[0][0] for flow in range(30)}  # noqa: E731
    assert ways() == {11}, "down when the group was made"
    found.control.set_port(2, True)
    assert ways() == {11, 12}
    found.control.set_port(1, False)
    assert ways() == {12}
    found.control.set_port(2, False)
    assert ways() == {100}, "all down: a miss"


def test_a_watched_port_must_exist() -> None:
    ports = WatchPorts(lambda data, where: int.from_bytes(data, "big"), {1, 2, 255})
    assert [ports.number(w) for w in (None, b"", b"\1", b"\0\2", 2, 255)] == [None, None, 1, 2, 2, 255]
    for watch in (b"\3", 3, 512, -1, b"\2\0"):
        with pytest.raises(Refused) as caught:
            ports.number(watch)
        assert caught.value.code == Code.INVALID_ARGUMENT and "port" in caught.value.cause
    assert WatchPorts(lambda data, where: 7).number(b"\7") == 7, "a switch without ports of its own takes any"
