"""The state of inlining: where statements go, what names mean, which labels are open."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import ast, fold, ir
from .source import CompileError, Diagnostics
from .storage import Storage
from .types import (
    BOOL,
    DONT_CARE,
    ERROR,
    INT,
    MATCH_KIND,
    STRING,
    VOID,
    Bits,
    Enum,
    Interner,
    ListOf,
    NewType,
    Stack,
    Struct,
    Tuple,
    Type,
    Varbit,
    strip,
)
from .values import Env, TypeV

_SIMPLE = {"bool": BOOL, "int": INT, "string": STRING, "error": ERROR, "void": VOID, "_": DONT_CARE,
           "match_kind": MATCH_KIND}


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line can change about the language.

    allow: limits of the reference target to lift ("table-reuse", "division").
    emit_externs: write externs that the program declares, for a switch with a module for them.
    ignored: annotations to read as if they were not there.
    reject: what an explicit reject and a select without match do: "accept" (as the reference: parsing ends), "error" (the
    latter raises error NoMatch), "drop" (the packet is dropped).
    """

    allow: frozenset[str] = frozenset()
    reject: str = "accept"
    ndebug: bool = False
    unroll: bool = True
    emit_externs: bool = False
    ignored: frozenset[str] = frozenset()


@dataclass(slots=True)
class Frame:
    """One inlined body. `kind` is control, action, function or parser.

    exit_label: where `exit` goes first, so that copies still pending are made. repeats: an action that several tables
    may run, for one packet.
    """

    kind: str
    path: str
    result_type: Type | None = None
    result: Any = None
    return_label: int | None = None
    exit_label: int | None = None
    break_label: int | None = None
    continue_label: int | None = None
    used: set[int] = field(default_factory=set)
    parent: Frame | None = None
    repeats: bool = False


class Context:
    """Shared by all functions of the inliner."""

    def __init__(self, program: ir.Program, diags: Diagnostics, options: Options) -> None:
        self.program = program
        self.diags = diags
        self.options = options
        self.storage = Storage(program)
        self.interner = Interner(self._fill)
        self.globals = Env()
        self.env = self.globals
        self.frame = Frame("control", "")
        self.out: list[ir.Stmt] = []
        self.labels = 0
        self.pipeline = ""
        self.pos = -1
        self.calls: list[Any] = []
        self.tables_applied: dict[str, int] = {}
        self.table_scopes: dict[str, Any] = {}
        self.digests: dict[str, Type] = {}
        self.call_types: dict[ast.Call, tuple[Type, ...]] = {}
        self.states: list[ir.State] = []
        self.state_names: dict[str, int] = {}
        self.rejects = False
        self.types: dict[ast.Expr, Type] = {}

    # -- statements
    def emit(self, stmt: ir.Stmt) -> None:
        self.out.append(stmt)

    def assign(self, target: ir.Expr, value: ir.Expr) -> None:
        if target != value:
            self.out.append(ir.Assign(target, value, self.pos))

    def prim(self, op: str, *args: Any) -> None:
        self.out.append(ir.Prim(op, args, self.pos))

    def collect(self, run: Callable[[], Any]) -> tuple[list[ir.Stmt], Any]:
        """Run, and return what it emitted beside what it answered."""
        saved, self.out = self.out, []
        try:
            answer = run()
            return self.out, answer
        finally:
            self.out = saved

    def label(self) -> int:
        self.labels += 1
        return self.labels

    def temp(self, kind: Type, hint: str = "tmp") -> ir.Field:
        return self.storage.scalar(hint, kind)

    def save(self, value: ir.Expr, hint: str = "tmp") -> ir.Expr:
        """The value, kept in a temporary unless it is a constant."""
        if isinstance(value, (ir.Const, ir.Data)):
            return value
        temp = self.temp(value.type, hint)
        self.assign(temp, value)
        return temp

    def fail(self, pos: int, message: str) -> CompileError:
        return self.diags.fatal(pos, message)

    # -- types
    def type_of(self, expr: ast.TypeExpr, env: Env | None = None) -> Type:
        """Meaning of a type expression in the current scope."""
        env = env or self.env
        if isinstance(expr, ast.SizedType):
            width = self.constant(expr.width, env)
            if expr.kind == "varbit":
                return Varbit(width)
            return Bits(width, expr.kind == "int")
        if isinstance(expr, ast.NamedType):
            simple = _SIMPLE.get(expr.name)
            if simple is not None:
                return simple
            return self._named(expr.pos, expr.name, (), env)
        if isinstance(expr, ast.StackType):
            return Stack(strip(self.type_of(expr.element, env)), self.constant(expr.size, env))
        if isinstance(expr, ast.TupleType):
            members = tuple(self.type_of(t, env) for t in expr.members)
            return Tuple(members) if expr.kind == "tuple" else ListOf(members[0])
        assert isinstance(expr, ast.GenericType)
        return self._named(expr.pos, expr.base, tuple(self.type_of(t, env) for t in expr.args), env)

    def _named(self, pos: int, name: str, args: tuple[Type, ...], env: Env) -> Type:
        found = env.get(name)
        if isinstance(found, TypeV):
            return found.type
        decl = found
        if isinstance(decl, ast.StructDecl):
            return self.interner.struct(decl, args)
        if isinstance(decl, ast.ExternObject):
            return self.interner.object(decl, "extern", args)
        if isinstance(decl, (ast.Control, ast.Parser)):
            return self.interner.object(decl, "control" if isinstance(decl, ast.Control) else "parser", args)
        if isinstance(decl, ast.TypeDecl):
            return self.interner.object(decl, decl.kind, args)
        raise self.fail(pos, f"'{name}' does not name a type")

    def _fill(self, made: Struct) -> None:
        env = Env(self.globals)
        for param, arg in zip(made.decl.type_params, made.args):
            env.set(param.name, TypeV(arg))
        for item in made.decl.fields:
            made.fields[item.name] = self.type_of(item.type, env)

    def static_type(self, expr: ast.Expr) -> Type | None:
        """The language's type of an expression, where the checker wrote it down."""
        return self.types.get(expr)

    def constant(self, expr: ast.Expr, env: Env | None = None) -> int:
        """Value of a compile-time constant expression."""
        from .inline_expr import expression  # the two call each other

        saved = self.env
        self.env = env or self.env
        try:
            value = expression(self, expr)
        finally:
            self.env = saved
        if not isinstance(value, ir.Const):
            raise self.fail(expr.pos, "this must be known at compile time")
        return value.value

    def declare_type(self, decl: ast.Node) -> None:
        """Enter typedef, type, enum."""
        if isinstance(decl, ast.TypedefDecl):
            target = self.type_of(decl.type)
            self.env.set(decl.name, TypeV(NewType(decl.name, target, decl) if decl.new else target))
        elif isinstance(decl, ast.EnumDecl):
            under = self.type_of(decl.under) if decl.under else None
            made = Enum(decl.name, decl, under)
            self.env.set(decl.name, TypeV(made))
            for number, (name, _, value) in enumerate(decl.members):
                made.members[name] = fold.wrap(self.constant(value), strip(under)) if value and under else number

    def at(self, frame_kinds: Sequence[str]) -> bool:
        return self.frame.kind in frame_kinds
