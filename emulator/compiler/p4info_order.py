"""The order in which P4Info lists things: as declared, sub-controls standing where their instance is declared."""
from __future__ import annotations

from typing import Any

from . import ast, ir


def object_order(program: ir.Program, items: list[Any]) -> list[Any]:
    """Tables or extern objects by place of declaration; what has no place keeps its order behind the others."""
    places = {name: n for n, name in enumerate(program.declared)}
    return sorted(items, key=lambda item: places.get(item.name, len(places)))


def action_order(program: ir.Program, tables: list[ir.Table]) -> list[tuple[str, Any, list[tuple[str, Any, Any]]]]:
    """(name, declaration, parameters) of the visible actions: those of tables and those called directly."""
    found: dict[str, tuple[Any, list[tuple[str, Any, Any]]]] = {}
    for action in program.actions:
        if not action.hidden:
            found.setdefault(action.name, (action.decl, action.params))
    for name, decl, params in program.called:
        if ast.annotation(decl.annotations, "hidden") is None:
            found.setdefault(name, (decl, params))
    places = {name: n for n, name in enumerate(program.declared)}
    order = sorted(found, key=lambda name: places.get(name, len(places)))
    return [(name, *found[name]) for name in order]
