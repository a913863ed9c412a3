"""Which objects a role may write and see, by its configuration. A role without one has them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from controller.p4rt.role_config import RoleConfig

from .errors import denied, invalid

# The id that each kind of entity names, and a name for it.
_IDS = {
    "table_entry": ("table_id", "table"),
    "action_profile_member": ("action_profile_id", "action profile"),
    "action_profile_group": ("action_profile_id", "action profile"),
    "meter_entry": ("meter_id", "meter"),
    "counter_entry": ("counter_id", "counter"),
    "value_set_entry": ("value_set_id", "value set"),
    "register_entry": ("register_id", "register"),
    "digest_entry": ("digest_id", "digest"),
    "extern_entry": ("extern_id", "extern"),
}


def p4_id(entity: Any) -> tuple[int, str] | None:
    """(id, what it is) of the object that a p4.v1.Entity belongs to; None for multicast groups and clone sessions."""
    which = entity.WhichOneof("entity")
    inner = getattr(entity, which)
    if which in ("direct_counter_entry", "direct_meter_entry"):
        which, inner = "table_entry", inner.table_entry
    if which not in _IDS:
        return None
    name, words = _IDS[which]
    return getattr(inner, name), words


def writer_check(role: str, config: RoleConfig | None) -> Callable[[Any], None] | None:
    """A function that raises PERMISSION_DENIED for entities that the role may not write; None where it may all."""
    if config is None:
        return None
    ids = config.ids

    def check(entity: Any) -> None:
        found = p4_id(entity)
        if found is not None and found[0] and found[0] not in ids:
            number, words = found
            raise denied(f"role {role!r} does not have {words} 0x{number:08x}", "name it in the role's configuration")

    return check


def reader_view(config: RoleConfig | None) -> Callable[[int], bool] | None:
    """Whether a role sees the object of an id; None where it sees all."""
    return None if config is None else config.ids.__contains__


def check_config(role: str, config: RoleConfig, others: Mapping[str, RoleConfig]) -> None:
    """Refuse a configuration that takes what another role has, or shares what is another's alone."""
    if not role:
        raise invalid("the default role cannot be configured: it has everything", "give the role a name")
    both = config.exclusive & config.shared
    if both:
        raise invalid(f"id 0x{min(both):08x} is both exclusive and shared in role {role!r}", "choose one of the two")
    for name, other in others.items():
        if name == role:
            continue
        clash = (config.exclusive & other.ids) | (config.ids & other.exclusive)
        if clash:
            raise invalid(
                f"id 0x{min(clash):08x} of role {role!r} is in role {name!r} too, and exclusive in one of them",
                "let both share it, or take it from one",
            )


def wants_packet(config: RoleConfig | None, message: Any) -> bool:
    """Whether a role receives this p4.v1.PacketIn."""
    if config is None:
        return True
    if not config.receives_packets:
        return False
    if config.packet_filter is None:
        return True
    number, value = config.packet_filter
    return any(one.metadata_id == number and _same(one.value, value) for one in message.metadata)


def _same(one: bytes, other: bytes) -> bool:
    return one.lstrip(b"\0") == other.lstrip(b"\0")


def wants_notice(config: RoleConfig | None, number: int) -> bool:
    """Whether a role hears of the digest or table of this id."""
    return config is None or number in config.ids


def check_pusher(role: str, config: RoleConfig | None) -> None:
    if config is not None and not config.pushes_pipeline:
        raise denied(f"role {role!r} may not load programs", "set can_push_pipeline in the role's configuration")

