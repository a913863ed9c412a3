"""A program as the server knows it: P4Info, bmv2 JSON and cookie, checked against each other, and its switch."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

from controller.p4rt.p4info import from_p4info
from controller.p4rt.schema import Schema, Table
from controller.p4rt.status import Code

from .errors import Refused, invalid
from .group_actions import add_pairs, tables_with

log = logging.getLogger("fpisa.p4rt")

MAX_GROUPS = 65535


@dataclass(frozen=True)
class SwitchOptions:
    """How a switch is made of a program."""

    engine: Any = "auto"  # auto | jit | interp
    drop_port: int = 511
    cpu_port: int | None = None
    seed: int | None = None
    clock: Any = None  # callable -> microseconds; None: time since the switch's start
    queues: Any = None  # emulator.switch.queues.QueueSettings
    externs: Any = None  # names -> classes or functions (emulator.switch.externs)


@dataclass(frozen=True)
class Program:
    """`switch` is an emulator.switch Switch with nothing installed but what the program itself declares."""

    schema: Schema
    config: bytes
    cookie: int | None
    switch: Any


def device_config(data: bytes) -> bytes:
    """The bmv2 JSON in p4_device_config: raw, or in the wrapper message of older controllers (field 3)."""
    if data.lstrip()[:1] in (b"{", b""):
        return data
    position = 0
    try:
        while position < len(data):
            key, position = _varint(data, position)
            if key & 7 == 0:
                _, position = _varint(data, position)
                continue
            if key & 7 != 2:
                return data
            length, position = _varint(data, position)
            if key >> 3 == 3 and position + length <= len(data):
                return data[position : position + length]
            position += length
    except IndexError:
        pass
    return data


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, position


def check(config: Any, externs: Any = None) -> tuple[Schema, bytes, Any]:
    """(schema, JSON bytes, model) of a p4.v1.ForwardingPipelineConfig; Refused where it cannot be run."""
    from emulator.switch.load import load_model
    from emulator.switch.model import ModelError

    try:
        schema = from_p4info(config.p4info)
    except ValueError as error:
        raise invalid(str(error), "compile the P4Info again together with the program") from None
    data = device_config(config.p4_device_config)
    if not data:
        raise invalid("p4_device_config is empty", "send the bytes of the program's bmv2 JSON")
    try:
        model = load_model(data, externs=externs)
    except ModelError as error:
        raise invalid(f"the bmv2 JSON cannot be run: {error}") from None
    _check_platform(config.p4info)
    _agree(schema, model)
    return schema, data, model


def build(config: Any, options: SwitchOptions) -> Program:
    """Check a configuration and make its switch."""
    from emulator.switch.model import ModelError
    from emulator.switch.switch import Switch

    schema, data, _ = check(config, options.externs)
    try:
        switch = Switch.load(
            as_declared(schema, data),
            engine=options.engine,
            drop_port=options.drop_port,
            cpu_port=options.cpu_port,
            clock=options.clock,
            seed=options.seed,
            queues=options.queues,
            externs=options.externs,
        )
    except ModelError as error:
        raise invalid(f"the bmv2 JSON cannot be run: {error}") from None
    except MemoryError:
        raise Refused(Code.RESOURCE_EXHAUSTED, "not enough memory for the program's state") from None
    cookie = config.cookie.cookie if config.HasField("cookie") else None
    return Program(schema, data, cookie, switch)


def as_declared(schema: Schema, data: bytes) -> bytes:
    """The JSON with what only P4Info says of its tables: which entries are initial ones, and which actions are groups'."""
    initial = {t.name: t for t in schema.tables if t.has_initial_entries and not t.is_const}
    if not initial and not tables_with(schema):
        return data
    document = json.loads(data)
    _open_tables(document, initial)
    add_pairs(schema, document)
    return json.dumps(document).encode()


def _open_tables(document: Any, initial: dict[str, Table]) -> None:
    """bmv2's JSON cannot tell initial entries from constant ones; P4Info can, and has the size that the program gives such
    a table."""
    for pipeline in document.get("pipelines", ()):
        for table in pipeline.get("tables", ()):
            info = initial.get(table.get("name"))
            if info is not None and table.get("entries"):
                table.setdefault("entries_const", False)
                table["max_size"] = max(info.size, len(table["entries"]), int(table.get("max_size", 0)))


def _check_platform(message: Any) -> None:
    """Refuse a program that needs more of a platform than there is."""
    wanted = message.pkg_info.platform_properties
    if wanted.multicast_group_table_size > MAX_GROUPS:
        raise invalid(
            f"the program needs {wanted.multicast_group_table_size} multicast groups, and there are {MAX_GROUPS}",
            "lower multicast_group_table_size in its @platform_property",
        )


def _agree(schema: Schema, model: Any) -> None:
    """Refuse a P4Info of another program; warn of single objects that the JSON does not have.

    A compiler may drop from the JSON what the P4Info still lists (a table that is never applied), so a missing
    object is not an error until it is used.
    """
    nodes = {node.name: node for node in model.tables}
    missing = [table.name for table in schema.tables if table.name not in nodes]
    if missing and len(missing) == len(schema.tables):
        raise invalid(
            f"the P4Info is of another program: the bmv2 JSON has no table {missing[0]}",
            "send the P4Info and the JSON of one compilation",
        )
    for name in missing:
        log.warning("table %s is in the P4Info but not in the bmv2 JSON", name)
    for table in schema.tables:
        node = nodes.get(table.name)
        if node is not None and node.keys and len(node.keys) != len(table.fields):
            raise invalid(
                f"table {table.name} has {len(table.fields)} match fields in the P4Info"
                f" and {len(node.keys)} in the bmv2 JSON",
                "send the P4Info and the JSON of one compilation",
            )


def key_positions(schema_fields: Any, node_keys: Any) -> list[int]:
    """For each P4Info field, the place of its key part in the switch's table: by name, else by order."""
    names = [key.name for key in node_keys]
    wanted = [field.name for field in schema_fields]
    if sorted(names) == sorted(wanted) and len(set(names)) == len(names):
        return [names.index(name) for name in wanted]
    return list(range(len(wanted)))
