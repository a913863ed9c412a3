"""Primitives of P4_14 times and of hand-written JSON, rewritten as JSON into the ones engines know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rewrite:
    """arity: number of arguments; apply: arguments -> (new primitive, its arguments)."""

    arity: int
    apply: Callable[[list[Any]], tuple[str, list[Any]]]


def _expression(op: str, left: Any, right: Any) -> dict:
    return {"type": "expression", "value": {"op": op, "left": left, "right": right}}


def _three(op: str) -> Rewrite:
    """dst = a op b"""
    return Rewrite(3, lambda a: ("assign", [a[0], _expression(op, a[1], a[2])]))


def _accumulate(op: str) -> Rewrite:
    """dst = dst op a"""
    return Rewrite(2, lambda a: ("assign", [a[0], _expression(op, a[0], a[1])]))


REWRITES: dict[str, Rewrite] = {
    "modify_field": Rewrite(2, lambda a: ("assign", a)),
    "add_to_field": _accumulate("+"),
    "subtract_from_field": _accumulate("-"),
    "add": _three("+"),
    "subtract": _three("-"),
    "bit_xor": _three("^"),
    "bit_or": _three("|"),
    "bit_and": _three("&"),
    "shift_left": _three("<<"),
    "shift_right": _three(">>"),
    "drop": Rewrite(0, lambda a: ("mark_to_drop", a)),
    "copy_header": Rewrite(2, lambda a: ("assign_header", a)),
    "add_header_fast": Rewrite(1, lambda a: ("add_header", a)),
    "no_op": Rewrite(0, lambda a: ("assume", [{"type": "bool", "value": True}])),
}
