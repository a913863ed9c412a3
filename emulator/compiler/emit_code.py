"""Statements to primitives: straight code with _jump and _jump_if_zero."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import ir
from .emit_expr import ExprEmitter, Json, short_hex
from .types import BOOL, Varbit

PARSER_OPS = frozenset(["extract", "extract_VL", "advance", "verify"])


class CodeEmitter:
    """Primitives of one action; labels become indexes when the code is complete."""

    def __init__(self, exprs: ExprEmitter, field_lists: dict[int, int]) -> None:
        self.exprs = exprs
        self.field_lists = field_lists
        self.code: list[Json] = []
        self.fixes: list[tuple[int, int, int]] = []
        self.places: dict[int, int] = {}
        self.fresh = -1

    def new_label(self) -> int:
        self.fresh -= 1
        return self.fresh

    def here(self, label: int) -> None:
        self.places[label] = len(self.code)

    def jump(self, label: int) -> None:
        self.fixes.append((len(self.code), 0, label))
        self.code.append({"op": "_jump", "parameters": [None]})

    def jump_unless(self, cond: ir.Expr, label: int) -> None:
        self.fixes.append((len(self.code), 1, label))
        self.code.append({"op": "_jump_if_zero", "parameters": [self.exprs.param(cond) if cond.type is not BOOL else
                                                               {"type": "expression", "value": self.exprs.data(cond)},
                                                               None]})

    def block(self, stmts: Iterable[ir.Stmt], end: int) -> None:
        for stmt in stmts:
            self.stmt(stmt, end)

    def stmt(self, stmt: ir.Stmt, end: int) -> None:
        """Emit one statement; `end` is the label of the end of the action, where exit goes."""
        if isinstance(stmt, (ir.Assign, ir.Prim)):
            self.code.append(primitive(self.exprs, stmt, self.field_lists))
        elif isinstance(stmt, ir.If):
            self._if(stmt, end)
        elif isinstance(stmt, ir.Block):
            self.block(stmt.body, end)
            self.here(stmt.label)
        elif isinstance(stmt, ir.Jump):
            self.jump(stmt.label)
        elif isinstance(stmt, ir.Exit):
            self.code.append({"op": "exit", "parameters": []})
            self.jump(end)
        elif isinstance(stmt, ir.Loop):
            start = self.new_label()
            self.here(start)
            self.block(stmt.body, end)
            self.jump(start)
            self.here(stmt.label)
        else:
            raise AssertionError(stmt)

    def _if(self, stmt: ir.If, end: int) -> None:
        otherwise, after = self.new_label(), self.new_label()
        self.jump_unless(stmt.cond, otherwise)
        self.block(stmt.then, end)
        if stmt.orelse and not (stmt.then and isinstance(stmt.then[-1], ir.Jump)):
            self.jump(after)
        self.here(otherwise)
        self.block(stmt.orelse, end)
        self.here(after)

    def finish(self, end: int) -> list[Json]:
        """Drop jumps to the next instruction and put the indexes in."""
        self.here(end)
        self._drop_idle_jumps()
        for index, slot, label in self.fixes:
            self.code[index]["parameters"][slot] = short_hex(self.places[label])
        return self.code

    def _drop_idle_jumps(self) -> None:
        while True:
            idle = next((f for f in self.fixes if f[1] == 0 and self.places[f[2]] == f[0] + 1), None)
            if idle is None:
                return
            at = idle[0]
            del self.code[at]
            self.fixes = [(i - (i > at), s, label) for i, s, label in self.fixes if i != at]
            self.places = {label: p - (p > at) for label, p in self.places.items()}


def primitive(exprs: ExprEmitter, stmt: ir.Stmt, field_lists: dict[int, int]) -> Json:
    """One assignment or primitive call."""
    if isinstance(stmt, ir.Assign):
        return {"op": "assign", "parameters": [exprs.place(stmt.target), exprs.param(stmt.value)]}
    assert isinstance(stmt, ir.Prim)
    args: list[Any] = []
    more: Json = {}
    for arg in stmt.args:
        if isinstance(arg, ir.Returned):
            more["returns"] = arg.count
        elif isinstance(arg, ir.Raw) and isinstance(arg.value, tuple):
            args.append(short_hex(field_lists[arg.value[1]]))
        else:
            args.append(exprs.argument(arg))
    if stmt.op in ("log_msg",) and len(args) == 1:
        args.append({"type": "parameters_vector", "value": []})
    return {"op": stmt.op, "parameters": args, **more}


def action_code(exprs: ExprEmitter, body: Iterable[ir.Stmt], field_lists: dict[int, int]) -> list[Json]:
    emitter = CodeEmitter(exprs, field_lists)
    end = emitter.new_label()
    emitter.block(body, end)
    return emitter.finish(end)


def parser_op(exprs: ExprEmitter, stmt: ir.Stmt, field_lists: dict[int, int]) -> Json:
    """One operation of a parser state."""
    if isinstance(stmt, ir.Assign) and not isinstance(stmt.target, ir.Field):
        return {"op": "primitive", "parameters": [primitive(exprs, stmt, field_lists)]}
    if isinstance(stmt, ir.Assign):
        return {"op": "set", "parameters": [exprs.place(stmt.target), _set_source(exprs, stmt.value)]}
    assert isinstance(stmt, ir.Prim)
    if stmt.op not in PARSER_OPS:
        return {"op": "primitive", "parameters": [primitive(exprs, stmt, field_lists)]}
    if stmt.op == "verify":
        cond, code = stmt.args
        return {"op": "verify", "parameters": [exprs.expr(cond), short_hex(code.value) if isinstance(code, ir.Const)
                                               else exprs.param(code)]}
    if stmt.op == "advance":
        return {"op": "advance", "parameters": [exprs.param(stmt.args[0])]}
    params = [_header_source(stmt.args[0])]
    if stmt.op == "extract_VL":
        params.append({"type": "expression", "value": exprs.expr(stmt.args[1])})
    return {"op": stmt.op, "parameters": params}


def _set_source(exprs: ExprEmitter, value: ir.Expr) -> Json:
    if isinstance(value, ir.Const) and value.type is BOOL:
        return {"type": "hexstr", "value": hex(value.value)}
    return exprs.param(value)


def _header_source(arg: Any) -> Json:
    if isinstance(arg, ir.HeaderArg):
        return {"type": "regular", "value": arg.name}
    if isinstance(arg, ir.UnionMemberArg):
        return {"type": "union_stack", "value": [arg.stack, arg.member]}
    return {"type": "stack", "value": arg.stack}


__all__ = ["Varbit", "action_code", "parser_op"]
