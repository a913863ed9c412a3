"""The arguments of a call of an extern, by the names of its parameters."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import ast, ir
from .context import Context
from .stores import store
from .types import Type
from .values import Env


class Args:
    """The arguments of one call, by parameter name; evaluated when asked for."""

    def __init__(self, cx: Context, decl: Any, expr: ast.Call, env: Env) -> None:
        from .inline_call import match_args

        self.cx = cx
        self.env = env
        self.pos = expr.pos
        self.pairs = {p.name: (p, a) for p, a in match_args(decl.params, expr.args)}

    def has(self, name: str) -> bool:
        return self.pairs.get(name, (None, None))[1] is not None

    def expr(self, name: str) -> ast.Expr:
        found = self.pairs[name][1]
        assert found is not None
        return found

    def value(self, name: str, kind: Type | None = None) -> Any:
        from .inline_expr import expression

        return expression(self.cx, self.expr(name), kind)

    def scalar(self, name: str, kind: Type | None = None) -> ir.Expr:
        from .convert import as_scalar

        return as_scalar(self.cx, self.value(name, kind), self.expr(name).pos)

    def several(self, *wanted: tuple[str, Type | None]) -> list[Any]:
        """Values of several arguments; one read before a later one's side effects keeps the value it had."""
        from .inline_expr import ordered

        given = [(name, kind) for name, kind in wanted if self.has(name)]
        given.sort(key=lambda item: list(self.pairs).index(item[0]))
        values = ordered(self.cx, [self.expr(name) for name, _ in given], [kind for _, kind in given])
        found = {name: value for (name, _), value in zip(given, values)}
        return [found.get(name) for name, _ in wanted]

    def scalars(self, *wanted: tuple[str, Type | None]) -> list[ir.Expr]:
        from .convert import as_scalar

        return [as_scalar(self.cx, v, self.expr(name).pos) for v, (name, _) in zip(self.several(*wanted), wanted)]

    def target(self, name: str) -> Any:
        from .inline_call import target

        return target(self.cx, self.expr(name))

    def constant(self, name: str) -> int:
        return self.cx.constant(self.expr(name))


def into_field(cx: Context, place: Any, make: Callable[[ir.Field], None], kind: Type | None = None) -> None:
    """Have a primitive write a field; where the place is not one (a slice, say), by way of a temporary."""
    if isinstance(place, ir.Field):
        make(place)
        return
    temp = cx.temp(kind if kind is not None else place.type)
    make(temp)
    store(cx, place, temp)
