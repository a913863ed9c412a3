"""What an engine (interpreter or compiled) offers the traffic manager.

An engine runs the program's own parts - parser, checksums, pipelines, deparser - on one packet at a time.
Everything between ingress and egress belongs to `traffic.py`, which works on any engine's packet state
through this protocol, so both engines share one order of decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from emulator.switch.expr import FieldRead

# standard_metadata.instance_type
NORMAL = 0
INGRESS_CLONE = 1
EGRESS_CLONE = 2
COALESCED = 3
RECIRCULATED = 4
REPLICATION = 5
RESUBMITTED = 6

NO_LIST = -1
"""A request (resubmit, ...) that names no field list: nothing but the packet is kept."""


@dataclass(slots=True)
class Requests:
    """What the program asked of the traffic manager; of several calls the last counts.

    clone: (session, index in Model.field_lists or NO_LIST). resubmit, recirculate: index or NO_LIST, None if
    not asked. digest: index in Model.learn_lists. truncate: length in bytes of what leaves."""

    clone: tuple[int, int] | None = None
    resubmit: int | None = None
    recirculate: int | None = None
    digest: int | None = None
    truncate: int | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a packet enters ingress. preserved: fields kept from an earlier pass, with their values.
    now: microseconds, for ingress_global_timestamp and meters."""

    port: int
    now: int
    instance_type: int = NORMAL
    preserved: Sequence[tuple[FieldRead, int]] = ()


class Engine(Protocol):
    """State is the engine's own; the traffic manager only hands it back."""

    name: str

    def parse(self, data: bytes, arrival: Arrival) -> Any:
        """Fresh packet state: metadata zero but for ingress_port, packet_length, instance_type,
        ingress_global_timestamp and `preserved`; then the parser and the verify checksums."""

    def ingress(self, state: Any) -> None:
        """Run the ingress pipeline."""

    def egress(self, state: Any) -> None:
        """Run the egress pipeline."""

    def deparse(self, state: Any) -> bytes:
        """Update checksums, emit headers and payload; not truncated."""

    def requests(self, state: Any) -> Requests:
        """The requests made so far; the traffic manager may change and clear them."""

    def read(self, state: Any, field: FieldRead) -> int: ...

    def write(self, state: Any, field: FieldRead, value: int) -> None: ...

    def length(self, state: Any) -> int:
        """The packet's length in bytes as it follows headers added and removed."""

    def digest(self, state: Any, learn_list: int) -> tuple[int, ...]:
        """The values of a digest's elements."""

    def copy(self, state: Any) -> Any:
        """An independent copy: headers, metadata, payload; no requests but truncate."""

    def clear_metadata(self, state: Any) -> None:
        """All metadata 0."""


PARSER_STEP_LIMIT = 16384
"""Parser states visited for one packet before the parser gives up with error ParserTimeout."""

BACKWARD_JUMP_LIMIT = 65536
"""Backward jumps taken in one run of an action before the rest of the action is skipped."""
