"""Random programs, table entries and packets, all drawn from one `random.Random`.

Under hypothesis the random numbers are drawn by it, so a failing program shrinks. Programs are valid bmv2 JSON
as a compiler would write it, and beyond: unmasked values, odd widths, indices out of range.
"""

from __future__ import annotations

import random
from typing import Any

from emulator.switch.keys import KeyPart, Lpm, Range, Ternary, full, prefix_mask
from emulator.switch.model import Key
from emulator.switch.switch import Switch
from emulator.switch.table import Table
from tests.switch.programs import (
    Builder,
    Json,
    assign,
    boolean,
    const,
    do,
    field,
    header,
    local,
    masked,
    op,
    sm,
)

WIDTHS = (1, 2, 3, 7, 8, 9, 13, 16, 24, 31, 32, 33, 48, 63, 64, 65, 100, 128, 130, 256)
COMMON = (1, 4, 8, 8, 16, 16, 32, 32, 48, 64)
HASHES = (
    "crc16",
    "crc32",
    "csum16",
    "xor16",
    "identity",
    "crcCCITT",
    "crc32_custom",
    "xxh64",
    "toeplitz",
    "crc8_custom",
)
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


class Program:
    """A program being made. places: [(header, field, width, signed)] that may be read and written."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.build = Builder()
        self.places: list[tuple[str, str, int, bool]] = []
        self.headers: list[str] = []
        self.registers: list[tuple[str, int, int]] = []
        self.stack: str | None = None
        self.stack_size = 0
        self.union: str | None = None
        self.actions: list[tuple[str, list[int]]] = []

    # --- Data ---

    def data(self) -> None:
        rng = self.rng
        for i in range(rng.randint(1, 3)):
            self._header(f"h{i}")
        if rng.random() < 0.4:
            self.stack, self.stack_size = "s", rng.randint(1, 4)
            self.build.stack("s", [("v", 8), ("w", 16)], self.stack_size)
            self.places += [("s[0]", "v", 8, False), (f"s[{self.stack_size - 1}]", "w", 16, False)]
            self.headers += [f"s[{i}]" for i in range(self.stack_size)]
        if rng.random() < 0.3:
            self.union = self.build.union("u", {"a": [("x", 8)], "b": [("y", 32)]})
            self.places += [("u.a", "x", 8, False), ("u.b", "y", 32, False)]
            self.headers += ["u.a", "u.b"]
        if rng.random() < 0.3:
            self.build.header("vl", [("n", 8), ("opt", "*")], max_length=9)
            self.places.append(("vl", "n", 8, False))
        rows: list[list[Any]] = []
        for i in range(rng.randint(2, 5)):
            width, signed = self._width(), rng.random() < 0.3
            rows.append([f"m{i}", width, signed, rng.random() < 0.15])
            self.places.append(("scalars", f"m{i}", width, signed))
        self.build.metadata(rows)
        for i in range(rng.randint(1, 2)):
            width, size = self._width(), rng.choice((1, 2, 5, 16))
            self.registers.append((self.build.register(f"r{i}", width, size), width, size))
        self.build.doc["counter_arrays"].append({"name": "c", "id": 0, "size": 4, "is_direct": False})
        for i in range(2):
            inputs = [field(*rng.choice(self.places)[:2]) for _ in range(rng.randint(1, 4))]
            row = {"name": f"calc{i}", "id": i, "algo": rng.choice(HASHES), "input": inputs}
            self.build.doc["calculations"].append(row)
        self._lists()

    def _lists(self) -> None:
        kept = [field(h, f) for h, f, _, _ in self.places if h == "scalars"][:2]
        self.build.doc["field_lists"].append({"id": 1, "name": "keep", "elements": kept})
        learned = [field(h, f) for h, f, _, _ in self.places[:3]]
        self.build.doc["learn_lists"].append({"id": 1, "name": "learn", "elements": learned})

    def _width(self) -> int:
        return self.rng.choice(WIDTHS) if self.rng.random() < 0.4 else self.rng.choice(COMMON)

    def _header(self, name: str) -> None:
        rows: list[list[Any]] = []
        for i in range(self.rng.randint(1, 4)):
            width, signed = self._width(), self.rng.random() < 0.2
            rows.append([f"f{i}", width, signed])
            self.places.append((name, f"f{i}", width, signed))
        pad = -sum(row[1] for row in rows) % 8
        if pad:
            rows.append(["pad", pad, False])
        self.build.header(name, rows)
        self.headers.append(name)

    # --- Expressions ---

    def value(self, depth: int, params: int = 0) -> Json:
        """A number, mostly masked the way a compiler does it."""
        rng = self.rng
        if depth <= 0 or rng.random() < 0.25:
            return self._leaf(params)
        kind = rng.randrange(10)
        if kind < 5:
            value = op(
                rng.choice(["+", "-", "*", "&", "|", "^"]),
                self.value(depth - 1, params),
                self.value(depth - 1, params),
            )
        elif kind == 5:
            amount = const(rng.choice((0, 1, 5, 31, 64, 200))) if rng.random() < 0.6 else self._leaf(params)
            value = op(rng.choice(("<<", ">>")), self.value(depth - 1, params), masked(amount, 9))
        elif kind == 6:
            value = op(rng.choice(("~", "-")), self.value(depth - 1, params))
        elif kind == 7:
            return op(
                "?",
                self.truth(depth - 1, params),
                self.value(depth - 1, params),
                self.value(depth - 1, params),
            )
        elif kind == 8:
            return op("b2d", self.truth(depth - 1, params))
        else:
            cast = rng.choice(("two_comp_mod", "usat_cast", "sat_cast"))
            return op(cast, self.value(depth - 1, params), const(rng.choice(COMMON)))
        if rng.random() < 0.1:
            value = op(rng.choice(("/", "%")), value, self._leaf(params))
        if rng.random() < 0.7:
            return masked(value, self._width())
        return op("two_comp_mod", value, const(self._width())) if rng.random() < 0.5 else value

    def _leaf(self, params: int) -> Json:
        rng = self.rng
        kind = rng.randrange(12)
        if kind < 7:
            return field(*rng.choice(self.places)[:2])
        if kind == 7 and params:
            return local(rng.randrange(params))
        if kind == 8 and self.stack:
            element = op(
                "dereference_header_stack", self._stack(), masked(field(*rng.choice(self.places)[:2]), 3)
            )
            return {
                "type": "expression",
                "value": {"op": "access_field", "left": element, "right": rng.randrange(2)},
            }
        if kind == 9 and self.stack:
            return op("last_stack_index", self._stack())
        return const(rng.choice((0, 1, 2, 255, rng.getrandbits(16), rng.getrandbits(64), (1 << 128) - 1)))

    def _stack(self) -> Json:
        return {"type": "header_stack", "value": self.stack}

    def truth(self, depth: int, params: int = 0) -> Json:
        rng = self.rng
        kind = rng.randrange(8)
        if depth <= 0 or kind < 3:
            return op(rng.choice(COMPARISONS), self.value(depth - 1, params), self.value(depth - 1, params))
        if kind == 3:
            return op("d2b", field(rng.choice(self.headers), "$valid$"))
        if kind == 4:
            return op("not", self.truth(depth - 1, params))
        if kind == 5:
            word = rng.choice(("and", "or", "==", "!="))
            return op(word, self.truth(depth - 1, params), self.truth(depth - 1, params))
        if kind == 6 and self.union:
            return op("valid_union", {"type": "header_union", "value": self.union})
        return boolean(rng.random() < 0.5)

    # --- Actions ---

    def primitive(self, params: int, left: int) -> Json:
        rng = self.rng
        place = rng.choice(self.places)
        target = field(*place[:2])
        kind = rng.randrange(24)
        if kind < 9:
            return assign(target, self.value(3, params))
        if kind == 9:
            return do("add_header", header(rng.choice(self.headers)))
        if kind == 10:
            return do("remove_header", header(rng.choice(self.headers)))
        if kind == 11:
            same = rng.choice([h for h in self.headers if "[" in h or "." not in h])
            other = rng.choice([h for h in self.headers if h.split("[")[0] == same.split("[")[0]])
            return do("assign_header", header(same), header(other))
        if kind == 12 and self.stack:
            return do(rng.choice(("push", "pop")), self._stack(), const(rng.randint(0, 3)))
        if kind in (13, 14):
            name, _, size = rng.choice(self.registers)
            index = const(rng.randint(0, size)) if rng.random() < 0.5 else masked(self._leaf(params), 4)
            if kind == 13:
                return do("register_read", target, name_of("register_array", name), index)
            return do("register_write", name_of("register_array", name), index, self.value(2, params))
        if kind == 15:
            calc = name_of("calculation", f"calc{rng.randrange(2)}")
            return do(
                "modify_field_with_hash_based_offset",
                target,
                self._leaf(params),
                calc,
                const(rng.choice((0, 1, 7, 1 << 16, 1 << 64))),
            )
        if kind == 16:
            return do("count", name_of("counter_array", "c"), masked(self._leaf(params), 3))
        if kind == 17 and left > 1:
            return do("_jump_if_zero", op("b2d", self.truth(1, params)), const(rng.randint(1, left)))
        if kind == 18 and self.stack:
            element = op("dereference_header_stack", self._stack(), masked(self._leaf(params), 2))
            place_ = {
                "type": "expression",
                "value": {"op": "access_field", "left": element, "right": rng.randrange(2)},
            }
            return assign(place_, self.value(2, params))
        return self._request(params)

    def _request(self, params: int) -> Json:
        rng = self.rng
        kind = rng.randrange(10)
        if kind == 0:
            return do("truncate", masked(self._leaf(params), 7))
        if kind == 1:
            return do("mark_to_drop", header("standard_metadata"))
        if kind == 2:
            return do("generate_digest", const(1), const(1))
        if kind == 3:
            return do("exit")
        if kind == 4:
            return assign(sm("mcast_grp"), const(rng.choice((0, 1, 9))))
        if kind == 5:
            return do("clone_ingress_pkt_to_egress", const(rng.choice((1, 2, 3))), const(rng.choice((0, 1))))
        return assign(sm("egress_spec"), const(rng.choice((1, 2, 3, 511))))

    def action(self, name: str) -> None:
        rng = self.rng
        params = [(f"p{i}", self._width()) for i in range(rng.randint(0, 2))]
        count = rng.randint(1, 6)
        body = []
        for i in range(count):
            step = self.primitive(len(params), count - i)
            if step["op"] == "_jump_if_zero":  # forward only: from here to the end at most
                step["parameters"][1] = const(rng.randint(i + 1, count))
            body.append(step)
        self.build.action(name, body, params)
        self.actions.append((name, [w for _, w in params]))

    # --- Parser and pipelines ---

    def parser(self) -> None:
        rng = self.rng
        plain = [h for h in self.headers if "[" not in h and "." not in h]
        first = [do("extract", {"type": "regular", "value": plain[0]})]
        if rng.random() < 0.3:
            first.append(
                do(
                    "set",
                    field(*self.places[-1][:2]),
                    {"type": "lookahead", "value": [rng.choice((0, 3)), 12]},
                )
            )
        if rng.random() < 0.3:
            first.append(do("verify", self.truth(1), const(rng.randint(1, 9))))
        names = ["start", *(f"st{i}" for i in range(1, rng.randint(1, 4)))]
        for i, name in enumerate(names):
            ops = first if i == 0 else self._operations(plain)
            place = rng.choice([p for p in self.places if p[0] == plain[0]])
            self.build.state(name, ops, [field(*place[:2])], self._transitions(names, place[2]))

    def _operations(self, plain: list[str]) -> list[Json]:
        rng = self.rng
        kind = rng.randrange(5)
        if kind == 0 and self.stack:
            return [do("extract", {"type": "stack", "value": self.stack})]
        if kind == 1 and self.union:
            return [do("extract", {"type": "regular", "value": rng.choice(("u.a", "u.b"))})]
        if kind == 2:
            return [do("advance", const(rng.choice((0, 8, 16, 12))))]
        if kind == 3 and any(p[0] == "vl" for p in self.places):
            bits = op("<<", masked(field(*rng.choice(self.places)[:2]), 4), const(rng.choice((2, 3))))
            return [do("extract_VL", {"type": "regular", "value": "vl"}, bits)]
        return [do("extract", {"type": "regular", "value": rng.choice(plain)})]

    def _transitions(self, names: list[str], width: int) -> list[Json]:
        rng = self.rng
        rows: list[Json] = []
        for _ in range(rng.randint(0, 3)):
            value, mask = (
                rng.choice((0, 1, rng.getrandbits(width))),
                rng.choice((full(width), rng.getrandbits(width))),
            )
            target = rng.choice([*names, None])
            rows.append({"type": "hexstr", "value": hex(value), "mask": hex(mask), "next_state": target})
        if rng.random() < 0.8:
            target = rng.choice([*names[1:], None, None])
            rows.append({"type": "default", "value": None, "mask": None, "next_state": target})
        return rows

    def pipelines(self) -> None:
        rng = self.rng
        for i in range(rng.randint(2, 4)):
            self.action(f"act{i}")
        for pipeline in ("ingress", "egress"):
            for i in range(rng.randint(1, 4) if pipeline == "ingress" else rng.randint(0, 2)):
                if rng.random() < 0.3:
                    self.build.condition(f"{pipeline}_if{i}", self.truth(2), pipeline=pipeline)
                else:
                    self._table(f"{pipeline}_t{i}", pipeline)

    def _table(self, name: str, pipeline: str) -> None:
        rng = self.rng
        kinds = rng.choice(
            (("exact",), ("exact", "lpm"), ("ternary", "exact"), ("range", "ternary"), ("lpm",), ())
        )
        key = [(kind, *rng.choice(self.places)[:2]) for kind in kinds]
        names = rng.sample([a for a, _ in self.actions], rng.randint(1, len(self.actions)))
        default = rng.choice(names)
        widths = dict(self.actions)[default]
        args = [rng.getrandbits(w) for w in widths]
        self.build.table(name, key, names, (default, args) if rng.random() < 0.8 else None, pipeline=pipeline)

    def json(self) -> Json:
        doc = self.build.json()
        for pipeline in doc["pipelines"]:
            self._branch(pipeline)
        return doc

    def _branch(self, pipeline: Json) -> None:
        """Random edges forward, so that no node comes twice."""
        rng = self.rng
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


def name_of(kind: str, name: str) -> Json:
    return {"type": kind, "value": name}


def random_program(rng: random.Random) -> Json:
    program = Program(rng)
    program.data()
    program.parser()
    program.pipelines()
    if rng.random() < 0.3:
        target = next((p for p in program.places if p[2] == 16 and p[0][0] == "h" and not p[3]), None)
        if target is not None:
            program.build.doc["checksums"].append(
                {"name": "ck", "id": 0, "target": list(target[:2]), "type": "generic", "calculation": "calc0",
                 "verify": True, "update": rng.random() < 0.7, "if_cond": program.truth(1)}
            )  # fmt: skip
    return program.json()


# --- Entries and packets ---


def random_part(rng: random.Random, key: Key) -> KeyPart | int:
    value = rng.choice((0, 1, rng.getrandbits(key.width))) & full(key.width)
    if key.kind == "lpm":
        length = rng.randint(0, key.width)
        return Lpm(value & prefix_mask(key.width, length), length)
    if key.kind == "ternary":
        mask = rng.choice((0, full(key.width), rng.getrandbits(key.width)))
        return Ternary(value & mask, mask)
    if key.kind == "range":
        return Range(*sorted((value, rng.getrandbits(key.width))))
    return value


def random_entries(
    rng: random.Random, switch: Switch
) -> list[tuple[str, tuple[Any, ...], str, tuple[int, ...], int]]:
    """(table, key, action, args, priority)"""
    rows = []
    for table in switch.control.table_list:
        for _ in range(rng.randint(0, 6) if table.spec.keys else 0):
            key = tuple(random_part(rng, k) for k in table.spec.keys)
            action = switch.model.actions[rng.choice(table.spec.actions)]
            args = tuple(rng.getrandbits(p.width) for p in action.params)
            rows.append((table.name, key, action.name, args, rng.randint(1, 3)))
    return rows


def install(switch: Switch, rows: list[tuple[str, tuple[Any, ...], str, tuple[int, ...], int]]) -> None:
    """Adds the entries (equal keys once), a multicast group and clone sessions."""
    for name, key, action, args, priority in rows:
        table: Table = switch.control.tables[name]
        if table.find(key, priority) is None:
            table.insert(key, action, args, priority)
    switch.control.multicast.set_group(1, [(1, 1), (2, 7), (1, 2)])
    switch.control.mirror.set_session(1, port=4)
    switch.control.mirror.set_session(2, group=1)


def random_packet(rng: random.Random) -> tuple[int, bytes]:
    """Mostly small bytes, so that conditions and selects take both ways."""
    size = rng.choice((0, 1, 2, 5, 12, 24, 40, 60, 90, 140))
    few = rng.random() < 0.6
    return rng.randrange(4), bytes(
        rng.choice((0, 1, 255, 128, 8)) if few else rng.getrandbits(8) for _ in range(size)
    )
