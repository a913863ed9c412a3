"""Sections calculations, checksums, field_lists, learn_lists."""

from __future__ import annotations

from typing import Any

from emulator.switch import expr as x
from emulator.switch.hashes import ALGORITHMS, known_algorithm
from emulator.switch.load.checked import fail, index_by_id, natural, need, number, objects
from emulator.switch.load.exprs import Scope, bool_expr, build, lookup
from emulator.switch.model import (
    Calculation,
    CalculationInput,
    Checksum,
    ConstInput,
    FieldInput,
    FieldList,
    HeaderInput,
    LearnList,
    PayloadInput,
)


def load_inputs(item: dict, where: str, scope: Scope) -> tuple[CalculationInput, ...]:
    return tuple(_input(raw, f"{where}, input", scope) for raw in need(item, "input", list, where, []))


def _input(raw: Any, where: str, scope: Scope) -> CalculationInput:
    kind = need(raw, "type", str, where)
    if kind == "field":
        return FieldInput(scope.data.field_ref(raw.get("value"), where))
    if kind == "hexstr":
        width = natural(raw, "bitwidth", where, limit=x.SHIFT_LIMIT)
        return ConstInput(number(raw.get("value"), where) & ((1 << width) - 1), width)
    if kind == "header":
        return HeaderInput(lookup(scope.data.header_index, raw.get("value"), "header", where))
    if kind == "payload":
        return PayloadInput()
    fail(where, f"{kind!r} cannot be hashed")


def load_calculations(doc: dict, scope: Scope) -> tuple[Calculation, ...]:
    found = []
    for item, where in objects(doc, "calculations", "the file"):
        algo = need(item, "algo", str, where)
        if not known_algorithm(algo):
            fail(where, f"there is no hash algorithm {algo!r} (there are {', '.join(sorted(ALGORITHMS))})")
        found.append(Calculation(need(item, "name", str, where), algo, load_inputs(item, where, scope)))
    return tuple(found)


def load_checksums(
    doc: dict, scope: Scope, calculations: tuple[Calculation, ...]
) -> tuple[tuple[Checksum, ...], tuple[Calculation, ...]]:
    """(checksums, calculations with those added that checksums of type "ipv4" imply)"""
    found: list[Checksum] = []
    known = list(calculations)
    for item, where in objects(doc, "checksums", "the file"):
        target = scope.data.field_ref(item.get("target"), where)
        if item.get("type") == "ipv4" and item.get("calculation") is None:
            known.append(_whole_header(target, scope, f"{need(item, 'name', str, where)}$calculation"))
            calculation = len(known) - 1
        else:
            names = {c.name: i for i, c in enumerate(known)}
            calculation = lookup(names, item.get("calculation"), "calculation", where)
        raw = item.get("if_cond")
        cond = None if raw is None else bool_expr(raw, scope, where)
        verify, update = need(item, "verify", bool, where, True), need(item, "update", bool, where, True)
        found.append(Checksum(need(item, "name", str, where), target, calculation, verify, update, cond))
    return tuple(found), tuple(known)


def _whole_header(target: x.FieldRead, scope: Scope, name: str) -> Calculation:
    """The Internet checksum over a header without its checksum field."""
    fields = len(scope.data.types[scope.data.headers[target.header].type].fields)
    refs = [x.FieldRead(target.header, f) for f in range(fields) if f != target.field]
    return Calculation(name, "csum16", tuple(FieldInput(ref) for ref in refs))


def load_field_lists(doc: dict, scope: Scope) -> tuple[FieldList, ...]:
    """Fields, and whole headers by index; other elements keep nothing."""
    items = objects(doc, "field_lists", "the file")
    ids = index_by_id([item for item, _ in items], "field_lists")
    found = []
    for (item, where), number_ in zip(items, ids):
        elements: list[x.FieldRead | int] = []
        for raw in need(item, "elements", list, where, []):
            kind = need(raw, "type", str, where)
            if kind == "field":
                elements.append(scope.data.field_ref(raw.get("value"), where))
            elif kind == "header":
                elements.append(lookup(scope.data.header_index, raw.get("value"), "header", where))
        found.append(FieldList(need(item, "name", str, where), number_, tuple(elements)))
    return tuple(found)


def load_learn_lists(doc: dict, scope: Scope) -> tuple[LearnList, ...]:
    items = objects(doc, "learn_lists", "the file")
    ids = index_by_id([item for item, _ in items], "learn_lists")
    found = []
    for (item, where), number_ in zip(items, ids):
        elements = tuple(_sample(raw, where, scope) for raw in need(item, "elements", list, where, []))
        found.append(LearnList(need(item, "name", str, where), number_, elements))
    return tuple(found)


def _sample(raw: Any, where: str, scope: Scope) -> tuple[x.Expr, int]:
    node, kind = build(raw, scope, where)
    if isinstance(node, x.FieldRead):
        return node, scope.data.width(node)
    if isinstance(node, x.Const):
        return node, natural(raw, "bitwidth", where, max(1, node.value.bit_length()))
    fail(where, f"an element of a digest is a field or a constant, not {kind}")
