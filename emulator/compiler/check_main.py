"""main: the package instance, and whether each block given to it has the parameters its place asks for."""
from __future__ import annotations

from . import ast, check_call, check_expr
from .check_block import block_fits
from .checker import Checker
from .types import UNKNOWN, Object, Type, TypeVar
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
    block_fits(ck, wanted, found, f"main's argument {param.name}", param.name, bindings)
