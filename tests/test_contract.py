"""`p4src/headers.p4` and `workers/wire.py` declare the same headers; so do the enumerations they name."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.p4.model import CODES, FATES
from workers import wire
from workers.wire_scapy import FPISA

P4SRC = Path(__file__).resolve().parent.parent / "p4src"
HEADERS, TYPES = (P4SRC / "headers.p4").read_text(), (P4SRC / "types.p4").read_text()


def typedefs() -> dict[str, tuple[int, bool]]:
    """Width and signedness of each type named in types.p4."""
    found = re.findall(r"typedef (bit|int)<(\d+)> (\w+);", TYPES)
    named = {name: (int(bits), kind == "int") for kind, bits, name in found}
    enums = re.findall(r"enum bit<(\d+)> (\w+)", TYPES)
    return named | {name: (int(bits), False) for bits, name in enums}


def p4_header(name: str) -> list[tuple[str, int, bool]]:
    body = re.search(rf"header {name}_h \{{(.*?)\n\}}", HEADERS, re.DOTALL).group(1)
    known, fields = typedefs(), []
    for kind, field in re.findall(r"^\s*([\w<>]+) (\w+);", body, re.MULTILINE):
        plain = re.fullmatch(r"(bit|int)<(\d+)>", kind)
        bits, signed = (int(plain[2]), plain[1] == "int") if plain else known[kind]
        fields.append((field, bits, signed))
    return fields


def p4_enum(name: str) -> dict[str, int]:
    body = re.search(rf"enum bit<\d+> {name} \{{(.*?)\}}", TYPES, re.DOTALL).group(1)
    return {key: int(value) for key, value in re.findall(r"(\w+) = (\d+)", body)}


@pytest.mark.parametrize("name", wire.HEADERS)
def test_headers_have_the_same_fields(name):
    assert p4_header(name) == [tuple(field) for field in wire.HEADERS[name]]


def test_the_order_of_headers_is_the_frame():
    body = re.search(r"struct headers_t \{(.*?)\}", HEADERS, re.DOTALL).group(1)
    body = re.sub(r"#if RAW_UPLINK.*?#endif", "", body, flags=re.DOTALL)  # between switches only
    assert re.findall(r"(\w+);", body) == [*wire.HEADERS, "values"]


def test_numbers_of_the_protocol():
    config = (P4SRC / "config.p4").read_text()
    assert f"#define FPISA_PORT {wire.PORT}" in config
    assert f"FPISA_VERSION = {wire.VERSION};" in HEADERS
    kinds = p4_enum("kind_t")
    assert (kinds["contribution"], kinds["result"], kinds["result_again"], kinds["partial"]) == (0, 1, 2, 3)
    for name, value in (("INEXACT", 1), ("OVERFLOW", 2), ("INVALID", 4)):
        assert f"const flags_t {name} = {value};" in TYPES
        assert getattr(wire, name) == value
    for name, entry in wire.FORMATS.items():
        assert CODES[name] == entry.code
        assert name == "int32" or f"#define {name} {entry.code}\n" in config


def test_fates_are_numbered_as_documented():
    fates = p4_enum("fate_t")
    assert [fates[name] for name in FATES] == list(range(len(FATES)))
    section = (P4SRC / "README.md").read_text().partition("## Counter")[2].partition("\n## ")[0]
    documented = {name: int(index) for index, name in re.findall(r"\| (\d+) \| (\w+)", section)}
    assert documented == fates


def test_scapy_and_numpy_see_the_same_frame():
    """A frame written through the dtype reads the same through scapy's layers, checksum included."""
    from scapy.layers.l2 import Ether

    addresses = wire.Addresses(bytes(range(6)), "10.0.0.1", bytes(range(6, 12)), "10.0.0.254")
    frame = wire.template(wire.get_format("fp32"), 64, addresses, 18100, job=513, rank=3, queue=2)
    frame["fpisa_pool_index"], frame["fpisa_chunk"], frame["fpisa_exponent"] = 4097, 0xFEDCBA98, -5
    frame["values"] = np.arange(64)
    packet = Ether(frame.tobytes())
    layer = packet[FPISA]
    assert (layer.version, layer.kind, layer.format, layer.job, layer.rank, layer.queue) == (
        1,
        0,
        1,
        513,
        3,
        2,
    )
    assert (layer.pool_index, layer.chunk, layer.exponent, layer.elements) == (4097, 0xFEDCBA98, -5, 64)
    assert bytes(layer.payload) == np.arange(64, dtype="<u4").tobytes()
    written = packet["IP"].chksum
    del packet["IP"].chksum
    assert Ether(bytes(packet))["IP"].chksum == written
    assert packet["UDP"].dport == wire.PORT and packet["UDP"].sport == 18102
