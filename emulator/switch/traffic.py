"""The traffic manager: what happens to a packet between and around the pipelines, in bmv2's order.

After ingress: clone, digest, resubmit (rest skipped), multicast (rest skipped), drop, unicast. After egress:
clone, drop, deparse, recirculate or transmit. Works on any engine's packet state.

A port with a rate has queues (queues.py). A packet that must wait there is finished when its turn has come: by run()
for a later packet, or by serve(), at the time it leaves by the queue's own reckoning.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from emulator.switch import engine as e
from emulator.switch.control import Control
from emulator.switch.engine import Arrival, Engine
from emulator.switch.expr import FieldRead
from emulator.switch.model import Model
from emulator.switch.queues import Departure
from emulator.switch.replication import Session

MAX_PASSES = 4096
Output = tuple[int, bytes]


class ToIngress(NamedTuple):
    data: bytes
    arrival: Arrival


class ToEgress(NamedTuple):
    state: Any
    port: int
    cut: int  # bytes to leave the switch at most; 0: all


class Traffic:
    """One packet in, all that comes of it out; `event` counts drops and oddities by name.

    max_passes bounds the pipeline passes one packet can cause by resubmitting, recirculating and cloning;
    what is left then is dropped as "pass_limit"."""

    def __init__(
        self,
        model: Model,
        control: Control,
        engine: Engine,
        *,
        drop_port: int = 511,
        max_passes: int = MAX_PASSES,
    ) -> None:
        self.model, self.control, self.engine = model, control, engine
        self.drop_port, self.max_passes = drop_port, max_passes
        self.event: Callable[[str], None] = control.state.event
        self.queues = control.queues
        self._now = 0
        self.trace: Any = None
        """A trace.Recorder that hears of every decision, or None."""
        self._lists = [_written_out(model, item.elements) for item in model.field_lists]
        self._fields = _Fields(model)

    def run(self, port: int, data: bytes) -> list[Output]:
        """All packets that leave because of this one, after those that have waited for their turn until now."""
        now = self.control.clock()
        out = self.serve(now) if self.queues.active else []
        self._now = now
        return out + self._until_quiet(deque([ToIngress(data, Arrival(port, now))]))

    def serve(self, now: int | None = None, limit: int | None = None) -> list[Output]:
        """The packets whose turn to leave a queue has come by `now` (the clock), and all that comes of them; `limit`
        bounds their number."""
        out: list[Output] = []
        for count, departure in enumerate(self.queues.due(self.control.clock() if now is None else now)):
            out += self._until_quiet(deque([self._taken(departure)]))
            if limit is not None and count + 1 >= limit:
                break
        return out

    def after_ingress(self, data: bytes, arrival: Arrival, state: Any) -> list[Output]:
        """As run(), for a packet whose ingress pass is done; `data` is how it came in."""
        self._now = self.control.clock()
        work: deque[ToIngress | ToEgress] = deque()
        self._decide(work, ToIngress(data, arrival), state)
        return self._until_quiet(work)

    def after_egress(self, state: Any, port: int, cut: int = 0, now: int | None = None) -> list[Output]:
        """As run(), for a packet whose egress pass is done. cut: bytes that may leave at most, 0 all. now: when it was its
        turn to leave a queue, if it was in one."""
        self._now = self.control.clock() if now is None else now
        work: deque[ToIngress | ToEgress] = deque()
        out: list[Output] = []
        self._leave(work, out, ToEgress(state, port, cut))
        return out + self._until_quiet(work)

    def _until_quiet(self, work: deque[ToIngress | ToEgress]) -> list[Output]:
        out: list[Output] = []
        passes = 0
        while work:
            item = work.popleft()
            passes += 1
            if passes > self.max_passes:
                self._drop("pass_limit")
                continue
            if isinstance(item, ToIngress):
                state = self.engine.parse(item.data, item.arrival)
                self.engine.ingress(state)
                self._decide(work, item, state)
            else:
                self._begin_egress(item)
                self.engine.egress(item.state)
                self._leave(work, out, item)
        return out

    def _drop(self, reason: str) -> None:
        self.event(reason)
        self._note("drop", reason=reason)

    def _note(self, what: str, **details: Any) -> None:
        if self.trace is not None:
            self.trace.traffic(what, details)

    # --- After ingress ---

    def _decide(self, work: deque[ToIngress | ToEgress], item: ToIngress, state: Any) -> None:
        engine, fields = self.engine, self._fields
        requests = engine.requests(state)
        if requests.clone is not None:
            self._clone_from_ingress(work, item, state, *requests.clone)
            requests.clone = None
        if requests.digest is not None:
            learn = requests.digest
            sample = engine.digest(state, learn)
            self.control.digests.by_list[learn].take(sample)
            self._note("digest", name=self.model.learn_lists[learn].name, values=list(sample))
            requests.digest = None
        if requests.resubmit is not None:
            kept = self._kept(state, requests.resubmit)
            self._note("resubmit")
            work.append(ToIngress(item.data, Arrival(item.arrival.port, self._now, e.RESUBMITTED, kept)))
            return
        group = 0 if fields.mcast_grp is None else engine.read(state, fields.mcast_grp)
        if group:
            self._multicast(work, state, group)
            return
        port = engine.read(state, fields.egress_spec)
        if port == self.drop_port:
            self._drop("drop_ingress")
            return
        engine.write(state, fields.instance_type, e.NORMAL)
        self._note("unicast", port=port)
        self._enqueue(work, state, port, 0)

    def _multicast(self, work: deque[ToIngress | ToEgress], state: Any, group: int) -> None:
        replicas = self.control.multicast.group(group)
        if replicas is None:
            self._drop("unknown_multicast_group")
            return
        self._note("multicast", group=group, replicas=[list(replica) for replica in replicas])
        for port, rid in replicas:
            copy = self.engine.copy(state)
            self.engine.write(copy, self._fields.instance_type, e.REPLICATION)
            self._set_rid(copy, rid)
            self._enqueue(work, copy, port, 0)

    def _set_rid(self, state: Any, rid: int) -> None:
        self._write(state, self._fields.egress_rid, rid)

    def _clone_from_ingress(
        self, work: deque[ToIngress | ToEgress], item: ToIngress, state: Any, session: int, field_list: int
    ) -> None:
        """The packet as it came in, parsed again; of the metadata only the list's fields."""
        found = self.control.mirror.copies(session)
        if found is None:
            self._drop("unknown_clone_session")
            return
        self._note("clone", session=session, replicas=[list(replica) for replica in found.replicas])
        fresh = self.engine.parse(item.data, Arrival(item.arrival.port, item.arrival.now))
        self._as_clone(fresh, state, field_list, e.INGRESS_CLONE)
        self._send_clones(work, fresh, found)

    def _clone_from_egress(
        self, work: deque[ToIngress | ToEgress], state: Any, session: int, field_list: int
    ) -> None:
        """The headers as egress left them; of the metadata only the list's fields."""
        found = self.control.mirror.copies(session)
        if found is None:
            self._drop("unknown_clone_session")
            return
        self._note("clone", session=session, replicas=[list(replica) for replica in found.replicas])
        copy = self.engine.copy(state)
        self.engine.requests(copy).truncate = None
        self._as_clone(copy, state, field_list, e.EGRESS_CLONE)
        self._send_clones(work, copy, found)

    def _as_clone(self, clone: Any, original: Any, field_list: int, instance_type: int) -> None:
        kept = self._kept(original, field_list)
        port = self.engine.read(original, self._fields.ingress_port)
        self.engine.clear_metadata(clone)
        self.engine.write(clone, self._fields.ingress_port, port)
        for field, value in kept:
            self.engine.write(clone, field, value)
        self.engine.write(clone, self._fields.instance_type, instance_type)

    def _send_clones(self, work: deque[ToIngress | ToEgress], clone: Any, found: Session) -> None:
        if found.priority:
            self._write(clone, self._fields.priority, found.priority)
        for port, rid in found.replicas:
            copy = self.engine.copy(clone)
            self._set_rid(copy, rid)
            self._enqueue(work, copy, port, found.truncate, found.priority)

    def _kept(self, state: Any, field_list: int) -> list[tuple[FieldRead, int]]:
        if field_list == e.NO_LIST:
            return []
        return [(field, self.engine.read(state, field)) for field in self._lists[field_list]]

    # --- Egress ---

    def _enqueue(self, work: deque[ToIngress | ToEgress], state: Any, port: int, cut: int, priority: int = 0) -> None:
        """priority: where the program has no field for it."""
        now, fields, queues = self._now, self._fields, self.queues
        item = ToEgress(state, port, cut)
        if fields.priority is not None:
            priority = self.engine.read(state, fields.priority)
        if queues.priorities == 1:
            priority = 0
        elif priority >= queues.priorities:
            self._drop("drop_priority")
            return
        self._write(state, fields.enq_timestamp, now & 0xFFFFFFFF)
        self._write(state, fields.enq_qdepth, queues.waiting(port))
        queued = queues.offer(port, priority, item, now) if queues.active else None
        if queued is None:
            self._write(state, fields.deq_timedelta, 0)
            self._write(state, fields.deq_qdepth, 0)
            work.append(item)
        elif queued:
            self._note("enqueue", port=port, priority=priority)
            work.extend(self._taken(departure) for departure in queues.due(now))
        elif queues.store is None:  # a store counts itself
            self._drop("drop_queue_full")

    def _taken(self, departure: Departure) -> ToEgress:
        """A packet that leaves its queue; from now on it is that time."""
        self._now = departure.time
        item: ToEgress = departure.item
        self._write(item.state, self._fields.deq_timedelta, departure.waited & 0xFFFFFFFF)
        self._write(item.state, self._fields.deq_qdepth, departure.behind)
        if departure.waited:
            self._note("dequeue", port=item.port, waited_us=departure.waited)
        return item

    def _write(self, state: Any, field: FieldRead | None, value: int) -> None:
        if field is not None:
            self.engine.write(state, field, value)

    def _begin_egress(self, item: ToEgress) -> None:
        engine, fields, state = self.engine, self._fields, item.state
        engine.write(state, fields.egress_port, item.port)
        engine.write(state, fields.egress_spec, (self.drop_port + 1) & 0x1FF)
        engine.write(state, fields.packet_length, engine.length(state))
        self._write(state, fields.egress_global_timestamp, self._now)

    def _leave(self, work: deque[ToIngress | ToEgress], out: list[Output], item: ToEgress) -> None:
        engine, state = self.engine, item.state
        requests = engine.requests(state)
        if requests.clone is not None:
            session, field_list = requests.clone
            requests.clone = None
            self._clone_from_egress(work, state, session, field_list)
        if engine.read(state, self._fields.egress_spec) == self.drop_port:
            self._drop("drop_egress")
            return
        kept = None if requests.recirculate is None else self._kept(state, requests.recirculate)
        data = engine.deparse(state)
        if requests.truncate is not None:
            data = data[: requests.truncate]
        if item.cut:
            data = data[: item.cut]
        if kept is None:
            self._note("output", port=item.port, data=data.hex())
            out.append((item.port, data))
            return
        self._note("recirculate", data=data.hex())
        port = engine.read(state, self._fields.ingress_port)
        work.append(ToIngress(data, Arrival(port, self._now, e.RECIRCULATED, kept)))


class _Fields:
    """The fields of standard_metadata as references; None where the program has none."""

    def __init__(self, model: Model) -> None:
        standard = model.standard
        for name in standard.__dataclass_fields__:
            if name not in ("header", "elsewhere"):
                setattr(self, name, standard.place(name))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def _written_out(model: Model, elements: tuple[FieldRead | int, ...]) -> list[FieldRead]:
    """Whole headers of a field list as their fields."""
    fields: list[FieldRead] = []
    for element in elements:
        if isinstance(element, FieldRead):
            fields.append(element)
        else:
            fields += [FieldRead(element, f) for f in range(len(model.header_type(element).fields))]
    return [field for field in fields if field.field >= 0]
