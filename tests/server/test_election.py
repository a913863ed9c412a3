"""Elections: the table of cases, and invariants under random joins, changes and departures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.p4rt.status import Code
from emulator.server.election import MAX_CLIENTS, Elections
from emulator.server.errors import Refused


def told(notices: list) -> dict:
    return {n.client: (n.status, n.election_id) for n in notices}


def test_first_client_is_primary_and_a_higher_one_takes_over() -> None:
    e = Elections()
    assert told(e.update("a", "", 5)) == {"a": (Code.OK, 5)}
    assert told(e.update("b", "", 3)) == {"b": (Code.ALREADY_EXISTS, 5)}
    assert told(e.update("c", "", 9)) == {
        "a": (Code.ALREADY_EXISTS, 9), "b": (Code.ALREADY_EXISTS, 9), "c": (Code.OK, 9)
    }  # fmt: skip
    assert e.is_primary("c") and not e.is_primary("a")


def test_when_the_primary_leaves_nobody_is_until_its_id_is_reached() -> None:
    e = Elections()
    e.update("a", "", 9)
    e.update("b", "", 3)
    assert told(e.leave("a")) == {"b": (Code.NOT_FOUND, 9)}
    assert told(e.update("b", "", 8)) == {"b": (Code.NOT_FOUND, 9)}
    assert told(e.update("b", "", 9)) == {"b": (Code.OK, 9)}


def test_the_last_departure_forgets_the_role() -> None:
    e = Elections()
    e.update("a", "", 1 << 100)
    e.leave("a")
    assert told(e.update("b", "", 1)) == {"b": (Code.OK, 1)}


def test_no_election_id_is_always_a_backup() -> None:
    e = Elections()
    assert told(e.update("a", "", None)) == {"a": (Code.NOT_FOUND, None)}


def test_refusals() -> None:
    e = Elections()
    e.update("a", "", 5)
    for client, role, number, code in (("b", "", 5, Code.INVALID_ARGUMENT), ("a", "x", 5, Code.FAILED_PRECONDITION)):
        with pytest.raises(Refused) as caught:
            e.update(client, role, number)
        assert caught.value.code == code
    assert e.is_primary("a") and len(e) == 1
    for i in range(MAX_CLIENTS - 1):
        e.update(i, "r", i + 1)
    with pytest.raises(Refused) as caught:
        e.update("late", "", 99)
    assert caught.value.code == Code.RESOURCE_EXHAUSTED


def test_writers() -> None:
    e = Elections()
    e.check_writer("", None)  # nobody is connected: scripts may write
    e.update("a", "", 5)
    e.update("b", "r", 7)
    e.check_writer("", 5)
    e.check_writer("r", 7)
    for role, number in (("", None), ("", 4), ("", 7), ("r", 5), ("x", 1)):
        with pytest.raises(Refused) as caught:
            e.check_writer(role, number)
        assert caught.value.code == (Code.NOT_FOUND if role == "x" else Code.PERMISSION_DENIED)


def test_election_id_zero_is_the_lowest_but_not_unset() -> None:
    e = Elections()
    (notice,) = e.update("a", "", None)
    assert notice.status == Code.NOT_FOUND and notice.election_id is None
    told = e.update("b", "", 0)
    assert {(n.client, n.status, n.election_id) for n in told} == {("a", Code.ALREADY_EXISTS, 0), ("b", Code.OK, 0)}
    assert told[-1].client == "b", "the new primary is told last"
    e.check_writer("", 0)
    with pytest.raises(Refused):
        e.check_writer("", None)


steps = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "r"]), st.none() | st.integers(1, 6) | st.just("leave")),
    max_size=30,
)


@given(steps)
def test_invariants(sequence: list) -> None:
    """At most one primary a role; it has the highest id present and seen; every client knows its standing."""
    e = Elections()
    roles: dict[str, str] = {}
    ids: dict[str, int | None] = {}
    standing: dict[str, tuple] = {}
    for client, role, action in sequence:
        try:
            notices = e.leave(client) if action == "leave" else e.update(client, role, action)
        except Refused:
            continue
        if action == "leave":
            for known in (roles, ids, standing):
                known.pop(client, None)
        else:
            roles[client], ids[client] = role, action
        standing.update(told(notices))
        assert set(standing) == set(roles)
        for name in set(roles.values()):
            members = [c for c in roles if roles[c] == name]
            primaries = [c for c in members if e.is_primary(c)]
            assert len(primaries) <= 1
            assert [c for c in members if standing[c][0] == Code.OK] == primaries
            others = {standing[c] for c in members if c not in primaries}
            assert len(others) <= 1, "all backups were told the same"
            if primaries:
                best = ids[primaries[0]]
                assert best is not None and all((ids[c] or 0) <= best for c in members)
