"""Contents of the tables that stand for functions (p4src/fp_table.p4), and of a job's average: pure.

Functions are known from P4Info alone. A table's name says which, its action's parameter is FRACTION_BITS + 3 bits
wide, and its key as wide as the part of the fraction that picks an entry. Where a table `slopes` lies beside
`entries`, the two are added: the bipartite method of Das Sarma and Matula, "Faithful bipartite ROM reciprocal
tables", ARITH 1995.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .p4rt.entities import ActionCall, TableEntry
from .p4rt.schema import Action, Schema, Table

ENTRIES, SLOPES = ".entries", ".slopes"
CONSTANTS = "ingress.average.constants"


@dataclass(frozen=True)
class Function:
    """f on [0, 1). An entry has the format's fraction bits + `extra` bits below the point; so has the fraction looked
    up, where `of_logarithm`, and otherwise the format's."""

    value: Callable[[float], float]
    extra: int
    of_logarithm: bool = False


LOGARITHM = Function(lambda x: math.log2(1 + x), 3)
# By the name of the control that holds the tables.
FUNCTIONS = {
    "reciprocal": Function(lambda x: 1 / (1 + x), 2),
    "root_even": Function(lambda x: math.sqrt(1 + x), 1),
    "root_odd": Function(lambda x: math.sqrt(2 * (1 + x)), 1),
    "logarithm_a": LOGARITHM,
    "logarithm_b": LOGARITHM,
    "power": Function(math.exp2, 1, of_logarithm=True),
}


def function_entries(schema: Schema) -> Iterator[TableEntry]:
    """Every entry of every function table of the program; none where it has no such table."""
    for table in schema.tables:
        if table.name.endswith(ENTRIES) and function_of(table) is not None:
            slopes = schema.tables.get(table.name.removesuffix(ENTRIES) + SLOPES)
            if slopes is None:
                yield from _rows(schema, table, plain(schema, table))
            else:
                yield from _rows(schema, table, bipartite_values(schema, table))
                yield from _rows(schema, slopes, bipartite_shares(schema, slopes))


def average_entry(job: int, count: int) -> TableEntry:
    """Makes a job read its sums divided by `count` (programs compiled with AVERAGE=1).

    The constant is 1 / count to 32 significant bits. Raises ValueError for a count below 1.
    """
    if count < 1:
        raise ValueError(f"an average needs a count of 1 or more, got {count}")
    shift = 31 + (count - 1).bit_length()
    constant = (2 * (1 << shift) + count) // (2 * count)  # rounded to nearest
    return TableEntry(
        CONSTANTS, {"job": job}, ActionCall("ingress.average.times", {"constant": constant, "shift": shift})
    )


def function_of(table: Table) -> Function | None:
    """By the last but one part of the table's name; None where the name says nothing."""
    return FUNCTIONS.get(table.name.rsplit(".", 2)[-2])


def plain(schema: Schema, table: Table) -> list[int]:
    """f in the middle of what each index leaves open."""
    function, fraction_bits = _known(schema, table)
    bits = table.fields[0].bitwidth
    width = fraction_bits + (3 if function.of_logarithm else 0)
    middle = 0.5 if bits < width else 0.0
    scale = 1 << (fraction_bits + function.extra)
    return [round(function.value((index + middle) / (1 << bits)) * scale) for index in range(1 << bits)]


def bipartite_values(schema: Schema, table: Table) -> list[int]:
    """f in the middle of each x0 x1, for an index of three parts x0 x1 x2."""
    function, fraction_bits = _known(schema, table)
    part = table.fields[0].bitwidth
    span = 1.0 / (1 << part)
    scale = 1 << (fraction_bits + function.extra)
    return [round(function.value(index * span + span / 2) * scale) for index in range(1 << part)]


def bipartite_shares(schema: Schema, table: Table) -> list[int]:
    """The slope near each x0 times the distance of each x2 from the middle of its x1; may be negative."""
    function, fraction_bits = _known(schema, table)
    high, low = table.fields[0].bitwidth, table.fields[1].bitwidth
    span = 1.0 / (1 << (high + low))  # of one x0 x1: x1 is as wide as x2
    open_tail = 0.5 / (1 << (high + 2 * low)) if high + 2 * low < fraction_bits else 0.0
    tails = [(tail / (1 << low)) * span + open_tail - span / 2 for tail in range(1 << low)]
    slopes = [_slope(function, (block + 0.5) / (1 << high)) for block in range(1 << high)]
    scale = 1 << (fraction_bits + function.extra)
    return [round(slope * tail * scale) for slope in slopes for tail in tails]


def _slope(function: Function, at: float, step: float = 1e-6) -> float:
    return (function.value(at + step) - function.value(at - step)) / (2 * step)


def _known(schema: Schema, table: Table) -> tuple[Function, int]:
    """(the table's function, the format's fraction bits)."""
    function = function_of(table)
    if function is None:
        raise ValueError(f"table {table.name} is named for no known function: {', '.join(FUNCTIONS)}")
    return function, _action(schema, table).params[0].bitwidth - 3


def _action(schema: Schema, table: Table) -> Action:
    """The one action that has a parameter."""
    return next(action for one in table.scopes if (action := schema.actions.by_id[one]).params)


def _rows(schema: Schema, table: Table, contents: list[int]) -> Iterator[TableEntry]:
    """One entry for each content, keys in the order of their fields, the last field fastest."""
    action = _action(schema, table)
    mask = (1 << action.params[0].bitwidth) - 1
    for index, content in enumerate(contents):
        match, rest = {}, index
        for key in reversed(table.fields):
            match[key.name] = rest & ((1 << key.bitwidth) - 1)
            rest >>= key.bitwidth
        yield TableEntry(table.name, match, ActionCall(action.name, {action.params[0].name: content & mask}))
