"""Writing what is not a table: counters, meters, registers, value sets, replication, digests."""

from __future__ import annotations

from typing import Any

from controller.p4rt import values
from controller.p4rt.schema import Counter, Digest, Meter, Register, ValueSet
from controller.p4rt.status import Code
from emulator.switch.errors import ControlError

from .errors import Refused, invalid, not_found, unimplemented
from .match import KeyCodec, unsigned
from .meters import check_rates, set_rates
from .undo import Undo

DONE = {"INSERT": "inserted", "DELETE": "deleted"}
_MAX_COUNT = (1 << 63) - 1


def index_of(message: Any, size: int, what: str) -> int:
    """The index of an entity; a write must have one, and it must exist."""
    if not message.HasField("index"):
        raise invalid(f"{what}: no index is given", "a write is for one cell; give its index")
    index = message.index.index
    if not 0 <= index < size:
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
    index = index_of(message, control.size, what)
    check_counts(message.data, what)
    before = control.read(index)
    control.write(index, message.data.packet_count, message.data.byte_count)
    return lambda: control.write(index, *before)


def write_meter(kind: str, message: Any, info: Meter, control: Any) -> Undo:
    what = f"meter {info.name}"
    only_modify(kind, what)
    index = index_of(message, control.size, what)
    if message.HasField("config"):
        check_rates(message.config)
    before = control.data[index].copy()
    set_rates(control, index, message)

    def undo() -> None:
        control.data[index] = before

    return undo


def register_value(data: Any, info: Register) -> int:
    """The bits of a P4Data for this register."""
    element, what = info.element, f"register {info.name}"
    kind = data.WhichOneof("data")
    if element.kind == "bool" and kind == "bool":
        return int(data.bool)
    if kind != "bitstring":
        wanted = "bool" if element.kind == "bool" else "bitstring"
        raise invalid(f"{what}: the data is given as {kind or 'nothing'}", f"set data.{wanted}")
    if not element.signed:
        return unsigned(data.bitstring, element.bitwidth, what)
    try:
        return values.decode_signed(data.bitstring, element.bitwidth) & ((1 << element.bitwidth) - 1)
    except ValueError as error:
        raise invalid(f"{what}: {error}", "write it in two's complement, shortest form") from None


def write_register(kind: str, message: Any, info: Register, control: Any) -> Undo:
    what = f"register {info.name}"
    only_modify(kind, what)
    value = register_value(message.data, info)
    if not message.HasField("index"):
        before = control.data.copy()
        control.fill(value)
        return lambda: control.restore(before)
    index = index_of(message, control.size, what)
    old = control.read(index)
    control.write(index, value)
    return lambda: control.write(index, old)


def write_value_set(kind: str, message: Any, info: ValueSet, control: Any, codec: KeyCodec) -> Undo:
    """A value set is modified as a whole, as the specification has it."""
    what = f"value set {info.name}"
    only_modify(kind, what)
    members = []
    for member in message.members:
        key = codec.decode(member.match)
        members.append(tuple(_as_ternary(part, f.bitwidth) for part, f in zip(key, info.fields)))
    if len(set(members)) != len(members):
        raise invalid(f"{what}: a member is given twice", "give each member once")
    limit = info.size or control.spec.max_size
    if len(members) > limit:
        raise Refused(Code.RESOURCE_EXHAUSTED, f"{what} holds {limit} members, not {len(members)}", "raise its size")
    before = control.members()
    control.replace(members)
    return lambda: control.replace(before)


def _as_ternary(part: Any, width: int) -> tuple[int, int]:
    name = type(part).__name__
    if name == "Exact":
        return part.value, (1 << width) - 1
    if name == "Lpm":
        return part.value, values.prefix_mask(part.prefix_len, width)
    if name == "Ternary":
        return part.value, part.mask
    if part.low == part.high:
        return part.low, (1 << width) - 1
    raise unimplemented("a range in a value set is not supported", "use exact or ternary members")


# -- replication -------------------------------------------------------------------------------------------------


def replicas_of(message: Any, what: str) -> list[tuple[int, int]]:
    """(port, instance) of each replica; none may be named twice."""
    found = []
    for one in message.replicas:
        if one.backup_replicas:
            raise unimplemented(f"{what}: backup replicas are not supported", "leave them out")
        if one.WhichOneof("port_kind") == "port":
            port = unsigned(one.port, 32, f"{what}, port")
        else:
            port = one.egress_port
        if port > 511:
            raise invalid(f"{what}: there is no port {port}", "ports are 0..511")
        if one.instance > 0xFFFF:
            raise invalid(f"{what}: instance {one.instance} is above 65535", "egress_rid has 16 bits")
        found.append((port, one.instance))
    if len(set(found)) != len(found):
        raise invalid(f"{what}: a port and instance are given twice", "give copies different instances")
    return found


class Replication:
    """Multicast groups and clone sessions; `remembered` keeps what only a controller wants back."""

    def __init__(self, multicast: Any, mirror: Any) -> None:
        self.multicast = multicast
        self.mirror = mirror
        self.remembered: dict[tuple[str, int], Any] = {}

    def write(self, kind: str, message: Any) -> Undo:
        which = message.WhichOneof("type")
        if which == "multicast_group_entry":
            return self._write_group(kind, message.multicast_group_entry)
        if which == "clone_session_entry":
            return self._write_session(kind, message.clone_session_entry)
        raise invalid("the replication entry is empty", "set a multicast group or a clone session")

    def _write_group(self, kind: str, message: Any) -> Undo:
        gid = message.multicast_group_id
        what = f"multicast group {gid}"
        if not 1 <= gid <= 0xFFFF:
            raise Refused(Code.OUT_OF_RANGE, f"there cannot be a {what}", "groups are 1..65535")
        before = self.multicast.group(gid)
        _check_presence(kind, before is not None, what)
        key, old = ("group", gid), self.remembered.get(("group", gid))
        if kind == "DELETE":
            self.multicast.delete_group(gid)
            self.remembered.pop(key, None)
        else:
            self.multicast.set_group(gid, replicas_of(message, what))
            self.remembered[key] = _copy(message)
        return lambda: self._restore_group(gid, before, old)

    def _restore_group(self, gid: int, before: Any, old: Any) -> None:
        if before is None:
            self.multicast.delete_group(gid)
            self.remembered.pop(("group", gid), None)
        else:
            self.multicast.set_group(gid, before)
            self.remembered["group", gid] = old

    def _write_session(self, kind: str, message: Any) -> Undo:
        number = message.session_id
        what = f"clone session {number}"
        if not 1 <= number <= 0x7FFF:
            raise Refused(Code.OUT_OF_RANGE, f"there cannot be a {what}", "sessions are 1..32767")
        if message.class_of_service:
            raise unimplemented(f"{what}: there are no classes of service", "leave class_of_service 0")
        if message.packet_length_bytes < 0:
            raise invalid(f"{what}: packet_length_bytes is negative", "0 keeps whole packets")
        before = self.mirror.session(number)
        _check_presence(kind, before is not None, what)
        old = self.remembered.get(("session", number))
        if kind == "DELETE":
            self.mirror.delete_session(number)
            self.remembered.pop(("session", number), None)
        else:
            replicas = replicas_of(message, what)
            self.mirror.set_session(number, replicas=replicas, truncate=message.packet_length_bytes)
            self.remembered["session", number] = _copy(message)
        return lambda: self._restore_session(number, before, old)

    def _restore_session(self, number: int, before: Any, old: Any) -> None:
        if before is None:
            self.mirror.delete_session(number)
            self.remembered.pop(("session", number), None)
        else:
            self.mirror.set_session(number, group=before.group, replicas=before.replicas, truncate=before.truncate)
            self.remembered["session", number] = old


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _check_presence(kind: str, present: bool, what: str) -> None:
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
        _check_presence(kind, before is not None, what)
        if kind == "DELETE":
            self._set(info, None)
            return lambda: self._set(info, before)
        config = message.config
        for name in ("max_timeout_ns", "max_list_size", "ack_timeout_ns"):
            if getattr(config, name) < 0:
                raise invalid(f"{what}: {name} is negative", "0 is the smallest value")
        self._set(info, _copy(config))
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
