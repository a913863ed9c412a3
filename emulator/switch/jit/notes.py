"""What goes wrong quietly while a packet is processed - an index out of range, an empty group - as bits of one variable.

They are counted where a stage ends: once per packet and stage, as the interpreter does it. So neighbouring accesses
need no branch each, and a program whose indices cannot be out of range pays nothing.
"""

from __future__ import annotations

from emulator.switch.jit.gen import Gen
from emulator.switch.jit.ir import Ref

NAMES = (
    "register_index_out_of_range",
    "counter_index_out_of_range",
    "meter_index_out_of_range",
    "stack_index_out_of_range",
    "empty_group",
    "random_range_empty",
    "action_loop_cut",
)


def note(g: Gen, name: str, cond: Ref = 1) -> None:
    """It happened to packets on the present path for which `cond` holds."""
    cond = g.fn.and_(cond, g.guard)
    if (isinstance(cond, int) and not cond & 1) or g.path.knows((name, cond)):
        return
    g.noted = True
    g.path.noted.add((name, cond))
    var = g.phv.own.odd
    old = g.get(var)
    bit = 1 << NAMES.index(name)
    g.set(var, g.arith.made(g.fn.op("or", 32, old.ref, bit), 32, 0, (1 << len(NAMES)) - 1), cond)


def report(g: Gen) -> None:
    """Hands the bits to Python, if there are any, and clears them; for the end of a stage."""
    from emulator.switch.jit import externs

    if not g.noted:
        return
    var = g.phv.own.odd

    def tell() -> None:
        externs.call(g, externs.NOTES, 0, g.fn.zext(g.get(var).ref, 32, 64), 0)
        g.set_const(var, 0)

    g.branch_if(g.arith.nonzero(g.get(var)), tell, likely=False)
