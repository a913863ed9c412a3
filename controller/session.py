"""Jobs and members, and how they travel between worker and controller: one JSON object a line.

Standard library only: workers import this and nothing else of the controller. docs/PROTOCOL.md, "Joining", is the
contract. A line is at most MAX_LINE bytes.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

MAX_LINE = 1 << 20  # a state of 32,768 slots fits
MAX_WORKERS = 128  # of any program; MAX_WORKERS of p4src/config.p4 says how many one takes
MAX_VALUES = 16384  # characters: 8192 bytes in base64
UDP_PORT = 18000
FORMATS = ("int32", "fp32", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2")  # in the order of the `format` field
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


class WireError(ValueError):
    """A line is not what the protocol asks for; the message is one sentence."""


def encode(message: Mapping[str, Any]) -> bytes:
    """One line, newline included."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The object in one line; WireError for anything else."""
    if len(line) > MAX_LINE:
        raise WireError(f"the line is longer than {MAX_LINE} bytes")
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise WireError("the line is not JSON") from None
    if not isinstance(message, dict):
        raise WireError("the line is not a JSON object")
    return message


def _take(message: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = message.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise WireError(f"{name!r} must be a whole number from {low} to {high}, not {value!r}")
    return value


def _text(message: Mapping[str, Any], name: str, longest: int = 200) -> str:
    value = message.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise WireError(f"{name!r} must be a text of 1 to {longest} characters, not {value!r}")
    return value


def _address(message: Mapping[str, Any], name: str) -> str:
    text = _text(message, name)
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise WireError(f"{name!r} must be an IPv4 address, not {text!r}") from None


def _is_chunk(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 0xFFFFFFFF


def _ranks(message: Mapping[str, Any], name: str) -> tuple[int, ...]:
    ranks = message.get(name)
    if not isinstance(ranks, list) or not all(type(r) is int and 0 <= r < MAX_WORKERS for r in ranks):
        raise WireError(f"{name!r} must be a list of ranks")
    return tuple(ranks)


@dataclass(frozen=True)
class JoinRequest:
    """What a worker asks for. `rank` None leaves the choice to the controller; `udp_port` is that of its queue 0.
    `average`: results are the sums divided by the number of workers, which the switch's program must be able to."""

    job: str
    workers: int
    host: str
    udp_port: int
    slots: int
    queues: int = 1
    format: str = "fp32"
    elements: int = 64
    rank: int | None = None
    average: bool = False

    def wire(self) -> dict[str, Any]:
        return {"op": "join", **asdict(self)}

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> JoinRequest:
        workers = _take(message, "workers", 1, MAX_WORKERS)
        rank = None if message.get("rank") is None else _take(message, "rank", 0, workers - 1)
        name = _text(message, "format")
        if name not in FORMATS:
            raise WireError(f"'format' must be one of {', '.join(FORMATS)}, not {name!r}")
        queues = _take(message, "queues", 1, 256)
        average = message.get("average", False)
        if not isinstance(average, bool):
            raise WireError(f"'average' must be true or false, not {average!r}")
        return cls(
            job=_text(message, "job"),
            workers=workers,
            host=_address(message, "host"),
            udp_port=_take(message, "udp_port", 1, 65536 - queues),
            slots=_take(message, "slots", 1, 32768),
            queues=queues,
            format=name,
            elements=_take(message, "elements", 1, 65535),
            rank=rank,
            average=average,
        )


@dataclass(frozen=True)
class Member:
    """One worker of a job as the switch knows it: `port` is the switch port its packets come in by."""

    rank: int
    host: str
    mac: str
    port: int
    udp_port: int

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> Member:
        mac = _text(message, "mac").lower()
        if not _MAC.fullmatch(mac):
            raise WireError(f"'mac' must be a MAC address, not {mac!r}")
        return cls(
            rank=_take(message, "rank", 0, MAX_WORKERS - 1),
            host=_address(message, "host"),
            mac=mac,
            port=_take(message, "port", 0, 511),
            udp_port=_take(message, "udp_port", 1, 65535),
        )


@dataclass(frozen=True)
class Job:
    """An admitted job. Its slots are first_slot .. first_slot + slots - 1; its multicast group has its id."""

    id: int
    name: str
    workers: int
    first_slot: int
    slots: int
    queues: int
    format: str
    elements: int
    members: tuple[Member, ...]
    posts: tuple[Any, ...] = ()  # over several switches: controller.fabric.Post of each, children before parents
    average: bool = False

    @property
    def group(self) -> int:
        return self.id


@dataclass(frozen=True)
class Joined:
    """The answer to a worker whose job is complete."""

    job: int
    rank: int
    workers: int
    first_slot: int
    slots: int
    switch_mac: str
    switch_ip: str
    udp_port: int
    members: tuple[Member, ...]

    def wire(self) -> dict[str, Any]:
        return {"ok": True, **asdict(self)}

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> Joined:
        """Raises WireError with the controller's own sentence where it refused."""
        if message.get("ok") is not True:
            raise WireError(str(message.get("error") or "the controller's answer is not understood"))
        members = message.get("members")
        if not isinstance(members, list) or not all(isinstance(m, dict) for m in members):
            raise WireError("'members' must be a list of objects")
        workers = _take(message, "workers", 1, MAX_WORKERS)
        return cls(
            job=_take(message, "job", 1, 65535),
            rank=_take(message, "rank", 0, workers - 1),
            workers=workers,
            first_slot=_take(message, "first_slot", 0, 32767),
            slots=_take(message, "slots", 1, 32768),
            switch_mac=_text(message, "switch_mac"),
            switch_ip=_address(message, "switch_ip"),
            udp_port=_take(message, "udp_port", 1, 65535),
            members=tuple(Member.read(m) for m in members),
        )


@dataclass(frozen=True)
class SilentQuery:
    """Who is missing in the set `pool_index` for `chunk`?"""

    pool_index: int
    chunk: int

    def wire(self) -> dict[str, Any]:
        return {"op": "silent", **asdict(self)}

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> SilentQuery:
        return cls(_take(message, "pool_index", 0, 65535), _take(message, "chunk", 0, 0xFFFFFFFF))


@dataclass(frozen=True)
class Silent:
    """Ranks that have not contributed, with the way this was found out in words."""

    silent: tuple[int, ...]
    reason: str

    def wire(self) -> dict[str, Any]:
        return {"ok": True, "silent": list(self.silent), "reason": self.reason}

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> Silent:
        if message.get("ok") is not True:
            raise WireError(str(message.get("error") or "the controller's answer is not understood"))
        return cls(_ranks(message, "silent"), str(message.get("reason", "")))


@dataclass(frozen=True)
class Lost:
    """The event that a member is gone without a `leave`."""

    rank: int
    reason: str

    def wire(self) -> dict[str, Any]:
        return {"event": "lost", **asdict(self)}

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> Lost:
        return cls(_take(message, "rank", 0, MAX_WORKERS - 1), str(message.get("reason", "")))


@dataclass(frozen=True)
class Restarted:
    """The event that the switch has lost its registers: the job goes on under a new id, once all have told their state."""

    job: int

    def wire(self) -> dict[str, Any]:
        return {"event": "restarted", **asdict(self)}

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> Restarted:
        return cls(_take(message, "job", 1, 65535))


@dataclass(frozen=True)
class State:
    """A worker's answer to Restarted: for each queue, the first unanswered chunk of each of its slots."""

    job: int
    next: tuple[tuple[int, ...], ...]

    def wire(self) -> dict[str, Any]:
        return {"op": "state", **asdict(self)}

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> State:
        queues = message.get("next")
        good = isinstance(queues, list) and all(isinstance(q, list) and all(_is_chunk(n) for n in q) for q in queues)
        if not isinstance(queues, list) or not good:
            raise WireError("'next' must be a list of lists of chunk numbers")
        return cls(_take(message, "job", 1, 65535), tuple(tuple(q) for q in queues))


@dataclass(frozen=True)
class Need:
    """Ranks that lack a chunk's result, which the one who is told has got."""

    queue: int
    chunk: int
    ranks: tuple[int, ...]


@dataclass(frozen=True)
class Resume:
    """The controller's answer when all have told: give what others need, await as many results, go on as `job`."""

    job: int
    needs: tuple[Need, ...]
    awaited: int

    def wire(self) -> dict[str, Any]:
        return {"event": "resume", "job": self.job, "needs": [asdict(n) for n in self.needs], "awaited": self.awaited}

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> Resume:
        needs = message.get("needs")
        if not isinstance(needs, list) or not all(isinstance(need, dict) for need in needs):
            raise WireError("'needs' must be a list of objects")
        found = tuple(
            Need(_take(n, "queue", 0, 255), _take(n, "chunk", 0, 0xFFFFFFFF), _ranks(n, "ranks")) for n in needs
        )
        return cls(_take(message, "job", 1, 65535), found, _take(message, "awaited", 0, 32768))


@dataclass(frozen=True)
class Given:
    """One worker's result on its way to others: `values` are a payload's bytes in base64. To the controller with `op`
    "give", from it with `event` "given"."""

    job: int
    queue: int
    chunk: int
    ranks: tuple[int, ...]
    values: str
    scale: float
    flags: int

    def wire(self, how: dict[str, str]) -> dict[str, Any]:
        return {**how, **asdict(self)}

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> Given:
        scale = message.get("scale")
        if not isinstance(scale, int | float) or isinstance(scale, bool):
            raise WireError(f"'scale' must be a number, not {scale!r}")
        return cls(
            _take(message, "job", 1, 65535),
            _take(message, "queue", 0, 255),
            _take(message, "chunk", 0, 0xFFFFFFFF),
            _ranks(message, "ranks"),
            _text(message, "values", MAX_VALUES),
            float(scale),
            _take(message, "flags", 0, 255),
        )


GIVE, GIVEN = {"op": "give"}, {"event": "given"}
LEAVE: dict[str, Any] = {"op": "leave"}


def refusal(sentence: str) -> dict[str, Any]:
    return {"ok": False, "error": sentence}
