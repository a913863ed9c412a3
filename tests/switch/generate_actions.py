"""Random actions: every primitive, with arguments in and out of range."""

from __future__ import annotations

from collections.abc import Callable

from tests.switch.generate_data import Draft, name_of
from tests.switch.generate_expr import element_field, leaf, some_union, stack, truth, two_headers, union_member, value
from tests.switch.programs import Json, assign, const, do, field, header, masked, op, sm

Make = Callable[[Draft, int], Json]


def _index(d: Draft, size: int, params: int) -> Json:
    return const(d.rng.randint(0, size)) if d.maybe(0.5) else masked(leaf(d, params), 4)


def _assign(d: Draft, params: int) -> Json:
    return assign(d.place(), value(d, 3, params))


def _older(d: Draft, params: int) -> Json:
    name = d.rng.choice(("add", "subtract", "bit_xor", "bit_or", "bit_and"))
    if d.maybe(0.5):
        return do(name, d.place(), leaf(d, params), leaf(d, params))
    return do(d.rng.choice(("add_to_field", "subtract_from_field", "modify_field")), d.place(), leaf(d, params))


def _validity(d: Draft, params: int) -> Json:
    return do(d.rng.choice(("add_header", "remove_header", "add_header_fast")), header(d.rng.choice(d.headers)))


def _copy(d: Draft, params: int) -> Json:
    return do(d.rng.choice(("assign_header", "copy_header")), *two_headers(d))


def _stack(d: Draft, params: int) -> Json:
    kind = d.rng.randrange(3)
    if kind == 0:
        return do("assign_header_stack", stack(d), stack(d))
    if kind == 1:
        return assign(element_field(d, d.rng.choice(sorted(d.stacks)), masked(leaf(d, params), 2)), value(d, 2, params))
    return do(d.rng.choice(("push", "pop")), stack(d), const(d.rng.randint(0, 3)))


def _union(d: Draft, params: int) -> Json:
    kind = d.rng.randrange(4)
    if kind == 0:
        return do("assign_union", some_union(d), some_union(d))
    if kind == 1 and d.union_stack is not None:
        whole = name_of("header_union_stack", d.union_stack)
        return do("assign_union_stack", whole, whole)
    if kind == 2 and d.union_stack is not None:
        count = const(d.rng.randint(0, 2))
        return do(d.rng.choice(("push", "pop")), name_of("header_union_stack", d.union_stack), count)
    return do(d.rng.choice(("add_header", "remove_header")), union_member(d))


def _varbit(d: Draft, params: int) -> Json:
    return do("assign_VL", *(field(d.rng.choice(d.varbits), "opt") for _ in range(2)))


def _register(d: Draft, params: int) -> Json:
    name, _, size = d.rng.choice(d.registers)
    array, index = name_of("register_array", name), _index(d, size, params)
    if d.maybe(0.5):
        return do("register_read", d.place(), array, index)
    return do("register_write", array, index, value(d, 2, params))


def _hash(d: Draft, params: int) -> Json:
    calc, limit = name_of("calculation", f"calc{d.rng.randrange(2)}"), d.rng.choice((0, 1, 7, 1 << 16, 1 << 64))
    return do("modify_field_with_hash_based_offset", d.place(), leaf(d, params), calc, const(limit))


def _count(d: Draft, params: int) -> Json:
    return do("count", name_of("counter_array", "c"), masked(leaf(d, params), 3))


def _meter(d: Draft, params: int) -> Json:
    return do("execute_meter", name_of("meter_array", "mt"), _index(d, 3, params), d.place())


def _random(d: Draft, params: int) -> Json:
    low, high = (masked(leaf(d, params), d.rng.choice((1, 8, 40))) for _ in range(2))
    return do("modify_field_rng_uniform", d.place(), low, high)


def _say(d: Draft, params: int) -> Json:
    values = [value(d, 1, params) for _ in range(d.rng.randint(0, 3))]
    if d.maybe(0.3):
        return do(d.rng.choice(("assert", "assume")), truth(d, 1, params))
    return do("log_msg", d.rng.choice(("{}", "a {} b {}", "none", "{} {")), {"type": "parameters_vector", "value": values})


def _request(d: Draft, params: int) -> Json:
    rng = d.rng
    kind = rng.choice((0, 1, 3, 4, 8, 9)) if d.direct else rng.randrange(14)
    if kind == 0:
        return do("truncate", masked(leaf(d, params), 7))
    if kind == 1:
        return do("mark_to_drop", header("standard_metadata"))
    if kind == 2:
        return do("generate_digest", const(1), const(rng.choice((0, 1, 1))))
    if kind == 3:
        return do("exit")
    if kind == 4:
        return assign(sm("mcast_grp"), const(rng.choice((0, 1, 9))))
    if kind in (5, 6):
        name = "clone_ingress_pkt_to_egress" if kind == 5 else "clone_egress_pkt_to_egress"
        return do(name, const(rng.choice((1, 2, 3))), const(rng.choice((0, 1))))
    if kind == 7:
        return do(rng.choice(("resubmit", "recirculate")), const(rng.choice((0, 1))))
    return assign(sm("egress_spec"), const(rng.choice((1, 2, 3, 511))))


def choices(d: Draft) -> list[Make]:
    """What may be called in this program, the frequent ones several times."""
    found = [*[_assign] * 8, _older, _validity, _validity, _copy, _register, _register, _hash, _count, _meter, _random, _say]
    found += [_request] * 4
    if d.stacks:
        found += [_stack] * 3
    if d.unions:
        found += [_union] * 2
    if d.varbits:
        found.append(_varbit)
    return found


def make_action(d: Draft, name: str) -> None:
    params = [(f"p{i}", d.width()) for i in range(d.rng.randint(0, 2))]
    count = d.rng.randint(1, 6)
    makes = choices(d)
    body = []
    for i in range(count):
        if d.maybe(0.08):
            body.append(_jump(d, i, count, len(params)))
        else:
            body.append(d.rng.choice(makes)(d, len(params)))
    d.build.action(name, body, params)
    d.actions.append((name, [w for _, w in params]))


def _jump(d: Draft, at: int, count: int, params: int) -> Json:
    """Mostly forward, to the end at most; now and then back, maybe for ever."""
    if d.maybe(0.04):
        return do("_jump_if_zero", op("b2d", truth(d, 1, params)), const(d.rng.randint(0, at)))
    to = const(d.rng.randint(at + 1, count))
    return do("_jump", to) if d.maybe(0.2) else do("_jump_if_zero", op("b2d", truth(d, 1, params)), to)
