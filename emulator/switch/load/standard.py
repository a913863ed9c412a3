"""The fields through which a program and the switch tell one another things, and where older files have them."""

from __future__ import annotations

from typing import Any

from emulator.switch.expr import FieldRead
from emulator.switch.load.headers import Data
from emulator.switch.model import ModelError, StandardMetadata

REQUIRED = ("ingress_port", "egress_spec", "egress_port", "instance_type", "packet_length")
OPTIONAL = (
    "enq_timestamp",
    "enq_qdepth",
    "deq_timedelta",
    "deq_qdepth",
    "ingress_global_timestamp",
    "egress_global_timestamp",
    "mcast_grp",
    "egress_rid",
    "checksum_error",
    "parser_error",
    "priority",
)


def load_standard(data: Data) -> StandardMetadata:
    header = data.header_index.get("standard_metadata")
    if header is None:
        raise ModelError("the program has no header 'standard_metadata'; it is not written for v1model")
    fields = data.field_index[data.headers[header].type]
    for name in REQUIRED:
        if name not in fields:
            raise ModelError(f"'standard_metadata' has no field {name!r}; the program is not written for v1model")
    for spec in data.types[data.headers[header].type].fields:
        if spec.signed or spec.saturating or spec.varbit:
            raise ModelError(f"field {spec.name!r} of 'standard_metadata' is not of a type bit<W>")
    required: list[Any] = [fields[name] for name in REQUIRED]
    optional: dict[str, Any] = {name: fields.get(name) for name in OPTIONAL}
    elsewhere = {name: ref for name in OPTIONAL if (ref := _elsewhere(data, name)) is not None and ref.header != header}
    return StandardMetadata(header, *required, **optional | {"elsewhere": elsewhere})


def _elsewhere(data: Data, name: str) -> FieldRead | None:
    """A field that a file from before v1model's standard_metadata has in intrinsic_metadata or queueing_metadata, be that an
    alias of another header's field or a header."""
    for group in ("intrinsic_metadata", "queueing_metadata"):
        header = data.header_index.get(group)
        ref = data.aliases.get(f"{group}.{name}")
        if ref is None and header is not None and name in data.field_index[data.headers[header].type]:
            ref = FieldRead(header, data.field_index[data.headers[header].type][name])
        if ref is None or ref.field < 0 or not data.headers[ref.header].metadata:
            continue
        spec = data.types[data.headers[ref.header].type].fields[ref.field]
        if spec.signed or spec.saturating or spec.varbit:
            raise ModelError(f"field {spec.name!r}, which stands for {group}.{name}, is not of a type bit<W>")
        return ref
    return None
