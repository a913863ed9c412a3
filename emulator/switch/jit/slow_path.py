"""The way out of compiled code for packets that Python finishes, or that wait at a port: their variables in memory."""

from __future__ import annotations

from emulator.switch.jit import stages
from emulator.switch.jit.gen import Frame, Gen, Shared
from emulator.switch.jit.ir import Ref
from emulator.switch.jit.output import Output
from emulator.switch.jit.phv import Phv

AFTER_INGRESS, AFTER_EGRESS = range(2)
"""From where a packet leaves the fast path."""


class SlowPath:
    """Of one function, with the output that takes what comes of its packets."""

    def __init__(self, output: Output, shared: Shared):
        self.output, self.shared = output, shared
        self.fn = output.fn
        self._gaps: list[tuple[Frame, list[str], str]] = []

    def leave(self, g: Gen, kind: int, frames: list[Frame], memory: str, ports: Ref) -> None:
        """Write the packet's variables to memory and let the traffic manager finish it. ports: the one it came in by in
        the low half, the copy's egress port in the high half."""
        g.flush()
        self.spill(g.phv, frames, memory)
        fn, output = self.fn, self.output
        count, used = fn.load("i32", output.count, 8), fn.load("i64", output.used, 8)
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
        fn.store("i32", str(fn.op("add", 32, count, fn.op("and", 32, more, 0xFFFF))), self.output.count, 8)
        taken = fn.op("lshr", 64, result, 16)
        fn.store("i64", str(fn.op("add", 64, used, taken)), self.output.used, 8)

    def finish(self) -> None:
        """At the function's end, when all variables are known: the lines that write them."""
        for frame, gap, memory in self._gaps:
            gap.extend(stages.store_frame(frame, set(frame.slots), memory))
