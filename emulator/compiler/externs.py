"""The externs of core.p4 and v1model.p4: each call becomes a primitive of the target."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import ast, extern_hash, extern_packet, extern_user, fold, ir
from .context import Context
from .extern_args import Args, into_field
from .extern_hash import scalars_of
from .stores import store
from .types import Bits, Object, Struct, Type, strip
from .values import (
    Env,
    ExternV,
    StringV,
    TypeV,
)

MAX_SIZE = 1 << 31


# -- functions ------------------------------------------------------------------------------------------------------
def call_function(cx: Context, decl: ast.ExternFunction, expr: ast.Call, want: Type | None) -> Any:
    handler = _FUNCTIONS.get(decl.name)
    if handler is None:
        return extern_user.user_call(cx, decl, decl.name, [], expr, want)
    cx.program.calls_externs = cx.program.calls_externs or cx.pipeline != "parser"
    return handler(cx, Args(cx, decl, expr, cx.env), expr)


def _mark_to_drop(cx: Context, args: Args, expr: ast.Call) -> None:
    cx.prim("mark_to_drop", ir.HeaderArg("standard_metadata"))


def _verify(cx: Context, args: Args, expr: ast.Call) -> None:
    if cx.pipeline != "parser":
        raise cx.fail(expr.pos, "verify can only be called in a parser")
    cond, code = args.scalars(("check", None), ("toSignal", None))
    if isinstance(cond, ir.Const) and cond.value:
        return
    cx.prim("verify", cond, code)


def _random(cx: Context, args: Args, expr: ast.Call) -> None:
    place = args.target("result")
    low, high = args.scalars(("lo", place.type), ("hi", place.type))
    into_field(cx, place, lambda f: cx.prim("modify_field_rng_uniform", f, low, high))


def _digest(cx: Context, args: Args, expr: ast.Call) -> None:
    receiver = args.scalar("receiver", Bits(32))
    kind = cx.type_of(expr.type_args[0]) if expr.type_args else None
    data = args.value("data", kind)
    kind = kind or getattr(data, "type", None)
    elements = []
    for part in scalars_of(cx, data):
        temp = cx.temp(part.type)
        cx.assign(temp, part)
        elements.append(temp)
    name = str(kind) if isinstance(strip(kind), Struct) else "digest"  # type: ignore[arg-type]
    cx.program.learn_lists.append((name, elements, kind))  # type: ignore[arg-type]
    cx.prim("generate_digest", receiver, ir.Raw(len(cx.program.learn_lists)))


def _field_list(cx: Context, args: Args) -> int:
    """The number of the field list to preserve: given, none (-1), or made from the fields of older calls' data."""
    if args.has("index"):
        return args.constant("index")
    if "data" not in args.pairs:
        return -1
    fields: list[ir.Expr] = [p for p in scalars_of(cx, args.value("data")) if isinstance(p, ir.Field)]
    if not fields:
        return -1
    number = max([255, *cx.program.field_lists]) + 1
    cx.program.field_lists[number] = fields
    return number


def _clone(cx: Context, args: Args, expr: ast.Call) -> None:
    kind = args.constant("type")
    session = args.scalar("session", Bits(32))
    index = _field_list(cx, args)
    op = "clone_ingress_pkt_to_egress" if kind == 0 else "clone_egress_pkt_to_egress"
    wanted = "ingress" if kind == 0 else "egress"
    if cx.pipeline != wanted:
        raise cx.fail(expr.pos, f"this clone can only be asked for in {wanted}")
    cx.prim(op, session, ir.Raw(("field_list", index)))


def _resubmit(cx: Context, args: Args, expr: ast.Call) -> None:
    if cx.pipeline != "ingress":
        raise cx.fail(expr.pos, "resubmit can only be asked for in ingress")
    cx.prim("resubmit", ir.Raw(("field_list", _field_list(cx, args))))


def _recirculate(cx: Context, args: Args, expr: ast.Call) -> None:
    if cx.pipeline != "egress":
        raise cx.fail(expr.pos, "recirculate can only be asked for in egress")
    cx.prim("recirculate", ir.Raw(("field_list", _field_list(cx, args))))


def _truncate(cx: Context, args: Args, expr: ast.Call) -> None:
    cx.prim("truncate", args.scalar("length", Bits(32)))


def _assert(cx: Context, args: Args, expr: ast.Call) -> None:
    check = args.scalar("check")
    if not cx.options.ndebug:
        name = expr.func.name if isinstance(expr.func, ast.Name) else "assert"
        cx.prim(name, check)


def _log(cx: Context, args: Args, expr: ast.Call) -> None:
    text = args.value("msg")
    parts = scalars_of(cx, args.value("data")) if args.has("data") else []
    cx.prim("log_msg", ir.Raw(text.value), tuple(parts))


def _static_assert(cx: Context, args: Args, expr: ast.Call) -> ir.Expr:
    check = args.scalar("check")
    if not isinstance(check, ir.Const):
        raise cx.fail(expr.pos, "the condition of static_assert must be known at compile time")
    if not check.value:
        text = args.value("message").value if args.has("message") else ""
        raise cx.fail(expr.pos, "static_assert failed" + (f": {text}" if text else ""))
    return fold.TRUE


_FUNCTIONS: dict[str, Callable[[Context, Args, ast.Call], Any]] = {
    "mark_to_drop": _mark_to_drop, "verify": _verify, "hash": extern_hash.hash_call, "random": _random, "digest": _digest,
    "clone": _clone, "clone_preserving_field_list": _clone, "clone3": _clone, "resubmit": _resubmit,
    "recirculate": _recirculate, "resubmit_preserving_field_list": _resubmit,
    "recirculate_preserving_field_list": _recirculate, "truncate": _truncate, "assert": _assert, "assume": _assert,
    "log_msg": _log, "static_assert": _static_assert, "verify_checksum": extern_hash.checksum,
    "update_checksum": extern_hash.checksum, "verify_checksum_with_payload": extern_hash.checksum,
    "update_checksum_with_payload": extern_hash.checksum,
}


# -- objects --------------------------------------------------------------------------------------------------------
def construct(cx: Context, kind: Object, args: tuple[ast.Argument, ...], name: str, pos: int,
              notes: ast.Annotations) -> ExternV:
    """Make an extern object and enter it in the program."""
    from .inline_call import choose, match_args
    from .inline_expr import expression

    decl = kind.decl
    assert isinstance(decl, ast.ExternObject)
    ctors = [m for m in decl.methods if m.result is None]
    ctor = choose(cx, ctors, ast.Call(pos, ast.Name(pos, decl.name), (), args)) if ctors else None
    env = Env(cx.globals)
    for param, arg in zip(decl.type_params, kind.args):
        env.set(param.name, TypeV(arg))
    values: dict[str, Any] = {}
    for ctor_param, arg_expr in match_args(ctor.params, args) if ctor else []:
        if arg_expr is not None:
            value = expression(cx, arg_expr, cx.type_of(ctor_param.type, env))
            if not isinstance(value, (ir.Const, StringV)):
                raise cx.fail(arg_expr.pos, "a constructor's argument must be known at compile time")
            values[ctor_param.name] = value.value
    if name in cx.program.instances:
        cx.diags.error(pos, f"'{name}' is the name of two extern objects; @name gives one of them another")
    if values.get("size", 0) > MAX_SIZE:
        raise cx.fail(pos, f"a size of {values['size']} is more than the target holds")
    cx.program.instances[name] = ir.Instance(name, decl.name, values, kind.args, notes, cx.pipeline)
    return ExternV(kind, name, values)


def call_method(cx: Context, base: ExternV, name: str, expr: ast.Call, want: Type | None) -> Any:
    from .inline_call import choose

    decl = base.type.decl
    assert isinstance(decl, ast.ExternObject)
    methods = [m for m in decl.methods if m.name == name and m.result is not None]
    handler = _METHODS.get((decl.name, name))
    if not methods:
        raise cx.fail(expr.pos, f"{decl.name} has no method {name}")
    if handler is None:
        method = choose(cx, methods, expr)
        scope = Env(cx.globals)
        for param, arg in zip(decl.type_params, base.type.args):
            scope.set(param.name, TypeV(arg))
        front = [ir.ObjectArg("extern", base.name)]
        return extern_user.user_call(cx, method, f"_{decl.name}_{name}", front, expr, want, scope)
    return handler(cx, base, Args(cx, choose(cx, methods, expr), expr, cx.env), expr)


def _register_read(cx: Context, base: ExternV, args: Args, expr: ast.Call) -> None:
    place = args.target("result")
    index = args.scalar("index", Bits(32))
    kind = base.type.args[0]
    into_field(cx, place, lambda f: cx.prim("register_read", f, ir.ObjectArg("register_array", base.name), index), kind)


def _register_write(cx: Context, base: ExternV, args: Args, expr: ast.Call) -> None:
    index, value = args.scalars(("index", Bits(32)), ("value", base.type.args[0]))
    cx.prim("register_write", ir.ObjectArg("register_array", base.name), index, value)


def _count(cx: Context, base: ExternV, args: Args, expr: ast.Call) -> None:
    cx.prim("count", ir.ObjectArg("counter_array", base.name), args.scalar("index", Bits(32)))


def _direct_count(cx: Context, base: ExternV, args: Args, expr: ast.Call) -> None:
    """Direct counters count by themselves."""


def _execute_meter(cx: Context, base: ExternV, args: Args, expr: ast.Call) -> None:
    index = args.scalar("index", Bits(32))
    place = args.target("result")
    into_field(cx, place, lambda f: cx.prim("execute_meter", ir.ObjectArg("meter_array", base.name), index, f))


def _direct_meter(cx: Context, base: ExternV, args: Args, expr: ast.Call) -> None:
    """The target writes the colour before any action runs, into one field; actions that do not read it see nothing."""
    place = args.target("result")
    instance = cx.program.instances[base.name]
    if instance.result is None:
        instance.result = cx.temp(place.type, "colour")
    store(cx, place, instance.result)


_METHODS: dict[tuple[str, str], Callable[[Context, ExternV, Args, ast.Call], Any]] = {
    ("register", "read"): _register_read, ("register", "write"): _register_write, ("counter", "count"): _count,
    ("direct_counter", "count"): _direct_count, ("meter", "execute_meter"): _execute_meter,
    ("direct_meter", "read"): _direct_meter, ("Checksum16", "get"): extern_hash.checksum16,
    ("packet_in", "extract"): extern_packet.extract,
    ("packet_in", "lookahead"): extern_packet.lookahead, ("packet_in", "advance"): extern_packet.advance,
    ("packet_in", "length"): extern_packet.length, ("packet_out", "emit"): extern_packet.emit,
}

__all__ = ["Args", "call_function", "call_method", "construct", "scalars_of"]
