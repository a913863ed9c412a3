"""What annotations must not say of P4Info: the same @id twice, an @id with another kind's prefix, a key of @pkginfo twice,
an action that is a group's and something else."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import ast, ir
from .p4info_ids import EXTERN, OBJECTS, PREFIX, extern_type_ids
from .p4info_order import action_order
from .source import Diagnostics

Item = tuple[str, ast.Annotations]
"""What something is called in a message, and its annotations."""


def check_p4info(program: ir.Program, diags: Diagnostics) -> None:
    """Report all of it."""
    own = extern_type_ids(program)
    kinds = OBJECTS | {kind: EXTERN + kind for kind in own}
    prefixes = PREFIX | {EXTERN + kind: number for kind, number in own.items()}
    tables = [t for t in program.tables.values() if not t.hidden]
    actions = action_order(program, tables)
    of_kind: dict[str, list[Item]] = {
        "table": [(f"table {t.name}", t.decl.annotations) for t in tables],
        "action": [(f"action {name}", decl.annotations) for name, decl, _ in actions],
        "value_set": [(f"value set {v.name}", v.decl.annotations) for v in program.value_sets],
        "controller_header": [(f"header {h.name}", h.decl.annotations) for h in program.controller_headers],
    }
    for item in program.instances.values():
        if item.kind in kinds:
            of_kind.setdefault(kinds[item.kind], []).append((f"{item.kind} {item.name}", item.decl))
    for kind, items in of_kind.items():
        _unique(items, diags, prefixes[kind])
    for table in tables:
        _unique([(f"key {k.name} of {table.name}", k.annotations) for k in table.keys], diags)
        _scopes(table, diags)
    for name, _, params in actions:
        _unique([(f"parameter {param} of {name}", notes) for param, _, notes in params], diags)
    for header in program.controller_headers:
        _unique([(f"field {f.name} of {header.name}", f.annotations) for f in header.decl.fields], diags)
    _package(program.notes, diags)


def _unique(items: Iterable[Item], diags: Diagnostics, prefix: int | None = None) -> None:
    """prefix: of the ids of these objects; None for those of fields and parameters, which have none."""
    seen: dict[int, str] = {}
    for what, notes in items:
        note = ast.annotation(notes, "id")
        if note is None or not note.args or not isinstance(note.args[0], ast.Number):
            continue
        number = note.args[0].value
        if prefix is not None and number >> 24:
            if number >> 24 != prefix:
                diags.error(note.pos, f"id {number:#010x} of {what} begins with {number >> 24:#04x}; ids of its kind begin "
                                      f"with {prefix:#04x}, which may be left out")
                continue
            number &= 0xFFFFFF
        if number in seen:
            diags.error(note.pos, f"{what} has the id {number:#x} of {seen[number]}")
        seen.setdefault(number, what)


def _scopes(table: ir.Table, diags: Diagnostics) -> None:
    for use in table.actions:
        note = ast.annotation(use.annotations, "groupaction")
        for other in ("tableonly", "defaultonly"):
            if note is not None and ast.annotation(use.annotations, other) is not None:
                diags.error(note.pos, f"an action cannot be both @groupaction and @{other}: it is a group's or an entry's")


def _package(notes: ast.Annotations, diags: Diagnostics) -> None:
    for name in ("pkginfo", "platform_property"):
        seen: set[Any] = set()
        for note in notes:
            for key in note.keys if note.name == name else ():
                if key in seen:
                    diags.error(note.pos, f"@{name} has '{key}' twice")
                seen.add(key)
