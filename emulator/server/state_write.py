"""Writing what is not a table: counters, meters, registers, digests."""

from __future__ import annotations

from typing import Any

from controller.p4rt.schema import Counter, Digest, Meter, Register
from controller.p4rt.status import Code
from emulator.switch.errors import ControlError

from .errors import Refused, invalid, not_found
from .meters import check_cleared, check_rates, set_rates
from .undo import Undo, nothing

DONE = {"INSERT": "inserted", "DELETE": "deleted"}
_MAX_COUNT = (1 << 63) - 1


def index_of(message: Any, size: int, what: str) -> int:
    """The index of an entity; a write must have one, and it must exist."""
    if not message.HasField("index"):
        raise invalid(f"{what}: no index is given", "a write is for one cell; give its index")
    index = message.index.index
    if index < 0:
        raise invalid(f"{what}: index {index} is negative", f"its indices are 0..{size - 1}")
    if index >= size:
        raise Refused(Code.OUT_OF_RANGE, f"{what} has no index {index}", f"its indices are 0..{size - 1}")
    return index


def check_counts(data: Any, what: str) -> None:
    for count in (data.packet_count, data.byte_count):
        if not 0 <= count <= _MAX_COUNT:
            raise invalid(f"{what}: a count cannot be {count}", "counts are not negative")


def only_modify(kind: str, what: str) -> None:
    if kind != "MODIFY":
        raise invalid(f"{what} cannot be {DONE[kind]}", "it is always there; use MODIFY")


def write_counter(kind: str, message: Any, info: Counter, control: Any) -> Undo:
    what = f"counter {info.name}"
    only_modify(kind, what)
    cells = _cells(message, control.size, what)
    check_counts(message.data, what)
    if not message.HasField("data"):
        return nothing
    before = control.data[cells.start : cells.stop].copy()
    for index in cells:
        control.write(index, message.data.packet_count, message.data.byte_count)
    return lambda: _put_rows(control, cells, before)


def _cells(message: Any, size: int, what: str) -> range:
    """The cells that a write names: one, or all of them where it has no index."""
    if not message.HasField("index"):
        return range(size)
    index = index_of(message, size, what)
    return range(index, index + 1)


def _put_rows(control: Any, cells: range, rows: Any) -> None:
    control.data[cells.start : cells.stop] = rows


def write_meter(kind: str, message: Any, info: Meter, control: Any) -> Undo:
    what = f"meter {info.name}"
    only_modify(kind, what)
    cells = _cells(message, control.size, what)
    if message.HasField("config"):
        check_rates(message.config, info)
    if message.HasField("counter_data"):
        check_cleared(message.counter_data)
    before = control.data[cells.start : cells.stop].copy()
    for index in cells:
        set_rates(control, index, message, info)
        if message.HasField("counter_data"):
            control.clear_counts(index)
    return lambda: _put_rows(control, cells, before)


def write_register(kind: str, message: Any, info: Register, control: Any, value: int) -> Undo:
    """value: the bits of `message.data`."""
    what = f"register {info.name}"
    only_modify(kind, what)
    if not message.HasField("index"):
        before = control.data.copy()
        control.fill(value)
        return lambda: control.restore(before)
    index = index_of(message, control.size, what)
    old = control.read(index)
    control.write(index, value)
    return lambda: control.write(index, old)


def check_presence(kind: str, present: bool, what: str) -> None:
    if kind == "INSERT" and present:
        raise ControlError("exists", f"{what} is there already")
    if kind != "INSERT" and not present:
        raise not_found(f"there is no {what}", "use INSERT to create it")


# -- digests -----------------------------------------------------------------------------------------------------


class DigestSettings:
    """Which digests are on, and how. A digest is off until the controller inserts it."""

    def __init__(self, digests: Any) -> None:
        self._digests = digests
        self.configs: dict[int, Any] = {}

    def write(self, kind: str, message: Any, info: Digest) -> Undo:
        what = f"digest {info.name}"
        before = self.configs.get(info.id)
        check_presence(kind, before is not None, what)
        if kind == "DELETE":
            self._set(info, None)
            return lambda: self._set(info, before)
        config = message.config
        for name in ("max_timeout_ns", "max_list_size", "ack_timeout_ns"):
            if getattr(config, name) < 0:
                raise invalid(f"{what}: {name} is negative", "0 is the smallest value")
        kept = type(config)()
        kept.CopyFrom(config)
        self._set(info, kept)
        return lambda: self._set(info, before)

    def _set(self, info: Digest, config: Any) -> None:
        digest = self._digests[info.name]
        if config is None:
            digest.disable()
            self.configs.pop(info.id, None)
            return
        digest.configure(
            max_timeout_us=config.max_timeout_ns // 1000,
            max_list_size=config.max_list_size,
            ack_timeout_us=config.ack_timeout_ns // 1000,
        )
        self.configs[info.id] = config
