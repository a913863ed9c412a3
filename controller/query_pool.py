"""Room on the switch for queries: ids, cells of each operator's arrays, workers' windows. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

MAX_ID = 0xFFFF
GENERATIONS = 255
"""Values that a join may write into its filter before the filter must be cleared."""


class Refusal(Exception):
    """A query cannot be placed; the message is one sentence."""


@dataclass(frozen=True)
class Region:
    """What a query owns: cells first .. first + cells - 1 of its operator's arrays, a slot, a window for each worker.

    before: of each worker, the sequence number before its first one; generation: what a join writes into its filter; load:
    of the pool that it is from."""

    query: int
    operator: str
    slot: int
    first: int
    cells: int
    windows: tuple[int, ...]
    before: tuple[int, ...]
    generation: int = 1
    load: int = 0


@dataclass
class Pool:
    """cells: operator -> cells of its arrays (1 for one without). queries, windows: how many the program holds. load: which
    loading of the program it is the room of; a region of another one has nothing here."""

    cells: dict[str, int]
    queries: int
    windows: int
    first_id: int = 1
    taken: dict[int, Region] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)  # window -> last sequence number its place has seen
    generations: bytearray = field(default_factory=bytearray)  # of each cell of joins
    load: int = 0

    def place(self, operator: str, workers: int, cells: int | None = None) -> Region:
        """A region that no other query has. Raises Refusal."""
        if operator not in self.cells:
            known = ", ".join(sorted(self.cells))
            raise Refusal(f"the program on the switch has no operator {operator!r}; it has {known}")
        whole = self.cells[operator]
        cells = whole if cells is None else min(cells, whole)
        if cells < 1 or cells & (cells - 1):
            raise Refusal(f"a query's cells must be a power of two, not {cells}")
        slot = _free(range(self.queries), (r.slot for r in self.taken.values()))
        windows: list[int] = []
        used = {w for r in self.taken.values() for w in r.windows}
        for _ in range(workers):
            window = _free(range(self.windows), used)
            if window is None:
                raise Refusal(f"the switch holds no more than {self.windows} workers of queries")
            windows.append(window)
            used.add(window)
        if slot is None:
            raise Refusal(f"the switch holds no more than {self.queries} queries")
        first = self._space(operator, cells, whole)
        region = Region(
            self._id(), operator, slot, first, cells, tuple(windows), tuple(self.last.get(w, 0) for w in windows),
            self._generation(operator, first, cells), self.load,
        )  # fmt: skip
        self.taken[region.query] = region
        return region

    def _space(self, operator: str, cells: int, whole: int) -> int:
        others = [r for r in self.taken.values() if r.operator == operator]
        for first in range(0, whole, cells):
            if whole == 1 or all(first + cells <= r.first or r.first + r.cells <= first for r in others):
                return first
        raise Refusal(f"the switch has no {cells} cells left for another query of operator {operator}")

    def _id(self) -> int:
        for step in range(MAX_ID):
            query = (self.first_id - 1 + step) % MAX_ID + 1
            if query not in self.taken:
                self.first_id = query % MAX_ID + 1
                return query
        raise Refusal("all numbers of queries are taken")

    def _generation(self, operator: str, first: int, cells: int) -> int:
        """One above all that were ever written into these cells since they were cleared; above GENERATIONS: clear them."""
        if operator != "join":
            return 1
        if not self.generations:
            self.generations = bytearray(self.cells["join"])
        generation = max(self.generations[first : first + cells]) + 1
        self.generations[first : first + cells] = bytes([min(generation, GENERATIONS)]) * cells
        return generation

    def cleared(self, region: Region) -> Region:
        """The region of a join whose filter has been cleared, with its first generation."""
        self.generations[region.first : region.first + region.cells] = b"\1" * region.cells
        region = replace(region, generation=1)
        self.taken[region.query] = region
        return region

    def give_back(self, query: int, sent: Iterable[int] | None) -> Region:
        """sent: packets of each worker; None: not known, and the windows are cleared by the caller."""
        region = self.taken.pop(query)
        counts = [None] * len(region.windows) if sent is None else list(sent)
        for window, before, count in zip(region.windows, region.before, counts, strict=True):
            self.last[window] = 0 if count is None else (before + count) & 0xFFFFFFFF
        return region


def _free(numbers: range, used: Iterable[int]) -> int | None:
    busy = set(used)
    return next((number for number in numbers if number not in busy), None)
