"""Every broken file is refused with one sentence; nothing else ever comes out of the loader."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from emulator.switch.load import load_model
from emulator.switch.model import ModelError
from emulator.switch.switch import Switch
from tests.switch.programs import Builder, assign, calculator, const, do, field, header, op

GOLDEN = Path(__file__).parents[1] / "golden"
PROGRAMS = sorted(GOLDEN.glob("*/program.json"))


def small() -> dict[str, Any]:
    build = Builder()
    build.header("h", [("a", 8), ("b", 16)])
    build.metadata([("x", 16)])
    build.extract("h")
    build.register("r", 16, 4)
    build.action("set", [assign(field("h", "b"), {"type": "runtime_data", "value": 0})], [("v", 16)])
    build.action("skip", [])
    build.table("t", [("exact", "h", "a")], ["set", "skip"], ("set", [7]))
    return build.json()


def put(path: list[Any], value: Any) -> Callable[[dict[str, Any]], None]:
    def change(doc: dict[str, Any]) -> None:
        target: Any = doc
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = value

    return change


TABLE = ["pipelines", 0, "tables", 0]
BROKEN: list[tuple[str, Callable[[dict[str, Any]], None], str]] = [
    ("version", put(["__meta__", "version"], [3, 0]), "version 3.0 is not supported"),
    ("version shape", put(["__meta__", "version"], ["2"]), "list of two"),
    ("no standard metadata", put(["headers", 0, "name"], "meta"), "no header 'standard_metadata'"),
    ("signed port", put(["header_types", 0, "fields", 1], ["egress_spec", 9, True]), "not of a type bit<W>"),
    ("header type", put(["headers", 1, "header_type"], "nix"), "no header type 'nix'"),
    ("width", put(["header_types", 1, "fields", 0], ["a", 1 << 20, False]), "bits wide"),
    ("odd header", put(["header_types", 1, "fields", 0], ["a", 7, False]), "whole number of bytes"),
    ("name twice", put(["headers", 1, "name"], "scalars"), "occurs twice"),
    ("id twice", put(["actions", 1, "id"], 0), "id 0 occurs twice"),
    ("field", put(["actions", 0, "primitives", 0, "parameters", 0], field("h", "z")), "no field 'z'"),
    ("header", put(["actions", 0, "primitives", 0, "parameters", 0], field("q", "a")), "no header 'q'"),
    ("destination", put(["actions", 0, "primitives", 0, "parameters", 0], const(1)), "not a field"),
    (
        "valid",
        put(["actions", 0, "primitives", 0, "parameters", 0], field("h", "$valid$")),
        "cannot be assigned",
    ),
    ("parameter", put(["actions", 0, "primitives", 0, "parameters", 1, "value"], 4), "action data 4"),
    ("count", put(["actions", 0, "primitives", 0, "parameters"], []), "takes 2 arguments, not 0"),
    ("primitive", put(["actions", 0, "primitives", 0, "op"], "_Ext_m"), "no primitive '_Ext_m'"),
    ("jump", put(["actions", 1, "primitives"], [do("_jump", const(9))]), "jumps to 9"),
    (
        "operation",
        put(["actions", 1, "primitives"], [assign(field("h", "b"), op("**", const(1)))]),
        "operation '**'",
    ),
    (
        "register",
        put(["actions", 1, "primitives"], [do("register_write", "nix", const(0), const(0))]),
        "'nix'",
    ),
    ("action id", put([*TABLE, "action_ids"], [0, 9]), "no action with id 9"),
    ("next", put([*TABLE, "base_default_next"], "nix"), "'nix'"),
    ("loop", put([*TABLE, "next_tables"], {"set": "t"}), "form a loop"),
    ("arguments", put([*TABLE, "default_entry", "action_data"], []), "takes 1 arguments, not 0"),
    ("match kind", put([*TABLE, "key", 0, "match_type"], "fuzzy"), "no match kind"),
    ("entries", put([*TABLE, "entries"], [{"match_key": []}]), "0 key parts, the table 1"),
    ("profile", put([*TABLE, "type"], "indirect"), "'action_profile' is missing"),
    ("init state", put(["parsers", 0, "init_state"], "nix"), "no parser state"),
    (
        "extract",
        put(["parsers", 0, "parse_states", 0, "parser_ops", 0, "parameters"], []),
        "takes 1 arguments",
    ),
    ("deparser", put(["deparsers", 0, "order"], ["scalars"]), "is metadata"),
    ("register size", put(["register_arrays", 0, "size"], -1), "not in 0.."),
    ("memory", put(["register_arrays", 0, "size"], 1 << 31), "bytes; the limit"),
    (
        "algorithm",
        put(["calculations"], [{"name": "c", "id": 0, "algo": "md5", "input": []}]),
        "algorithm 'md5'",
    ),
    ("not a list", put(["actions"], {}), "expected a list"),
    ("null action", put(["actions", 0], None), "expected an object"),
]


@pytest.mark.parametrize(("change", "words"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_broken_file_is_refused(change: Callable[[dict[str, Any]], None], words: str) -> None:
    doc = small()
    Switch.load(doc, engine="interp")
    change(doc)
    with pytest.raises(ModelError) as caught:
        Switch.load(doc, engine="interp")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1]", "does not hold a bmv2 JSON object"),
        (b"\xff\xfe\xfa", "UTF-8"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a": ' * 200_000 + b"1" + b"}" * 200_000, "nested too deep"),
        (b"1" * 10_000, "too large a number"),
    ],
)
def test_what_is_no_json(data: bytes, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        load_model(data)


def test_missing_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nix\.json: No such file"):
        load_model(tmp_path / "nix.json")


def test_deep_expression_is_refused() -> None:
    value = const(1)
    for _ in range(400):
        value = op("+", value, const(1))
    with pytest.raises(ModelError, match="nested more than"):
        load_model(calculator(8, [assign(field("h", "r"), value)]).json())


def test_growing_product_is_refused() -> None:
    value = field("h", "a")
    for _ in range(9):
        value = op("*", value, value)
    with pytest.raises(ModelError, match="the limit is"):
        load_model(calculator(256, [assign(field("h", "r"), value)]).json())


def test_types_of_whole_copies_are_checked() -> None:
    build = Builder()
    build.header("h", [("a", 8)])
    build.header("g", [("a", 16)])
    build.extract("h")
    build.run("copy", [do("assign_header", header("h"), header("g"))])
    with pytest.raises(ModelError, match="different types"):
        load_model(build.json())


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.parent.name)
def test_reference_json_loads(path: Path) -> None:
    doc = json.loads(path.read_text())
    model = load_model(path)
    assert [h.name for h in model.headers] == [h["name"] for h in doc["headers"]]
    tables = [t["name"] for p in doc["pipelines"] for t in p["tables"]]
    assert [t.name for t in model.tables] == tables
    assert [a.name for a in model.actions] == [a["name"] for a in doc["actions"]]


# --- Mutations ---

JUNK: list[Any] = [
    None, True, False, 0, 1, -1, 7, 1 << 40, 1.5, "", "0x", "0xff", "-0x1", "$valid$", "scalars", [], {}, [[]],
    ["scalars", "tmp"], {"type": "field", "value": ["h", "a"]}, {"type": "hexstr", "value": "0x0"}, "0x" + "f" * 9000,
]  # fmt: skip


def places(node: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """(container, key) of every value in the document."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(items):
        found.append((node, key))
        places(value, found)
    return found


def mutate(doc: dict[str, Any], rng: random.Random) -> None:
    """One to four changes anywhere: gentle ones that may leave a program that runs, or anything at all."""
    for _ in range(rng.randint(1, 4)):
        spots = places(doc, [])
        container, key = rng.choice(spots)
        if rng.random() < 0.75:
            leaves = [(c, k) for c, k in spots if isinstance(c[k], (int, bool, list)) or is_hex(c[k]) or k == "op"]
            gentle(*rng.choice(leaves), rng)
        elif rng.random() < 0.3 and isinstance(container, dict):
            del container[key]
        elif rng.random() < 0.3 and isinstance(container, list):
            container.insert(key, copy.deepcopy(container[key]))
        elif rng.random() < 0.5:
            other, place = rng.choice(spots)
            container[key] = copy.deepcopy(other[place])
        else:
            container[key] = copy.deepcopy(rng.choice(JUNK))


def is_hex(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("0x")


OPERATIONS = [
    "+",
    "-",
    "*",
    "/",
    "%",
    "<<",
    ">>",
    "&",
    "|",
    "^",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "and",
    "or",
    "not",
    "~",
    "d2b",
    "b2d",
    "?",
    "two_comp_mod",
    "usat_cast",
    "sat_cast",
]


def gentle(container: Any, key: Any, rng: random.Random) -> None:
    """Another value of the same kind; a list loses, doubles or exchanges items."""
    value = container[key]
    if isinstance(value, bool):
        container[key] = not value
    elif isinstance(value, int):
        container[key] = max(0, value + rng.choice((-1, 1, 8, -8, 255)))
    elif is_hex(value):
        container[key] = hex(rng.choice((0, 1, 255, 0x1FF, rng.getrandbits(32), (1 << 64) - 1)))
    elif key == "op":
        container[key] = rng.choice(OPERATIONS)
    elif len(value) > 1:
        i, j = rng.randrange(len(value)), rng.randrange(len(value))
        value[i], value[j] = value[j], value[i]


def run_mutation(number: int) -> None:
    """Loads a mutated program; if it loads, packets go through it."""
    rng = random.Random(number)
    doc = json.loads(PROGRAMS[rng.randrange(len(PROGRAMS))].read_text())
    mutate(doc, rng)
    try:
        switch = Switch.load(doc, engine="interp", max_passes=8)
    except ModelError as error:
        assert str(error) and "\n" not in str(error)
        return
    for _ in range(3):
        switch.send(rng.randrange(4), rng.randbytes(rng.choice((0, 3, 20, 64))))


def run_mutation_on_both(number: int) -> bool:
    """A mutated program that loads must behave alike on both engines; says whether it loaded."""
    rng = random.Random(number)
    doc = json.loads(PROGRAMS[rng.randrange(len(PROGRAMS))].read_text())
    mutate(doc, rng)
    try:
        model = load_model(doc)
        slow, fast = (Switch(model, engine=e, max_passes=8, clock=lambda: 7, seed=1) for e in ("interp", "jit"))
    except ModelError:
        return False
    for _ in range(4):
        port, data = rng.randrange(4), rng.randbytes(rng.choice((0, 3, 20, 64)))
        expected, found = (sorted(s.send(port, data), key=lambda out: out[0]) for s in (slow, fast))
        assert found == expected, f"mutation {number}: packet {port} {data.hex()}"
    assert slow.events == fast.events, f"mutation {number}"
    return True


def test_mutated_json_runs_alike_on_both_engines() -> None:
    assert sum(run_mutation_on_both(number) for number in range(60)) > 10


@seed(1)
@settings(max_examples=300, deadline=None, database=None)
@given(st.integers(0, 1 << 32))
def test_mutated_json_never_crashes(number: int) -> None:
    run_mutation(number)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_mutated_json_never_crashes_at_length() -> None:
    """All are loaded and interpreted; every fifth is compiled as well, which takes ten times as long."""
    start = random.SystemRandom().randrange(1 << 40)
    for number in range(start, start + 50_000):
        try:
            run_mutation(number)
            if number % 5 == 0:
                run_mutation_on_both(number)
        except Exception as error:
            raise AssertionError(f"mutation {number}: {error!r}") from error
