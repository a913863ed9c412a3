"""What a switch tells its controller unasked, in virtual time: lists of digests, entries that are idle."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import pytest

from controller.p4rt.entities import ActionCall, DigestEntry, TableEntry
from controller.p4rt.status import P4RuntimeError

from .conftest import watch_for_idle_entries
from .raw import WAIT


class Clock:
    """Virtual microseconds."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def digest_switch(live: Any, **settings: int) -> tuple[Any, Clock, Callable[[int], None], queue.Queue[Any]]:
    """Case 11 with its digest on, the clock, a function that sends a packet from a source, and what is heard."""
    clock = Clock()
    found = live("11_digest", clock=clock)
    heard: queue.Queue[Any] = queue.Queue()
    found.client.on_digest = heard.put
    name = next(iter(found.client.schema.digests)).name
    found.client.insert(DigestEntry(name, **settings))

    def learn(source: int) -> None:
        found.device.switch.send(1, bytes.fromhex("0200000000ff") + source.to_bytes(6, "big") + bytes.fromhex("0800") + bytes(60))

    return found, clock, learn, heard


def sizes(found: Any, heard: queue.Queue[Any]) -> list[int]:
    """Lengths of the lists that have arrived by now."""
    done: queue.Queue[Any] = queue.Queue()
    found.client.on_election = done.put
    found.client._send(found.client.election.request())
    done.get(timeout=WAIT)
    return [len(heard.get_nowait().messages) for _ in range(heard.qsize())]


SECOND = 10**9


def test_digest_lists_go_out_when_they_are_full_or_old(live: Any) -> None:
    found, clock, learn, heard = digest_switch(live, max_list_size=3, max_timeout_ns=SECOND)
    for source in (1, 2, 2, 1):
        learn(source)
    assert sizes(found, heard) == [], "two distinct samples"
    learn(3)
    assert sizes(found, heard) == [3]
    learn(4)
    clock.now = 999_999
    found.device._notifier.poll()
    assert sizes(found, heard) == []
    clock.now = 1_000_000
    found.device._notifier.poll()
    assert sizes(found, heard) == [1]


def test_digest_lists_without_a_size_wait_for_their_time(live: Any) -> None:
    found, clock, learn, heard = digest_switch(live, max_list_size=0, max_timeout_ns=SECOND)
    for source in range(300):
        learn(source)
    assert sizes(found, heard) == []
    clock.now = 2_000_000
    found.device._notifier.poll()
    assert sizes(found, heard) == [300]


def test_digests_at_once_and_never_held_back(live: Any) -> None:
    found, _, learn, heard = digest_switch(live, max_list_size=9, max_timeout_ns=0, ack_timeout_ns=0)
    for source in (1, 1, 2):
        learn(source)
    assert sizes(found, heard) == [1, 1, 1], "no timeout: each for itself; no acknowledgements: repeats too"


def test_unacknowledged_digests_are_forgotten_in_time(live: Any) -> None:
    found, clock, learn, heard = digest_switch(live, max_list_size=1, max_timeout_ns=SECOND, ack_timeout_ns=2 * SECOND)
    learn(1)
    first = heard.get(timeout=WAIT)
    clock.now = 1_999_999
    learn(1)
    assert sizes(found, heard) == []
    clock.now = 2_000_000
    learn(1)
    second = heard.get(timeout=WAIT)
    assert second.list_id != first.list_id
    errors: queue.Queue[str] = queue.Queue()
    found.client.on_error = errors.put
    found.client.acknowledge(first)  # late: it changes nothing, and is no error
    learn(1)
    assert sizes(found, heard) == [] and errors.empty()
    found.client.acknowledge(second)
    assert sizes(found, heard) == []
    learn(1)
    assert sizes(found, heard) == [1]


def test_idle_entries_are_named_once_per_time(live: Any) -> None:
    clock = Clock()
    found = live("01_l2_forward", clock=clock)
    watch_for_idle_entries(found)
    client = found.client
    heard: queue.Queue[Any] = queue.Queue()
    client.on_idle_timeout = heard.put
    table = client.schema.tables["Ig.dmac"]
    action = next(a for a in (client.schema.actions[i] for i in table.scopes) if len(a.params) == 1)
    call = ActionCall(action.name, {action.params[0].name: 2})
    key = table.fields[0].name
    for address, timeout in ((1, 2), (2, 5), (3, 0)):
        client.insert(TableEntry(table.name, {key: address}, call, idle_timeout_ns=timeout * SECOND))

    def idle_at(seconds: float) -> list[int]:
        clock.now = int(seconds * 1e6)
        found.device._notifier.poll()
        sizes(found, queue.Queue())  # all that was sent has been heard
        return sorted(row.match[key] for _ in range(heard.qsize()) for row in heard.get_nowait())

    assert [idle_at(s) for s in (1.9, 2, 2.1, 4, 5)] == [[], [1], [], [1], [2]]
    found.device.switch.send(0, bytes.fromhex("000000000002 020000000001 0800") + bytes(50))
    assert [idle_at(s) for s in (6, 9.9, 10)] == [[1], [1], [2]], "a hit begins the time anew"
    with pytest.raises(P4RuntimeError):
        client.insert(TableEntry(table.name, {key: 4}, call, idle_timeout_ns=-1))
    client.delete(TableEntry(table.name, {key: 1}))
    assert idle_at(100) == [2]
