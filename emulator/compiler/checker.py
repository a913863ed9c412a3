"""The state of type checking, and the questions all of its parts ask."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from . import ast, ir
from .constants import evaluate
from .context import Context, Options
from .source import CompileError, Diagnostics
from .types import (
    BOOL,
    ERROR,
    INT,
    STRING,
    UNKNOWN,
    VOID,
    Bits,
    Enum,
    ListOf,
    NewType,
    Record,
    Stack,
    Struct,
    Tuple,
    Type,
    Varbit,
    is_header,
    is_scalar,
    is_union,
    storage_type,
    strip,
    unify,
)
from .values import Env, TypeV

MAX_WIDTH = 8192
"""Bits of the widest number; the switch takes no wider field."""


@dataclass(eq=False, slots=True)
class Sym:
    """A name with a type: variable, parameter, constant, instance, table, value set."""

    name: str
    type: Type
    kind: str
    pos: int
    direction: str = "inout"
    value: ir.Const | None = None
    decl: Any = None
    used: bool = False
    written: bool = True


@dataclass(eq=False, slots=True)
class Where:
    """What kind of code is being checked."""

    kind: str = "top"
    result: Type = VOID
    loops: int = 0
    tables: dict[str, Any] = field(default_factory=dict)


class Checker(Context):
    """A Context whose names are Syms; type expressions mean the same in both."""

    def __init__(self, diags: Diagnostics, options: Options) -> None:
        super().__init__(ir.Program(""), diags, options)
        self.where = Where()
        self.open_structs: list[Struct] = []
        self.prototypes: dict[str, Any] = {}
        self.match_kinds: set[str] = set()
        self.callees: dict[Any, set[Any]] = {}
        self.current: Any = None
        self.asserted: set[ast.Call] = set()
        self.outer: dict[Sym, list[int]] = {}
        """Variables around the action or table being checked that nothing has written so far: where it reads them."""
        self.reads: dict[Any, list[tuple[Sym, int]]] = {}
        """The same for each action and table that has been checked."""

    # -- errors
    def error(self, pos: int, message: str) -> Type:
        self.diags.error(pos, message)
        return UNKNOWN

    # -- scopes
    def declare(self, name: str, value: Any, pos: int) -> None:
        """Enter a name; one name means one thing in one scope."""
        known = self.env.names.get(name)
        if known is not None:
            before = getattr(known, "pos", None) or getattr(getattr(known, "decl", None), "pos", None)
            place = f" (before: {self.diags.describe(before)})" if before is not None and before >= 0 else ""
            self.error(pos, f"'{name}' is declared twice in one scope{place}")
            return
        self.env.set(name, value)

    def variable(self, name: str, kind: Type, pos: int, what: str = "variable", direction: str = "inout",
                 value: ir.Const | None = None, decl: Any = None) -> Sym:
        sym = Sym(name, kind, what, pos, direction, value, decl)
        self.declare(name, sym, pos)
        return sym

    def params(self, params: Sequence[ast.Param], outputs: bool = False) -> None:
        """Declare parameters; those without direction are read-only. outputs: notice numbers that go out unwritten."""
        seen: set[str] = set()
        for param in params:
            if param.name in seen:
                self.error(param.pos, f"two parameters are called '{param.name}'")
                continue
            seen.add(param.name)
            sym = Sym(param.name, self.resolve(param.type), "parameter", param.pos,
                      param.direction or "none", None, param)
            sym.written = not (outputs and param.direction == "out" and is_scalar(sym.type))
            self.env.set(param.name, sym)

    # -- types
    def resolve(self, expr: ast.TypeExpr) -> Type:
        """type_of, answering UNKNOWN after an error."""
        try:
            kind = self.type_of(expr)
        except CompileError:
            if self.diags.error_count >= self.diags.max_errors:
                raise
            return UNKNOWN
        return self._check_type(expr, kind)

    def type_of(self, expr: ast.TypeExpr, env: Env | None = None) -> Type:
        kind = super().type_of(expr, env)
        if isinstance(kind, (Bits, Varbit)) and isinstance(expr, ast.SizedType) and \
                not int(expr.kind == "int") <= kind.width <= MAX_WIDTH:
            return self.error(expr.pos, f"a width of {kind.width} is not possible")
        return kind

    def _check_type(self, expr: ast.TypeExpr, kind: Type) -> Type:
        if isinstance(kind, Stack):
            if not is_header(kind.element) and not is_union(kind.element) and kind.element is not UNKNOWN:
                self.error(expr.pos, f"only headers and header unions can be stacked, not {kind.element}")
            elif kind.size <= 0:
                self.error(expr.pos, f"a stack of {kind.size} elements is not possible")
        return kind

    def constant(self, expr: ast.Expr, env: Env | None = None) -> int:
        value = evaluate(self, expr, env or self.env)
        if value is None:
            raise self.fail(expr.pos, "this must be known at compile time")
        return value.value

    def known(self, expr: ast.Expr) -> ir.Const | None:
        """Value of a constant expression, None where it is not constant."""
        return evaluate(self, expr, self.env)

    def _fill(self, made: Struct) -> None:
        self.open_structs.append(made)
        saved = self.env
        self.env = Env(self.globals)
        for param, arg in zip(made.decl.type_params, made.args):
            self.env.set(param.name, TypeV(arg))
        for item in made.decl.fields:
            kind = self.resolve(item.type)
            if kind in self.open_structs or (isinstance(kind, Stack) and kind.element in self.open_structs):
                self.error(item.pos, f"{made.name} contains itself")
                kind = UNKNOWN
            if item.name in made.fields:
                self.error(item.pos, f"two fields of {made.name} are called '{item.name}'")
            made.fields[item.name] = kind
        self.env = saved
        self.open_structs.pop()

    # -- compatibility
    def assignable(self, target: Type, value: Type) -> bool:
        """Can a value of this type be stored in a place of that type without a cast?"""
        if target is UNKNOWN or value is UNKNOWN:
            return True
        if value is INT:
            real = target
            while isinstance(real, NewType):
                real = real.under
            return isinstance(real, Bits) or real is INT
        if isinstance(value, Enum) and value.under is not None and not isinstance(target, (Enum, NewType)):
            return strip(value) == strip(target)
        if isinstance(target, Tuple) and isinstance(value, Tuple):
            return len(target.members) >= len(value.members) and all(
                self.assignable(t, v) for t, v in zip(target.members, value.members))
        if isinstance(target, Struct) and target.kind != "header_union" and isinstance(value, Tuple) and not value.exact:
            kinds = list(target.fields.values())
            return len(kinds) >= len(value.members) and all(
                self.assignable(t, v) for t, v in zip(kinds, value.members))
        if isinstance(target, Struct) and isinstance(value, Record):
            return all(n in target.fields and self.assignable(target.fields[n], t)
                       for n, t in zip(value.names, value.members))
        if isinstance(target, Stack) and isinstance(value, Tuple):
            return len(value.members) <= target.size and all(
                self.assignable(target.element, v) for v in value.members)
        if isinstance(target, ListOf) and isinstance(value, Tuple):
            return all(self.assignable(target.element, v) for v in value.members)
        return unify(target, value, {}, self.interner)

    def fits(self, expr: ast.Expr, target: Type) -> None:
        """Warn about a constant that its place's type cannot hold."""
        real, number = storage_type(target), self.known(expr)
        if number is None or not isinstance(real, Bits):
            return
        low, high = (-(1 << (real.width - 1)), 1 << (real.width - 1)) if real.signed else (0, 1 << real.width)
        if number.value < low and not real.signed:
            self.diags.warn(expr.pos, f"{number.value} is negative, {target} has no sign", "mismatch")
        elif not low <= number.value < high:
            self.diags.warn(expr.pos, f"{number.value} does not fit {target}", "overflow")

    def require(self, pos: int, target: Type, value: Type, what: str = "value", expr: ast.Expr | None = None) -> None:
        """Report a value that its place cannot take. expr: warn, too, about a number that loses bits there."""
        if expr is not None and value is INT:
            self.fits(expr, target)
        if value is VOID:
            self.error(pos, f"{what}: a call without a result is used as a value of type {target}")
        elif not self.assignable(target, value):
            self.error(pos, f"{what}: expected {target}, found {value}{_hint(target, value)}")


def _hint(target: Type, value: Type) -> str:
    """How to make it fit, where one cast does."""
    a, b = strip(target), strip(value)
    if isinstance(a, Bits) and isinstance(b, Bits):
        if a.signed != b.signed and a.width != b.width:
            return f" (cast in two steps: to {Bits(b.width, a.signed)}, then to {target})"
        return f" (a cast is needed: ({target}))"
    if (a is BOOL and isinstance(b, Bits) and b.width == 1) or (b is BOOL and isinstance(a, Bits) and a.width == 1):
        return f" (a cast is needed: ({target}))"
    return ""


__all__ = ["ERROR", "STRING", "Checker", "Sym", "Varbit", "Where"]
