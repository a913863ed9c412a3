"""Does a control or parser have the parameters that a control or parser type asks for?"""
from __future__ import annotations

from . import ast
from .checker import Checker
from .types import Object, Type, TypeVar, unify
from .values import Env, TypeV


def is_prototype(kind: Type) -> bool:
    """A control or parser type without a body."""
    return isinstance(kind, Object) and kind.kind in ("control", "parser") and isinstance(kind.decl, ast.TypeDecl)


def block_fits(ck: Checker, wanted: Object, found: Object, what: str, name: str,
               bindings: dict[TypeVar, Type]) -> None:
    """Report where `found` departs from the type `wanted`; `bindings` collects the type arguments."""
    decl, head = found.decl, wanted.decl
    assert isinstance(decl, (ast.Control, ast.Parser)) and isinstance(head, ast.TypeDecl)
    if len(head.params) != len(decl.params):
        ck.error(decl.pos, f"{what} must have {len(head.params)} parameters, "
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
                                     f"{want_param.direction or 'without direction'} to serve as {name}")
        elif not unify(want_type, have_type, bindings, ck.interner):
            ck.error(have_param.pos, f"parameter {have_param.name} of {decl.name} has type {have_type}; as "
                                     f"{name} it must be {_bound(want_type, bindings)}")


def _bound(kind: Type, bindings: dict[TypeVar, Type]) -> Type:
    return bindings.get(kind, kind) if isinstance(kind, TypeVar) else kind
