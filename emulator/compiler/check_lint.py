"""Warnings about a program that is correct but surely not meant so; a look at the tree alone, after all checks."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import ast
from .context import Options
from .source import Diagnostics


def lint(tree: ast.Program, diags: Diagnostics, options: Options) -> None:
    mentioned = set(_names(tree.decls))
    for decl in tree.decls:
        if isinstance(decl, (ast.Control, ast.Parser)):
            _locals(decl, mentioned, diags)
        if isinstance(decl, ast.Parser):
            _states(decl, diags, options)


def _locals(decl: ast.Control | ast.Parser, mentioned: set[str], diags: Diagnostics) -> None:
    """Actions nobody lists or calls, objects nobody uses. (Tables are looked at where they are applied.)"""
    for item in decl.locals:
        if not isinstance(item, (ast.Action, ast.Instance, ast.ValueSet)) or item.name in mentioned or \
                ast.annotation(item.annotations, "noWarn"):
            continue
        what = {ast.Action: "action", ast.ValueSet: "value set"}.get(type(item), "object")
        diags.warn(item.pos, f"{what} {item.name} is never used", "unused")


def _states(decl: ast.Parser, diags: Diagnostics, options: Options) -> None:
    for state in decl.states:
        move = state.transition
        if move.pos == state.pos and move.keys is None and move.state == "reject":
            diags.warn(state.pos, f"state {state.name} has no transition, which means reject", "parser-transition")
        if options.reject == "drop":
            continue
        targets = [(move.state, move.pos)] if move.keys is None else [(c.state, c.pos) for c in move.cases]
        for name, pos in targets:
            if name == "reject" and pos != state.pos:
                diags.warn(pos, "reject ends parsing and the packet goes on, as on simple_switch "
                                "(--parser-reject drop drops it)", "unsupported")


def _names(node: Any) -> Iterator[str]:
    """Every name that an expression, a list of actions or an entry mentions."""
    if isinstance(node, (ast.Name, ast.ActionRef)):
        yield node.name
    if isinstance(node, ast.Node):
        for kind in type(node).__mro__:
            for slot in getattr(kind, "__slots__", ()):
                if slot not in ("pos", "annotations"):
                    yield from _names(getattr(node, slot))
    elif isinstance(node, tuple):
        for item in node:
            yield from _names(item)
