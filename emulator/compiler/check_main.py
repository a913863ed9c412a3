"""main: the package instance, and whether each block given to it has the parameters its place asks for."""
from __future__ import annotations

from . import ast, check_call, check_expr
from .checker import Checker
from .types import UNKNOWN, Object, Type, TypeVar, unify
from .values import Env, TypeV


def check_main(ck: Checker, tree: ast.Program) -> None:
    main = next((d for d in tree.decls if isinstance(d, ast.Instance) and d.name == "main"), None)
    if main is None:
        ck.error(-1, "the program has no package named main")
        return
    kind = ck.resolve(main.type)
    if kind is UNKNOWN:
        return
    if not isinstance(kind, Object) or kind.kind != "package":
        ck.error(main.pos, f"main must be a package, not {kind}")
        return
    assert isinstance(kind.decl, ast.TypeDecl)
    if not check_call._fits(kind.decl.params, main.args):
        ck.error(main.pos, f"{kind.name} takes {len(kind.decl.params)} arguments, {len(main.args)} given")
        return
    env = Env(ck.globals)
    env.names.update(ck.prototypes)
    for param, arg in zip(kind.decl.type_params, kind.args):
        env.set(param.name, TypeV(arg))
    if not kind.args:
        for param in kind.decl.type_params:
            env.set(param.name, TypeV(TypeVar(param.name, id(kind.decl))))
    bindings: dict[TypeVar, Type] = {}
    by_name = {p.name: p for p in kind.decl.params}
    for number, given in enumerate(main.args):
        if given.value is not None:
            place = by_name[given.name] if given.name else kind.decl.params[number]
            _main_argument(ck, place, given.value, env, bindings)


def _main_argument(ck: Checker, param: ast.Param, arg: ast.Expr, env: Env, bindings: dict[TypeVar, Type]) -> None:
    """A block given to main must have the parameters its place asks for."""
    found = check_expr.check(ck, arg)
    if found is UNKNOWN:
        return
    wanted = ck.type_of(param.type, env)
    if not isinstance(wanted, Object) or not isinstance(found, Object) or \
            not isinstance(found.decl, (ast.Control, ast.Parser)) or wanted.kind != found.kind:
        pos = found.decl.pos if isinstance(found, Object) else arg.pos
        ck.error(pos, f"main's argument {param.name} must be a {getattr(wanted, 'kind', wanted)}, found {found}")
        return
    decl = found.decl
    head = wanted.decl
    assert isinstance(head, ast.TypeDecl)
    if len(head.params) != len(decl.params):
        ck.error(decl.pos, f"main's argument {param.name} must have {len(head.params)} parameters, "
                           f"{decl.name} has {len(decl.params)}")
        return
    inner = Env(ck.globals)
    for formal, actual in zip(head.type_params, wanted.args):
        inner.set(formal.name, TypeV(actual))
    own = Env(ck.globals)
    for type_param, given in zip(decl.type_params, found.args):
        own.set(type_param.name, TypeV(given))
    for want_param, have_param in zip(head.params, decl.params):
        want_type, have_type = ck.type_of(want_param.type, inner), ck.type_of(have_param.type, own)
        if want_param.direction != have_param.direction:
            ck.error(have_param.pos, f"parameter {have_param.name} of {decl.name} must be "
                                     f"{want_param.direction or 'without direction'} to serve as {param.name}")
        elif not unify(want_type, have_type, bindings, ck.interner):
            ck.error(have_param.pos, f"parameter {have_param.name} of {decl.name} has type {have_type}; as "
                                     f"{param.name} it must be {_bound(want_type, bindings)}")


def _bound(kind: Type, bindings: dict[TypeVar, Type]) -> Type:
    return bindings.get(kind, kind) if isinstance(kind, TypeVar) else kind
