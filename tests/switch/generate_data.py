"""The data of a random program: headers, stacks, unions, metadata, state."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from emulator.switch.hashes import ALGORITHMS
from tests.switch.programs import Builder, Json
from tests.switch.programs import field as field_of

WIDTHS = (1, 2, 3, 7, 8, 9, 13, 16, 24, 31, 32, 33, 48, 63, 64, 65, 100, 128, 130, 256)
COMMON = (1, 4, 8, 8, 16, 16, 32, 32, 48, 64)
HASHES = (*sorted(ALGORITHMS), "crc_kermit", "poly_0x104c11db7_init_0xffffffff_xout_0xffffffff")
Place = tuple[str, str, int, bool]
"""(header, field, width, signed)"""


@dataclass
class Draft:
    """A program being made. places: what may be read and written; headers: all, and of those `plain` stand alone.

    whole: headers' fields are unsigned and of 8, 16, 32 or 64 bits; direct: packets make no clones, digests or further passes."""

    rng: random.Random
    whole: bool = False
    direct: bool = False
    build: Builder = field(default_factory=Builder)
    places: list[Place] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)
    registers: list[tuple[str, int, int]] = field(default_factory=list)
    stacks: dict[str, int] = field(default_factory=dict)
    unions: list[str] = field(default_factory=list)
    union_stack: str | None = None
    varbits: list[str] = field(default_factory=list)
    actions: list[tuple[str, list[int]]] = field(default_factory=list)

    def width(self) -> int:
        return self.rng.choice(WIDTHS) if self.rng.random() < 0.4 else self.rng.choice(COMMON)

    def field_kind(self) -> tuple[int, bool]:
        """Width and sign of a header's field."""
        return (self.rng.choice((8, 16, 32, 64)), False) if self.whole else (self.width(), self.maybe(0.2))

    def place(self) -> Json:
        return field_of(*self.rng.choice(self.places)[:2])

    def maybe(self, chance: float) -> bool:
        return self.rng.random() < chance


def name_of(kind: str, name: str) -> Json:
    return {"type": kind, "value": name}


def make_data(d: Draft) -> None:
    for i in range(d.rng.randint(1, 3)):
        _header(d, f"h{i}")
    if d.maybe(0.4):
        _stacks(d)
    if d.maybe(0.4):
        _unions(d)
    if d.maybe(0.35):
        front = d.rng.choice((0, 0, 1, 4, 7, 11))  # bits before the varbit, which then begins within a byte
        parts: list[Any] = [("n", 8), *([("m", front)] if front else []), ("opt", "*"), *([("o", -front % 8)] if front else [])]
        for name in ("vl", "wl"):
            d.build.header(name, parts, max_length=9 + (front + 7) // 8)
            d.build.doc["headers"][-1]["header_type"] = "vl_t"
            d.places.append((name, "n", 8, False))
            d.varbits.append(name)
    rows: list[list[Any]] = []
    for i in range(d.rng.randint(2, 5)):
        width, signed = d.width(), d.maybe(0.3)
        rows.append([f"m{i}", width, signed, d.maybe(0.15)])
        d.places.append(("scalars", f"m{i}", width, signed))
    d.build.metadata(rows)
    _state(d)
    _calculations(d)
    _lists(d)


def _header(d: Draft, name: str) -> None:
    rows: list[list[Any]] = []
    for i in range(d.rng.randint(1, 4)):
        width, signed = d.field_kind()
        rows.append([f"f{i}", width, signed])
        d.places.append((name, f"f{i}", width, signed))
    pad = -sum(row[1] for row in rows) % 8
    if pad:
        rows.append(["pad", pad, False])
    d.build.header(name, rows)
    d.headers.append(name)
    d.plain.append(name)


def _stacks(d: Draft) -> None:
    """One stack, sometimes another of the same type and size."""
    size = d.rng.randint(1, 4)
    for name in ("s", "t") if d.maybe(0.4) else ("s",):
        d.build.stack(name, [("v", 8), ("w", 16)], size)
        d.stacks[name] = size
        d.places += [(f"{name}[0]", "v", 8, False), (f"{name}[{size - 1}]", "w", 16, False)]
        d.headers += [f"{name}[{i}]" for i in range(size)]
    for kind in [k for k in d.build.doc["header_types"] if k["name"] == "t_t"]:
        d.build.doc["header_types"].remove(kind)
    for row in [*d.build.doc["headers"], *d.build.doc["header_stacks"]]:
        row["header_type"] = {"t_t": "s_t"}.get(row["header_type"], row["header_type"])


def _unions(d: Draft) -> None:
    members: dict[str, Any] = {"a": [("x", 8)], "b": [("y", 32)]}
    if d.maybe(0.5):
        d.build.union("u", members)
        d.unions = ["u"]
    else:
        d.union_stack = d.build.union_stack("us", members, d.rng.randint(1, 3))
        d.unions = [row["name"] for row in d.build.doc["header_unions"]]
    for union in d.unions:
        d.places += [(f"{union}.a", "x", 8, False), (f"{union}.b", "y", 32, False)]
        d.headers += [f"{union}.a", f"{union}.b"]


def _state(d: Draft) -> None:
    for i in range(d.rng.randint(1, 2)):
        width, size = d.width(), d.rng.choice((1, 2, 5, 16))
        d.registers.append((d.build.register(f"r{i}", width, size), width, size))
    d.build.doc["counter_arrays"].append({"name": "c", "id": 0, "size": 4, "is_direct": False})
    meter = {"name": "mt", "id": 0, "size": 3, "is_direct": False, "rate_count": 2}
    d.build.doc["meter_arrays"].append({**meter, "type": d.rng.choice(("bytes", "packets"))})
    if d.maybe(0.3):
        d.build.doc["parse_vsets"].append({"name": "vs", "id": 0, "compressed_bitwidth": 0, "max_size": 8})


def _calculations(d: Draft) -> None:
    for i in range(2):
        inputs = [_input(d) for _ in range(d.rng.randint(1, 4))]
        row = {"name": f"calc{i}", "id": i, "algo": d.rng.choice(HASHES), "input": inputs}
        d.build.doc["calculations"].append(row)


def _input(d: Draft) -> Json:
    kind = d.rng.randrange(10)
    if kind == 0:
        return {"type": "payload", "value": None}
    if kind == 1:
        return {"type": "header", "value": d.rng.choice(d.plain)}
    if kind == 2:
        width = d.rng.choice((1, 5, 8, 16, 33))
        return {"type": "hexstr", "value": hex(d.rng.getrandbits(width)), "bitwidth": width}
    if kind == 3 and d.varbits:
        return field_of(d.rng.choice(d.varbits), "opt")
    return d.place()


def _lists(d: Draft) -> None:
    kept = [field_of(h, f) for h, f, _, _ in d.places if h == "scalars"][:2]
    d.build.doc["field_lists"].append({"id": 1, "name": "keep", "elements": kept})
    learned = [field_of(h, f) for h, f, _, _ in d.places[:3]]
    d.build.doc["learn_lists"].append({"id": 1, "name": "learn", "elements": learned})
