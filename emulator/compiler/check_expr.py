"""Types of expressions."""
from __future__ import annotations

from typing import Any

from . import ast, check_call, check_flow
from .check_compat import castable, comparable, same_width
from .checker import Checker, Sym
from .types import (
    BOOL,
    ERROR,
    INT,
    STRING,
    UNKNOWN,
    VOID,
    ActionRun,
    ApplyResult,
    Bits,
    Enum,
    ListOf,
    Record,
    SetOf,
    Stack,
    Struct,
    Tuple,
    Type,
    TypeVar,
    is_header,
    is_union,
    strip,
)
from .values import TypeV

_COMPARE = frozenset(["<", "<=", ">", ">="])


def check(ck: Checker, expr: ast.Expr, want: Type | None = None) -> Type:
    """The type of an expression, reported errors giving UNKNOWN. `want` guides initializers and inference."""
    kind: Type = _HANDLERS[type(expr)](ck, expr, want)
    ck.types[expr] = kind
    return kind


def value(ck: Checker, expr: ast.Expr, want: Type | None = None) -> Type:
    """The type of an expression that must have a value."""
    kind = check(ck, expr, want)
    if kind is VOID:
        return ck.error(expr.pos, "a call without a result is used as a value")
    return kind


def _number(ck: Checker, expr: ast.Number, want: Type | None) -> Type:
    return INT if expr.width is None else Bits(expr.width, expr.signed)


def _bool(ck: Checker, expr: ast.Bool, want: Type | None) -> Type:
    return BOOL


def _string(ck: Checker, expr: ast.String, want: Type | None) -> Type:
    return STRING


def lookup(ck: Checker, expr: ast.Name) -> Any:
    found = (ck.globals if expr.dotted else ck.env).get(expr.name)
    if isinstance(found, Sym):
        found.used = True
    return found


def _name(ck: Checker, expr: ast.Name, want: Type | None) -> Type:
    found = lookup(ck, expr)
    if found is None:
        return ck.error(expr.pos, f"'{expr.name}' is not declared")
    if isinstance(found, Sym):
        check_flow.read(ck, found, expr.pos)
        return found.type
    return ck.error(expr.pos, f"'{expr.name}' is not a value")


def _type_name(ck: Checker, expr: ast.TypeName, want: Type | None) -> Type:
    return ck.error(expr.pos, "a type stands where a value is needed")


def _member(ck: Checker, expr: ast.Member, want: Type | None) -> Type:
    owner = named_type(ck, expr.base)
    if owner is not None:
        return _type_member(ck, owner, expr)
    base = value(ck, expr.base)
    return field_type(ck, base, expr)


def named_type(ck: Checker, expr: ast.Expr) -> Type | None:
    """The type an expression names, None where it is a value."""
    if isinstance(expr, ast.TypeName):
        return ck.resolve(expr.type)
    if isinstance(expr, ast.Name):
        found = lookup(ck, expr)
        return found.type if isinstance(found, TypeV) else None
    return None


def _type_member(ck: Checker, owner: Type, expr: ast.Member) -> Type:
    if owner is ERROR:
        return ERROR if expr.name in ck.program.errors else ck.error(expr.name_pos, f"error.{expr.name} is not declared")
    if isinstance(owner, Enum):
        return owner if expr.name in owner.members else ck.error(
            expr.name_pos, f"enum {owner} has no member {expr.name}")
    return UNKNOWN if owner is UNKNOWN else ck.error(expr.name_pos, f"{owner} has no member {expr.name}")


def field_type(ck: Checker, base: Type, expr: ast.Member) -> Type:
    real = strip(base)
    if base is UNKNOWN:
        return UNKNOWN
    if isinstance(real, Struct):
        if expr.name in real.fields:
            return real.fields[expr.name]
    elif isinstance(real, Stack):
        if expr.name in ("next", "last"):
            if ck.where.kind != "parser":
                return ck.error(expr.name_pos, f"stack.{expr.name} can only be used in a parser")
            return real.element
        if expr.name in ("lastIndex", "size"):
            return Bits(32)
    elif isinstance(real, ApplyResult):
        if expr.name in ("hit", "miss"):
            return BOOL
        if expr.name == "action_run":
            return ActionRun(real.table)
    elif isinstance(real, Record) and expr.name in real.names:
        return real.members[real.names.index(expr.name)]
    return ck.error(expr.name_pos, f"{base} has no field {expr.name}")


def _unary(ck: Checker, expr: ast.Unary, want: Type | None) -> Type:
    kind = value(ck, expr.operand, want)
    if kind is UNKNOWN:
        return UNKNOWN
    real = _number_type(kind)
    if expr.op == "!":
        return BOOL if real is BOOL else ck.error(expr.pos, f"'!' needs a bool, found {kind}")
    if (expr.op == "~" and isinstance(real, Bits)) or (expr.op in "-+" and (isinstance(real, Bits) or real is INT)):
        return real
    return ck.error(expr.pos, f"'{expr.op}' cannot be applied to {kind}")


def _number_type(kind: Type) -> Type:
    """A serializable enum counts as its bits in arithmetic; a `type` as what it wraps."""
    return strip(kind)


def _binary(ck: Checker, expr: ast.Binary, want: Type | None) -> Type:
    op = expr.op
    left, right = value(ck, expr.left), value(ck, expr.right)
    if left is UNKNOWN or right is UNKNOWN:
        return BOOL if op in ("&&", "||", "==", "!=") or op in _COMPARE else UNKNOWN
    if op in ("&&", "||"):
        for side, kind in ((expr.left, left), (expr.right, right)):
            if strip(kind) is not BOOL:
                ck.error(side.pos, f"'{op}' needs bools, found {kind}")
        return BOOL
    if op in ("==", "!="):
        if not comparable(ck, left, right):
            ck.error(expr.pos, f"'{op}' cannot compare {left} with {right}")
        _number_fits(ck, expr, left, right)
        return BOOL
    if op in ("<<", ">>"):
        return _shift(ck, expr, left, right)
    a, b = _number_type(left), _number_type(right)
    if op == "++":
        if isinstance(a, Bits) and isinstance(b, Bits):
            return Bits(a.width + b.width, a.signed)
        if left is STRING and right is STRING:
            return STRING
        return ck.error(expr.pos, f"'++' needs numbers with widths, found {left} and {right}")
    return _arithmetic(ck, expr, left, right, a, b)


def _arithmetic(ck: Checker, expr: ast.Binary, left: Type, right: Type, a: Type, b: Type) -> Type:
    op = expr.op
    if not (isinstance(a, Bits) or a is INT) or not (isinstance(b, Bits) or b is INT):
        bad = left if not (isinstance(a, Bits) or a is INT) else right
        return ck.error(expr.pos, f"'{op}' needs numbers, found {bad}")
    if a is INT and b is INT and op in ("|+|", "|-|"):
        return ck.error(expr.pos, f"'{op}' needs numbers with widths")
    if a is INT and b is INT:
        return BOOL if op in _COMPARE else INT
    kind = a if b is INT else b
    if a is not INT and b is not INT and a != b:
        return ck.error(expr.pos, f"the operands of '{op}' differ: {left} and {right}")
    if op in ("/", "%"):
        if isinstance(kind, Bits) and kind.signed:
            return ck.error(expr.pos, f"'{op}' is not defined for signed numbers")
        zero = ck.known(expr.right)
        if zero is not None and zero.value <= 0:
            return ck.error(expr.pos, "division by zero" if zero.value == 0 else f"'{op}' by a negative number")
    _number_fits(ck, expr, left, right)
    return BOOL if op in _COMPARE else kind


def _number_fits(ck: Checker, expr: ast.Binary, left: Type, right: Type) -> None:
    """Warn about a number that does not fit the other side's type."""
    if left is INT and right is not INT:
        ck.fits(expr.left, right)
    elif right is INT and left is not INT:
        ck.fits(expr.right, left)


def _shift(ck: Checker, expr: ast.Binary, left: Type, right: Type) -> Type:
    a, b = _number_type(left), _number_type(right)
    if not (isinstance(a, Bits) or a is INT):
        return ck.error(expr.pos, f"'{expr.op}' cannot shift {left}")
    amount = ck.known(expr.right)
    if amount is not None and amount.value < 0:
        return ck.error(expr.pos, "shift by a negative constant")
    if isinstance(b, Bits) and b.signed:
        return ck.error(expr.right.pos, f"the shift distance must be unsigned, found {right}")
    if not (isinstance(b, Bits) or b is INT):
        return ck.error(expr.right.pos, f"the shift distance must be a number, found {right}")
    if a is INT and b is not INT and ck.known(expr.left) is not None and amount is None:
        return ck.error(expr.pos, "a number without width cannot be shifted by a run-time amount")
    return a


def _ternary(ck: Checker, expr: ast.Ternary, want: Type | None) -> Type:
    cond = value(ck, expr.cond)
    if strip(cond) is not BOOL and cond is not UNKNOWN:
        ck.error(expr.cond.pos, f"the condition of '?' must be a bool, found {cond}")
    yes, no = value(ck, expr.yes, want), value(ck, expr.no, want)
    if yes is UNKNOWN or no is UNKNOWN:
        return UNKNOWN
    if yes is INT and no is INT:
        if ck.known(expr.cond) is None and want is None:
            return INT
        return INT
    if ck.assignable(yes, no) and yes is not INT:
        return yes
    if ck.assignable(no, yes):
        return no
    return ck.error(expr.pos, f"the two values of '?' differ: {yes} and {no}")


def _cast(ck: Checker, expr: ast.Cast, want: Type | None) -> Type:
    target = ck.resolve(expr.type)
    source = value(ck, expr.operand, target)
    if target is UNKNOWN or source is UNKNOWN or castable(ck, target, source):
        return target
    return ck.error(expr.pos, f"{source} cannot be cast to {target}")


def _index(ck: Checker, expr: ast.Index, want: Type | None) -> Type:
    base = value(ck, expr.base)
    index = value(ck, expr.index)
    if base is UNKNOWN:
        return UNKNOWN
    real = strip(base)
    if index is not UNKNOWN and not isinstance(strip(index), Bits) and index is not INT:
        return ck.error(expr.index.pos, f"an index must be a number, found {index}")
    known = ck.known(expr.index)
    if isinstance(real, Stack):
        if known is not None and not 0 <= known.value < real.size:
            return ck.error(expr.index.pos, f"index {known.value} is outside the stack of {real.size}")
        return real.element
    if isinstance(real, Tuple):
        if known is None:
            return ck.error(expr.index.pos, "the index of a tuple must be known at compile time")
        if not 0 <= known.value < len(real.members):
            return ck.error(expr.index.pos, f"index {known.value} is outside the tuple of {len(real.members)}")
        return real.members[known.value]
    return ck.error(expr.pos, f"{base} cannot be indexed")


def _slice(ck: Checker, expr: ast.Slice, want: Type | None) -> Type:
    base = value(ck, expr.base)
    value(ck, expr.high)
    value(ck, expr.low)
    if base is UNKNOWN:
        return UNKNOWN
    real = strip(base)
    high, low = ck.known(expr.high), ck.known(expr.low)
    if high is None or low is None:
        where = expr.high if high is None else expr.low
        return ck.error(where.pos, "the bounds of a slice must be known at compile time")
    if not isinstance(real, Bits) and real is not INT:
        return ck.error(expr.pos, f"{base} cannot be sliced")
    if low.value < 0:
        return ck.error(expr.low.pos, "the lower bound of a slice is negative")
    if isinstance(real, Bits) and high.value >= real.width:
        return ck.error(expr.high.pos, f"bit {high.value} lies above the top bit of {base}")
    if high.value < low.value:
        return ck.error(expr.pos, f"the slice [{high.value}:{low.value}] has its bounds the wrong way round")
    return Bits(high.value - low.value + 1)


def _list(ck: Checker, expr: ast.ListExpr, want: Type | None) -> Type:
    real = strip(want) if want is not None else None
    wants: list[Type | None] = [None] * len(expr.items)
    if isinstance(real, Struct):
        kinds: list[Type] = list(real.fields.values())
    elif isinstance(real, Tuple):
        kinds = list(real.members)
    else:
        kinds = [real.element] * len(expr.items) if isinstance(real, (Stack, ListOf)) else []
    for number, kind in enumerate(kinds[:len(wants)]):
        wants[number] = kind
    members = tuple(value(ck, item, w) for item, w in zip(expr.items, wants))
    if kinds and isinstance(real, (Struct, Tuple)) and len(members) < len(kinds) and not expr.rest:
        return ck.error(expr.pos, f"{len(members)} values for the {len(kinds)} parts of {want}")
    return Tuple(members, False)


def _struct(ck: Checker, expr: ast.StructExpr, want: Type | None) -> Type:
    real = strip(want) if want is not None else None
    fields = real.fields if isinstance(real, Struct) else {}
    seen: set[str] = set()
    for name, item in zip(expr.names, expr.values):
        if name in seen:
            ck.error(item.pos, f"field {name} is given twice")
        seen.add(name)
        if fields and name not in fields:
            ck.error(item.pos, f"{want} has no field {name}")
    missing = [n for n in fields if n not in seen]
    if missing and not expr.rest:
        ck.error(expr.pos, f"field {missing[0]} of {want} is missing")
    members = tuple(value(ck, item, fields.get(n)) for n, item in zip(expr.names, expr.values))
    return Record(expr.names, members, expr.rest)


def _invalid(ck: Checker, expr: ast.InvalidHeader, want: Type | None) -> Type:
    if want is not None and not isinstance(want, TypeVar) and not is_header(strip(want)) and not is_union(strip(want)):
        return ck.error(expr.pos, f"{{#}} is an invalid header, not a {want}")
    return want if want is not None else UNKNOWN


def _dots(ck: Checker, expr: ast.Dots, want: Type | None) -> Type:
    return want if want is not None else UNKNOWN


def _call(ck: Checker, expr: ast.Call, want: Type | None) -> Type:
    return check_call.call(ck, expr, want)


def _construct(ck: Checker, expr: ast.Construct, want: Type | None) -> Type:
    return check_call.construct(ck, expr.type, expr.args, expr.pos)


def _default(ck: Checker, expr: ast.Default, want: Type | None) -> Type:
    return SetOf(want if want is not None else UNKNOWN)


def _pair(ck: Checker, expr: Any, want: Type | None) -> Type:
    first, second = (expr.value, expr.mask) if isinstance(expr, ast.Mask) else (expr.low, expr.high)
    a, b = value(ck, first, want), value(ck, second, want)
    for kind, part in ((a, first), (b, second)):
        if want is not None and not ck.assignable(want, kind) and not same_width(want, kind):
            ck.error(part.pos, f"expected {want}, found {kind}")
    return SetOf(want if want is not None else (b if a is INT else a))


def _plus_slice(ck: Checker, expr: ast.PlusSlice, want: Type | None) -> Type:
    base = value(ck, expr.base)
    start = value(ck, expr.low)
    value(ck, expr.width)
    width = ck.known(expr.width)
    if base is UNKNOWN or start is UNKNOWN:
        return UNKNOWN
    real = strip(base)
    if width is None:
        return ck.error(expr.width.pos, "the width of a slice must be known at compile time")
    if not isinstance(real, Bits):
        return ck.error(expr.pos, f"{base} cannot be sliced")
    if not (isinstance(strip(start), Bits) or start is INT):
        return ck.error(expr.low.pos, f"the start of a slice must be a number, found {start}")
    low = ck.known(expr.low)
    first = low.value if low is not None else 0
    if width.value < 1 or first < 0 or first + width.value > real.width:
        return ck.error(expr.pos, f"the slice [{first}+:{width.value}] lies outside {base}")
    return Bits(width.value)


_HANDLERS: dict[type, Any] = {
    ast.Number: _number, ast.Bool: _bool, ast.String: _string, ast.Name: _name, ast.TypeName: _type_name,
    ast.Member: _member, ast.Unary: _unary, ast.Binary: _binary, ast.Ternary: _ternary, ast.Cast: _cast,
    ast.Index: _index, ast.Slice: _slice, ast.PlusSlice: _plus_slice, ast.ListExpr: _list, ast.StructExpr: _struct,
    ast.InvalidHeader: _invalid, ast.Dots: _dots, ast.Call: _call, ast.Construct: _construct,
    ast.Default: _default, ast.Mask: _pair, ast.Range: _pair,
}
