"""What leaves compiled code: records in %out, bytes in %arena, and the packets that Python finishes."""

from __future__ import annotations

from emulator.switch.jit import notes, stages
from emulator.switch.jit.gen import Frame, Gen, Shared
from emulator.switch.jit.ir import Function, Ref
from emulator.switch.jit.phv import Phv, Var
from emulator.switch.jit.values import const

AFTER_INGRESS, AFTER_EGRESS = range(2)
"""From where a packet leaves the fast path."""
LIMITS = "limits"
"""State word: pointer to {largest number of copies, bytes a packet can grow} as i64."""
RECORD = 16


class Output:
    """The records so far and the arena's use; made at the function's start."""

    def __init__(self, fn: Function, shared: Shared):
        self.fn, self.shared = fn, shared
        self.count, self.used = fn.alloca("i32"), fn.alloca("i64")
        self._gaps: list[tuple[Frame, list[str], str]] = []
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
        fn = self.fn
        used = fn.load("i64", self.used, 8)
        place = fn.gep("%arena", used)
        size = stages.deparse_body(g, place)
        notes.report(g)
        if truncated:
            size = _truncated(g, size, g.phv.own.truncate)
        g.flush()
        count = fn.load("i32", self.count, 8)
        record = fn.gep("%out", fn.op("mul", 64, fn.zext(count, 32, 64), RECORD))
        tag = g.tag("record")
        fn.store("ptr", place, record, 8, tag)
        fn.store("i32", fn.ref(fn.trunc(size, 64, 32), 32), fn.gep(record, 8), 8, tag)
        fn.store("i32", fn.ref(fn.op("and", 32, port, 0xFFFF), 32), fn.gep(record, 12), 4, tag)
        fn.store("i32", str(fn.op("add", 32, count, 1)), self.count, 8)
        aligned = fn.op("and", 64, fn.op("add", 64, size, 63), ~63)
        fn.store("i64", str(fn.op("add", 64, used, aligned)), self.used, 8)

    def slow_path(self, g: Gen, kind: int, frames: list[Frame], memory: str, ports: Ref) -> None:
        """Write the packet's variables to memory and let the traffic manager finish it. ports: the one it came in by in
        the low half, the copy's egress port in the high half."""
        fn = self.fn
        g.flush()
        self.spill(g.phv, frames, memory)
        count, used = fn.load("i32", self.count, 8), fn.load("i64", self.used, 8)
        packet = [f"i32 {kind}", f"ptr {g.data}", f"i64 {fn.ref(g.data_length, 64)}", f"i32 {fn.ref(ports, 32)}"]
        room = ["ptr %out", f"i32 {count}", "i32 %out_capacity", "ptr %arena", f"i64 {used}", "i64 %arena_size"]
        result = fn.call("i64", fn.hoisted("slow.0", self.shared.word("slow")), [*packet, *room])
        self._take(result, used, count)

    def spill(self, phv: Phv, frames: list[Frame], memory: str) -> None:
        """Write the packet's variables to memory; what they hold is in their slots."""
        fn = self.fn
        fn.declared.add("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        end = min((b.offset for b in phv.buffers.values()), default=phv.size)
        fn.do(f"call void @llvm.memset.p0.i64(ptr {memory}, i8 0, i64 {end}, i1 false)")
        for frame in frames:
            self._gaps.append((frame, fn.defer(), memory))

    def _take(self, result: str, used: str, count: str) -> None:
        """The callback returns the records it appended, and in the high half the bytes it took."""
        fn = self.fn
        more = fn.trunc(result, 64, 32)
        fn.store("i32", str(fn.op("add", 32, count, fn.op("and", 32, more, 0xFFFF))), self.count, 8)
        taken = fn.op("lshr", 64, result, 16)
        fn.store("i64", str(fn.op("add", 64, used, taken)), self.used, 8)

    def finish(self) -> None:
        """At the function's end, when all variables are known: what slow_path() writes to memory."""
        for frame, gap, memory in self._gaps:
            gap.extend(stages.store_frame(frame, set(frame.slots), memory))


def _truncated(g: Gen, size: Ref, var: Var) -> Ref:
    wanted = g.get(var)
    limit = g.arith.widen(g.arith.clamp(g.arith.sub(wanted, const(1)), 0, 1 << 31), 64)
    shorter = g.fn.and_(g.arith.nonzero(wanted), g.fn.icmp("ult", 64, limit, size))
    return g.fn.select(shorter, 64, limit, size)
