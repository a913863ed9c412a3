"""One connected switch, by names and numbers.

with P4Switch("127.0.0.1:9559") as switch:
    switch.set_pipeline(read_p4info("prog.p4info.txtpb"), Path("prog.json").read_bytes())
    switch.insert(TableEntry("fib", {"dst": "10.0.0.0/8"}, ActionCall("forward", {"port": 3})))
    cells = [entry.value for entry in switch.read(RegisterEntry("sums"))]
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from . import entities
from .arbitration import Election
from .client import Client, Stream, Tls
from .entities import DigestList, Encodable, PacketIn, PacketOut, TableEntry
from .p4info import from_p4info
from .protos import p4r
from .role_config import RoleConfig
from .schema import Schema
from .status import Code, P4RuntimeError, UpdateFailure

E = TypeVar("E")
_Request = p4r.SetForwardingPipelineConfigRequest
_BATCH = 2000  # updates in one request: large enough to hide a round trip, small enough to answer soon


class P4Switch:
    """A connection that takes part in the election and knows the program on the switch.

    Raises P4RuntimeError for what the switch refuses and ValueError for names or values that the program does not
    have. Callbacks (`on_packet_in`, `on_digest`, `on_idle_timeout`, `on_election`, `on_lost`, `on_error`) run on the
    connection's reader thread and must not call back into reads or writes that wait for the stream.
    """

    def __init__(
        self,
        address: str,
        *,
        device_id: int = 0,
        election_id: int = 1 << 16,
        role: str = "",
        role_config: RoleConfig | None = None,
        tls: Tls | None = None,
        timeout: float = 10.0,
    ) -> None:
        self.address = address
        self.election = Election(device_id, election_id, role, config=role_config)
        self.client = Client(address, device_id=device_id, tls=tls, timeout=timeout)
        self.on_packet_in: Callable[[PacketIn], None] | None = None
        self.on_digest: Callable[[DigestList], None] | None = None
        self.on_idle_timeout: Callable[[tuple[TableEntry, ...]], None] | None = None
        self.on_election: Callable[[Election], None] | None = None
        self.on_lost: Callable[[P4RuntimeError], None] | None = None
        self.on_error: Callable[[str], None] | None = None
        self._timeout = timeout
        self._schema: Schema | None = None
        self._stream: Stream | None = None
        self._changed = threading.Condition()
        self._ended: P4RuntimeError | None = None

    def __enter__(self) -> P4Switch:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- session ---------------------------------------------------------------------------------------------

    def connect(self, patience: float | None = None) -> Election:
        """Wait for the server and take part in the election; the outcome, which may be that of a backup.

        patience: seconds to wait for the server, where that is not `timeout`."""
        self.client.wait_ready(patience)
        while True:
            self._ended = None
            self._stream = self.client.stream(self._received, self._lost)
            self._stream.send(self.election.request())
            with self._changed:
                done = self._changed.wait_for(lambda: self.election.settled or self._ended, self._timeout)
            if not done:
                raise P4RuntimeError(Code.DEADLINE_EXCEEDED, "no answer to the election", where=self.address)
            if self._ended is None:
                return self.election
            if not self._ended.is_election_id_used:
                raise self._ended
            self.election = self.election.refused()

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self.client.close()

    @property
    def schema(self) -> Schema:
        """The program on the switch, read from it the first time."""
        if self._schema is None:
            config = self.client.get_pipeline(p4r.GetForwardingPipelineConfigRequest.P4INFO_AND_COOKIE)
            self._schema = from_p4info(config.p4info)
        return self._schema

    def set_pipeline(self, p4info: Any, config: bytes, *, action: str = "VERIFY_AND_COMMIT", cookie: int = 0) -> None:
        """Load a program: a P4Info message and the bytes of its bmv2 JSON.

        action: VERIFY, VERIFY_AND_SAVE, VERIFY_AND_COMMIT, COMMIT (p4info None) or RECONCILE_AND_COMMIT.
        """
        schema = from_p4info(p4info) if p4info is not None else None
        number = _Request.Action.Value(action)
        self.client.set_pipeline(p4info, config, self.election, action=number, cookie=cookie)
        if action not in ("VERIFY", "VERIFY_AND_SAVE"):
            self._schema = schema

    def load(self, p4info: str | Path, config: str | Path) -> None:
        """`set_pipeline` from files."""
        from .p4info import read_p4info

        self.set_pipeline(read_p4info(p4info), Path(config).read_bytes())

    # -- writing and reading -----------------------------------------------------------------------------------

    def insert(self, *items: Encodable, atomicity: str = "CONTINUE_ON_ERROR") -> None:
        self.write((("INSERT", item) for item in items), atomicity=atomicity)

    def modify(self, *items: Encodable, atomicity: str = "CONTINUE_ON_ERROR") -> None:
        self.write((("MODIFY", item) for item in items), atomicity=atomicity)

    def delete(self, *items: Encodable, atomicity: str = "CONTINUE_ON_ERROR") -> None:
        self.write((("DELETE", item) for item in items), atomicity=atomicity)

    def write(self, updates: Iterable[tuple[str, Encodable]], *, atomicity: str = "CONTINUE_ON_ERROR") -> None:
        """(INSERT | MODIFY | DELETE, entity) pairs, in order.

        Under CONTINUE_ON_ERROR a long list goes out as several requests and every one of them is sent; the
        failures of all are raised together, with places counted in the whole list. Under ROLLBACK_ON_ERROR and
        DATAPLANE_ATOMIC it is one request.
        """
        number = p4r.WriteRequest.Atomicity.Value(atomicity)
        messages = (self._update(kind, item) for kind, item in updates)
        if number:
            self.client.write(messages, self.election, number)
            return
        failures: list[UpdateFailure] = []
        waiting: Callable[[], None] | None = None
        sent = size = 0
        while True:  # the next request is put together while the switch works on the last one
            batch = list(islice(messages, _BATCH))
            if waiting is not None:
                failures += _failures_of(waiting, sent)
                sent += size
            if not batch:
                break
            waiting, size = self.client.begin_write(batch, self.election, number), len(batch)
        if failures:
            raise P4RuntimeError(Code.UNKNOWN, "some updates failed", tuple(failures), self.address)

    def ensure(self, *items: Encodable) -> None:
        """Insert, and modify those that are there already."""
        try:
            self.insert(*items)
        except P4RuntimeError as error:
            if not error.is_already_exists_only or not error.failures:
                raise
            self.modify(*(items[failure.index] for failure in error.failures))

    def remove(self, *items: Encodable) -> None:
        """Delete those that are there."""
        try:
            self.delete(*items)
        except P4RuntimeError as error:
            if not error.is_not_found_only:
                raise

    def read(self, *patterns: Encodable) -> Iterator[Any]:
        """All entities that match a pattern (an entity with fields left out), as dataclasses."""
        schema = self.schema
        messages = [pattern.encode(schema) for pattern in patterns]
        for entity in self.client.read(messages, self.election.role):
            yield entities.decode(schema, entity)

    def read_one(self, pattern: Encodable) -> Any | None:
        return next(iter(list(self.read(pattern))), None)

    # -- packets ---------------------------------------------------------------------------------------------

    def packet_out(self, payload: bytes, **metadata: Any) -> None:
        self._send(PacketOut(payload, metadata).encode(self.schema))

    def acknowledge(self, digest: DigestList) -> None:
        self._send(digest.ack(self.schema))

    def _send(self, request: Any) -> None:
        if self._stream is None or self._ended is not None:
            raise P4RuntimeError(Code.UNAVAILABLE, "the stream is closed", where=self.address)
        self._stream.send(request)

    def _update(self, kind: str, item: Encodable) -> Any:
        return p4r.Update(type=p4r.Update.Type.Value(kind), entity=item.encode(self.schema))

    # -- the reader thread -------------------------------------------------------------------------------------

    def _received(self, message: Any) -> None:
        kind = message.WhichOneof("update")
        if kind == "arbitration":
            with self._changed:
                self.election = self.election.received(message.arbitration)
                self._changed.notify_all()
            _tell(self.on_election, self.election)
        elif kind == "packet" and self.on_packet_in:
            self.on_packet_in(PacketIn.decode(self.schema, message.packet))
        elif kind == "digest" and self.on_digest:
            self.on_digest(DigestList.decode(self.schema, message.digest))
        elif kind == "idle_timeout_notification" and self.on_idle_timeout:
            rows = message.idle_timeout_notification.table_entry
            self.on_idle_timeout(tuple(TableEntry.decode(self.schema, row) for row in rows))
        elif kind == "error":
            _tell(self.on_error, message.error.message)

    def _lost(self, error: P4RuntimeError) -> None:
        with self._changed:
            self._ended = error
            self._changed.notify_all()
        _tell(self.on_lost, error)


def _tell(callback: Callable[[E], None] | None, value: E) -> None:
    if callback is not None:
        callback(value)


def _failures_of(wait: Callable[[], None], before: int) -> list[UpdateFailure]:
    """Wait for a request; its failed updates, numbered after `before` others. Raises where it failed as a whole."""
    try:
        wait()
    except P4RuntimeError as error:
        if not error.failures:
            raise
        return [replace(failure, index=failure.index + before) for failure in error.failures]
    return []
