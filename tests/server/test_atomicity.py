"""Batches: each update's own outcome, and batches that must not be half done."""

from __future__ import annotations

import random
from typing import Any

import pytest

from controller.p4rt.entities import (
    ActionCall,
    CloneSession,
    CounterEntry,
    DigestEntry,
    GroupMember,
    MeterEntry,
    MeterRates,
    MulticastGroup,
    OneShot,
    ProfileGroup,
    ProfileMember,
    RegisterEntry,
    Replica,
    TableEntry,
    ValueSetEntry,
    Weighted,
)
from controller.p4rt.status import Code, P4RuntimeError

EVERYTHING = (
    TableEntry(counter=(0, 0), rates=(0, 0, 0, 0)), TableEntry(is_default=True), CounterEntry(), MeterEntry(),
    RegisterEntry(), MulticastGroup(), CloneSession(), ProfileMember(), ProfileGroup(), DigestEntry(),
    ValueSetEntry(),
)  # fmt: skip


def snapshot(client: Any) -> list[str]:
    """All that can be read; the order of entries in a table does not count."""
    return sorted(repr(item) for item in client.read(*EVERYTHING))


def batch(client: Any, updates: list, atomicity: str) -> P4RuntimeError | None:
    try:
        client.write(updates, atomicity=atomicity)
    except P4RuntimeError as error:
        return error
    return None


def l2(client: Any, address: int) -> TableEntry:
    table = client.schema.tables["Ig.dmac"]
    action = next(a for a in (client.schema.actions[i] for i in table.scopes) if len(a.params) == 1)
    return TableEntry(table.name, {table.fields[0].name: address}, ActionCall(action.name, {action.params[0].name: 1}))


def test_continue_on_error_does_what_it_can(live: Any) -> None:
    client = live("01_l2_forward").client
    rows = [l2(client, i) for i in (1, 2, 1, 3)]
    error = batch(client, [("INSERT", row) for row in rows], "CONTINUE_ON_ERROR")
    assert error is not None and [f.index for f in error.failures] == [2]
    assert error.failures[0].code == Code.ALREADY_EXISTS
    assert len(list(client.read(TableEntry("Ig.dmac")))) == 3


@pytest.mark.parametrize("atomicity", ["ROLLBACK_ON_ERROR", "DATAPLANE_ATOMIC"])
def test_a_refusal_undoes_the_batch(live: Any, atomicity: str) -> None:
    client = live("01_l2_forward").client
    old = l2(client, 7)
    client.insert(old, MulticastGroup(1, (Replica(1),)))
    before = snapshot(client)
    updates = [
        ("INSERT", l2(client, 1)),
        ("MODIFY", MulticastGroup(1, (Replica(2),))),
        ("DELETE", old),
        ("MODIFY", TableEntry("Ig.dmac", action=old.action, is_default=True)),
        ("INSERT", MulticastGroup(2, ())),
        ("INSERT", l2(client, 1)),
        ("INSERT", l2(client, 2)),
    ]
    error = batch(client, updates, atomicity)
    assert error is not None
    assert [f.code for f in error.failures] == [Code.ABORTED] * 5 + [Code.ALREADY_EXISTS, Code.ABORTED]
    assert error.is_already_exists_only
    assert snapshot(client) == before
    assert batch(client, updates[:5], atomicity) is None
    assert len(list(client.read(TableEntry("Ig.dmac")))) == 1


@pytest.mark.parametrize(("count", "told"), [(20, 20), (100, 100), (120, 120), (2000, 0)])
def test_error_details_fit_an_ordinary_client(live: Any, count: int, told: int) -> None:
    """gRPC drops a call whose metadata is longer than 8 KiB; the server shortens what it has to say."""
    import grpc

    from controller.p4rt.protos import METHODS
    from controller.p4rt.status import from_rpc_error

    found = live("01_l2_forward")
    row = l2(found.client, 1).encode(found.client.schema)
    request = found.request(*[("DELETE", row)] * count)
    method = METHODS["Write"]
    with grpc.insecure_channel(found.server.address) as channel:
        call = channel.unary_unary(
            method.path, request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )  # fmt: skip
        with pytest.raises(grpc.RpcError) as caught:
            call(request)
    error = from_rpc_error(caught.value)
    assert error.code == Code.UNKNOWN and len(error.failures) == told
    assert "has no entry with this key" in error.message
    assert all(f.code == Code.NOT_FOUND for f in error.failures)
    full = batch(found.client, [("DELETE", l2(found.client, 1))] * count, "CONTINUE_ON_ERROR")
    assert full is not None and len(full.failures) == count
    assert all(f.remedy for f in full.failures)


PROGRAMS = ("03_acl_ternary", "05_registers", "06_counters", "07_meters", "08_multicast", "12_action_profile",
            "13_action_selector", "11_digest", "rules.p4", "selectors.p4")  # fmt: skip


@pytest.mark.parametrize("case", PROGRAMS)
def test_random_batches_roll_back_to_what_was(live: Any, case: str) -> None:
    """Random updates of every kind, ended by one that is refused: afterwards all reads are as before."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    client = live(case).client
    for round_ in range(25):
        updates = [random_update(rng, client) for _ in range(rng.randrange(1, 12))]
        if round_ % 2:
            batch(client, updates, "CONTINUE_ON_ERROR")
            continue
        before = snapshot(client)
        error = batch(client, [*updates, ("MODIFY", MulticastGroup(99, ()))], "ROLLBACK_ON_ERROR")
        assert error is not None
        assert snapshot(client) == before, f"seed {seed}, round {round_}"


def random_update(rng: random.Random, client: Any) -> tuple[str, Any]:
    schema = client.schema
    kind = rng.choice(["INSERT", "MODIFY", "DELETE"])
    makers: list[Any] = [lambda: MulticastGroup(rng.randrange(1, 4), (random_replica(rng),)),
                         lambda: CloneSession(rng.randrange(1, 4), (random_replica(rng),))]  # fmt: skip
    makers += [lambda t=t: random_entry(rng, schema, t) for t in schema.tables if t.fields]
    makers += [lambda c=c: CounterEntry(c.name, some_cell(rng, c), rng.randrange(9), rng.randrange(9))
               for c in schema.counters]  # fmt: skip
    makers += [lambda m=m: MeterEntry(m.name, some_cell(rng, m), MeterRates(1, 2, 3, rng.randrange(9)))
               for m in schema.meters]  # fmt: skip
    makers += [lambda r=r: RegisterEntry(r.name, rng.randrange(r.size), rng.randrange(2) if not r.element.signed else 0)
               for r in schema.registers]  # fmt: skip
    makers += [lambda d=d: DigestEntry(d.name, rng.randrange(1, 9)) for d in schema.digests]
    makers += [
        lambda p=p: ProfileMember(p.name, rng.randrange(1, 5), random_call(rng, schema, p)) for p in schema.profiles
    ]
    makers += [lambda p=p: ProfileGroup(p.name, rng.randrange(1, 4), (GroupMember(rng.randrange(1, 5), rng.randrange(1, 3)),))
               for p in schema.profiles]  # fmt: skip
    item = rng.choice(makers)()
    if isinstance(item, (CounterEntry, MeterEntry, RegisterEntry)):
        kind = "MODIFY"
    return kind, item


def some_cell(rng: random.Random, array: Any) -> int | None:
    """An index, or all of them."""
    return None if rng.random() < 0.1 else rng.randrange(array.size)


def random_replica(rng: random.Random) -> Replica:
    return Replica(rng.randrange(4), 0, ((rng.randrange(4, 6), 1),) if rng.random() < 0.5 else ())


def random_call(rng: random.Random, schema: Any, profile: Any) -> ActionCall:
    table = schema.tables[profile.table_ids[0]]
    action = schema.actions[rng.choice([i for i, s in table.scopes.items() if s.name != "DEFAULT_ONLY"])]
    return ActionCall(action.name, {p.name: rng.randrange(2) for p in action.params})


def random_entry(rng: random.Random, schema: Any, table: Any) -> TableEntry:
    match = {f.name: rng.randrange(2) for f in table.fields}
    priority = rng.randrange(1, 3) if table.needs_priority else 0
    if table.profile_id:
        profile = schema.profiles[table.profile_id]
        if profile.with_selector:
            call = random_call(rng, schema, profile)
            return TableEntry(table.name, match, OneShot((Weighted(call, rng.randrange(1, 3)),)), priority)
        from controller.p4rt.entities import MemberRef

        return TableEntry(table.name, match, MemberRef(rng.randrange(1, 5)), priority)
    action = schema.actions[rng.choice([i for i, s in table.scopes.items() if s.name != "DEFAULT_ONLY"])]
    call = ActionCall(action.name, {p.name: rng.randrange(2) for p in action.params})
    kept = None if rng.random() < 0.2 else call
    return TableEntry(table.name, match, kept, priority, metadata=rng.choice([b"", b"m"]))
