"""Declarations: the top level, functions, actions, controls, parsers, main."""
from __future__ import annotations

from typing import Any

from . import ast, check_expr, check_flow, check_stmt
from .check_call import known_later
from .check_lint import lint
from .check_main import check_main
from .check_table import check_table, used_match_kind
from .checker import Checker, Sym, Where
from .context import Options
from .source import CompileError, Diagnostics
from .types import (
    ERROR,
    INT,
    UNKNOWN,
    VOID,
    Bits,
    Enum,
    Interner,
    NewType,
    Object,
    Stack,
    Struct,
    Tuple,
    Type,
    TypeVar,
    Varbit,
    is_header,
    is_struct,
    is_union,
    strip,
    width_of,
)
from .values import Env, TypeV


def check_program(tree: ast.Program, diags: Diagnostics, options: Options) -> dict[ast.Expr, Type]:
    """Check everything; the types of the expressions outside generic code. Errors are in `diags`."""
    ck = Checker(diags, options)
    try:
        for decl in tree.decls:
            _HANDLERS[type(decl)](ck, decl)
        check_main(ck, tree)
        if not diags.failed:
            lint(tree, diags, options)
    except CompileError:
        if not diags.failed:
            raise
    return ck.types


def _error(ck: Checker, decl: ast.ErrorDecl) -> None:
    for name, pos in decl.members:
        if name in ck.program.errors:
            ck.error(pos, f"error.{name} is declared twice")
        ck.program.errors.setdefault(name, len(ck.program.errors))


def _match_kind(ck: Checker, decl: ast.MatchKindDecl) -> None:
    for name, pos in decl.members:
        if name in ck.match_kinds:
            ck.error(pos, f"match kind {name} is declared twice")
        ck.match_kinds.add(name)


def _typedef(ck: Checker, decl: ast.TypedefDecl) -> None:
    target = ck.resolve(decl.type)
    if decl.new and not isinstance(strip(target), (Bits, Enum)) and str(strip(target)) not in ("bool", "unknown"):
        ck.error(decl.pos, f"a new type can only be made from numbers and bools, not from {target}")
    ck.declare(decl.name, TypeV(NewType(decl.name, target, decl) if decl.new else target), decl.pos)


def _enum(ck: Checker, decl: ast.EnumDecl) -> None:
    under = ck.resolve(decl.under) if decl.under is not None else None
    made = Enum(decl.name, decl, under)
    ck.declare(decl.name, TypeV(made), decl.pos)
    bits = strip(under) if under is not None else None
    if bits is not None and not isinstance(bits, Bits) and bits is not UNKNOWN:
        ck.error(decl.pos, f"the values of an enum are numbers with a width, not {under}")
    for number, (name, pos, value) in enumerate(decl.members):
        if name in made.members:
            ck.error(pos, f"enum {decl.name} has two members called {name}")
        made.members[name] = number
        if under is None:
            if value is not None:
                ck.error(pos, f"{name} has a value, but enum {decl.name} has no type for values")
            continue
        if value is None:
            ck.error(pos, f"{name} needs a value: enum {decl.name} has a type for values")
            continue
        check_expr.value(ck, value, under)
        known = ck.known(value)
        if known is None:
            ck.error(value.pos, f"the value of {name} must be known at compile time")
        elif isinstance(bits, Bits):
            low, high = (-(1 << (bits.width - 1)), (1 << (bits.width - 1)) - 1) if bits.signed else \
                (0, (1 << bits.width) - 1)
            if not low <= known.value <= high:
                ck.error(value.pos if value.pos < 0 else pos, f"{known.value} does not fit {under}")
            made.members[name] = known.value


def _struct(ck: Checker, decl: ast.StructDecl) -> None:
    ck.declare(decl.name, decl, decl.pos)
    if decl.type_params:
        made = Struct(decl.name, decl.kind, decl, tuple(TypeVar(p.name, id(decl)) for p in decl.type_params))
        Interner(ck._fill).fill(made)
        return
    kind = ck.interner.struct(decl, ())
    if decl.kind == "header":
        _header(ck, decl, kind)
    elif decl.kind == "header_union":
        for item in decl.fields:
            if not is_header(strip(kind.fields[item.name])) and kind.fields[item.name] is not UNKNOWN:
                ck.error(item.pos, f"a header union holds headers, not {kind.fields[item.name]}")
    else:
        for item in decl.fields:
            if isinstance(kind.fields[item.name], Object) or kind.fields[item.name] is VOID:
                ck.error(item.pos, f"a struct cannot hold {kind.fields[item.name]}")


def _header(ck: Checker, decl: ast.StructDecl, kind: Struct) -> None:
    varbits = 0
    for item in decl.fields:
        part = strip(kind.fields[item.name])
        if isinstance(part, Varbit):
            varbits += 1
            if varbits > 1:
                ck.error(item.pos, f"header {decl.name} has two varbit fields")
        elif part is not UNKNOWN and not isinstance(part, (Bits, Enum)) and str(part) != "bool" and not is_struct(part):
            ck.error(item.pos, f"a header's field cannot be {kind.fields[item.name]}")
        elif isinstance(part, Enum) and part.under is None:
            ck.error(item.pos, f"a header's field cannot be {part}: the enum has no representation")


def _extern_object(ck: Checker, decl: ast.ExternObject) -> None:
    ck.declare(decl.name, decl, decl.pos)


def _callable(ck: Checker, decl: Any) -> None:
    """Functions of one name and different numbers of parameters are overloads."""
    known = ck.globals.names.get(decl.name)
    if known is None:
        ck.globals.set(decl.name, [decl])
    elif isinstance(known, list):
        if any(len(d.params) == len(decl.params) and [p.name for p in d.params] == [p.name for p in decl.params]
               for d in known):
            ck.error(decl.pos, f"'{decl.name}' is declared twice in one scope")
        known.append(decl)
    else:
        ck.error(decl.pos, f"'{decl.name}' is declared twice in one scope")


def _function(ck: Checker, decl: ast.Function) -> None:
    _callable(ck, decl)
    saved = ck.env, ck.where, ck.current
    ck.env = Env(ck.env)
    for param in decl.type_params:
        ck.env.set(param.name, TypeV(TypeVar(param.name, id(decl))))
    result = ck.resolve(decl.result)
    ck.where = Where("function", result)
    ck.current = decl
    ck.params(decl.params, outputs=True)
    ended = check_stmt.statements(ck, decl.body.body)
    _outputs(ck, decl)
    if result is not VOID and result is not UNKNOWN and not ended:
        ck.error(decl.pos, f"function {decl.name} can reach its end without returning {_article(result)}")
    ck.env, ck.where, ck.current = saved


def _article(kind: Type) -> str:
    return f"a value of type {kind}"


def _action(ck: Checker, decl: ast.Action) -> None:
    """The body is checked before the name is declared: an action does not see itself."""
    if ck.env is ck.globals:
        ck.declare(decl.name, decl, decl.pos)
    saved = ck.env, ck.where, ck.current
    ck.env = Env(ck.env)
    ck.where = Where("action", VOID, 0, ck.where.tables)
    ck.current = decl
    ck.params(decl.params, outputs=True)
    for param in decl.params:
        if isinstance(ck.resolve(param.type), Object):
            ck.error(param.pos, f"an action cannot take an object: {param.name}")
    check_stmt.statements(ck, decl.body.body)
    _outputs(ck, decl)
    ck.env, ck.where, ck.current = saved
    if ck.env is not ck.globals:
        ck.declare(decl.name, decl, decl.pos)


def _outputs(ck: Checker, decl: ast.Function | ast.Action) -> None:
    """Out parameters that no statement writes."""
    for param in decl.params:
        sym = ck.env.names.get(param.name)
        if isinstance(sym, Sym) and not sym.written and not sym.used:
            ck.diags.warn(param.pos, f"out parameter '{param.name}' is never written", "uninitialized")


def _type_decl(ck: Checker, decl: ast.TypeDecl) -> None:
    ck.declare(decl.name, decl, decl.pos)
    if decl.kind != "package":
        ck.prototypes[decl.name] = decl


def _define(ck: Checker, decl: Any) -> None:
    """A definition may take the name of a prototype of its kind; the package still means the prototype."""
    known = ck.env.names.get(decl.name)
    if isinstance(known, ast.TypeDecl) and ck.prototypes.get(decl.name) is known:
        ck.diags.warn(decl.pos, f"'{decl.name}' hides the prototype of that name; other compilers may refuse this",
                      "shadow")
        ck.env.set(decl.name, decl)
        return
    ck.declare(decl.name, decl, decl.pos)


def _block_head(ck: Checker, decl: Any, kind: str) -> None:
    """Scope of a control or parser: type parameters, parameters, constructor parameters."""
    ck.env = Env(ck.env)
    for param in decl.type_params:
        ck.env.set(param.name, TypeV(TypeVar(param.name, id(decl))))
    ck.where = Where(kind)
    ck.current = decl
    ck.params(decl.params)
    for param in decl.ctor_params:
        ck.variable(param.name, ck.resolve(param.type), param.pos, "constructor parameter", "in", None, param)
    ck.env = Env(ck.env)


def _control(ck: Checker, decl: ast.Control) -> None:
    _define(ck, decl)
    saved = ck.env, ck.where, ck.current
    _block_head(ck, decl, "control")
    for item in decl.locals:
        _local(ck, item)
    check_stmt.statements(ck, decl.body.body)
    ck.env, ck.where, ck.current = saved


def _local(ck: Checker, item: Any) -> None:
    if isinstance(item, ast.Action):
        check_flow.apart(ck, item, lambda: _action(ck, item))
    elif isinstance(item, ast.Table):
        check_flow.apart(ck, item, lambda: check_table(ck, item))
    elif isinstance(item, ast.ValueSet):
        _value_set(ck, item)
    else:
        check_stmt.statement(ck, item)


def _value_set(ck: Checker, item: ast.ValueSet) -> None:
    kind = ck.resolve(item.type)
    check_expr.value(ck, item.size)
    ck.variable(item.name, _SetType(kind), item.pos, "value set", "none", None, item)


def _SetType(kind: Type) -> Type:
    from .types import SetOf

    return SetOf(kind)


def _parser(ck: Checker, decl: ast.Parser) -> None:
    _define(ck, decl)
    saved = ck.env, ck.where, ck.current
    _block_head(ck, decl, "parser")
    for item in decl.locals:
        _local(ck, item)
    states = {"accept", "reject"}
    for state in decl.states:
        if state.name in states:
            what = "reserved" if state.name in ("accept", "reject") else "declared twice"
            ck.error(state.pos, f"state '{state.name}' is {what}")
        states.add(state.name)
    if "start" not in states:
        ck.error(decl.pos, f"parser {decl.name} has no state 'start'")
    for state in decl.states:
        _state(ck, state, states)
    _unreachable_states(ck, decl)
    ck.env, ck.where, ck.current = saved


def _state(ck: Checker, state: ast.State, states: set[str]) -> None:
    saved = ck.env
    ck.env = Env(saved)
    for item in state.body:
        check_stmt.statement(ck, item)
    transition = state.transition
    if transition.keys is None:
        _state_exists(ck, transition.state, transition.pos, states)
    else:
        kinds = [_select_key(ck, key, transition.pos) for key in transition.keys]
        for case in transition.cases:
            _label(ck, case.keys, kinds, transition.pos)
            _state_exists(ck, case.state, case.pos, states)
    ck.env = saved


def _state_exists(ck: Checker, name: str, pos: int, states: set[str]) -> None:
    if name not in states:
        ck.error(pos, f"state '{name}' is not declared")


def _select_key(ck: Checker, key: ast.Expr, pos: int) -> Type:
    kind = check_expr.value(ck, key)
    real = strip(kind)
    if kind is UNKNOWN or isinstance(real, (Bits, Enum, Tuple)) or str(real) in ("bool", "error") or is_struct(real):
        return kind
    if real is INT and ck.known(key) is not None:
        return kind
    return ck.error(key.pos, f"a select cannot choose by {kind}")


def _label(ck: Checker, label: ast.Expr, kinds: list[Type], pos: int) -> None:
    if isinstance(label, ast.Default):
        return
    items = list(label.items) if isinstance(label, ast.ListExpr) else [label]
    if len(kinds) == 1 and isinstance(strip(kinds[0]), (Tuple, Struct)) and isinstance(label, ast.ListExpr) and \
            len(items) == len(members(strip(kinds[0]))) and not isinstance(items[0], ast.ListExpr):
        kinds = members(strip(kinds[0]))
    if len(items) == 1 and isinstance(items[0], ast.Name):
        found = ck.env.get(items[0].name)
        if isinstance(found, Sym) and found.kind == "value set":
            check_expr.check(ck, items[0])
            element, wanted = width_of(found.type.element), sum(width_of(k) for k in kinds)  # type: ignore[attr-defined]
            if element != wanted and UNKNOWN not in kinds:
                ck.error(items[0].pos, f"value set {found.name} holds {element} bits, the select's keys have {wanted}")
            return
    if len(items) != len(kinds):
        if not (len(kinds) == 1 and isinstance(strip(kinds[0]), (Tuple, Struct))):
            ck.error(label.pos if label.pos < 0 else _label_pos(label, pos),
                     f"the label has {len(items)} values, the select {len(kinds)} keys")
        return
    for item, kind in zip(items, kinds):
        if isinstance(item, ast.Default) or kind is UNKNOWN:
            continue
        if isinstance(item, ast.ListExpr) and isinstance(strip(kind), (Tuple, Struct)):
            _label(ck, item, members(strip(kind)), pos)
            continue
        found_type = check_expr.value(ck, item, kind)
        if isinstance(item, (ast.Mask, ast.Range)):
            continue
        if not ck.assignable(kind, found_type):
            ck.error(item.pos, f"label: expected {kind}, found {found_type}")
        elif ck.known(item) is None and found_type is not UNKNOWN and not known_later(ck, item):
            ck.error(item.pos, "a label must be known at compile time")


def members(kind: Type) -> list[Type]:
    """The types of a tuple's members or a struct's fields."""
    return list(kind.members) if isinstance(kind, Tuple) else list(kind.fields.values())  # type: ignore[attr-defined]


def _label_pos(label: ast.Expr, pos: int) -> int:
    return label.pos


def _unreachable_states(ck: Checker, decl: ast.Parser) -> None:
    edges = {s.name: [s.transition.state] if s.transition.keys is None else [c.state for c in s.transition.cases]
             for s in decl.states}
    seen: set[str] = set()
    work = ["start"]
    while work:
        name = work.pop()
        if name not in seen:
            seen.add(name)
            work.extend(edges.get(name, ()))
    for state in decl.states:
        if state.name not in seen:
            ck.diags.warn(state.pos, f"state '{state.name}' is never reached", "unreachable")


def _const(ck: Checker, decl: ast.Const) -> None:
    check_stmt.constant(ck, decl)


def _instance(ck: Checker, decl: ast.Instance) -> None:
    if decl.name != "main":
        check_stmt.instance(ck, decl)


_HANDLERS: dict[type, Any] = {
    ast.ErrorDecl: _error, ast.MatchKindDecl: _match_kind, ast.TypedefDecl: _typedef, ast.EnumDecl: _enum,
    ast.StructDecl: _struct, ast.ExternObject: _extern_object, ast.ExternFunction: _callable,
    ast.Function: _function, ast.Action: _action, ast.TypeDecl: _type_decl, ast.Control: _control,
    ast.Parser: _parser, ast.Const: _const, ast.Instance: _instance, ast.ValueSet: _value_set,
}

__all__ = ["ERROR", "Stack", "check_program", "is_union", "used_match_kind"]
