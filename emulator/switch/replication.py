"""Multicast groups and clone (mirror) sessions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from emulator.switch.errors import ControlError
from emulator.switch.queues import MAX_PRIORITIES

MAX_GROUP = 65535
MAX_SESSION = 32767


class Replica(NamedTuple):
    port: int
    rid: int = 0


class Multicast:
    """Group number (1..65535) -> replicas in order."""

    def __init__(self) -> None:
        self._groups: dict[int, tuple[Replica, ...]] = {}
        self.changed: Any = lambda gid, op: None

    def set_group(self, gid: int, replicas: Iterable[tuple[int, int]]) -> None:
        """Makes or replaces a group; replicas are (port, replica id)."""
        if not 1 <= gid <= MAX_GROUP:
            raise ControlError("invalid", f"multicast group {gid} is not in 1..{MAX_GROUP}")
        found = tuple(_replica(port, rid) for port, rid in replicas)
        op = "modify" if gid in self._groups else "insert"
        self._groups[gid] = found
        self.changed(gid, op)

    def delete_group(self, gid: int) -> None:
        if gid not in self._groups:
            raise ControlError("not_found", f"there is no multicast group {gid}")
        del self._groups[gid]
        self.changed(gid, "delete")

    def group(self, gid: int) -> tuple[Replica, ...] | None:
        return self._groups.get(gid)

    def groups(self) -> dict[int, tuple[Replica, ...]]:
        return dict(self._groups)

    def clear(self) -> None:
        for gid in list(self._groups):
            self.delete_group(gid)


def _replica(port: int, rid: int) -> Replica:
    if not 0 <= port < 1 << 32 or not 0 <= rid < 1 << 16:
        raise ControlError("invalid", f"replica {port}:{rid} has no 32-bit port or no 16-bit replica id")
    return Replica(port, rid)


@dataclass(frozen=True, slots=True)
class Session:
    """Where clones go: own replicas and/or the members of a multicast group. truncate: bytes kept, 0 all. priority: of the
    clones in queues and as their standard_metadata.priority; 0 leaves what the program preserved."""

    replicas: tuple[Replica, ...] = ()
    group: int | None = None
    truncate: int = 0
    priority: int = 0


class Mirror:
    """Clone session number (0..32767) -> Session."""

    def __init__(self, multicast: Multicast):
        self._multicast = multicast
        self._sessions: dict[int, Session] = {}
        self.changed: Any = lambda session, op: None

    def set_session(
        self,
        session: int,
        port: int | None = None,
        group: int | None = None,
        replicas: Iterable[tuple[int, int]] | None = None,
        truncate: int = 0,
        priority: int = 0,
    ) -> None:
        """Makes or replaces a session. `port` is short for one replica with id 0."""
        if not 0 <= priority < MAX_PRIORITIES:
            raise ControlError("invalid", f"clone session {session}: {priority} is no priority; they are 0..{MAX_PRIORITIES - 1}")
        if not 0 <= session <= MAX_SESSION:
            raise ControlError("invalid", f"clone session {session} is not in 0..{MAX_SESSION}")
        if truncate < 0:
            raise ControlError(
                "invalid", f"clone session {session}: a packet cannot be cut to {truncate} bytes"
            )
        found = [_replica(p, rid) for p, rid in (replicas or ())]
        if port is not None:
            found.insert(0, _replica(port, 0))
        op = "modify" if session in self._sessions else "insert"
        self._sessions[session] = Session(tuple(found), group, truncate, priority)
        self.changed(session, op)

    def delete_session(self, session: int) -> None:
        if session not in self._sessions:
            raise ControlError("not_found", f"there is no clone session {session}")
        del self._sessions[session]
        self.changed(session, "delete")

    def session(self, session: int) -> Session | None:
        return self._sessions.get(session)

    def sessions(self) -> dict[int, Session]:
        return dict(self._sessions)

    def copies(self, session: int) -> Session | None:
        """The session with its group's replicas written out; None for one that nobody set up."""
        found = self._sessions.get(session)
        if found is None or found.group is None:
            return found
        group = self._multicast.group(found.group) or ()
        return replace(found, replicas=(*group, *found.replicas))

    def clear(self) -> None:
        for session in list(self._sessions):
            self.delete_session(session)
