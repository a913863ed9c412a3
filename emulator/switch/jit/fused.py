"""The whole way of a packet in one function, `fp_process` of emulator/native/pipeline.h.

Parse, ingress, the traffic manager's decision, and for each copy egress and deparse, with the PHV in machine
registers. A packet that asks for more than drop, unicast or multicast is written to memory and handed to the
traffic manager through a callback: after ingress (clone, digest, resubmit), or after egress (clone,
recirculate); what comes of it is appended to the output.
"""

from __future__ import annotations

from emulator.native import tables as native
from emulator.switch.jit import deparsing, flow, guess, home_plan, homes, notes
from emulator.switch.jit.gen import Frame, Gen, Shared
from emulator.switch.jit.ir import Function, Ref
from emulator.switch.jit.output import Output
from emulator.switch.jit.parsing import ParserGen
from emulator.switch.jit.phv import Var
from emulator.switch.jit.slow_path import AFTER_EGRESS, AFTER_INGRESS, SlowPath
from emulator.switch.jit.values import Val, const
from emulator.switch.model import Model

NAME = "fp_process"
SIGNATURE = (
    f"i32 @{NAME}(ptr noalias %state, ptr noalias %in, i32 %n_in, ptr noalias %out, i32 %out_capacity,"
    " ptr noalias %n_out, ptr noalias %arena, i64 %arena_size, i64 %now)"
)
EVENTS = ("drop_ingress", "drop_egress", "unknown_multicast_group", "packet_too_long", "drop_queue_full", "drop_priority")
DROP_INGRESS, DROP_EGRESS, UNKNOWN_GROUP, TOO_LONG, QUEUE_FULL, BAD_PRIORITY = range(6)
NORMAL, REPLICATION = 0, 5
GOES = 2
"""What fpq_offer returns for a packet that need not wait (emulator/native/egress_queues.h)."""
GROUPS = 1 << 16
"""Multicast groups there can be; number 0 is none."""


def has_primitive(model: Model, names: frozenset[str]) -> bool:
    bodies = [model.deparser.body, *(a.body for a in model.actions)]
    bodies += [tuple(op for op in s.ops if hasattr(op, "op")) for s in model.parser.states]  # type: ignore[misc]
    return any(p.op in names for body in bodies for p in body)


_CLONES = frozenset({"clone_ingress_pkt_to_egress", "clone_egress_pkt_to_egress"})
# Either clone may be called in either pipeline: what it does depends on where the packet is.
INGRESS_REQUESTS = _CLONES | {"generate_digest", "resubmit"}
EGRESS_REQUESTS = _CLONES | {"recirculate"}


def build(shared: Shared) -> Function:
    return _Fused(shared).build()


class _Fused:
    def __init__(self, shared: Shared):
        self.shared = shared
        self.model = shared.model
        self.phv = shared.phv
        if not shared.queued and not has_primitive(shared.model, INGRESS_REQUESTS | EGRESS_REQUESTS):
            shared.homes = home_plan.plan(shared.model, shared.phv)
        self.fn = Function(NAME, SIGNATURE)
        fn = self.fn
        self.index = fn.alloca("i32")
        self.events: dict[int, str] = {}
        self.next = fn.label("next")
        self.full = fn.label("full")

    # --- frames ---

    def _zero(self, frame: Frame, var: Var, slot: str) -> list[str]:
        if homes.is_address(var):
            return [f"  store i{var.bits} ptrtoint (ptr {homes.ZEROS} to i64), ptr {slot}, align 8"]
        return [f"  store i{var.bits} 0, ptr {slot}, align 8"]

    def _from_ingress(self, frame: Frame, var: Var, slot: str) -> list[str]:
        if var not in self.first.slots:
            return self._zero(frame, var, slot)
        value = self.fn.fresh()
        return [
            f"  {value} = load i{var.bits}, ptr {self.first.slots[var]}, align 8",
            f"  store i{var.bits} {value}, ptr {slot}, align 8",
        ]

    # --- the loop over packets ---

    def build(self) -> Function:
        fn = self.fn
        fn.store("i32", "0", self.index, 8)
        self.output = Output(fn, self.shared)
        self.slow = SlowPath(self.output, self.shared)
        loop = fn.label("loop")
        fn.br(loop)
        fn.start(loop)
        self._packet(loop)
        fn.start(self.next)
        at = fn.load("i32", self.index, 8)
        fn.store("i32", str(fn.op("add", 32, at, 1)), self.index, 8)
        fn.br(loop)
        self._event_blocks()
        self.slow.finish()
        fn.start(self.full)
        fn.store("i32", fn.load("i32", self.output.count, 8), "%n_out", 4)
        fn.end(f"ret i32 {fn.load('i32', self.index, 8)}")
        return fn

    def _packet(self, loop: str) -> None:
        fn = self.fn
        at = fn.load("i32", self.index, 8)
        some, body = fn.label("some"), fn.label("body")
        fn.cond_br(fn.icmp("slt", 32, at, "%n_in"), some, self.full)
        fn.start(some)
        if guess.any_key(self.model, self.shared.baked):
            self._look_ahead(at)
        record = fn.gep("%in", fn.op("mul", 64, fn.zext(at, 32, 64), 16))
        data = fn.load("ptr", record, 8, self.shared.tag("in"))
        length = fn.load("i32", fn.gep(record, 8), 8, self.shared.tag("in"))
        port = fn.load("i16", fn.gep(record, 12), 4, self.shared.tag("in"))
        wide = fn.zext(length, 32, 64)
        room = fn.label("room")
        fn.cond_br(self.output.has_room(wide), room, self.full, likely=True)
        fn.start(room)
        fn.cond_br(fn.icmp("ule", 32, length, self.shared.max_length), body, self._event(TOO_LONG), likely=True)
        fn.start(body)
        self._ingress(data, wide, port)

    def _look_ahead(self, at: str) -> None:
        fn = self.fn
        ask, go = fn.label("ask"), fn.label("go")
        fn.cond_br(fn.icmp("eq", 32, fn.op("and", 32, at, native.CHUNK - 1), 0), ask, go, likely=False)
        fn.start(ask)
        look, guesses = (fn.hoisted(f"{kind}.0", self.shared.word(kind)) for kind in ("look_ahead", "guesses"))
        fn.call_void(look, [f"ptr {guesses}", "ptr %in", "i32 %n_in", f"i32 {at}"])
        fn.br(go)
        fn.start(go)

    # --- ingress ---

    def _ingress(self, data: str, length: Ref, port: Ref) -> None:
        fn, phv = self.fn, self.phv
        self.data, self.length, self.port = data, length, port
        self.first = Frame(fn, self._zero)
        self.first.begin()
        g = Gen(fn, self.shared, self.first, data, length)
        g.buffers_base = self._memory()
        g.packet_number = self.index
        size = Val(fn.trunc(length, 64, 32), 32, 0, self.shared.max_length)
        self._set(g, "ingress_port", Val(fn.zext(port, 16, 32), 32, 0, 0xFFFF))
        self._set(g, "packet_length", size)
        self._set(g, "ingress_global_timestamp", Val("%now", 64, 0, (1 << 64) - 1))
        g.set(phv.own.length, size)
        fn.store("i64", "%now", fn.hoisted("now.0", self.shared.word("now")), 8)
        if self.model.meters:
            fn.store("i64", "%now", g.address("packet_now"), 8)
        ParserGen(g, data, length).run()
        deparsing.verify_checksums(g)
        notes.report(g)
        flow.run_pipeline(g, self.model.ingress)
        notes.report(g)
        if has_primitive(self.model, INGRESS_REQUESTS):
            self._slow_after_ingress(g)
        self._decide(g)

    def _memory(self) -> str:
        return self.fn.hoisted("memory.0", self.shared.word("memory"))

    def _set(self, g: Gen, name: str, value: Val) -> None:
        var = self.phv.standard(name)
        if var is not None:
            g.set(var, value)

    def _slow_after_ingress(self, g: Gen) -> None:
        own = self.phv.own
        asked: Ref = 0
        for var in (own.clone, own.digest, own.resubmit):
            asked = g.fn.or_(asked, g.arith.nonzero(g.get(var)))

        def leave() -> None:
            self.slow.leave(g, AFTER_INGRESS, [self.first], self._memory(), self._ports(0))
            g.flush()
            g.fn.br(self.next)
            g.start(g.fn.label("unreached"))

        g.branch_if(asked, leave, likely=False)

    def _ports(self, port: Ref) -> Ref:
        """Ingress port in the low half, the copy's egress port in the high half."""
        fn = self.fn
        high = fn.op("shl", 32, port, 16)
        return fn.op("or", 32, high, fn.zext(self.port, 16, 32))

    # --- the decision ---

    def _decide(self, g: Gen) -> None:
        """Multicast, drop or unicast; then the loop over the copies."""
        fn, phv = self.fn, self.phv
        spec, group = phv.standard("egress_spec"), phv.standard("mcast_grp")
        assert spec is not None
        one = fn.alloca("[2 x i32]")
        list_at, copies, kind = fn.alloca("ptr"), fn.alloca("i32"), fn.alloca("i32")
        self.list_at, self.kind = list_at, kind
        replicate, unicast, send = fn.label("replicate"), fn.label("unicast"), fn.label("copies")
        number = g.get(group) if group is not None else const(0)
        out = g.get(spec)
        g.branch(g.arith.nonzero(number), replicate, unicast)
        g.start(replicate)
        self._replicas(g, number, list_at, copies)
        fn.store("i32", str(REPLICATION), kind, 8)
        fn.br(send)
        g.start(unicast)
        keep = fn.label("keep")
        fn.cond_br(g.arith.compare("==", out, g.drop_port()), self._event(DROP_INGRESS), keep)
        fn.start(keep)
        fn.store("i32", fn.ref(out.ref, 32), one, 8)
        fn.store("i32", "-1", fn.gep(one, 4), 4)
        fn.store("ptr", one, list_at, 8)
        fn.store("i32", "1", copies, 8)
        fn.store("i32", str(NORMAL), kind, 8)
        fn.br(send)
        fn.start(send)
        self._copies(g, copies)

    def _event(self, which: int) -> str:
        """Label of a block that counts a drop and goes on with the next packet."""
        if which not in self.events:
            self.events[which] = self.fn.label("event")
        return self.events[which]

    def _event_blocks(self) -> None:
        fn = self.fn
        for which, label in self.events.items():
            fn.start(label)
            cell = fn.gep(fn.hoisted("events.0", self.shared.word("events")), 8 * which)
            value = fn.load("i64", cell, 8, self.shared.tag("events"))
            fn.store("i64", str(fn.op("add", 64, value, 1)), cell, 8, self.shared.tag("events"))
            fn.br(self.again if which == DROP_EGRESS else self.next)

    def _replicas(self, g: Gen, number: Val, list_at: str, copies: str) -> None:
        fn = self.fn
        table = fn.hoisted("groups.0", self.shared.word("groups"))
        known = g.arith.select(g.arith.compare("<", number, const(GROUPS)), number, const(0))
        cell = fn.gep(table, fn.op("mul", 64, g.arith.modulo(known, 64), 8))
        found = fn.load("ptr", cell, 8, g.tag("groups"))
        some = fn.label("group")
        missing = fn.pure(f"icmp eq ptr {found}, null")
        fn.cond_br(missing, self._event(UNKNOWN_GROUP), some, likely=False)
        fn.start(some)
        fn.store("i32", fn.load("i32", found, 4, g.tag("groups")), copies, 8)
        fn.store("ptr", fn.gep(found, 8), list_at, 8)

    # --- egress, once per copy ---

    def _copies(self, g: Gen, copies: str) -> None:
        fn = self.fn
        turn = fn.alloca("i32")
        fn.store("i32", "0", turn, 8)
        again, more = fn.label("again"), fn.label("copy")
        self.again = again
        total = fn.load("i32", copies, 8)
        fn.br(again)
        fn.start(again)
        j = fn.load("i32", turn, 8)
        fn.cond_br(fn.icmp("ult", 32, j, total), more, self.next)
        fn.start(more)
        fn.store("i32", str(fn.op("add", 32, j, 1)), turn, 8)
        cell = fn.gep(fn.load("ptr", self.list_at, 8), fn.op("mul", 64, fn.zext(j, 32, 64), 8))
        port = fn.load("i32", cell, 4)
        rid = fn.load("i32", fn.gep(cell, 4), 4)
        if self.shared.queued:
            self._queue(port, rid)
        self._egress(port, rid)

    def _queue(self, port: str, rid: str) -> None:
        """A copy to a port whose packets may have to wait goes into its queue; else this goes on. The first member of a
        struct fpq has a byte for each port that says which it is."""
        fn = self.fn
        queues = fn.hoisted("queues.0", self.shared.word("queues"))
        number = fn.op("and", 32, port, 0xFFFF)
        asked = fn.load("i8", fn.gep(queues, fn.zext(number, 32, 64)), 1)
        ask, go = fn.label("ask"), fn.label("go")
        fn.cond_br(fn.icmp("eq", 8, asked, 0), go, ask, likely=True)
        fn.start(ask)
        memory = self._memory()
        self.slow.spill(self.phv, [self.first], memory)
        kind = fn.load("i32", self.kind, 8)
        is_copy = fn.icmp("ne", 32, kind, NORMAL)
        packet = [f"ptr {queues}", f"ptr {memory}", f"ptr {self.data}", f"i64 {fn.ref(self.length, 64)}"]
        where = [f"i32 {fn.ref(self._ports(number), 32)}", f"i32 {fn.ref(fn.select(is_copy, 32, rid, -1), 32)}"]
        when = [f"i32 {kind}", "i64 %now", "i64 %now", "i64 0", "i32 0"]
        result = fn.call("i32", fn.hoisted("offer.0", self.shared.word("offer")), [*packet, *where, *when])
        fn.cond_br(fn.icmp("eq", 32, result, GOES), go, self.again)
        fn.start(go)

    def _egress(self, port: str, rid: str) -> None:
        fn, phv = self.fn, self.phv
        second = Frame(fn, self._from_ingress)
        second.begin()
        g = Gen(fn, self.shared, second, self.data, self.length)
        g.packet_number = self.index
        g.buffers_base = self._egress_buffers(g)
        self._begin_egress(g, port, rid)
        flow.run_pipeline(g, self.model.egress)
        notes.report(g)
        if has_primitive(self.model, EGRESS_REQUESTS):
            self._slow_after_egress(g, second, port)
        spec = phv.standard("egress_spec")
        assert spec is not None
        keep = fn.label("keep")
        dropped = g.arith.compare("==", g.get(spec), g.drop_port())
        g.branch(dropped, self._event(DROP_EGRESS), keep)
        g.start(keep)
        self.output.packet(g, port, has_primitive(self.model, frozenset({"truncate"})))
        fn.br(self.again)

    def _egress_buffers(self, g: Gen) -> str:
        """Varbits are memory: each copy gets its own."""
        if not self.phv.buffers:
            return self._memory()
        first = min(b.offset for b in self.phv.buffers.values())
        copy = self.fn.hoisted("memory.1", self.shared.word("memory", 1))
        self.fn.memcpy(self.fn.gep(copy, first), self.fn.gep(self._memory(), first), self.phv.size - first)
        return copy

    def _begin_egress(self, g: Gen, port: str, rid: str) -> None:
        """As Traffic does between ingress and egress, with queues that are always empty."""
        fn = self.fn
        now = Val("%now", 64, 0, (1 << 64) - 1)
        kind = Val(fn.load("i32", self.kind, 8), 32, 0, REPLICATION)
        self._set(g, "instance_type", kind)
        rid_var = self.phv.standard("egress_rid")
        if rid_var is not None:
            is_copy = fn.icmp("ne", 32, kind.ref, NORMAL)
            g.set(rid_var, Val(rid, 32, 0, 0xFFFFFFFF), is_copy)
        self._set(g, "enq_timestamp", now)
        for name in ("enq_qdepth", "deq_timedelta", "deq_qdepth"):
            self._set(g, name, const(0))
        self._set(g, "egress_port", Val(port, 32, 0, 0xFFFFFFFF))
        self._set(g, "egress_spec", const((self.shared.drop_port + 1) & 0x1FF))
        self._set(g, "packet_length", g.get(self.phv.own.length))
        self._set(g, "egress_global_timestamp", now)

    def _slow_after_egress(self, g: Gen, frame: Frame, port: str) -> None:
        own = self.phv.own
        asked = g.fn.or_(g.arith.nonzero(g.get(own.clone)), g.arith.nonzero(g.get(own.recirculate)))

        def leave() -> None:
            self.slow.leave(g, AFTER_EGRESS, [self.first, frame], self._memory(), self._ports(port))
            g.flush()
            g.fn.br(self.again)
            g.start(g.fn.label("unreached"))

        g.branch_if(asked, leave, likely=False)
