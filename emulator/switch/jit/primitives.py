"""The primitives of actions, each a function of the generator and the primitive's arguments.

All work on a path with a predicate (see `gen.Path`) except those in HARD, which call out of compiled code and need
a real branch around them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.switch import expr as x
from emulator.switch.engine import BACKWARD_JUMP_LIMIT
from emulator.switch.hashes import STATEFUL
from emulator.switch.jit import exprs, externs, hashing, headers, notes, registers
from emulator.switch.jit.gen import Gen
from emulator.switch.jit.values import Val, const
from emulator.switch.model import Field, Model, Primitive

HARD = frozenset({"execute_meter", "log_msg", "assert", "assume", "modify_field_rng_uniform", "call_extern"})


HASH = "modify_field_with_hash_based_offset"


def store(g: Gen, target: x.LValue, value: Val, when: Any = 1) -> None:
    """Assign to a field; saturating fields clamp."""
    if isinstance(target, x.FieldRead):
        choice: headers.Choice = [(1, target.header)]
    else:
        choice = headers.choose(g, target.header)
        chosen = headers.any_of(g, [c for c, _ in choice])
        notes.note(g, "stack_index_out_of_range", g.fn.and_(when, g.fn.not_(chosen)))
    for c, header in choice:
        c = g.fn.and_(c, when)
        if target.field == x.VALID:
            g.set(g.phv.valid[header], g.arith.from_bool(g.arith.nonzero(value)), c)
            continue
        field = g.model.header_type(header).fields[target.field]
        var = g.phv.field(header, target.field)
        if field.saturating:
            half = 1 << (field.width - 1)
            low, high = (-half, half - 1) if field.signed else (0, 2 * half - 1)
            g.set(var, g.arith.clamp(value, low, high), c)
        else:
            g.set(var, value, c)


def target_field(g: Gen, target: x.LValue) -> Field:
    header = target.header if isinstance(target, x.FieldRead) else headers.some_header(g.model, target.header)
    return g.model.header_type(header).fields[target.field]


def target_width(g: Gen, target: x.LValue) -> int | None:
    """How many low bits of a value a plain store keeps; None where all of it counts."""
    if target.field == x.VALID:
        return None
    field = target_field(g, target)
    return None if field.saturating else field.width


def assign(g: Gen, target: x.LValue, value: x.Expr) -> None:
    width = target_width(g, target)
    store(g, target, exprs.exact(g, value) if width is None else exprs.low(g, value, width))


def assign_varbit(g: Gen, target: x.LValue, source: x.LValue) -> None:
    for c, to in headers.choose_lvalue(g, target):
        for d, came in headers.choose_lvalue(g, source):
            headers.copy_varbit(g, (to, target.field), (came, source.field), g.fn.and_(c, d))


def assign_header(g: Gen, target: x.HeaderExpr, source: x.HeaderExpr) -> None:
    """From an element that is not there, as from an invalid header."""
    sources = headers.choose(g, source)
    missing = g.fn.not_(headers.any_of(g, [d for d, _ in sources]))
    for c, to in headers.choose(g, target):
        headers.invalidate(g, to, g.fn.and_(c, missing))
        for d, came in sources:
            headers.assign_header(g, to, came, g.fn.and_(c, d))


def assign_union(g: Gen, target: x.UnionExpr, source: x.UnionExpr) -> None:
    """From a union that is not there, as from one without a valid member."""
    sources = headers.choose_union(g, source)
    missing = g.fn.not_(headers.any_of(g, [d for d, _ in sources]))
    for c, to in headers.choose_union(g, target):
        headers.invalidate_union(g, to, g.fn.and_(c, missing))
        for d, came in sources:
            headers.copy_union(g, to, came, g.fn.and_(c, d))


def assign_header_stack(g: Gen, to: int, source: int) -> None:
    stacks = g.model.stacks
    for a, b in zip(stacks[to].headers, stacks[source].headers, strict=True):
        headers.assign_header(g, a, b)
    g.set(g.phv.next[to], g.get(g.phv.next[source]))


def assign_union_stack(g: Gen, to: int, source: int) -> None:
    stacks = g.model.union_stacks
    for a, b in zip(stacks[to].unions, stacks[source].unions, strict=True):
        headers.copy_union(g, a, b)
    g.set(g.phv.union_next[to], g.get(g.phv.union_next[source]))


def add_header(g: Gen, header: x.HeaderExpr) -> None:
    for c, number in headers.choose(g, header):
        headers.add_header(g, number, c)


def remove_header(g: Gen, header: x.HeaderExpr) -> None:
    for c, number in headers.choose(g, header):
        headers.remove_header(g, number, c)


def push(g: Gen, stack: int, count: int) -> None:
    elements = g.model.stacks[stack].headers
    headers.push(g, elements, g.phv.next[stack], count, headers.assign_header, headers.invalidate)


def pop(g: Gen, stack: int, count: int) -> None:
    elements = g.model.stacks[stack].headers
    headers.pop(g, elements, g.phv.next[stack], count, headers.assign_header, headers.invalidate)


def push_union_stack(g: Gen, stack: int, count: int) -> None:
    elements = g.model.union_stacks[stack].unions
    headers.push(g, elements, g.phv.union_next[stack], count, headers.copy_union, headers.invalidate_union)


def pop_union_stack(g: Gen, stack: int, count: int) -> None:
    elements = g.model.union_stacks[stack].unions
    headers.pop(g, elements, g.phv.union_next[stack], count, headers.copy_union, headers.invalidate_union)


def mark_to_drop(g: Gen) -> None:
    spec, group = g.phv.standard("egress_spec"), g.phv.standard("mcast_grp")
    assert spec is not None
    g.set(spec, g.drop_port())
    if group is not None:
        g.set_const(group, 0)


def generate_digest(g: Gen, receiver: x.Expr, learn_list: int | None) -> None:
    g.set_const(g.phv.own.digest, 0 if learn_list is None else learn_list + 1)


def _list_request(field_list: int | None) -> int:
    return 1 if field_list is None or field_list < 0 else field_list + 2


def clone(g: Gen, session: x.Expr, field_list: int | None) -> None:
    g.set_const(g.phv.own.clone, _list_request(field_list))
    g.set(g.phv.own.session, g.arith.mask(exprs.low(g, session, 15), 15))


def resubmit(g: Gen, field_list: int | None) -> None:
    g.set_const(g.phv.own.resubmit, _list_request(field_list))


def recirculate(g: Gen, field_list: int | None) -> None:
    g.set_const(g.phv.own.recirculate, _list_request(field_list))


def truncate(g: Gen, length: x.Expr) -> None:
    """The shortest of several counts."""
    var = g.phv.own.truncate
    size = g.arith.clamp(g.arith.mask(exprs.low(g, length, 32), 32), 0, (1 << 31) - 2)
    wanted = g.arith.add(size, const(1))
    old = g.get(var)
    shorter = g.fn.or_(g.arith.compare("==", old, const(0)), g.arith.compare("<", wanted, old))
    g.set(var, wanted, shorter)


def register_read(g: Gen, target: x.LValue, register: int, index: x.Expr) -> None:
    """Out of range: the target stays as it is."""
    where = exprs.exact(g, index)
    inside = registers.in_range(g, where, g.model.registers[register].size)
    store(g, target, registers.read_register(g, register, where, const(0)), inside)


def register_write(g: Gen, register: int, index: x.Expr, value: x.Expr) -> None:
    width = g.model.registers[register].width
    registers.write_register(g, register, exprs.exact(g, index), exprs.low(g, value, width))


def count(g: Gen, counter: int, index: x.Expr) -> None:
    registers.count(g, counter, exprs.exact(g, index), g.model.counters[counter].size)


def exit_(g: Gen) -> None:
    g.set_const(g.phv.own.exit, 1)


TABLE: dict[str, Callable[..., None]] = {
    "assign": assign,
    "assign_VL": assign_varbit,
    "assign_header": assign_header,
    "assign_union": assign_union,
    "assign_header_stack": assign_header_stack,
    "assign_union_stack": assign_union_stack,
    "add_header": add_header,
    "remove_header": remove_header,
    "push": push,
    "pop": pop,
    "push_union_stack": push_union_stack,
    "pop_union_stack": pop_union_stack,
    "exit": exit_,
    "assert": externs.check_assert,
    "assume": externs.check_assume,
    "log_msg": externs.log_msg,
    "mark_to_drop": mark_to_drop,
    "generate_digest": generate_digest,
    "clone_ingress_pkt_to_egress": clone,
    "clone_egress_pkt_to_egress": clone,
    "resubmit": resubmit,
    "recirculate": recirculate,
    "modify_field_with_hash_based_offset": hashing.hash_to_field,
    "modify_field_rng_uniform": externs.random,
    "execute_meter": externs.execute_meter,
    "count": count,
    "register_read": register_read,
    "register_write": register_write,
    "truncate": truncate,
    "call_extern": externs.call_extern,
}


def run(g: Gen, primitive: Primitive) -> None:
    TABLE[primitive.op](g, *primitive.args)


# --- Bodies ---


def is_flat(model: Model, body: tuple[Primitive, ...]) -> bool:
    """Whether a body can run on a predicated path: forward jumps only, nothing HARD, no hash that keeps state."""
    for at, primitive in enumerate(body):
        if primitive.op == HASH and model.calculations[primitive.args[2]].algo in STATEFUL:  # type: ignore[call-overload]
            return False
        if primitive.op in HARD or (primitive.op.startswith("_jump") and _target(primitive) <= at):
            return False
    return True


def run_body(g: Gen, body: tuple[Primitive, ...]) -> None:
    """All of a body. Afterwards the path is at the body's end, maybe in another block."""
    if is_flat(g.model, body):
        _run_flat(g, body)
    else:
        _run_blocks(g, body)


def _run_flat(g: Gen, body: tuple[Primitive, ...]) -> None:
    """Jumps become selects: each target collects the paths that lead to it."""
    if not any(p.op.startswith("_jump") for p in body):
        for primitive in body:
            run(g, primitive)
        return
    start, whole = g.path, g.path.pred
    g.path = start.fork(whole)
    waiting: dict[int, list[tuple[Any, Any]]] = {}
    local: Any = 1
    alive = True
    for at in range(len(body) + 1):
        arms = waiting.pop(at, [])
        if arms:
            if alive:
                arms.append((local, g.path))
            local = headers.any_of(g, [c for c, _ in arms]) if waiting else 1
            g.path = g.merge(arms, g.fn.and_(whole, local) if waiting else whole)
            alive = True
        if at == len(body) or not alive:
            continue
        primitive = body[at]
        if primitive.op == "_jump":
            waiting.setdefault(primitive.args[0], []).append((local, g.path))  # type: ignore[arg-type]
            alive = False
        elif primitive.op == "_jump_if_zero":
            test = exprs.cond(g, primitive.args[0])  # type: ignore[arg-type]
            away = g.fn.and_(local, g.fn.not_(test))
            stay = g.fn.and_(local, test)
            if away != 0:
                jumped = g.path.fork(g.fn.and_(whole, away))
                waiting.setdefault(primitive.args[1], []).append((away, jumped))  # type: ignore[arg-type]
            if stay == 0:
                alive = False
            else:
                g.path = g.path.fork(g.fn.and_(whole, stay))
                local = stay
        else:
            run(g, primitive)
    start.absorb(g.path)
    g.path = start


def _target(jump: Primitive) -> int:
    return int(jump.args[0] if jump.op == "_jump" else jump.args[1])  # type: ignore[call-overload]


def _run_blocks(g: Gen, body: tuple[Primitive, ...]) -> None:
    """Jumps stay jumps."""
    jumps = [(at, _target(p)) for at, p in enumerate(body) if p.op.startswith("_jump")]
    labels = {t: g.fn.label("at") for t in sorted({len(body), *(t for _, t in jumps)})}
    if any(target <= at for at, target in jumps):
        externs.reset_fuel(g, BACKWARD_JUMP_LIMIT)
    for at, primitive in enumerate(body):
        if at in labels:
            if g.fn.open:
                g.goto(labels[at])
            g.start(labels[at])
        elif not g.fn.open:
            g.start(g.fn.label("dead"))
        if primitive.op == "_jump":
            _jump(g, labels, at, primitive.args[0], labels[len(body)])  # type: ignore[arg-type]
        elif primitive.op == "_jump_if_zero":
            test = exprs.cond(g, primitive.args[0])  # type: ignore[arg-type]
            on = g.fn.label("on")
            away = g.fn.label("away")
            g.branch(test, on, away)
            g.start(away)
            _jump(g, labels, at, primitive.args[1], labels[len(body)])  # type: ignore[arg-type]
            g.start(on)
        else:
            run(g, primitive)
    end = labels[len(body)]
    if g.fn.open:
        g.goto(end)
    g.start(end)


def _jump(g: Gen, labels: dict[int, str], at: int, to: int, end: str) -> None:
    """Backward jumps burn fuel, so that no program can hang the switch."""
    if to > at:
        g.goto(labels[to])
        return
    cut = g.fn.label("cut")
    g.branch(externs.burn_fuel(g), labels[to], cut)
    g.start(cut)
    notes.note(g, "action_loop_cut")
    g.goto(end)
