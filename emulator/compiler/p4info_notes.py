"""Annotations, documentation, and what the annotations of `main` say of the program as a whole, as P4Info has them."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import ast

Literal = int | bool | str
OWN_FIELDS = frozenset(["name", "id", "brief", "description", "hidden", "p4runtime_translation", "pkginfo", "platform_property",
                        "max_group_size", "selector_size_semantics", "max_member_weight", "weights_disallowed", "match"])
"""Annotations that P4Info has fields for."""
PACKAGE = ("name", "version", "organization", "contact", "url")
PLATFORM = ("multicast_group_table_size", "multicast_group_table_total_replicas", "multicast_group_table_max_replicas_per_entry")
SMALLEST, LARGEST = -(1 << 63), (1 << 63) - 1


def add_annotations(notes: ast.Annotations, into: Any, constants: Mapping[str, Literal] | None = None) -> None:
    """Annotations without fields of their own: structured ones (in brackets) taken apart, others as text."""
    for note in notes:
        if note.name in OWN_FIELDS:
            continue
        if note.brackets and _structured(note, into, constants or {}):
            continue
        if note.text is None:
            into.annotations.append(f"@{note.name}")
        else:
            into.annotations.append(f"@{note.name}[{note.text}]" if note.brackets else f"@{note.name}({note.text})")


def _structured(note: ast.Annotation, into: Any, constants: Mapping[str, Literal]) -> bool:
    """Enter an annotation with values that are known; False where it has others."""
    values = [literal(arg, constants) for arg in note.args]
    if any(value is None for value in values) or (note.text and not values):
        return False
    made = into.structured_annotations.add()
    made.name = note.name
    if note.keys:
        for key, value in zip(note.keys, values):
            pair = made.kv_pair_list.kv_pairs.add()
            pair.key = key
            _put(value, pair.value)
        return True
    made.expression_list.SetInParent()
    for value in values:
        _put(value, made.expression_list.expressions.add())
    return True


def _put(value: Literal | None, into: Any) -> None:
    if isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, int) and SMALLEST <= value <= LARGEST:
        into.int64_value = value
    else:
        into.string_value = str(value)


def literal(expr: Any, constants: Mapping[str, Literal]) -> Literal | None:
    """The value of an annotation's argument: literals, constants of the program, and sums, differences and products."""
    if isinstance(expr, (ast.Number, ast.Bool, ast.String)):
        return expr.value
    if isinstance(expr, ast.Name):
        return constants.get(expr.name)
    if isinstance(expr, ast.Unary):
        inner = literal(expr.operand, constants)
        return -inner if expr.op == "-" and type(inner) is int else None
    if isinstance(expr, ast.Binary):
        left, right = literal(expr.left, constants), literal(expr.right, constants)
        if isinstance(left, str) and isinstance(right, str):
            return left + right if expr.op in ("++", "+") else None
        if type(left) is int and type(right) is int and expr.op in ("+", "-", "*"):
            return {"+": left + right, "-": left - right, "*": left * right}[expr.op]
    return None


def number_of(notes: ast.Annotations, name: str, constants: Mapping[str, Literal]) -> int | None:
    """The number in @name(n)."""
    note = ast.annotation(notes, name)
    value = literal(note.args[0], constants) if note is not None and note.args else None
    return value if type(value) is int else None


def add_doc(notes: ast.Annotations, into: Any) -> None:
    for name in ("brief", "description"):
        text = ast.string_annotation(notes, name)
        if text is not None:
            setattr(into.doc, name, text)


def add_package(notes: ast.Annotations, into: Any, constants: Mapping[str, Literal]) -> None:
    """@pkginfo(name = "...", ...), @platform_property(... = n), @brief, @description and others of `main`."""
    for note in notes:
        for key, arg in zip(note.keys, note.args):
            value = literal(arg, constants)
            if note.name == "pkginfo" and key in PACKAGE and isinstance(value, str):
                setattr(into, key, value)
            elif note.name == "platform_property" and key in PLATFORM and type(value) is int:
                setattr(into.platform_properties, key, value)
    add_doc(notes, into)
    add_annotations(notes, into, constants)
