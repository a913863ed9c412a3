"""Operations on headers, header stacks and unions, also those whose header is chosen at run time.

A header chosen at run time is a list of (condition, header): at most one condition holds. Reading selects,
writing stores under the condition; so an index out of range reads 0 and writes nothing, without a branch.
"""

from __future__ import annotations

from emulator.switch import expr as x
from emulator.switch.jit import exprs, notes
from emulator.switch.jit.gen import Gen
from emulator.switch.jit.ir import Ref
from emulator.switch.jit.phv import Var
from emulator.switch.jit.values import Val, const
from emulator.switch.model import Model

Choice = list[tuple[Ref, int]]


def _indexed(g: Gen, index: Val, items: tuple[int, ...]) -> Choice:
    choice = [(g.arith.compare("==", index, const(k)), item) for k, item in enumerate(items)]
    return [(c, item) for c, item in choice if c != 0]


def _last(g: Gen, following: Var) -> Val:
    return g.arith.sub(g.get(following), const(1))


def choose(g: Gen, header: x.HeaderExpr) -> Choice:
    """The headers an expression may stand for."""
    match header:
        case x.HeaderRef(number):
            return [(1, number)]
        case x.StackElement(stack, index):
            return _indexed(g, exprs.exact(g, index), g.model.stacks[stack].headers)
        case x.StackLast(stack):
            return _indexed(g, _last(g, g.phv.next[stack]), g.model.stacks[stack].headers)
        case x.UnionMember(union, member):
            return [(c, g.model.unions[u].headers[member]) for c, u in choose_union(g, union)]
    raise AssertionError(header)


def choose_union(g: Gen, union: x.UnionExpr) -> Choice:
    match union:
        case x.UnionRef(number):
            return [(1, number)]
        case x.UnionStackElement(stack, index):
            return _indexed(g, exprs.exact(g, index), g.model.union_stacks[stack].unions)
        case x.UnionStackLast(stack):
            return _indexed(g, _last(g, g.phv.union_next[stack]), g.model.union_stacks[stack].unions)
    raise AssertionError(union)


def read_dynamic(g: Gen, header: x.HeaderExpr, field: int) -> Val:
    value = const(0)
    choice = choose(g, header)
    notes.note(g, "stack_index_out_of_range", g.fn.not_(any_of(g, [c for c, _ in choice])))
    for c, number in choice:
        value = g.arith.select(c, g.get(g.phv.field(number, field)), value)
    return value


def any_of(g: Gen, terms: list[Ref]) -> Ref:
    result: Ref = 0
    for term in terms:
        result = g.fn.or_(result, term)
    return result


def is_valid(g: Gen, header: x.HeaderExpr) -> Ref:
    return any_of(g, [g.fn.and_(c, g.flag(g.phv.valid[number])) for c, number in choose(g, header)])


def union_valid(g: Gen, union: x.UnionExpr) -> Ref:
    return any_of(g, [g.fn.and_(c, _any_member(g, number)) for c, number in choose_union(g, union)])


def _any_member(g: Gen, union: int) -> Ref:
    return any_of(g, [g.flag(g.phv.valid[h]) for h in g.model.unions[union].headers])


# --- comparison ---


def equal(g: Gen, left: x.HeaderExpr, right: x.HeaderExpr) -> Ref:
    """Both invalid, or both valid with equal fields."""
    terms: list[Ref] = []
    lefts, rights = choose(g, left), choose(g, right)
    both_out = g.fn.not_(g.fn.or_(is_valid(g, left), is_valid(g, right)))
    for c, a in lefts:
        for d, b in rights:
            chosen = g.fn.and_(c, d)
            if chosen != 0:
                terms.append(g.fn.and_(chosen, _both_valid_equal(g, a, b)))
    return any_of(g, [both_out, *terms])


def _both_valid_equal(g: Gen, a: int, b: int) -> Ref:
    same = g.fn.and_(g.flag(g.phv.valid[a]), g.flag(g.phv.valid[b]))
    for f, field in enumerate(g.model.header_type(a).fields):
        same = g.fn.and_(same, varbits_equal(g, (a, f), (b, f)) if field.varbit else _fields_equal(g, a, b, f))
    return same


def _fields_equal(g: Gen, a: int, b: int, f: int) -> Ref:
    return g.arith.compare("==", g.get(g.phv.field(a, f)), g.get(g.phv.field(b, f)))


def varbits_equal(g: Gen, a: tuple[int, int], b: tuple[int, int]) -> Ref:
    """Same length and same bits; each is (header, field)."""
    x_, y = g.phv.buffers[a], g.phv.buffers[b]
    used = g.get(x_.used)
    same_length = g.arith.compare("==", used, g.get(y.used))
    size = g.fn.op("lshr", 32, used.ref, 3)
    args = [f"ptr {g.buffer(x_)}", f"ptr {g.buffer(y)}", f"i64 {g.fn.ref(g.fn.zext(size, 32, 64), 64)}"]
    differ = g.fn.call("i32", "@fp_bytes_differ", args)
    g.helpers.add("fp_bytes_differ")
    return g.fn.and_(same_length, g.fn.icmp("eq", 32, differ, 0))


def union_equal(g: Gen, left: x.UnionExpr, right: x.UnionExpr) -> Ref:
    """Both without a valid member, or the same member valid with equal fields."""
    both_out = g.fn.not_(g.fn.or_(union_valid(g, left), union_valid(g, right)))
    terms = [both_out]
    for c, a in choose_union(g, left):
        for d, b in choose_union(g, right):
            members = zip(g.model.unions[a].headers, g.model.unions[b].headers, strict=True)
            same = any_of(g, [_both_valid_equal(g, m, n) for m, n in members])
            terms.append(g.fn.and_(g.fn.and_(c, d), same))
    return any_of(g, terms)


# --- validity ---


def size_bytes(g: Gen, header: int) -> Val:
    """A header's present length on the wire."""
    kind = g.model.header_type(header)
    fixed = const(kind.fixed_bits // 8)
    if kind.varbit is None:
        return fixed
    used = g.get(g.phv.buffers[header, kind.varbit].used)
    return g.arith.mask(g.arith.add(fixed, g.arith.shr(used, const(3))), 32)


def make_valid(g: Gen, header: int, when: Ref = 1) -> None:
    """Validity alone; a union's other members become invalid."""
    g.set_const(g.phv.valid[header], 1, when)
    union = g.model.headers[header].union
    if union is not None:
        for other in g.model.unions[union[0]].headers:
            if other != header:
                g.set_const(g.phv.valid[other], 0, when)


def zero_fields(g: Gen, header: int, when: Ref) -> None:
    if g.homes.clear(header, when):
        return
    for f, field in enumerate(g.model.header_type(header).fields):
        var = g.phv.buffers[header, f].used if field.varbit else g.phv.field(header, f)
        g.set_const(var, 0, when)


def add_header(g: Gen, header: int, when: Ref = 1) -> None:
    """setValid: only of an invalid header; its fields become 0 and the packet longer."""
    fresh = g.fn.and_(when, g.fn.not_(g.flag(g.phv.valid[header])))
    if fresh == 0:
        return
    zero_fields(g, header, fresh)
    grow(g, size_bytes(g, header), fresh)
    make_valid(g, header, fresh)


def grow(g: Gen, by: Val, when: Ref) -> None:
    length = g.phv.own.length
    g.set(length, g.arith.add(g.get(length), by), when)


def remove_header(g: Gen, header: int, when: Ref = 1) -> None:
    """setInvalid; the packet becomes shorter."""
    gone = g.fn.and_(when, g.flag(g.phv.valid[header]))
    if gone == 0:
        return
    length = g.phv.own.length
    g.set(length, g.arith.sub(g.get(length), size_bytes(g, header)), gone)
    g.set_const(g.phv.valid[header], 0, gone)


# --- copies ---


def copy_fields(g: Gen, to: int, source: int, when: Ref = 1) -> None:
    for f, field in enumerate(g.model.header_type(to).fields):
        if field.varbit:
            copy_varbit(g, (to, f), (source, f), when)
        else:
            g.set(g.phv.field(to, f), g.get(g.phv.field(source, f)), when)


def copy_varbit(g: Gen, to: tuple[int, int], source: tuple[int, int], when: Ref = 1) -> None:
    """Bits and width; the caller must not be on a path with a predicate (buffers are memory)."""
    a, b = g.phv.buffers[to], g.phv.buffers[source]
    if a is b:
        return
    used = g.get(b.used)
    limit = g.arith.clamp(used, 0, a.size * 8)
    size = g.arith.widen(g.arith.shr(limit, const(3)), 64)
    g.fn.memcpy(g.buffer(a), g.buffer(b), g.fn.select(g.on(when), 64, size, 0))
    g.set(a.used, limit, when)


def assign_header(g: Gen, to: int, source: int, when: Ref = 1) -> None:
    """A valid source is copied with its validity; an invalid one makes the target invalid."""
    if to == source:
        return
    valid = g.flag(g.phv.valid[source])
    some = g.fn.and_(when, valid)
    copy_fields(g, to, source, some)
    make_valid(g, to, some)
    g.set_const(g.phv.valid[to], 0, g.fn.and_(when, g.fn.not_(valid)))


def push(g: Gen, stack: tuple[int, ...], following: Var, count: int, move, clear) -> None:
    """Elements move up by `count`; the first ones become invalid."""
    count = min(count, len(stack))
    for k in range(len(stack) - 1, count - 1, -1):
        move(g, stack[k], stack[k - count])
    for k in range(count):
        clear(g, stack[k])
    g.set(following, g.arith.clamp(g.arith.add(g.get(following), const(count)), 0, len(stack)))


def pop(g: Gen, stack: tuple[int, ...], following: Var, count: int, move, clear) -> None:
    """Elements move down by `count`; the last ones become invalid."""
    count = min(count, len(stack))
    for k in range(len(stack) - count):
        move(g, stack[k], stack[k + count])
    for k in range(len(stack) - count, len(stack)):
        clear(g, stack[k])
    g.set(following, g.arith.clamp(g.arith.sub(g.get(following), const(count)), 0, len(stack)))


def invalidate(g: Gen, header: int, when: Ref = 1) -> None:
    g.set_const(g.phv.valid[header], 0, when)


def invalidate_union(g: Gen, union: int, when: Ref = 1) -> None:
    for header in g.model.unions[union].headers:
        invalidate(g, header, when)


def some_header(model: Model, header: x.HeaderExpr) -> int:
    """A header the expression may stand for; all have one type."""
    match header:
        case x.HeaderRef(number):
            return number
        case x.StackElement(stack, _) | x.StackLast(stack):
            return model.stacks[stack].headers[0]
        case x.UnionMember(union, member):
            stack = union.union_stack
            return model.unions[model.union_stacks[stack].unions[0]].headers[member]
    raise AssertionError(header)


def choose_lvalue(g: Gen, target: x.LValue) -> Choice:
    return [(1, target.header)] if isinstance(target, x.FieldRead) else choose(g, target.header)


def copy_union(g: Gen, to: int, source: int, when: Ref = 1) -> None:
    """Each member with its validity."""
    members = list(zip(g.model.unions[to].headers, g.model.unions[source].headers, strict=True))
    valid = [g.flag(g.phv.valid[b]) for _, b in members]
    for (a, b), v in zip(members, valid, strict=True):
        copy_fields(g, a, b, g.fn.and_(when, v))
        g.set(g.phv.valid[a], g.arith.from_bool(v), when)
