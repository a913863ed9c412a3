"""Multicast groups and clone sessions. A replica may have backups: the first of them whose port is up takes its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from controller.p4rt.status import Code

from .errors import Refused, invalid
from .state_write import check_presence
from .undo import Undo

MAX_PORT = 511
Place = tuple[int, int]
Choice = tuple[Place, ...]
"""(port, instance) of a replica and then of its backups, the best first."""
Key = tuple[str, int]


PortOf = Callable[[bytes, str], int]
"""The number of a port that a controller gives as bytes; the second argument says where, for an error."""


def choices_of(message: Any, what: str, port_of: PortOf) -> tuple[Choice, ...]:
    """The replicas of a message; no (port, instance) may be there twice, nor a port twice in one choice."""
    found = tuple(tuple(_places(one, what, port_of)) for one in message.replicas)
    places = [place for choice in found for place in choice]
    if len(set(places)) != len(places):
        raise invalid(f"{what}: a port and instance are given twice", "give copies different instances")
    for choice in found:
        if len({port for port, _ in choice}) != len(choice):
            raise invalid(f"{what}: port {choice[0][0]} or a backup of it is given twice", "back it up by other ports")
    return found


def _places(replica: Any, what: str, port_of: PortOf) -> Iterator[Place]:
    port = replica.egress_port
    if replica.WhichOneof("port_kind") == "port":
        port = port_of(replica.port, f"{what}, port")
    yield _place(port, replica.instance, what)
    for backup in replica.backup_replicas:
        yield _place(port_of(backup.port, f"{what}, backup port"), backup.instance, what)


def _place(port: int, instance: int, what: str) -> Place:
    if port > MAX_PORT:
        raise invalid(f"{what}: there is no port {port}", f"ports are 0..{MAX_PORT}")
    if instance > 0xFFFF:
        raise invalid(f"{what}: instance {instance} is above 65535", "egress_rid has 16 bits")
    return port, instance


class Replication:
    """`remembered` keeps the messages, which a controller wants back as they were."""

    def __init__(self, multicast: Any, mirror: Any, ports_down: set[int], port_of: PortOf, classes: int) -> None:
        """ports_down: the control plane's own set; `ports_changed` is to be called when it changes. classes: of service."""
        self._port_of, self._classes = port_of, classes
        self.multicast = multicast
        self.mirror = mirror
        self.remembered: dict[Key, Any] = {}
        self._choices: dict[Key, tuple[Choice, ...]] = {}
        self._ports_down = ports_down

    def write(self, kind: str, message: Any) -> Undo:
        which = message.WhichOneof("type")
        if which == "multicast_group_entry":
            return self._write_group(kind, message.multicast_group_entry)
        if which == "clone_session_entry":
            return self._write_session(kind, message.clone_session_entry)
        raise invalid("the replication entry is empty", "set a multicast group or a clone session")

    def _write_group(self, kind: str, message: Any) -> Undo:
        number = message.multicast_group_id
        what = f"multicast group {number}"
        if not number:
            raise invalid("multicast group 0 cannot be written", "0 stands for all groups in a read")
        if number > 0xFFFF:
            raise Refused(Code.OUT_OF_RANGE, f"there cannot be a {what}", "groups are 1..65535")
        return self._write(kind, ("group", number), message, what)

    def _write_session(self, kind: str, message: Any) -> Undo:
        number = message.session_id
        what = f"clone session {number}"
        if not number:
            raise invalid("clone session 0 cannot be written", "0 stands for all sessions in a read")
        if number > 0x7FFF:
            raise Refused(Code.OUT_OF_RANGE, f"there cannot be a {what}", "sessions are 1..32767")
        if kind != "DELETE" and message.class_of_service >= self._classes:
            raise invalid(
                f"{what}: there is no class of service {message.class_of_service}",
                f"classes are 0..{self._classes - 1}, the priorities of the switch's queues",
            )
        if kind != "DELETE" and message.packet_length_bytes < 0:
            raise invalid(f"{what}: packet_length_bytes is negative", "0 keeps whole packets")
        return self._write(kind, ("session", number), message, what)

    def _write(self, kind: str, key: Key, message: Any, what: str) -> Undo:
        before = self.remembered.get(key)
        check_presence(kind, before is not None, what)
        choices = () if kind == "DELETE" else choices_of(message, what, self._port_of)
        old = self._choices.get(key, ())
        self._put(key, None if kind == "DELETE" else _copy(message), choices)
        return lambda: self._put(key, before, old)

    def _put(self, key: Key, message: Any, choices: tuple[Choice, ...]) -> None:
        """Let the switch have a group or session, or none where there is no message."""
        of, number = key
        if message is None:
            (self.multicast.delete_group if of == "group" else self.mirror.delete_session)(number)
            del self.remembered[key], self._choices[key]
            return
        replicas = [self._up(choice) for choice in choices]
        if of == "group":
            self.multicast.set_group(number, replicas)
        else:
            cut, priority = message.packet_length_bytes, message.class_of_service
            self.mirror.set_session(number, replicas=replicas, truncate=cut, priority=priority)
        self.remembered[key], self._choices[key] = message, choices

    def _up(self, choice: Choice) -> Place:
        """The first place whose port is up; the replica itself where none is."""
        return next((place for place in choice if place[0] not in self._ports_down), choice[0])

    def ports_changed(self) -> None:
        """Choose anew among replicas and their backups."""
        for key, choices in list(self._choices.items()):
            if any(len(choice) > 1 for choice in choices):
                self._put(key, self.remembered[key], choices)


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy
