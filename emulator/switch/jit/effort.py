"""How much work LLVM is given: code of long blocks has vectors to find, code that branches much would only be multiplied."""

from __future__ import annotations

from collections.abc import Sequence

from emulator.switch.jit.ir import Function

MANY_LINES = 5000
"""Lines of IR from which on the full optimiser is quicker as well: it leaves vectors, far less to generate code for."""
LONG_BLOCKS = 25
"""Lines in a block on the average, from which on there are vectors to find. Code that only branches much, as a parser of many
headers does, costs the full optimiser a hundred times what the small one takes."""
MANY_CHOICES = 50_000
"""Variables times blocks, from which on a much-branching function keeps its variables in memory. Where ways meet, LLVM chooses
each variable anew: in a parser of 60 headers, all of whose 600 variables live through 2,000 blocks, more than a million times."""


def stages_level(functions: Sequence[Function]) -> int:
    """LLVM's level for stages that single packets take."""
    lines, blocks = sum(f.size for f in functions), sum(f.blocks for f in functions)
    return 3 if lines >= max(MANY_LINES, LONG_BLOCKS * blocks) else 1


def settle(function: Function) -> Function:
    """Decides where the function's variables lie; call it when the function is complete."""
    short = function.size < LONG_BLOCKS * function.blocks
    function.in_memory = short and function.variables * function.blocks >= MANY_CHOICES
    return function
