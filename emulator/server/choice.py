"""What members of groups and the actions of one-shots have in common: weights, watched ports, and the sizes they add up to."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

from controller.p4rt.schema import ActionProfile
from controller.p4rt.status import Code

from .errors import Refused, invalid

MAX_PORT = 511
MAX_WEIGHT = 1 << 16  # a group writes its weights out
MAX_PLACES = 1 << 20  # of one group, weights written out

Watch = bytes | int | None
"""A watched port as a controller gave it."""
PortOf = Callable[[bytes, str], int]
"""The number of a port that a controller gives as bytes; the second argument says where, for an error."""


def watch_of(message: Any) -> Watch:
    which = message.WhichOneof("watch_kind")
    return None if which is None else getattr(message, which)


def set_watch(message: Any, watch: Watch) -> None:
    if isinstance(watch, bytes):
        message.watch_port = watch
    elif watch is not None:
        message.watch = watch


class WatchPorts:
    """The ports that a member may watch."""

    def __init__(self, port_of: PortOf, existing: Container[int] | None = None) -> None:
        """existing: their numbers; None where the switch has no ports of its own, and any may be meant."""
        self._port_of, self._existing = port_of, existing

    def number(self, watch: Watch) -> int | None:
        """The port's number; None for a member that is always chosen from. Refused where there is no such port."""
        if watch is None or watch == b"":
            return None
        port = watch if isinstance(watch, int) else self._port_of(watch, "watch_port")
        if not 0 <= port <= MAX_PORT:
            raise invalid(f"watch_port: there is no port {port}", f"ports are 0..{MAX_PORT}")
        if self._existing is not None and port not in self._existing:
            raise invalid(f"watch_port: the switch has no port {port}", "watch one that it has, or leave watch_port out")
        return port


def checked_weight(info: ActionProfile, weight: int, what: str, by_members: bool) -> int:
    """How often a member stands in its group; Refused for a weight that none of this profile can have."""
    if not info.weights_allowed:
        if weight:
            raise invalid(f"{what}: it has weight {weight}, and groups of {info.name} have no weights", "leave it out")
        return 1
    if weight < 1:
        raise invalid(f"{what}: weight {weight} is below 1", "weights start at 1")
    if by_members and info.max_member_weight and weight > info.max_member_weight:
        raise invalid(f"{what}: weight {weight} is above {info.max_member_weight}", "lower it, or raise max_member_weight")
    if weight > MAX_WEIGHT:
        raise Refused(Code.RESOURCE_EXHAUSTED, f"{what}: weight {weight} is above {MAX_WEIGHT}", "lower it")
    return weight


def group_size(by_members: bool, weights: list[int], what: str) -> tuple[int, str]:
    """(size of a group, words for it); Refused where no group can be so large."""
    if sum(weights) > MAX_PLACES:
        raise Refused(Code.RESOURCE_EXHAUSTED, f"{what}: the weights add up to more than {MAX_PLACES}", "lower them")
    return (len(weights), "members number") if by_members else (sum(weights), "the weights add up to")
