"""What each operator must decide, packet by packet, in plain Python: dictionaries, tuples and Python's own floats."""

from __future__ import annotations

import math
import struct
from collections import defaultdict
from dataclasses import dataclass

from fpisa.formats import get_format
from fpisa.register import add

WIDE = get_format("fp32", 64, 18)
MOST = (1 << WIDE.headroom) - 1


@dataclass(frozen=True)
class Row:
    row: int
    key: int
    bits: int  # of the binary32

    @property
    def value(self) -> float:
        return struct.unpack(">f", struct.pack(">I", self.bits))[0]


def rank(value: float, flip: bool = False) -> tuple[int, float]:
    """Sorts as databases do: NaN above everything, zeros equal; reversed by flip."""
    nan = math.isnan(value)
    return (-nan, 0.0 if nan else -value) if flip else (nan, 0.0 if nan else value)


def cell(key: int, cells: int) -> int:
    return (key >> 4) % cells


class Model:
    """decide(packet, second) -> (survivors, taken), lists of lane numbers. packet: lane -> Row."""

    def __init__(self, cells: int, **parameters: object):
        self.cells = cells
        self.parameters = parameters
        self.state: dict = {}

    def decide(self, packet: dict[int, Row], second: bool) -> tuple[list[int], list[int]]:
        survivors, taken = [], []
        for lane, row in sorted(packet.items()):
            passes, absorbed = self.row(lane, row, second)
            if passes:
                survivors.append(lane)
            if absorbed:
                taken.append(lane)
        return survivors, taken

    def row(self, lane: int, row: Row, second: bool) -> tuple[bool, bool]:
        """(passes, absorbed) of one row: what each operator's model below says."""
        raise NotImplementedError


class Filter(Model):
    def row(self, lane, row, second):
        low, high = rank(self.parameters["low"]), rank(self.parameters["high"])
        return low <= rank(row.value) <= high, False


class Distinct(Model):
    def row(self, lane, row, second):
        recent = self.state.setdefault((lane, cell(row.key, self.cells)), [])
        if row.key == 0:
            return True, False
        seen = row.key in recent
        if seen:
            recent.remove(row.key)
        recent.insert(0, row.key)
        del recent[2:]
        return not seen, False


class Extreme(Model):
    def row(self, lane, row, second):
        place = (lane, cell(row.key, self.cells))
        mine = rank(row.value, self.parameters["flip"])
        if row.key == 0:
            return True, False
        if place not in self.state:
            self.state[place] = (row.key, mine)
            return True, False
        owner, best = self.state[place]
        if owner != row.key:
            return True, False
        if mine > best or (mine == best and not self.parameters["exact"]):
            self.state[place] = (owner, mine)
            return True, False
        return False, False


class Sum(Model):
    def row(self, lane, row, second):
        place = (lane, cell(row.key, self.cells))
        if row.key == 0 or (place in self.state and self.state[place][0] != row.key):
            return True, False
        _, register, count = self.state.get(place, (row.key, None, 0))
        self.state[place] = (row.key, add(WIDE, register, row.bits), count + 1)
        return False, True


class Having(Model):
    """The exact sum of every cell; conservative() says what the switch may never drop."""

    def __init__(self, cells, **parameters):
        super().__init__(cells, **parameters)
        self.exact = defaultdict(float)

    def row(self, lane, row, second):
        if not second:
            self.exact[row.key] += row.value
            return False, True
        return self.exact[row.key] > self.parameters["bound"], False


class Join(Model):
    def row(self, lane, row, second):
        places = [(lane, i, (row.key >> shift) % (1 << 18) % self.cells) for i, shift in enumerate((10, 28, 46))]
        if not second:
            self.state.update(dict.fromkeys(places, True))
            return False, True
        return all(place in self.state for place in places), False


class Top(Model):
    """parameters: n, ladder (floats, greatest first), matrix, flip."""

    def decide(self, packet, second):
        n, flip = self.parameters["n"], self.parameters["flip"]
        rungs = [rank(t, flip) for t in self.parameters["ladder"]]
        passed = self.state.setdefault("passed", [0] * len(rungs))
        floor = max((t for t, count in zip(rungs, passed, strict=True) if count >= n), default=None)
        survivors = []
        for lane, row in sorted(packet.items()):
            mine = rank(row.value, flip)
            if floor is not None and mine < floor:
                continue
            if self.parameters["matrix"]:
                index = (row.row * 0x9E3779B1 % 2**32 >> 16) % self.cells
                best = self.state.setdefault((lane, index), [])
                dropped = len(best) == 4 and mine < best[3]
                best.append(mine)
                best.sort(reverse=True)
                del best[4:]
                if dropped:
                    continue
            survivors.append(lane)
            for i, threshold in enumerate(rungs):
                passed[i] += mine >= threshold
        return survivors, []
