"""Queues in native code against the interpreter with queues in Python: the same packets, at the same times, with the same words
of what they waited for; in virtual time, without a runner."""

from __future__ import annotations

import random
from typing import Any

import pytest

from emulator.native import lib_and_ffi
from emulator.switch.jit.batches import Batch
from emulator.switch.queues import QueueSettings
from emulator.switch.switch import Switch
from tests.switch.programs import Builder, Json, assign, const, do, field, op, sm
from tests.switch.test_queues import TOLD, Clock

NEVER = (1 << 64) - 1


def is_(name: str, value: int) -> Json:
    return op("b2d", op("==", field("h", name), const(value)))


def fresh() -> Json:
    return op("b2d", op("==", sm("instance_type"), const(0)))


def only_if(*steps: tuple[list[Json], list[Json]]) -> list[Json]:
    """An action's body of (conditions, primitives) pairs."""
    body: list[Json] = []
    for conditions, primitives in steps:
        end = len(body) + len(conditions) + len(primitives)
        body += [do("_jump_if_zero", condition, const(end)) for condition in conditions]
        body += primitives
    return body


def program() -> Builder:
    """Marks: 1 clones to session 1, 2 leaves 9 bytes, 3 is cloned in egress, 4 comes in once more, 5 is dropped in egress,
    6 grows by a header; port 9 stands for multicast group 1. Behind the mark stands what egress learns of the queue."""
    build = Builder()
    build.header("h", [("port", 8), ("priority", 8), ("mark", 8), *TOLD, ("rid", 16), ("kind", 8)])
    build.header("v", [("x", 8)])
    build.extract("h")
    ingress = only_if(
        ([], [assign(sm("egress_spec"), field("h", "port")), assign(sm("priority"), field("h", "priority"))]),
        ([is_("port", 9)], [assign(sm("mcast_grp"), const(1))]),
        ([is_("mark", 1)], [do("clone_ingress_pkt_to_egress", const(1), const(0))]),
        ([is_("mark", 2)], [do("truncate", const(9))]),
        ([is_("mark", 6)], [do("add_header", {"type": "header", "value": "v"})]),
    )
    build.run("in", ingress)
    names = {"egress_time": "egress_global_timestamp"}
    told = [assign(field("h", name), sm(names.get(name, name))) for name, _ in TOLD]
    told += [assign(field("h", "rid"), sm("egress_rid")), assign(field("h", "kind"), sm("instance_type"))]
    egress = only_if(
        ([], told),
        ([is_("mark", 3), fresh()], [do("clone_egress_pkt_to_egress", const(2), const(0))]),
        ([is_("mark", 4)], [assign(field("h", "mark"), const(0)), do("recirculate", const(0))]),
        ([is_("mark", 5)], [do("mark_to_drop", {"type": "header", "value": "standard_metadata"})]),
    )
    build.run("eg", egress, pipeline="egress")
    return build


class Subject:
    """One switch in virtual time. Everything that leaves is noted by port, with the time."""

    def __init__(self, engine: str, settings: QueueSettings) -> None:
        self.clock = Clock()
        self.switch = Switch.load(program().json(), engine=engine, clock=self.clock, queues=settings, max_passes=64)  # type: ignore[arg-type]
        control = self.switch.control
        control.multicast.set_group(1, [(1, 3), (2, 4), (7, 5)])
        control.mirror.set_session(1, port=2, truncate=20, priority=1)
        control.mirror.set_session(2, port=1, truncate=18)
        self.left: dict[int, list[tuple[int, str]]] = {}

    def note(self, packets: list[tuple[int, bytes]]) -> None:
        for port, data in packets:
            self.left.setdefault(port, []).append((self.clock.now, data.hex()))

    def advance(self, now: int) -> None:
        """Each packet is served at its own time."""
        while (following := self.switch.next_departure) is not None and following <= now:
            self.clock.now = max(self.clock.now, following)
            self.serve()
        self.clock.now = now

    def serve(self) -> None:
        self.note(self.switch.departed())

    def send(self, port: int, data: bytes) -> None:
        self.note(self.switch.send(port, data))


class Native(Subject):
    """The compiled engine as the packet loop runs it: batches, then what is due."""

    def __init__(self, settings: QueueSettings) -> None:
        super().__init__("jit", settings)
        engine: Any = self.switch.engine
        engine.background = False
        self.store = engine.native_queues()
        self.switch.control.queues.attach(self.store)
        self.lib, self.ffi = lib_and_ffi()

    def send(self, port: int, data: bytes) -> None:
        engine: Any = self.switch.engine
        batch = Batch([(port, data)], int(engine.limits[0]), int(engine.limits[1]))
        assert batch.call(engine.fused.call, engine.fused.state, 0, self.clock.now) == 1
        self.note(batch.results())
        self.serve()

    def serve(self) -> None:
        room, more = 80, 1
        out, arena = self.ffi.new(f"struct fp_packet[{room}]"), self.ffi.new("uint8_t[]", 1 << 20)
        count, following = self.ffi.new("int32_t *"), self.ffi.new("uint64_t *")
        queues = self.ffi.cast("struct fpq *", self.store.address)
        while more:
            more = self.lib.fpq_serve(queues, self.clock.now, out, room, count, arena, 1 << 20, following)
            packets = [(out[k].port, bytes(self.ffi.buffer(out[k].data, out[k].length))) for k in range(count[0])]
            self.note(packets)
        assert following[0] == NEVER or following[0] > self.clock.now


def both(rng: random.Random, settings: QueueSettings, steps: int) -> None:
    slow, fast = Subject("interp", settings), Native(settings)
    now = 0
    for _ in range(steps):
        now += rng.choice((0, 1, 40, 300, 2000))
        port = rng.choice((1, 1, 2, 7, 9))
        # What several copies' egress asks for at one time comes in the order of their passes, which differs.
        head = bytes([port, rng.randrange(4), rng.choice((0, 0, 1, 2, 5, 6) if port == 9 else (0, 0, 1, 2, 3, 4, 5, 6))])
        data = head + bytes(rng.randrange(22, 60))
        change = {"port": rng.choice((1, 2, 7, None)), "rate_pps": rng.choice((0, 500, 3001, 20_000))}
        depth = {"port": rng.choice((1, 2)), "depth": rng.randint(1, 5), "priority": rng.randrange(settings.priorities)}
        action = rng.random()
        for subject in (slow, fast):
            subject.advance(now)
            if action < 0.05:
                subject.switch.control.queues.set(**change)  # type: ignore[arg-type]
                subject.serve()
            elif action < 0.1:
                subject.switch.control.queues.set(**depth)
            else:
                subject.send(3, data)
        assert slow.left == fast.left and slow.switch.events == fast.switch.events
        queues = [subject.switch.control.queues for subject in (slow, fast)]
        assert [queues[0].waiting(p) for p in range(10)] == [queues[1].waiting(p) for p in range(10)]
        assert slow.switch.next_departure == fast.switch.next_departure


def test_native_queues_do_what_queues_in_python_do() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(12):
        ports = {port: (rng.randint(1, 6), rng.choice((700, 5000, 33_333))) for port in rng.sample((1, 2, 7), 2)}
        both(rng, QueueSettings(rng.choice((1, 2, 3, 8)), 3, 0, ports), 60)


@pytest.mark.slow
def test_native_queues_at_length() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(150):
        ports = {port: (rng.randint(1, 6), rng.choice((700, 5000, 33_333))) for port in rng.sample((1, 2, 7), 2)}
        both(rng, QueueSettings(rng.choice((1, 2, 3, 8)), 3, rng.choice((0, 9000)), ports), 120)


def test_what_waits_goes_over_and_is_forgotten() -> None:
    settings = QueueSettings(ports={1: (8, 1000)})
    subject = Subject("jit", settings)
    for mark in (10, 11, 12):
        subject.send(3, bytes([1, 0, mark]) + bytes(30))
    engine: Any = subject.switch.engine
    queues = subject.switch.control.queues
    assert queues.waiting(1) == 2
    queues.attach(engine.native_queues())
    assert queues.waiting(1) == 1 and queues.next_us() == 0, "the port's own time begins anew: one goes at once"
    queues.attach(None)
    assert queues.waiting(1) == 0 and queues.next_us() is None
    subject.clock.now = 5000
    assert len(subject.switch.send_batch([(3, bytes([7, 0, 0]) + bytes(30))])) == 1, "code with the way there goes on without"
    queues.attach(engine.native_queues())
    queues.clear()
    assert queues.next_us() is None
