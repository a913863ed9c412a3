"""Random programs, table entries and packets, all drawn from one `random.Random`.

Under hypothesis the random numbers are drawn by it, so a failing program shrinks. Programs are valid bmv2 JSON
as a compiler would write it, and beyond: unmasked values, odd widths, indices out of range. Between them they use every
primitive, operation, extern, hash and kind of table there is.
"""

from __future__ import annotations

import random

from emulator.switch.keys import full
from tests.switch.generate_actions import choices
from tests.switch.generate_data import Draft, make_data
from tests.switch.generate_expr import truth, value
from tests.switch.generate_tables import install, join, make_pipelines, random_entries
from tests.switch.programs import Json, const, do, field, masked, op

__all__ = ["install", "random_entries", "random_packet", "random_program"]
END: Json = {"type": "default", "value": None, "mask": None}


def random_program(rng: random.Random, *, whole: bool = False, direct: bool = False) -> Json:
    """whole, direct: as in Draft."""
    d = Draft(rng, whole, direct)
    make_data(d)
    _parser(d)
    make_pipelines(d)
    for i in range(rng.randint(0, 2)):
        _checksum(d, i)
    doc = d.build.json()
    for pipeline in doc["pipelines"]:
        join(d, pipeline)
    if d.maybe(0.2):
        doc["deparsers"][0]["primitives"] = [step for _ in range(2) if (step := _harmless(d)) is not None]
    return doc


def _checksum(d: Draft, number: int) -> None:
    target = next((p for p in d.places if p[2] == 16 and p[0] in d.plain and not p[3]), None)
    if target is not None:
        row = {"name": f"ck{number}", "id": number, "target": list(target[:2]), "type": "generic", "calculation": "calc0"}
        more = {"verify": True, "update": d.maybe(0.7), "if_cond": truth(d, 1)}
        d.build.doc["checksums"].append({**row, **more})


def _harmless(d: Draft) -> Json | None:
    """A primitive that may stand outside an action."""
    step = d.rng.choice(choices(d))(d, 0)
    return None if step["op"] == "exit" else step


# --- Parser ---


def _parser(d: Draft) -> None:
    first = [do("extract", {"type": "regular", "value": d.plain[0]})]
    if d.maybe(0.3):
        first.append(do("set", d.place(), {"type": "lookahead", "value": [d.rng.choice((0, 3)), 12]}))
    if d.maybe(0.3):
        first.append(do("verify", truth(d, 1), const(d.rng.randint(1, 9))))
    names = ["start", *(f"st{i}" for i in range(1, d.rng.randint(1, 5)))]
    for i, name in enumerate(names):
        key, width = _key(d)
        d.build.state(name, first if i == 0 else _operations(d), [key], _transitions(d, names, width))


def _key(d: Draft) -> tuple[Json, int]:
    """A part of a select and its width; the value set, if there is one, takes its first user's."""
    kind = d.rng.randrange(8)
    if kind == 0 and d.stacks:
        return {"type": "stack_field", "value": [d.rng.choice(sorted(d.stacks)), "v"]}, 8
    if kind == 1 and d.union_stack is not None:
        return {"type": "union_stack_field", "value": [d.union_stack, "a", "x"]}, 8
    if kind == 2:
        width = d.rng.choice((1, 8, 13))
        return {"type": "lookahead", "value": [d.rng.choice((0, 5)), width]}, width
    place = d.rng.choice([p for p in d.places if p[0] == d.plain[0]])
    return field(*place[:2]), place[2]


def _operations(d: Draft) -> list[Json]:
    rng = d.rng
    kind = rng.randrange(8)
    if kind == 0 and d.stacks:
        return [do("extract", {"type": "stack", "value": rng.choice(sorted(d.stacks))})]
    if kind == 1 and d.union_stack is not None:
        return [do("extract", {"type": "union_stack", "value": [d.union_stack, rng.choice("ab")]})]
    if kind == 1 and d.unions:
        return [do("extract", {"type": "regular", "value": f"{d.unions[0]}.{rng.choice('ab')}"})]
    if kind == 2:
        return [do("advance", const(rng.choice((0, 8, 16, 12))))] if d.maybe(0.7) else [do("shift", rng.choice((0, 1, 3)))]
    if kind == 3 and d.varbits:
        bits = op("<<", masked(d.place(), 4), const(rng.choice((2, 3))))
        return [do("extract_VL", {"type": "regular", "value": rng.choice(d.varbits)}, bits)]
    if kind == 4:
        return [do("set", d.place(), value(d, 2))]
    if kind == 5 and (step := _harmless(d)) is not None:
        return [do("primitive", step)]
    return [do("extract", {"type": "regular", "value": rng.choice(d.plain)})]


def _transitions(d: Draft, names: list[str], width: int) -> list[Json]:
    rng = d.rng
    rows: list[Json] = []
    for _ in range(rng.randint(0, 3)):
        number, mask = rng.choice((0, 1, rng.getrandbits(width))), rng.choice((full(width), rng.getrandbits(width)))
        target = rng.choice([*names, None])
        rows.append({"type": "hexstr", "value": hex(number), "mask": hex(mask), "next_state": target})
    for value_set in d.build.doc["parse_vsets"]:
        if d.maybe(0.5) and value_set["compressed_bitwidth"] in (0, width):
            value_set["compressed_bitwidth"] = width
            mask = hex(rng.getrandbits(width)) if d.maybe(0.5) else None
            target = rng.choice([*names, None])
            rows.append({"type": "parse_vset", "value": value_set["name"], "mask": mask, "next_state": target})
    if d.maybe(0.8):
        rows.append({**END, "next_state": rng.choice([*names[1:], None, None])})
    return rows


# --- Packets ---


def random_packet(rng: random.Random) -> tuple[int, bytes]:
    """Mostly small bytes, so that conditions and selects take both ways."""
    size = rng.choice((0, 1, 2, 5, 12, 24, 40, 60, 90, 140))
    few = rng.random() < 0.6
    return rng.randrange(4), bytes(
        rng.choice((0, 1, 255, 128, 8)) if few else rng.getrandbits(8) for _ in range(size)
    )
