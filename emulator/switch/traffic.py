"""The traffic manager: what happens to a packet between and around the pipelines, in bmv2's order.

After ingress: clone, digest, resubmit (rest skipped), multicast (rest skipped), drop, unicast. After egress:
clone, drop, deparse, recirculate or transmit. Works on any engine's packet state.

Queues are modelled in virtual time: a port with a rate serves its packets one after another; a packet's wait
is known when it is enqueued, so no thread waits for it. Without a rate a queue is always empty.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from emulator.switch import engine as e
from emulator.switch.control import Control
from emulator.switch.engine import Arrival, Engine
from emulator.switch.expr import FieldRead
from emulator.switch.model import Model

MAX_PASSES = 4096
DEFAULT_QUEUE_DEPTH = 64
Output = tuple[int, bytes]


class ToIngress(NamedTuple):
    data: bytes
    arrival: Arrival


class ToEgress(NamedTuple):
    state: Any
    port: int
    cut: int  # bytes to leave the switch at most; 0: all


@dataclass(slots=True)
class Queue:
    """rate_pps 0: unlimited. departures: when the packets now waiting leave."""

    depth: int = DEFAULT_QUEUE_DEPTH
    rate_pps: int = 0
    departures: deque[int] | None = None


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
        self.queues: dict[int, Queue] = {}
        self.trace: Any = None
        """A trace.Recorder that hears of every decision, or None."""
        self._lists = [_written_out(model, item.elements) for item in model.field_lists]
        self._fields = _Fields(model)

    # --- Queues ---

    def set_queue(self, port: int, *, depth: int | None = None, rate_pps: int | None = None) -> None:
        """Depth in packets, rate in packets per second (0: unlimited)."""
        queue = self.queues.setdefault(port, Queue())
        if depth is not None:
            queue.depth = depth
        if rate_pps is not None:
            queue.rate_pps = rate_pps

    def run(self, port: int, data: bytes) -> list[Output]:
        """All packets that leave because of this one."""
        first = Arrival(port, self.control.clock())
        return self._until_quiet(deque([ToIngress(data, first)]))

    def after_ingress(self, data: bytes, arrival: Arrival, state: Any) -> list[Output]:
        """As run(), for a packet whose ingress pass is done; `data` is how it came in."""
        work: deque[ToIngress | ToEgress] = deque()
        self._decide(work, ToIngress(data, arrival), state)
        return self._until_quiet(work)

    def after_egress(self, state: Any, port: int) -> list[Output]:
        """As run(), for a packet whose egress pass is done."""
        work: deque[ToIngress | ToEgress] = deque()
        out: list[Output] = []
        self._leave(work, out, ToEgress(state, port, 0))
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
            port, now = item.arrival.port, self.control.clock()
            self._note("resubmit")
            work.append(ToIngress(item.data, Arrival(port, now, e.RESUBMITTED, kept)))
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
        if self._fields.egress_rid is not None:
            self.engine.write(state, self._fields.egress_rid, rid)

    def _clone_from_ingress(
        self, work: deque[ToIngress | ToEgress], item: ToIngress, state: Any, session: int, field_list: int
    ) -> None:
        """The packet as it came in, parsed again; of the metadata only the list's fields."""
        found = self.control.mirror.copies(session)
        if found is None:
            self._drop("unknown_clone_session")
            return
        self._note("clone", session=session, replicas=[list(replica) for replica in found[0]])
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
        self._note("clone", session=session, replicas=[list(replica) for replica in found[0]])
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

    def _send_clones(self, work: deque[ToIngress | ToEgress], clone: Any, found: Any) -> None:
        replicas, cut = found
        for port, rid in replicas:
            copy = self.engine.copy(clone)
            self._set_rid(copy, rid)
            self._enqueue(work, copy, port, cut)

    def _kept(self, state: Any, field_list: int) -> list[tuple[FieldRead, int]]:
        if field_list == e.NO_LIST:
            return []
        return [(field, self.engine.read(state, field)) for field in self._lists[field_list]]

    # --- Egress ---

    def _enqueue(self, work: deque[ToIngress | ToEgress], state: Any, port: int, cut: int) -> None:
        now, fields, engine = self.control.clock(), self._fields, self.engine
        waiting, leaves = self._wait(port, now)
        if leaves is None:
            self._drop("drop_queue_full")
            return
        for field, value in (
            (fields.enq_timestamp, now & 0xFFFFFFFF),
            (fields.enq_qdepth, waiting),
            (fields.deq_timedelta, leaves - now),
            (fields.deq_qdepth, max(0, waiting - 1)),
        ):
            if field is not None:
                engine.write(state, field, value)
        work.append(ToEgress(state, port, cut))

    def _wait(self, port: int, now: int) -> tuple[int, int | None]:
        """(packets in front, time of departure); no departure when the queue is full."""
        queue = self.queues.get(port)
        if queue is None or not queue.rate_pps:
            return 0, now
        if queue.departures is None:
            queue.departures = deque()
        departures = queue.departures
        while departures and departures[0] <= now:
            departures.popleft()
        if len(departures) >= queue.depth:
            return len(departures), None
        leaves = (departures[-1] if departures else now) + -(-1_000_000 // queue.rate_pps)
        departures.append(leaves)
        return len(departures) - 1, leaves

    def _begin_egress(self, item: ToEgress) -> None:
        engine, fields, state = self.engine, self._fields, item.state
        engine.write(state, fields.egress_port, item.port)
        engine.write(state, fields.egress_spec, (self.drop_port + 1) & 0x1FF)
        engine.write(state, fields.packet_length, engine.length(state))
        if fields.egress_global_timestamp is not None:
            engine.write(state, fields.egress_global_timestamp, self.control.clock())

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
        work.append(ToIngress(data, Arrival(port, self.control.clock(), e.RECIRCULATED, kept)))


class _Fields:
    """The fields of standard_metadata as references; None where the program has none."""

    def __init__(self, model: Model) -> None:
        standard = model.standard
        for name in standard.__dataclass_fields__:
            if name != "header":
                index = getattr(standard, name)
                setattr(self, name, None if index is None else FieldRead(standard.header, index))

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
