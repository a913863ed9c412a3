"""Type values: what type expressions mean.

Types without a declaration compare by value; declared types (structs, enums, externs) are made once per
declaration and list of type arguments, and compare by identity.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from . import ast


class Type:
    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Simple(Type):
    """bool, int (any size), string, error, void, match_kind, packet-like marks."""

    name: str

    def __str__(self) -> str:
        return self.name


BOOL, INT, STRING, ERROR = Simple("bool"), Simple("int"), Simple("string"), Simple("error")
VOID, DONT_CARE, MATCH_KIND, UNKNOWN = Simple("void"), Simple("_"), Simple("match_kind"), Simple("unknown")


@dataclass(frozen=True, slots=True)
class Bits(Type):
    width: int
    signed: bool = False

    def __str__(self) -> str:
        return f"{'int' if self.signed else 'bit'}<{self.width}>"


@dataclass(frozen=True, slots=True)
class Varbit(Type):
    width: int

    def __str__(self) -> str:
        return f"varbit<{self.width}>"


@dataclass(frozen=True, slots=True)
class Stack(Type):
    element: Type
    size: int

    def __str__(self) -> str:
        return f"{self.element}[{self.size}]"


@dataclass(frozen=True, slots=True)
class Tuple(Type):
    """tuple<...>; also the type of a list expression. `exact` is False for the latter."""

    members: tuple[Type, ...]
    exact: bool = True

    def __str__(self) -> str:
        return f"tuple<{', '.join(map(str, self.members))}>"


@dataclass(frozen=True, slots=True)
class ListOf(Type):
    element: Type

    def __str__(self) -> str:
        return f"list<{self.element}>"


@dataclass(frozen=True, slots=True)
class Record(Type):
    """The type of { a = x, b = y } before it meets a struct type."""

    names: tuple[str, ...]
    members: tuple[Type, ...]
    rest: bool = False

    def __str__(self) -> str:
        return "{" + ", ".join(f"{t} {n}" for n, t in zip(self.names, self.members)) + "}"


@dataclass(frozen=True, slots=True)
class SetOf(Type):
    element: Type

    def __str__(self) -> str:
        return f"set<{self.element}>"


@dataclass(frozen=True, slots=True)
class TypeVar(Type):
    """A type parameter while its value is unknown; `owner` tells equally named ones apart."""

    name: str
    owner: int

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ApplyResult(Type):
    table: str

    def __str__(self) -> str:
        return f"the result of {self.table}.apply()"


@dataclass(frozen=True, slots=True)
class ActionRun(Type):
    table: str

    def __str__(self) -> str:
        return f"an action of {self.table}"


@dataclass(eq=False, slots=True)
class Struct(Type):
    """struct, header or header_union. `fields` is filled after creation: a header may sit in its own methods' types."""

    name: str
    kind: str
    decl: ast.StructDecl
    args: tuple[Type, ...] = ()
    fields: dict[str, Type] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}<{', '.join(map(str, self.args))}>" if self.args else self.name


@dataclass(eq=False, slots=True)
class Enum(Type):
    name: str
    decl: ast.EnumDecl | None
    under: Type | None
    members: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


@dataclass(eq=False, slots=True)
class NewType(Type):
    name: str
    under: Type
    decl: ast.TypedefDecl

    def __str__(self) -> str:
        return self.name


@dataclass(eq=False, slots=True)
class Object(Type):
    """An extern object, control, parser or package type; kind tells which."""

    name: str
    kind: str
    decl: ast.ExternObject | ast.Control | ast.Parser | ast.TypeDecl
    args: tuple[Type, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}<{', '.join(map(str, self.args))}>" if self.args else self.name


def is_header(kind: Type) -> bool:
    return isinstance(kind, Struct) and kind.kind == "header"


def is_union(kind: Type) -> bool:
    return isinstance(kind, Struct) and kind.kind == "header_union"


def is_struct(kind: Type) -> bool:
    return isinstance(kind, Struct) and kind.kind == "struct"


def strip(kind: Type) -> Type:
    """Without `type` wrappers and with serializable enums as their bits."""
    while True:
        under = kind.under if isinstance(kind, (NewType, Enum)) else None
        if under is None:
            return kind
        kind = under


def storage_type(kind: Type) -> Type:
    """The bit, int or bool type that holds a scalar at run time."""
    kind = strip(kind)
    if isinstance(kind, Enum) or kind is ERROR:
        return Bits(32)
    return kind


def is_scalar(kind: Type) -> bool:
    return isinstance(storage_type(kind), Bits) or strip(kind) is BOOL


def width_of(kind: Type) -> int:
    """Width in bits of a type; 0 for what has none. Varbit counts as its maximum."""
    kind = strip(kind)
    if isinstance(kind, (Bits, Varbit)):
        return kind.width
    if kind is BOOL:
        return 1
    if isinstance(kind, Enum) or kind is ERROR:
        return 32
    if isinstance(kind, Struct):
        widths = [width_of(t) for t in kind.fields.values()]
        return max(widths, default=0) if kind.kind == "header_union" else sum(widths)
    if isinstance(kind, Stack):
        return kind.size * width_of(kind.element)
    if isinstance(kind, Tuple):
        return sum(width_of(t) for t in kind.members)
    return 0


def least_width(kind: Type) -> int:
    """Width in bits of the smallest value of a type: a varbit may be empty, a union has its smallest member."""
    kind = strip(kind)
    if isinstance(kind, Varbit):
        return 0
    if isinstance(kind, Struct):
        widths = [least_width(t) for t in kind.fields.values()]
        return min(widths, default=0) if kind.kind == "header_union" else sum(widths)
    if isinstance(kind, Stack):
        return kind.size * least_width(kind.element)
    if isinstance(kind, Tuple):
        return sum(least_width(t) for t in kind.members)
    return width_of(kind)


def substitute(kind: Type, bindings: Mapping[TypeVar, Type], interner: Interner) -> Type:
    """Replace type variables."""
    if not bindings:
        return kind
    if isinstance(kind, TypeVar):
        return bindings.get(kind, kind)
    if isinstance(kind, Tuple):
        return Tuple(tuple(substitute(t, bindings, interner) for t in kind.members), kind.exact)
    if isinstance(kind, Stack):
        return Stack(substitute(kind.element, bindings, interner), kind.size)
    if isinstance(kind, SetOf):
        return SetOf(substitute(kind.element, bindings, interner))
    if isinstance(kind, ListOf):
        return ListOf(substitute(kind.element, bindings, interner))
    if isinstance(kind, Struct) and kind.args:
        return interner.struct(kind.decl, tuple(substitute(t, bindings, interner) for t in kind.args))
    if isinstance(kind, Object) and kind.args:
        return interner.object(kind.decl, kind.kind, tuple(substitute(t, bindings, interner) for t in kind.args))
    return kind


class Interner:
    """Makes declared types, one per declaration and arguments. `fill` computes a new struct's fields."""

    def __init__(self, fill) -> None:  # type: ignore[no-untyped-def]
        self.fill = fill
        self.made: dict[tuple[object, ...], Type] = {}

    def struct(self, decl: ast.StructDecl, args: tuple[Type, ...]) -> Struct:
        key = (decl, *args)
        found = self.made.get(key)
        if found is None:
            made = Struct(decl.name, decl.kind, decl, args)
            self.made[key] = made
            self.fill(made)
            return made
        return found  # type: ignore[return-value]

    def object(self, decl, kind: str, args: tuple[Type, ...]) -> Object:  # type: ignore[no-untyped-def]
        key = (decl, *args)
        found = self.made.get(key)
        if found is None:
            found = self.made[key] = Object(decl.name, kind, decl, args)
        return found  # type: ignore[return-value]


def unify(formal: Type, actual: Type, bindings: dict[TypeVar, Type], interner: Interner) -> bool:
    """Make `formal` equal `actual` by binding formal's type variables; False where that cannot be.

    An argument of type int or a list expression leaves a variable open until something better binds it.
    """
    if isinstance(formal, TypeVar):
        bound = bindings.get(formal)
        if bound is None or (bound is INT and actual is not INT):
            bindings[formal] = actual
            return True
        return unify(bound, actual, {}, interner) if not isinstance(bound, TypeVar) else bound == actual
    if formal is DONT_CARE or actual is DONT_CARE or actual is UNKNOWN or formal is UNKNOWN:
        return True
    if isinstance(formal, SetOf) and isinstance(actual, SetOf):
        return unify(formal.element, actual.element, bindings, interner)
    if isinstance(formal, Tuple) and isinstance(actual, Tuple):
        return _unify_all(formal.members, actual.members, bindings, interner)
    if isinstance(formal, ListOf):
        if isinstance(actual, ListOf):
            return unify(formal.element, actual.element, bindings, interner)
        if isinstance(actual, Tuple):
            return all(unify(formal.element, t, bindings, interner) for t in actual.members)
    if isinstance(formal, Stack) and isinstance(actual, Stack):
        return formal.size == actual.size and unify(formal.element, actual.element, bindings, interner)
    if isinstance(formal, Stack) and isinstance(actual, Tuple):
        return len(actual.members) <= formal.size and all(
            unify(formal.element, t, bindings, interner) for t in actual.members)
    if isinstance(formal, Struct):
        return _unify_struct(formal, actual, bindings, interner)
    if isinstance(formal, Object) and isinstance(actual, Object):
        return formal.decl is actual.decl and _unify_all(formal.args, actual.args, bindings, interner)
    if actual is INT and isinstance(strip(formal), Bits) and not isinstance(formal, (NewType, Enum)):
        return True
    return formal == actual


def _unify_struct(formal: Struct, actual: Type, bindings: dict[TypeVar, Type], interner: Interner) -> bool:
    if isinstance(actual, Struct):
        if formal is actual:
            return True
        return formal.decl is actual.decl and _unify_all(formal.args, actual.args, bindings, interner)
    if formal.kind == "header_union":
        return False
    kinds = list(formal.fields.values())
    if isinstance(actual, Tuple) and not actual.exact:
        if len(actual.members) > len(kinds):
            return False
        return all(unify(f, a, bindings, interner) for f, a in zip(kinds, actual.members)) and \
            (len(actual.members) == len(kinds) or getattr(actual, "rest", False))
    if isinstance(actual, Record):
        if not set(actual.names) <= set(formal.fields) or (not actual.rest and len(actual.names) != len(kinds)):
            return False
        return all(unify(formal.fields[n], t, bindings, interner) for n, t in zip(actual.names, actual.members))
    return False


def _unify_all(formals: Sequence[Type], actuals: Sequence[Type], bindings: dict[TypeVar, Type],
               interner: Interner) -> bool:
    return len(formals) == len(actuals) and all(unify(f, a, bindings, interner) for f, a in zip(formals, actuals))
