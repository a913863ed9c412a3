"""Random expressions: numbers and truth values."""

from __future__ import annotations

from tests.switch.generate_data import COMMON, Draft, name_of
from tests.switch.programs import Json, boolean, const, field, header, local, masked, op

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
CONSTANTS = (0, 1, 2, 255, (1 << 128) - 1, -1)


def value(d: Draft, depth: int, params: int = 0) -> Json:
    """A number, mostly masked the way a compiler does it."""
    rng = d.rng
    if depth <= 0 or d.maybe(0.25):
        return leaf(d, params)
    kind = rng.randrange(10)
    if kind < 5:
        made = op(rng.choice(["+", "-", "*", "&", "|", "^"]), value(d, depth - 1, params), value(d, depth - 1, params))
    elif kind == 5:
        amount = const(rng.choice((0, 1, 5, 31, 64, 200))) if d.maybe(0.6) else leaf(d, params)
        made = op(rng.choice(("<<", ">>")), value(d, depth - 1, params), masked(amount, 9))
    elif kind == 6:
        made = op(rng.choice(("~", "-", "+")), value(d, depth - 1, params))
    elif kind == 7:
        return op("?", truth(d, depth - 1, params), value(d, depth - 1, params), value(d, depth - 1, params))
    elif kind == 8:
        return op("b2d", truth(d, depth - 1, params))
    else:
        cast = rng.choice(("two_comp_mod", "usat_cast", "sat_cast"))
        return op(cast, value(d, depth - 1, params), const(rng.choice(COMMON)))
    if d.maybe(0.1):
        made = op(rng.choice(("/", "%")), made, leaf(d, params))
    if d.maybe(0.7):
        return masked(made, d.width())
    return op("two_comp_mod", made, const(d.width())) if d.maybe(0.5) else made


def leaf(d: Draft, params: int) -> Json:
    rng = d.rng
    kind = rng.randrange(15)
    if kind < 7:
        return d.place()
    if kind == 7 and params:
        return local(rng.randrange(params))
    if kind == 8 and d.stacks:
        return element_field(d, rng.choice(sorted(d.stacks)), masked(d.place(), 3))
    if kind == 9 and d.stacks:
        return op(rng.choice(("last_stack_index", "size_stack")), stack(d))
    if kind == 10 and d.stacks:
        return {"type": "stack_field", "value": [rng.choice(sorted(d.stacks)), rng.choice("vw")]}
    if kind == 11:
        name, _, size = rng.choice(d.registers)
        index = const(rng.randint(0, size)) if d.maybe(0.5) else masked(d.place(), 4)
        return {"type": "register", "value": [name, index]}
    if kind == 12 and d.unions:
        return expression("access_field", union_member(d), 0)
    if kind == 13:
        return {"type": "expression", "value": {"type": "expression", "value": op("+", d.place(), const(1))["value"]}}
    number = rng.choice((*CONSTANTS, rng.getrandbits(16), rng.getrandbits(64)))
    return {"type": "hexstr", "value": hex(number)}


def expression(name: str, left: Json, right: object) -> Json:
    return {"type": "expression", "value": {"op": name, "left": left, "right": right}}


def stack(d: Draft) -> Json:
    return name_of("header_stack", d.rng.choice(sorted(d.stacks)))


def element_field(d: Draft, of: str, index: Json) -> Json:
    """A field of a stack's element chosen at run time, also out of range."""
    chosen = op("dereference_header_stack", name_of("header_stack", of), index)
    return expression("access_field", chosen, d.rng.randrange(2))


def some_union(d: Draft) -> Json:
    """A union by name or, of a stack, by an index at run time."""
    if d.union_stack is not None and d.maybe(0.5):
        return op("dereference_union_stack", name_of("header_union_stack", d.union_stack), masked(d.place(), 2))
    return name_of("header_union", d.rng.choice(d.unions))


def union_member(d: Draft) -> Json:
    return expression("access_union_header", some_union(d), d.rng.randrange(2))


def two_headers(d: Draft) -> tuple[Json, Json]:
    """Two of one type."""
    rng = d.rng
    kind = rng.randrange(4)
    if kind == 0 and d.varbits:
        return header(rng.choice(d.varbits)), header(rng.choice(d.varbits))
    if kind == 1 and d.stacks:
        chosen = op("dereference_header_stack", stack(d), masked(d.place(), 2))
        return header(f"{rng.choice(sorted(d.stacks))}[0]"), chosen
    if kind == 2 and d.unions:
        member = rng.choice("ab")
        return header(f"{rng.choice(d.unions)}.{member}"), header(f"{rng.choice(d.unions)}.{member}")
    same = rng.choice(d.plain)
    return header(same), header(same)


def truth(d: Draft, depth: int, params: int = 0) -> Json:
    rng = d.rng
    kind = rng.randrange(11)
    if depth <= 0 or kind < 3:
        return op(rng.choice(COMPARISONS), value(d, depth - 1, params), value(d, depth - 1, params))
    if kind == 3:
        return op("d2b", field(rng.choice(d.headers), "$valid$"))
    if kind == 4:
        return op("not", truth(d, depth - 1, params))
    if kind == 5:
        return op(rng.choice(("and", "or", "==", "!=")), truth(d, depth - 1, params), truth(d, depth - 1, params))
    if kind == 6 and d.unions:
        return op("valid_union", some_union(d))
    if kind == 7 and d.unions:
        return op(rng.choice(("==", "!=")), some_union(d), some_union(d))
    if kind == 8:
        return op(rng.choice(("==", "!=")), *two_headers(d))
    if kind == 9:
        return op("valid", two_headers(d)[1])
    if kind == 10:
        return op("?", truth(d, depth - 1, params), truth(d, depth - 1, params), truth(d, depth - 1, params))
    return boolean(d.maybe(0.5))
