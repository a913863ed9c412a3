"""Queues: rates, depths, strict priority and what packets are told of them, on both engines, in virtual time."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from emulator.switch.control import ControlError
from emulator.switch.queues import Queues, QueueSettings
from emulator.switch.switch import Switch
from tests.switch.programs import Builder, assign, const, do, field, op, sm

ENGINES = ["interp", "jit"]
TOLD = (("enq_qdepth", 24), ("deq_qdepth", 24), ("deq_timedelta", 32), ("enq_timestamp", 32), ("egress_time", 48))


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def program(*more: object) -> Builder:
    """Header h: port, priority, mark; behind it what egress learns of the queue."""
    build = Builder()
    build.header("h", [("port", 8), ("priority", 8), ("mark", 8), *TOLD])
    build.extract("h")
    build.run("in", [assign(sm("egress_spec"), field("h", "port")), assign(sm("priority"), field("h", "priority"))])
    names = {"egress_time": "egress_global_timestamp"}
    body = [assign(field("h", name), sm(names.get(name, name))) for name, _ in TOLD]
    build.run("eg", [*body, *more], pipeline="egress")  # type: ignore[list-item]
    return build


def frame(port: int, priority: int = 0, mark: int = 0) -> bytes:
    return bytes([port, priority, mark]) + bytes(20)


def told(packet: bytes) -> tuple[int, ...]:
    """(mark, enq_qdepth, deq_qdepth, deq_timedelta, enq_timestamp, egress time)"""
    found, at = [packet[2]], 3
    for _, bits in TOLD:
        found.append(int.from_bytes(packet[at : at + bits // 8], "big"))
        at += bits // 8
    return tuple(found)


def load(engine: str, clock: Clock, settings: QueueSettings | None = None, build: Builder | None = None) -> Switch:
    return Switch.load((build or program()).json(), engine=engine, clock=clock, queues=settings, max_passes=64)  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ENGINES)
def test_packets_leave_at_the_ports_rate(engine: str) -> None:
    clock = Clock()
    switch = load(engine, clock)
    switch.control.queues.set(3, depth=2, rate_pps=1000)
    assert [told(p) for _, p in switch.send(0, frame(3, mark=1))] == [(1, 0, 0, 0, 0, 0)], "an idle port sends at once"
    assert switch.send(0, frame(3, mark=2)) == switch.send(0, frame(3, mark=3)) == []
    assert switch.send(0, frame(3, mark=4)) == [] and switch.events["drop_queue_full"] == 1
    assert len(switch.send(0, frame(4))) == 1, "other ports do not wait"
    assert switch.next_departure == 1000
    clock.now = 999
    assert switch.poll() == []
    clock.now = 2500
    assert [told(p) for _, p in switch.poll()] == [(2, 0, 1, 1000, 0, 1000), (3, 1, 0, 2000, 0, 2000)]
    assert switch.send(0, frame(3, mark=5)) == [] and switch.next_departure == 3000
    clock.now = 10_000
    marks = [told(p)[0] for _, p in switch.send(0, frame(3, mark=6))]
    assert marks == [5, 6], "what waited comes first"
    assert switch.next_departure is None


@pytest.mark.parametrize("engine", ENGINES)
def test_higher_priorities_go_first(engine: str) -> None:
    clock = Clock()
    switch = load(engine, clock, QueueSettings(priorities=3, depth=4, rate_pps=100))
    first = [switch.send(0, frame(1, p, mark)) for mark, p in enumerate((0, 0, 1, 2, 0, 2))]
    assert [told(out[0][1])[0] for out in first if out] == [0]
    assert switch.send(0, frame(1, 3)) == [] and switch.events["drop_priority"] == 1
    assert [told(p)[0] for _, p in switch.drain()] == [3, 5, 2, 1, 4]
    assert switch.drain() == []
    for mark in range(5):
        switch.send(0, frame(2, 1, mark))
        switch.send(0, frame(2, 0, 10 + mark))
    assert switch.events["drop_queue_full"] == 1, "each priority has a queue of its own"


def test_one_queue_per_port_heeds_no_priority() -> None:
    switch = load("interp", Clock())
    assert len(switch.send(0, frame(1, 7))) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_settings_change_while_packets_wait(engine: str) -> None:
    clock = Clock()
    switch = load(engine, clock)
    queues = switch.control.queues
    states: list[bool] = []
    queues.changed = lambda: states.append(queues.active)
    queues.set(rate_pps=10)
    queues.set(2, rate_pps=0)
    assert len(switch.send(0, frame(2))) == len(switch.send(0, frame(2))) == 1
    for mark in range(4):
        switch.send(0, frame(1, 0, mark))
    assert switch.next_departure == 100_000
    queues.set(1, rate_pps=1000)
    clock.now = 101_000
    assert [told(p)[0] for _, p in switch.poll()] == [1, 2]
    queues.set(rate_pps=0)
    queues.set(1, rate_pps=0)
    assert [told(p)[0] for _, p in switch.poll()] == [3], "without a rate nothing waits"
    assert states == [True, False]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_batch_waits_as_single_packets_do(engine: str) -> None:
    clock = Clock()
    switch = load(engine, clock, QueueSettings(rate_pps=1000, depth=3))
    assert [told(p)[0] for _, p in switch.send_batch([(0, frame(1, 0, m)) for m in range(6)])] == [0]
    assert [told(p)[0] for _, p in switch.drain()] == [1, 2, 3]
    assert switch.events["drop_queue_full"] == 2


@pytest.mark.parametrize("engine", ENGINES)
def test_replicas_and_recirculated_packets_queue(engine: str) -> None:
    clock = Clock()
    again = do("_jump_if_zero", op("b2d", op("==", sm("instance_type"), const(5))), const(len(TOLD) + 2))
    build = program(again, do("recirculate", const(0)))
    build.run("many", [assign(sm("mcast_grp"), op("b2d", op("==", sm("instance_type"), const(0))))])
    switch = load(engine, clock, QueueSettings(rate_pps=1000), build)
    switch.control.multicast.set_group(1, [(1, 0), (1, 1)])
    assert switch.send(0, frame(1)) == [], "the first replica has come back in and waits behind the second"
    assert switch.next_departure == 1000
    out = [told(p) for _, p in switch.drain()]
    assert [time for *_, time in out] == [2000, 3000] and [waited for _, _, _, waited, _, _ in out] == [2000, 2000]


def test_settings_are_checked() -> None:
    queues = Queues(QueueSettings(priorities=2))
    for kind in ({"depth": 0}, {"rate_pps": -1}, {"rate_pps": 1 << 40}, {"port": -1}, {"port": 1, "priority": 2, "depth": 1}):
        with pytest.raises(ControlError):
            queues.set(**kind)  # type: ignore[arg-type]
    with pytest.raises(ControlError, match="1 to 8 priorities"):
        Queues(QueueSettings(priorities=9))
    queues.set(1, depth=5)
    queues.set(1, depth=7, priority=1)
    assert [queues.depth(1, p) for p in (0, 1)] == [5, 7] and queues.depth(2) == 64


def test_against_a_slow_model() -> None:
    """Random arrivals; a model that looks at every microsecond in turn must name the same departures."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(20):
        rate, priorities, depth = rng.choice((30_000, 250_000, 333_333, 70_001)), rng.randint(1, 3), rng.randint(1, 4)
        arrivals = sorted((rng.randrange(400), rng.randrange(priorities)) for _ in range(30))
        queues = Queues(QueueSettings(priorities, depth, rate))
        found: list[tuple[int, int, int]] = []
        for number, (now, priority) in enumerate(arrivals):
            found += [(d.time, d.item, d.behind) for d in queues.due(now)]
            queues.offer(1, priority, number, now)
            found += [(d.time, d.item, d.behind) for d in queues.due(now)]
        found += [(d.time, d.item, d.behind) for d in queues.due(10**9)]
        assert found == slow_model(rate, priorities, depth, arrivals)


def slow_model(rate: int, priorities: int, depth: int, arrivals: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    lanes: list[list[int]] = [[] for _ in range(priorities)]
    out: list[tuple[int, int, int]] = []
    free = Fraction(0)  # when the port may send again
    todo = list(enumerate(arrivals))
    now = 0
    while todo or any(lanes):
        started = any(lanes)
        while True:
            if any(lanes) and free <= now:
                lane = max(p for p in range(priorities) if lanes[p])
                item = lanes[lane].pop(0)
                out.append((now, item, sum(map(len, lanes))))
                free = (free if started else max(free, Fraction(now))) + Fraction(1_000_000, rate)
                started = any(lanes)
            elif todo and todo[0][1][0] == now:
                number, (_, priority) = todo.pop(0)
                if len(lanes[priority]) < depth:
                    lanes[priority].append(number)
            else:
                break
        now += 1
    return out
