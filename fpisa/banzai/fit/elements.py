"""Which tasks belong to which element of a packet.

Register arrays whose names differ in one numbered part (`add_07.mantissa`), in the longest such series, are the
elements' own. A task belongs to
the element whose registers it leads to or comes from; what serves several is shared.
"""

from __future__ import annotations

import re
from collections import defaultdict

from fpisa.banzai.fit.state import StateUnit
from fpisa.banzai.fit.tasks import Task

NUMBERED = re.compile(r"(?<=[_a-z])(?:x?[0-9a-f]{2}|\d+)(?=\.|$)")
FEWEST = 2


def numbering(units: list[StateUnit]) -> dict[str, int]:
    """Array name -> element number, for the arrays that come in a numbered series."""
    series: dict[tuple[str, int, int], list[tuple[str, str]]] = defaultdict(list)
    for unit in units:
        for found in NUMBERED.finditer(unit.array):
            pattern = unit.array[: found.start()] + "#" + unit.array[found.end() :]
            series[pattern, unit.bits, unit.size].append((found.group(), unit.array))
    numbers: dict[str, int] = {}
    longest = max((len({label for label, _ in members}) for members in series.values()), default=0)
    for members in series.values():
        if len({label for label, _ in members}) == longest >= FEWEST:
            labels = sorted({label for label, _ in members}, key=lambda t: (len(t), t))
            numbers.update({array: labels.index(label) for label, array in members})
    return numbers


def membership(tasks: list[Task], numbers: dict[str, int]) -> list[frozenset[int]]:
    """For each task the elements it belongs to: one, none (shared by all), or several it gathers from."""
    maker = {node: i for i, task in enumerate(tasks) for node in task.makes}
    own = [
        frozenset({numbers[name]}) if (name := task.name.removeprefix("register ")) in numbers else frozenset[int]()
        for task in tasks
    ]
    before: list[frozenset[int] | None] = [None] * len(tasks)
    after = [set(o) for o in own]
    order = topological(tasks, maker)
    for i in order:
        gathered = set(own[i])
        for node in tasks[i].needs:
            if node in maker and maker[node] != i:
                gathered |= before[maker[node]] or frozenset()
        before[i] = frozenset(gathered)
    for i in reversed(order):
        for node in tasks[i].needs:
            if node in maker and maker[node] != i:
                after[maker[node]] |= after[i]
    return [
        own[i] or before[i] or (frozenset(after[i]) if len(after[i]) == 1 else frozenset()) for i in range(len(tasks))
    ]


def topological(tasks: list[Task], maker: dict[int, int]) -> list[int]:
    """Task numbers, makers before users."""
    order: list[int] = []
    state = [0] * len(tasks)
    for root in range(len(tasks)):
        stack = [root]
        while stack:
            i = stack[-1]
            if state[i] == 0:
                state[i] = 1
                stack += [maker[n] for n in tasks[i].needs if n in maker and state[maker[n]] == 0]
            else:
                stack.pop()
                if state[i] == 1:
                    state[i] = 2
                    order.append(i)
    return order
