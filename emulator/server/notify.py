"""What the switch says of itself: digest lists as they fill, and idle entries as their time runs out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from controller.p4rt.protos import p4r
from controller.p4rt.schema import COMPOUND, Member
from emulator.switch.runner import RunnerError

if TYPE_CHECKING:
    from .bound import Bound
    from .device import Device

# Digest lists wait at most their max_timeout plus one tick; idle entries are looked for as often.
_TICK = 0.1


class Notifier:
    """Turns the control plane's events into stream messages. Its thread runs only while a program that has
    digests or idle timeouts is loaded."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._bound: Bound | None = None

    def attach(self, bound: Bound) -> None:
        """Report what `bound`'s switch does from now on."""
        self._bound = bound
        for info, digest in bound.digests.values():
            digest.on_list = lambda found, info=info: self._send_digest(bound, info, found)
        timed = bound.digests or any(table.info.idle_timeout for table in bound.tables.values())
        if timed and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="notify", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(_TICK):
            try:
                self.poll()
            except RunnerError:  # the ports are closed
                return

    def poll(self) -> None:
        """Send what has become due."""
        with self._device.lock, self._device.packets_held():
            bound = self._bound
            if bound is None:
                return
            bound.control.digests.poll()
            for message in idle_messages(bound):
                number = message.idle_timeout_notification.table_entry[0].table_id
                self._device.streams.notify(message, number)

    def _send_digest(self, bound: Bound, info: Any, found: Any) -> None:
        message = p4r.StreamMessageResponse()
        digest = message.digest
        digest.digest_id, digest.list_id = info.id, found.list_id
        digest.timestamp = time.time_ns()
        for sample in found.samples:
            fill(bound, iter(sample), info.root, digest.data.add())
        self._device.streams.notify(message, info.id)


def fill(bound: Bound, numbers: Iterator[int], member: Member, into: Any) -> None:
    """Fill a P4Data of the member's type with as many numbers as it takes. A header comes as a valid one: a digest has its
    fields only."""
    if member.kind == "header":
        into.header.is_valid = True
        for part in member.members:
            one = p4r.P4Data()
            bound.fill_data(next(numbers), part, one)
            into.header.bitstrings.append(one.bitstring)
    elif member.kind in COMPOUND:
        inside = getattr(into, member.kind)
        inside.SetInParent()
        for part in member.members:
            fill(bound, numbers, part, inside.members.add())
    else:
        bound.fill_data(next(numbers), member, into)


def idle_messages(bound: Bound) -> list[Any]:
    """One IdleTimeoutNotification per table with entries that were not hit for their time."""
    by_name = {table.info.name: table for table in bound.tables.values()}
    found = []
    for control, entries in bound.control.idle_entries():
        table = by_name.get(control.name)
        if table is None:
            continue
        message = p4r.StreamMessageResponse()
        notification = message.idle_timeout_notification
        notification.timestamp = time.time_ns()
        for entry in entries:
            into = notification.table_entry.add(table_id=table.info.id)
            table.codec.encode(entry.key, into.match)
            if table.info.needs_priority:
                into.priority = entry.priority
            if entry.metadata is not None:
                into.metadata = entry.metadata.metadata
                into.controller_metadata = entry.metadata.controller_metadata
                into.idle_timeout_ns = entry.metadata.idle_timeout_ns
        found.append(message)
    return found
