"""What compiled code leaves to Python through one callback: log messages, failed assertions, the hash that remembers its inputs.
Meters, random numbers and all other hashes are native functions.

Also the fuel that bounds loops: a program that would hang the reference runs out instead.
"""

from __future__ import annotations

from typing import Any

from emulator.switch import expr as x
from emulator.switch.jit import exprs, notes, registers
from emulator.switch.jit.gen import Gen, Site
from emulator.switch.jit.ir import Ref
from emulator.switch.jit.values import Val, signed_range, unsigned_range

LOG, HASH, EVENT, NOTES, CALL = range(5)
"""First argument of the callback."""
METER_ROW = 128
"""Bytes of a meter's state."""
METER_COUNTS = 64
"""Where in it packets and bytes of green, yellow and red are counted."""


def call(g: Gen, kind: int, site: int, a: Ref, b: Ref) -> str:
    """The callback: i64 (i32 kind, i32 site, i64 a, i64 b, ptr scratch)."""
    g.recall.outside()
    args = [f"i32 {kind}", f"i32 {site}", f"i64 {g.fn.ref(a, 64)}", f"i64 {g.fn.ref(b, 64)}"]
    return g.fn.call("i64", g.address("extern"), [*args, f"ptr {g.address('scratch')}"])


def _spill(g: Gen, values: list[Val]) -> tuple[tuple[int, bool], ...]:
    """Values into scratch memory, one after the other; returns (bits, signed) of each."""
    at = 0
    for value in values:
        g.fn.store(f"i{value.bits}", g.fn.ref(value.ref, value.bits), g.fn.gep(g.address("scratch"), at), 4)
        at += value.bits // 8
    return tuple((v.bits, v.lo < 0) for v in values)


def log_msg(g: Gen, text: str, values: tuple[x.Expr, ...]) -> None:
    shape = _spill(g, [exprs.exact(g, v) for v in values])
    call(g, LOG, g.site(Site("log_msg", text, shape)), 0, 0)


def call_extern(g: Gen, instance: str | None, name: str, results: int, arguments: tuple[Any, ...]) -> None:
    """An extern in Python: arguments go through scratch memory, and what it leaves in fields comes back there."""
    from emulator.switch.jit import primitives

    flat = [part for a in arguments for part in (a if isinstance(a, tuple) else (a,)) if not isinstance(part, str)]
    sizes = iter(_spill(g, [exprs.exact(g, part) for part in flat]))
    shape: list[tuple[Any, ...]] = []
    back: list[tuple[int, int, x.LValue, tuple[int, int]]] = []
    at = 0
    for argument in arguments:
        if isinstance(argument, str):
            shape.append(("text", argument))
            continue
        parts = [next(sizes) for _ in (argument if isinstance(argument, tuple) else (argument,))]
        kind = "tuple" if isinstance(argument, tuple) else "bool" if x.is_bool(argument) else "number"
        if isinstance(argument, (x.FieldRead, x.DynamicField)) and argument.field != x.VALID:
            kind, field = "cell", primitives.target_field(g, argument)
            bounds = signed_range(field.width) if field.signed else unsigned_range(field.width)
            back.append((at, parts[0][0], argument, bounds))
            shape.append((kind, tuple(parts), field.width, field.signed))
        else:
            shape.append((kind, tuple(parts)))
        at += sum(bits for bits, _ in parts) // 8
    call(g, CALL, g.site(Site("extern", name, (instance, results, *shape))), 0, 0)
    for at, bits, target, bounds in back:
        ref = g.fn.load(f"i{bits}", g.fn.gep(g.address("scratch"), at), 4)
        primitives.store(g, target, Val(ref, bits, *bounds))


def check_assert(g: Gen, test: x.BoolExpr) -> None:
    """A failure is counted."""
    event_if(g, g.fn.not_(exprs.cond(g, test)), "assert_failed")


def check_assume(g: Gen, test: x.BoolExpr) -> None:
    event_if(g, g.fn.not_(exprs.cond(g, test)), "assume_failed")


def event_if(g: Gen, cond: Ref, name: str) -> None:
    """Count an event by name where `cond` holds; needs a path without a predicate."""
    site = g.site(Site("event", name))

    def report() -> None:
        call(g, EVENT, site, 0, 0)

    g.branch_if(cond, report, likely=False)


def random(g: Gen, target: x.LValue, low: x.Expr, high: x.Expr) -> None:
    """Uniform in low..high, both included; low > high leaves the target as it is."""
    from emulator.switch.jit import primitives

    a, b = exprs.exact(g, low), exprs.exact(g, high)
    usable = g.arith.compare("<=", a, b)

    def draw() -> None:
        span = g.fn.ref(g.arith.modulo(g.arith.sub(b, a), 64), 64)
        number = g.fn.call("i64", g.address("run_draw"), [f"ptr {g.address('random')}", f"i64 {span}"])
        primitives.store(g, target, g.arith.add(a, Val(number, 64, 0, (1 << 64) - 1)))

    notes.note(g, "random_range_empty", g.fn.not_(usable))
    g.branch_if(usable, draw)


def execute_meter(g: Gen, meter: int, index: x.Expr, target: x.LValue) -> None:
    """The packet's colour; an index out of range leaves the target as it is."""
    from emulator.switch.jit import primitives

    where = exprs.exact(g, index)
    inside = registers.in_range(g, where, g.model.meters[meter].size)

    def colour() -> None:
        primitives.store(g, target, meter_colour(g, meter, g.arith.modulo(where, 64)))

    notes.note(g, "meter_index_out_of_range", g.fn.not_(inside))
    g.branch_if(inside, colour)


def meter_colour(g: Gen, meter: int, row: Ref) -> Val:
    """By the time of the packet's arrival and its length then."""
    cells = g.fn.gep(g.address("meter", meter), g.fn.op("mul", 64, row, METER_ROW))
    in_bytes = g.model.meters[meter].kind == "bytes"
    cost = g.fn.zext(g.arrived_length(), 32, 64) if in_bytes else 1
    now = g.fn.load("i64", g.address("packet_now"), 8)
    args = [f"ptr {cells}", f"i64 {g.fn.ref(cost, 64)}", f"i64 {now}"]
    number = g.fn.call("i32", g.address("run_meter"), args)
    _count_colour(g, cells, number)
    return Val(number, 32, 0, 3)


def _count_colour(g: Gen, cells: str, colour: Ref) -> None:
    """One packet more of this colour, and its bytes."""
    at = g.fn.op("mul", 64, g.fn.zext(colour, 32, 64), 16)
    packets = g.fn.gep(cells, g.fn.op("add", 64, at, METER_COUNTS))
    octets = g.fn.gep(packets, 8)
    for where, more in ((packets, 1), (octets, g.fn.zext(g.arrived_length(), 32, 64))):
        g.fn.store("i64", g.fn.ref(g.fn.op("add", 64, g.fn.load("i64", where, 8), more), 64), where, 8)


def reset_fuel(g: Gen, amount: int) -> None:
    g.fn.store("i32", str(amount), g.fuel(), 8)


def burn_fuel(g: Gen) -> Ref:
    """Whether there is some left."""
    left = g.fn.load("i32", g.fuel(), 8)
    g.fn.store("i32", g.fn.ref(g.fn.op("sub", 32, left, 1), 32), g.fuel(), 8)
    return g.fn.icmp("ne", 32, left, 0)
