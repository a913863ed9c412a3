"""Random tables, action profiles and control flow, and the entries that are put into them."""

from __future__ import annotations

import random
from typing import Any

from emulator.switch.control import Place
from emulator.switch.keys import KeyPart, Lpm, Range, Ternary, full, prefix_mask
from emulator.switch.model import Key
from emulator.switch.switch import Switch
from emulator.switch.table import DEFAULT_SLOT, Table
from tests.switch.generate_actions import make_action
from tests.switch.generate_data import HASHES, Draft
from tests.switch.generate_expr import truth
from tests.switch.programs import Json, field

KEYS = (("exact",), ("exact", "lpm"), ("ternary", "exact"), ("range", "ternary"), ("lpm",), ("optional", "exact"),
        ("lpm", "lpm"), ())  # fmt: skip
Row = tuple[str, tuple[Any, ...], str, tuple[int, ...], int]
"""(table, key, action, args, priority)"""


def make_pipelines(d: Draft) -> None:
    for i in range(d.rng.randint(2, 4)):
        make_action(d, f"act{i}")
    for pipeline in ("ingress", "egress"):
        for i in range(d.rng.randint(1, 4) if pipeline == "ingress" else d.rng.randint(0, 2)):
            if d.maybe(0.3):
                d.build.condition(f"{pipeline}_if{i}", truth(d, 2), pipeline=pipeline)
            else:
                _table(d, f"{pipeline}_t{i}", pipeline)


def _table(d: Draft, name: str, pipeline: str) -> None:
    rng = d.rng
    key = [(kind, *rng.choice(d.places)[:2]) for kind in rng.choice(KEYS)]
    names = rng.sample([a for a, _ in d.actions], rng.randint(1, len(d.actions)))
    default = rng.choice(names)
    args = [rng.getrandbits(w) for w in dict(d.actions)[default]]
    more: dict[str, Any] = {"support_timeout": d.maybe(0.2), "with_counters": d.maybe(0.3)}
    if key and d.maybe(0.25):
        more |= _profile(d, name, pipeline)
    d.build.table(name, key, names, (default, args) if d.maybe(0.8) else None, pipeline=pipeline, **more)
    row = d.build.pipelines[pipeline]["tables"][-1]
    for part in row["key"]:
        if part["match_type"] in ("exact", "ternary") and d.maybe(0.2):
            part["mask"] = hex(rng.getrandbits(16))
    if d.maybe(0.15):
        _direct_meter(d, row)


def _profile(d: Draft, table: str, pipeline: str) -> dict[str, Any]:
    profile: Json = {"name": f"{table}_p", "id": 0, "max_size": 8}
    if d.maybe(0.6):
        inputs = [field(*d.rng.choice(d.places)[:2]) for _ in range(d.rng.randint(1, 3))]
        profile["selector"] = {"algo": d.rng.choice(HASHES), "input": inputs}
    d.build.pipelines[pipeline]["action_profiles"].append(profile)
    return {"type": "indirect_ws" if "selector" in profile else "indirect", "action_profile": profile["name"]}


def _direct_meter(d: Draft, row: Json) -> None:
    name = f"{row['name']}_m"
    target = d.rng.choice([p for p in d.places if p[0] == "scalars"])
    meter = {"name": name, "id": len(d.build.doc["meter_arrays"]), "is_direct": True, "rate_count": 2, "size": 8}
    kind = d.rng.choice(("bytes", "packets"))
    d.build.doc["meter_arrays"].append({**meter, "type": kind, "binding": row["name"], "result_target": list(target[:2])})
    row["direct_meters"] = name


def join(d: Draft, pipeline: Json) -> None:
    """Random edges forward, so that no node comes twice."""
    rng = d.rng
    rows = sorted((*pipeline["tables"], *pipeline["conditionals"]), key=lambda r: r["name"][-1])
    names = [row["name"] for row in rows]
    pipeline["init_table"] = names[0] if names else None
    for i, row in enumerate(rows):
        later = [*names[i + 1 : i + 3], None] if rng.random() < 0.5 else [(names[i + 1 :] or [None])[0]]
        if "expression" in row:
            row["true_next"], row["false_next"] = rng.choice(later), rng.choice(later)
        elif rng.random() < 0.3:
            row["next_tables"] = {"__HIT__": rng.choice(later), "__MISS__": rng.choice(later)}
        else:
            row["next_tables"] = {a: rng.choice(later) for a in row["actions"]}
            row["base_default_next"] = rng.choice(later)


# --- Entries ---


def random_part(rng: random.Random, key: Key) -> KeyPart | int:
    mask = full(key.width) if key.mask is None else key.mask
    value = rng.choice((0, 1, rng.getrandbits(key.width))) & mask
    if key.kind == "lpm":
        length = rng.randint(0, key.width)
        return Lpm(value & prefix_mask(key.width, length), length)
    if key.kind in ("ternary", "optional"):
        mask = rng.choice((0, full(key.width), rng.getrandbits(key.width) if key.kind == "ternary" else 0))
        return Ternary(value & mask, mask)
    if key.kind == "range":
        return Range(*sorted((value, rng.getrandbits(key.width))))
    return value


def random_entries(rng: random.Random, switch: Switch) -> list[Row]:
    rows = []
    for table in switch.control.table_list:
        for _ in range(rng.randint(0, 6) if table.spec.keys else 0):
            key = tuple(random_part(rng, k) for k in table.spec.keys)
            action = switch.model.actions[rng.choice(table.spec.actions)]
            args = tuple(rng.getrandbits(p.width) for p in action.params)
            rows.append((table.name, key, action.name, args, rng.randint(1, 3)))
    return rows


def install(switch: Switch, rows: list[Row]) -> None:
    """Adds the entries (equal keys once), members and groups for tables with profiles, rates of meters, a multicast
    group and clone sessions."""
    for number, (name, key, action, args, priority) in enumerate(rows):
        table: Table = switch.control.tables[name]
        if table.find(key, priority) is not None:
            continue
        if table.profile is None:
            handle = table.insert(key, action, args, priority)
            if table.direct_meter is not None and number % 2:
                table.direct_meter.set_rates(table.entry(handle).slot, 1000, 40 + number, 2000, 90)
            elif table.direct_meter is not None:
                table.direct_meter.set_single_rate(table.entry(handle).slot, 1000, 40 + number, 90)
        else:
            _indirect(table, key, action, args, priority, number)
    for index in (0, 1):
        switch.control.meters["mt"].set_rates(index, 1000, 3 + 40 * index, 3000, 5 + 60 * index)
    switch.control.meters["mt"].set_single_rate(2, 1000, 40, 60)
    for table in switch.control.table_list:
        if table.direct_meter is not None and len(table.name) + len(rows) & 1:
            table.direct_meter.set_rates(DEFAULT_SLOT, 1000, 60, 2000, 90)
    switch.control.multicast.set_group(1, [(1, 1), (2, 7), (1, 2)])
    switch.control.mirror.set_session(1, port=4)
    switch.control.mirror.set_session(2, group=1)
    for value_set in switch.control.value_set_list:
        for value in sorted({v & full(value_set.spec.width) for v in (0, 1, 255)}):
            value_set.add(value)


def _indirect(table: Table, key: Any, action: str, args: tuple[int, ...], priority: int, number: int) -> None:
    """A member or, where there is a selector, a group: every third of them empty, one member watching a port."""
    profile = table.profile
    assert profile is not None
    if len(profile.members()) >= profile.spec.max_size:
        return
    member = profile.add_member(action, args)
    if profile.spec.selector_algo is None or number % 3 == 0:
        table.insert_member(key, member, priority)
        return
    places = [Place(m.handle, 1 + m.handle % 3, 2 if m.handle == member else None) for m in profile.members()]
    table.insert_group(key, profile.add_group(places if number % 3 == 1 else []), priority)
