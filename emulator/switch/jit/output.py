"""What leaves compiled code: records in %out, bytes in %arena."""

from __future__ import annotations

from emulator.switch.jit import notes, stages
from emulator.switch.jit.gen import Gen, Shared
from emulator.switch.jit.ir import Function, Ref
from emulator.switch.jit.phv import Var
from emulator.switch.jit.values import const

LIMITS = "limits"
"""State word: pointer to {largest number of copies, bytes a packet can grow} as i64."""
RECORD = 16
LINE = 64
"""Bytes of a record; where in the arena packets begin."""


class Output:
    """The records so far and the arena's use; made at the function's start."""

    def __init__(self, fn: Function, shared: Shared):
        self.fn = fn
        self.count, self.used = fn.alloca("i32"), fn.alloca("i64")
        fn.store("i32", "0", self.count, 8)
        fn.store("i64", "0", self.used, 8)
        limits = fn.hoisted(LIMITS, shared.word(LIMITS))
        self._copies = fn.load("i64", limits, 8)
        self._growth = fn.load("i64", fn.gep(limits, 8), 8)

    def has_room(self, length: Ref) -> Ref:
        """Whether all that a packet of this length may become fits."""
        fn = self.fn
        count = fn.zext(fn.load("i32", self.count, 8), 32, 64)
        free = fn.op("sub", 64, fn.zext("%out_capacity", 32, 64), count)
        records = fn.icmp("sge", 64, free, self._copies)
        need = fn.op("mul", 64, self._copies, fn.op("add", 64, length, self._growth))
        left = fn.op("sub", 64, "%arena_size", fn.load("i64", self.used, 8))
        return fn.and_(records, fn.icmp("sge", 64, left, need))

    def packet(self, g: Gen, port: str, truncated: bool) -> None:
        """Deparse into the arena and append a record."""
        used = self.fn.load("i64", self.used, 8)
        place = self.fn.gep("%arena", used)
        size = stages.deparse_body(g, place)
        notes.report(g)
        if truncated:
            size = _truncated(g, size, g.phv.own.truncate)
        g.flush()
        self._record(g.tag("record"), place, size, port)
        self._take(used, size)

    def _record(self, tag: str, place: str, size: Ref, port: str) -> None:
        """A struct fp_packet behind those that are there."""
        fn = self.fn
        count = fn.load("i32", self.count, 8)
        record = fn.gep("%out", fn.op("mul", 64, fn.zext(count, 32, 64), RECORD))
        fn.store("ptr", place, record, 8, tag)
        fn.store("i32", fn.ref(fn.trunc(size, 64, 32), 32), fn.gep(record, 8), 8, tag)
        fn.store("i32", fn.ref(fn.op("and", 32, port, 0xFFFF), 32), fn.gep(record, 12), 4, tag)
        fn.store("i32", str(fn.op("add", 32, count, 1)), self.count, 8)

    def _take(self, used: str, size: Ref) -> None:
        """The next packet begins on a fresh line."""
        fn = self.fn
        aligned = fn.op("and", 64, fn.op("add", 64, size, LINE - 1), ~(LINE - 1))
        fn.store("i64", str(fn.op("add", 64, used, aligned)), self.used, 8)


def _truncated(g: Gen, size: Ref, var: Var) -> Ref:
    wanted = g.get(var)
    limit = g.arith.widen(g.arith.clamp(g.arith.sub(wanted, const(1)), 0, 1 << 31), 64)
    shorter = g.fn.and_(g.arith.nonzero(wanted), g.fn.icmp("ult", 64, limit, size))
    return g.fn.select(shorter, 64, limit, size)
