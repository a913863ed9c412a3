"""What variables hold before anything is written to them: zeros, whether their storage is fresh or not.

Storage is zero when a packet begins. An `out` parameter that stands for its argument, and variables of code that one
packet may run twice, need it said.
"""
from __future__ import annotations

from typing import Any

from . import ast, fold, ir
from .context import Context, Frame
from .types import Varbit
from .values import StructV, TupleV


def written_first(body: Any, name: str) -> bool:
    """Does straight code at the start of the body set the whole parameter before anything reads it?"""
    for stmt in body.body if isinstance(body, ast.Block) else ():
        if not isinstance(stmt, (ast.Assign, ast.Var)) or (stmt.value is not None and _mentions(stmt.value, name)):
            return False
        if isinstance(stmt, ast.Assign):
            if isinstance(stmt.target, ast.Name) and stmt.target.name == name:
                return not stmt.op
            if _mentions(stmt.target, name) or _has_call(stmt.value):
                return False
    return False


def may_run_again(cx: Context) -> bool:
    """Is this code that one packet may run more than once, so that its variables may hold old values?"""
    frame: Frame | None = cx.frame
    while frame is not None:
        if frame.repeats or frame.kind == "parser" or frame.break_label is not None:
            return True
        frame = frame.parent
    return False


def _mentions(node: Any, name: str) -> bool:
    if isinstance(node, ast.Name):
        return node.name == name
    if isinstance(node, ast.Node):
        return any(_mentions(getattr(node, s), name) for c in type(node).__mro__ for s in getattr(c, "__slots__", ())
                   if s != "pos")
    return isinstance(node, tuple) and any(_mentions(n, name) for n in node)


def _has_call(node: Any) -> bool:
    if isinstance(node, ast.Call):
        return True
    if isinstance(node, ast.Node):
        return any(_has_call(getattr(node, s)) for c in type(node).__mro__ for s in getattr(c, "__slots__", ())
                   if s != "pos")
    return isinstance(node, tuple) and any(_has_call(n) for n in node)


def clear(cx: Context, value: Any) -> None:
    """Zero the scalars of a value; what an `out` parameter is before it is written is then always the same."""
    if isinstance(value, StructV):
        for part in value.fields.values():
            clear(cx, part)
    elif isinstance(value, TupleV):
        for part in value.items:
            clear(cx, part)
    elif isinstance(value, (ir.Field, ir.DynField)) and not isinstance(value.type, Varbit):
        cx.assign(value, fold.const(0, value.type))
