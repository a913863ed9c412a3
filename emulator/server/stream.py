"""The stream channel: arbitration, packet-in and -out, digests and their acknowledgements, notifications."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from controller.p4rt.arbitration import from_uint128, uint128
from controller.p4rt.protos import p4r
from controller.p4rt.role_config import RoleConfig
from controller.p4rt.status import Code

from .election import Elections, Notice
from .errors import SPACE, Refused, invalid, unimplemented
from .roles import wants_notice, wants_packet

log = logging.getLogger("fpisa.p4rt")

_QUEUE = 4096  # messages waiting for one client; a client that does not read loses the newest


class Session:
    """One open stream: what waits to be sent to its client, and how it ends."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.dropped = 0
        self._outgoing: queue.Queue[Any] = queue.Queue(_QUEUE)
        self._end = threading.Event()
        self.failure: Refused | None = None

    def send(self, message: Any) -> bool:
        """Queue a message; False where the client is too slow and the message is lost."""
        try:
            self._outgoing.put_nowait(message)
            return True
        except queue.Full:
            self.dropped += 1
            return False

    def end(self, failure: Refused | None = None) -> None:
        """Close the stream after what is queued; the first reason given stands."""
        if not self._end.is_set():
            self.failure = failure
            self._end.set()
            try:
                self._outgoing.put_nowait(None)
            except queue.Full:
                pass

    def messages(self) -> Iterator[Any]:
        while True:
            message = self._outgoing.get()
            if message is None:
                return
            yield message
            if self._end.is_set() and self._outgoing.empty():
                return


class Streams:
    """All sessions of one device with their elections. `lock` guards both and is never held while waiting."""

    def __init__(
        self,
        device_id: int,
        on_packet: Callable[[Any], None],
        on_ack: Callable[[int, int], None],
        writes: AbstractContextManager[Any] | None = None,
    ) -> None:
        """writes: held by whoever writes, so that no primary changes in the middle of a request."""
        self._writes = writes if writes is not None else nullcontext()
        self.device_id = device_id
        self.elections = Elections()
        self.lock = threading.Lock()
        self._on_packet = on_packet
        self._on_ack = on_ack
        self._open: set[Session] = set()

    def opened(self, session: Session) -> None:
        with self.lock:
            if len(self._open) >= 64:
                raise Refused(Code.RESOURCE_EXHAUSTED, "64 streams are open", "close one of them first")
            self._open.add(session)

    def closed(self, session: Session) -> None:
        with self.lock:
            self._open.discard(session)
            self._tell(self.elections.leave(session))

    def close_all(self) -> None:
        with self.lock:
            for session in list(self._open):
                session.end(Refused(Code.UNAVAILABLE, "the switch is shutting down"))

    def check_writer(self, role: str, election_id: int | None) -> None:
        with self.lock:
            self.elections.check_writer(role, election_id)

    def config_of(self, role: str) -> RoleConfig | None:
        with self.lock:
            return self.elections.config(role)

    def notify(self, message: Any, number: int = 0) -> bool:
        """Send to the primary of every role that wants it; whether anyone got it.

        number: id of the digest or table that the message is about; 0 for a packet."""
        with self.lock:
            primaries = self.elections.primaries()
        sent = [
            session.send(message)  # type: ignore[attr-defined]
            for session, config in primaries
            if (wants_notice(config, number) if number else wants_packet(config, message.packet))
        ]
        return any(sent)

    # -- messages from a client ------------------------------------------------------------------------------

    def received(self, session: Session, message: Any) -> None:
        kind = message.WhichOneof("update")
        if kind == "arbitration":
            self._arbitrate(session, message.arbitration)
            return
        try:
            if kind == "packet":
                self._packet(session, message.packet)
            elif kind == "digest_ack":
                self._ack(session, message.digest_ack)
            elif kind == "other":
                raise unimplemented("the switch has no stream messages of its own", "send P4Runtime's")
            else:
                raise invalid("the stream message is empty", "set one of its fields")
        except Refused as refused:
            session.send(_stream_error(refused, kind, message))

    def _arbitrate(self, session: Session, update: Any) -> None:
        """Take part in the election; a refusal ends the stream."""
        try:
            if update.device_id != self.device_id:
                raise Refused(
                    Code.NOT_FOUND if not self._knows(session) else Code.FAILED_PRECONDITION,
                    f"there is no device {update.device_id} here",
                    f"use device id {self.device_id}",
                )
            config = _config(update.role)
            election_id = from_uint128(update.election_id) if update.HasField("election_id") else None
            role = update.role.name or (str(update.role.id) if update.role.id else "")
            with self._writes, self.lock:
                self._tell(self.elections.update(session, role, election_id, config))
        except Refused as refused:
            session.end(refused)

    def _knows(self, session: Session) -> bool:
        with self.lock:
            return session in self.elections

    def _tell(self, notices: list[Notice]) -> None:
        for notice in notices:
            notice.client.send(_arbitration(self.device_id, notice))  # type: ignore[attr-defined]

    def _must_be_primary(self, session: Session, what: str) -> None:
        with self.lock:
            if not self.elections.is_primary(session):
                raise Refused(
                    Code.PERMISSION_DENIED,
                    f"only the primary client may send {what}",
                    "win the arbitration first",
                )

    def _packet(self, session: Session, packet: Any) -> None:
        self._must_be_primary(session, "packets")
        self._on_packet(packet)

    def _ack(self, session: Session, ack: Any) -> None:
        self._must_be_primary(session, "digest acknowledgements")
        self._on_ack(ack.digest_id, ack.list_id)


def _config(role: Any) -> RoleConfig | None:
    if not role.HasField("config"):
        return None
    try:
        return RoleConfig.decode(role.config)
    except ValueError as error:
        raise invalid(str(error), "send a stratum.P4RoleConfig, or leave role.config unset") from None


def _arbitration(device_id: int, notice: Notice) -> Any:
    message = p4r.StreamMessageResponse()
    update = message.arbitration
    update.device_id = device_id
    if notice.role:
        update.role.name = notice.role
    if notice.config is not None:
        notice.config.fill(update.role.config)
    if notice.election_id is not None:
        update.election_id.CopyFrom(uint128(notice.election_id))
    update.status.code = int(notice.status)
    update.status.message = {
        Code.OK: "you are primary",
        Code.ALREADY_EXISTS: "another client is primary",
        Code.NOT_FOUND: "no client is primary",
    }[notice.status]
    return message


def _stream_error(refused: Refused, kind: str | None, request: Any) -> Any:
    message = p4r.StreamMessageResponse()
    error = message.error
    error.canonical_code = int(refused.code)
    error.message = str(refused)
    error.space = SPACE
    if kind == "packet":
        error.packet_out.packet_out.CopyFrom(request.packet)
    elif kind == "digest_ack":
        error.digest_list_ack.digest_list_ack.CopyFrom(request.digest_ack)
    else:
        error.other.SetInParent()
        if kind == "other":
            error.other.other.CopyFrom(request.other)
    return message
