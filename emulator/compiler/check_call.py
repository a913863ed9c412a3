"""Calls: overloads, arguments, inference of type arguments, constructors."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import ast, check_expr, check_flow
from .check_block import block_fits, is_prototype
from .checker import Checker, Sym
from .types import (
    BOOL,
    INT,
    UNKNOWN,
    VOID,
    ApplyResult,
    Bits,
    Object,
    Stack,
    Type,
    TypeVar,
    is_header,
    is_union,
    strip,
    substitute,
    unify,
)
from .values import Env, TypeV

_SIZES = frozenset(["minSizeInBits", "maxSizeInBits", "minSizeInBytes", "maxSizeInBytes"])


def call(ck: Checker, expr: ast.Call, want: Type | None) -> Type:
    func = expr.func
    if isinstance(func, ast.Member):
        return _method(ck, func, expr, want)
    if not isinstance(func, ast.Name):
        return ck.error(expr.pos, "this cannot be called")
    found = check_expr.lookup(ck, func)
    if found is None:
        return ck.error(func.pos, f"'{func.name}' is not declared")
    if isinstance(found, list):
        decl = overload(ck, found, expr)
        if decl is None:
            return UNKNOWN
        if isinstance(decl, ast.Function):
            ck.callees.setdefault(ck.current, set()).add(decl)
            if _reaches(ck, decl, ck.current, set()):
                return ck.error(func.pos, f"function {func.name} calls itself")
        _deprecated(ck, decl, func.pos)
        return invoke(ck, decl, decl.result, expr, want)
    if isinstance(found, ast.Action):
        if ck.where.kind in ("parser", "function"):
            return ck.error(expr.pos, f"action {func.name} cannot be called in a {ck.where.kind}")
        ck.callees.setdefault(ck.current, set()).add(found)
        if _reaches(ck, found, ck.current, set()):
            return ck.error(func.pos, f"action {func.name} calls itself")
        check_args(ck, found.params, expr.args, expr.pos, found.name, ck.env)
        check_flow.run(ck, found)
        return VOID
    return ck.error(func.pos, f"'{func.name}' cannot be called")


def _deprecated(ck: Checker, decl: Any, pos: int) -> None:
    note = ast.annotation(decl.annotations, "deprecated")
    if note is not None:
        why = ast.string_annotation(decl.annotations, "deprecated")
        ck.diags.warn(pos, f"{decl.name} is deprecated" + (f": {why}" if why else ""), "deprecated")


def _reaches(ck: Checker, start: Any, goal: Any, seen: set[int]) -> bool:
    if start is goal:
        return True
    if id(start) in seen:
        return False
    seen.add(id(start))
    return any(_reaches(ck, n, goal, seen) for n in ck.callees.get(start, ()))


def overload(ck: Checker, decls: Sequence[Any], expr: ast.Call) -> Any:
    """The declaration the arguments fit in number and names."""
    fitting = [d for d in decls if _fits(d.params, expr.args)]
    if fitting:
        return fitting[0]
    needed = sorted({len(d.params) for d in decls})
    counts = " or ".join(map(str, needed))
    ck.error(expr.pos, f"{decls[0].name} takes {counts} argument{'' if needed == [1] else 's'}, {len(expr.args)} given")
    return None


def _fits(params: Sequence[ast.Param], args: Sequence[ast.Argument]) -> bool:
    if len(args) > len(params):
        return False
    named = {a.name for a in args if a.name}
    positional = {p.name for p, a in zip(params, args) if not a.name}
    if not named <= {p.name for p in params} or named & positional:
        return False
    given = named | positional
    return all(p.name in given or p.default is not None or ast.annotation(p.annotations, "optional") for p in params)


def invoke(ck: Checker, decl: Any, result: ast.TypeExpr, expr: ast.Call, want: Type | None,
           scope: Env | None = None) -> Type:
    """Check a call of a (perhaps generic) function or method; the result's type."""
    env = Env(scope or ck.globals)
    variables = [TypeVar(p.name, id(decl)) for p in decl.type_params]
    if expr.type_args:
        if len(expr.type_args) != len(variables):
            return ck.error(expr.pos, f"{decl.name} takes {len(variables)} type arguments, {len(expr.type_args)} given")
        for variable, arg in zip(variables, expr.type_args):
            env.set(variable.name, TypeV(ck.resolve(arg)))
        check_args(ck, decl.params, expr.args, expr.pos, decl.name, env)
        return ck.type_of(result, env)
    for variable in variables:
        env.set(variable.name, TypeV(variable))
    bindings: dict[TypeVar, Type] = {}
    check_args(ck, decl.params, expr.args, expr.pos, decl.name, env, bindings)
    kind = ck.type_of(result, env)
    if want is not None and variables:
        wanted: dict[TypeVar, Type] = {}
        if unify(kind, want, wanted, ck.interner):
            for variable, bound in wanted.items():
                if bindings.get(variable, INT) is INT and not isinstance(bound, TypeVar):
                    bindings[variable] = bound
    missing = [v for v in variables if v not in bindings]
    if missing:
        return ck.error(expr.pos, f"type argument {missing[0]} of {decl.name} cannot be inferred")
    return substitute(kind, bindings, ck.interner)


def check_args(ck: Checker, params: Sequence[ast.Param], args: Sequence[ast.Argument], pos: int, name: str, env: Env,
               bindings: dict[TypeVar, Type] | None = None) -> None:
    """Number, types and directions of the arguments."""
    if not _fits(params, args):
        required = [p for p in params if p.default is None and not ast.annotation(p.annotations, "optional")]
        if len(args) > len(params) or len(args) < len(required):
            ck.error(pos, f"{name} takes {len(params)} argument{'' if len(params) == 1 else 's'}, {len(args)} given")
        else:
            ck.error(pos, f"the arguments of {name} do not match its parameters "
                          f"({', '.join(p.name for p in params)})")
        for arg in args:
            if arg.value is not None:
                check_expr.check(ck, arg.value)
        return
    by_name = {p.name: p for p in params}
    for number, arg in enumerate(args):
        param = by_name[arg.name] if arg.name else params[number]
        if arg.value is None:
            if param.direction not in ("out", ""):
                ck.error(arg.pos, f"'_' can only stand for an out argument, {param.name} is {param.direction}")
            continue
        _argument(ck, param, arg.value, pos, name, env, bindings)


def _argument(ck: Checker, param: ast.Param, arg: ast.Expr, pos: int, name: str, env: Env,
              bindings: dict[TypeVar, Type] | None) -> None:
    formal = ck.type_of(param.type, env)
    if bindings:
        formal = substitute(formal, {k: v for k, v in bindings.items() if v is not INT}, ck.interner)
    if param.direction == "out":
        sym = _root_symbol(ck, arg)
        if sym is not None:
            sym.written = True
    actual = check_expr.value(ck, arg, formal if not _open(formal) else None)
    what = f"argument {param.name} of {name}"
    if param.direction in ("out", "inout"):
        if not is_lvalue(ck, arg):
            ck.error(pos, f"{what} is {param.direction}, and this cannot be written")
            return
        check_writable(ck, arg)
    if actual is UNKNOWN:
        return
    if isinstance(formal, Object) and is_prototype(formal) and isinstance(actual, Object) and \
            actual.kind == formal.kind and not is_prototype(actual):
        block_fits(ck, formal, actual, what, param.name, {})
    elif bindings is not None and _open(formal):
        if not unify(formal, actual, bindings, ck.interner):
            ck.error(arg.pos, f"{what}: expected {formal}, found {actual}")
    elif param.direction in ("out", "inout") and strip(formal) != strip(actual) and \
            not unify(formal, actual, {}, ck.interner):
        ck.error(arg.pos, f"{what}: expected {formal}, found {actual}")
    else:
        ck.require(arg.pos, formal, actual, what, arg)


def _open(kind: Type) -> bool:
    """Does the type still contain type variables?"""
    if isinstance(kind, TypeVar):
        return True
    parts = getattr(kind, "args", None) or getattr(kind, "members", None) or ()
    if isinstance(parts, dict):
        return False
    return any(_open(p) for p in parts) or (isinstance(kind, Stack) and _open(kind.element))


# -- places that can be written
def is_lvalue(ck: Checker, expr: ast.Expr) -> bool:
    if isinstance(expr, (ast.Member, ast.Index, ast.Slice, ast.PlusSlice)):
        if isinstance(expr, ast.Member) and expr.name in ("lastIndex", "size", "hit", "miss", "action_run") and \
                isinstance(ck.types.get(expr.base), (Stack, ApplyResult)):
            return False
        return is_lvalue(ck, expr.base)
    return isinstance(expr, ast.Name) and isinstance(ck.env.get(expr.name), Sym)


def _root_symbol(ck: Checker, expr: ast.Expr) -> Sym | None:
    while isinstance(expr, (ast.Member, ast.Index, ast.Slice, ast.PlusSlice)):
        expr = expr.base
    found = ck.env.get(expr.name) if isinstance(expr, ast.Name) else None
    return found if isinstance(found, Sym) else None


def check_writable(ck: Checker, expr: ast.Expr) -> None:
    """Constants, in parameters and parameters without direction cannot be written."""
    base = expr
    while isinstance(base, (ast.Member, ast.Index, ast.Slice, ast.PlusSlice)):
        base = base.base
    sym = ck.env.get(base.name) if isinstance(base, ast.Name) else None
    if not isinstance(sym, Sym) or isinstance(sym.type, Object):
        return
    if sym.kind == "constant":
        ck.error(expr.pos, f"'{sym.name}' is a constant and cannot be written")
    elif sym.direction == "in":
        ck.error(expr.pos, f"'{sym.name}' is an in parameter and cannot be written")
    elif sym.direction == "none":
        ck.error(expr.pos, f"'{sym.name}' is a parameter without direction and cannot be written")


# -- methods
def _method(ck: Checker, func: ast.Member, expr: ast.Call, want: Type | None) -> Type:
    owner = check_expr.named_type(ck, func.base)
    if owner is not None:
        if func.name in _SIZES:
            return INT
        return ck.error(func.pos, f"{owner} has no method {func.name}")
    base = check_expr.value(ck, func.base)
    if base is UNKNOWN:
        return UNKNOWN
    real = strip(base)
    if func.name in _SIZES:
        return INT
    if isinstance(real, ApplyResult):
        return _apply_table(ck, func, expr)
    if isinstance(real, Object):
        return _object_method(ck, real, func, expr, want)
    if is_header(real) or is_union(real):
        return _header_method(ck, real, func, expr)
    if isinstance(real, Stack) and func.name in ("push_front", "pop_front"):
        if len(expr.args) != 1:
            return ck.error(expr.pos, f"{func.name} takes 1 argument, {len(expr.args)} given")
        count = expr.args[0].value
        if count is not None:
            check_expr.value(ck, count)
            known = ck.known(count)
            if known is None and not known_later(ck, count):
                return ck.error(count.pos, f"the argument of {func.name} must be known at compile time")
            if known is not None and isinstance(known.value, int) and known.value < 0:
                return ck.error(count.pos, f"{func.name} takes a number of elements, not {known.value}")
        check_writable(ck, func.base)
        return VOID
    return ck.error(func.pos, f"{base} has no method {func.name}")


def _header_method(ck: Checker, real: Type, func: ast.Member, expr: ast.Call) -> Type:
    if func.name not in ("isValid", "setValid", "setInvalid") or (is_union(real) and func.name == "setValid"):
        return ck.error(func.pos, f"{real} has no method {func.name}")
    if expr.args:
        ck.error(expr.pos, f"{func.name} takes no arguments, {len(expr.args)} given")
    if func.name == "isValid":
        return BOOL
    if not is_lvalue(ck, func.base):
        return ck.error(expr.pos, f"{func.name}: this cannot be written")
    check_writable(ck, func.base)
    return VOID


def _apply_table(ck: Checker, func: ast.Member, expr: ast.Call) -> Type:
    sym = ck.env.get(func.base.name) if isinstance(func.base, ast.Name) else None
    if func.name != "apply" or not isinstance(sym, Sym) or sym.kind != "table":
        return ck.error(func.pos, f"a table has no method {func.name}")
    if ck.where.kind == "action":
        return ck.error(func.pos, f"table {sym.name} cannot be applied in an action")
    if expr.args:
        ck.error(expr.pos, f"apply of a table takes no arguments, {len(expr.args)} given")
    check_flow.run(ck, sym.decl)
    return sym.type


def _object_method(ck: Checker, real: Object, func: ast.Member, expr: ast.Call, want: Type | None) -> Type:
    if real.kind in ("control", "parser"):
        if func.name != "apply":
            return ck.error(func.pos, f"{real} has no method {func.name}")
        return apply_block(ck, real, expr)
    if real.kind != "extern" or not isinstance(real.decl, ast.ExternObject):
        return ck.error(func.pos, f"{real} has no method {func.name}")
    methods = [m for m in real.decl.methods if m.name == func.name and m.result is not None]
    if not methods:
        return ck.error(func.pos, f"{real} has no method {func.name}")
    method = overload(ck, methods, expr)
    if method is None:
        return UNKNOWN
    env = Env(ck.globals)
    for param, arg in zip(real.decl.type_params, real.args):
        env.set(param.name, TypeV(arg))
    return invoke(ck, method, method.result, expr, want, env)


def apply_block(ck: Checker, real: Object, expr: ast.Call) -> Type:
    """control.apply(...) or parser.apply(...)."""
    decl = real.decl
    assert isinstance(decl, (ast.Control, ast.Parser, ast.TypeDecl))
    if ck.where.kind not in ("control", "parser") or real.kind != ck.where.kind:
        return ck.error(expr.pos, f"a {real.kind} cannot be applied in a {ck.where.kind}")
    env = Env(ck.globals)
    bindings: dict[TypeVar, Type] | None = None
    if real.args:
        for param, arg in zip(decl.type_params, real.args):
            env.set(param.name, TypeV(arg))
    elif decl.type_params:
        bindings = {}
        for param in decl.type_params:
            env.set(param.name, TypeV(TypeVar(param.name, id(decl))))
    check_args(ck, decl.params, expr.args, expr.pos, f"{decl.name}.apply", env, bindings)
    return VOID


def construct(ck: Checker, type_expr: ast.TypeExpr, args: tuple[ast.Argument, ...], pos: int) -> Type:
    """A constructor call; the type of the object."""
    kind = ck.resolve(type_expr)
    if kind is UNKNOWN:
        return UNKNOWN
    if not isinstance(kind, Object):
        return ck.error(pos, f"{kind} is not a type with a constructor")
    decl = kind.decl
    env = Env(ck.globals)
    for param, arg in zip(decl.type_params, kind.args):
        env.set(param.name, TypeV(arg))
    if isinstance(decl, ast.ExternObject):
        _deprecated(ck, decl, pos)
        if len(kind.args) != len(decl.type_params):
            names = ", ".join(p.name for p in decl.type_params)
            return ck.error(pos, f"{decl.name} takes the type arguments <{names}>" if names else
                            f"{decl.name} takes no type arguments")
        ctors = [m for m in decl.methods if m.result is None]
        ctor = overload(ck, ctors, ast.Call(pos, ast.Name(pos, decl.name), (), args)) if ctors else None
        params: Sequence[ast.Param] = ctor.params if ctor is not None else ()
        if ctor is None:
            return kind
    elif isinstance(decl, (ast.Control, ast.Parser)):
        params = decl.ctor_params
    else:
        params = decl.params
    bindings: dict[TypeVar, Type] | None = None
    if decl.type_params and not kind.args:
        bindings = {}
        for param in decl.type_params:
            env.set(param.name, TypeV(TypeVar(param.name, id(decl))))
    check_args(ck, params, args, pos, decl.name, env, bindings)
    for given in args:
        _constant_argument(ck, given)
    return kind


def _constant_argument(ck: Checker, arg: ast.Argument) -> None:
    """Constructor arguments are known at compile time (or are constructor parameters themselves)."""
    if arg.value is None:
        return
    kind = ck.types.get(arg.value, UNKNOWN)
    if isinstance(strip(kind), Bits) or kind is BOOL or kind is INT:
        sym = ck.env.get(arg.value.name) if isinstance(arg.value, ast.Name) else None
        if ck.known(arg.value) is None and not (isinstance(sym, Sym) and sym.kind == "constructor parameter") and \
                not known_later(ck, arg.value):
            ck.error(arg.value.pos, "a constructor's argument must be known at compile time")


def known_later(ck: Checker, expr: Any) -> bool:
    """Does the expression use a constructor parameter, whose value is known only when the object is made, or a constant
    made of one?"""
    if isinstance(expr, ast.Name):
        sym = ck.env.get(expr.name)
        if isinstance(sym, Sym) and sym.kind == "constant" and sym.value is None and isinstance(sym.decl, ast.Const):
            return known_later(ck, sym.decl.value)
        return isinstance(sym, Sym) and sym.kind == "constructor parameter"
    if isinstance(expr, ast.Node):
        return any(known_later(ck, getattr(expr, s)) for c in type(expr).__mro__ for s in getattr(c, "__slots__", ())
                   if s != "pos")
    return isinstance(expr, tuple) and any(known_later(ck, e) for e in expr)
