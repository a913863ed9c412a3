"""The controller between real workers' sockets and a real P4Runtime server over an in-process switch."""

from __future__ import annotations

import asyncio
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller import entries
from controller.app import App, judge
from controller.hosts import from_dict
from controller.jobs import Limits, Registry
from controller.p4rt.entities import MulticastGroup, TableEntry
from controller.plane import Plane, Seen, Target
from controller.session import (
    GIVE,
    LEAVE,
    MAX_LINE,
    Given,
    Job,
    Joined,
    JoinRequest,
    Lost,
    Need,
    Restarted,
    Resume,
    Silent,
    SilentQuery,
    State,
    decode,
    encode,
)
from emulator.server.device import Device
from emulator.server.errors import unimplemented
from emulator.server.program import SwitchOptions
from emulator.server.service import Server

ROOT = Path(__file__).parents[2]
HOSTS = from_dict({
    "switch": {"mac": "02:00:00:00:00:fe", "ip": "10.0.0.254"},
    "hosts": [{"name": f"h{i}", "ip": f"10.0.0.{i}", "mac": f"02:00:00:00:00:0{i}", "port": i} for i in range(1, 5)],
})  # fmt: skip


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(P4Info, JSON) of the integer all-reduce program, as small as it can be: the controller sees no difference."""
    folder = tmp_path_factory.mktemp("program")
    target, info = folder / "a.json", folder / "a.p4info.txtpb"
    source = ROOT / "p4src" / "allreduce_fpisa.p4"
    command = [sys.executable, "-m", "fpisa.cli", "compile", "-DELEMENTS=32", "-DSLOTS=64", str(source)]
    subprocess.run([*command, "-o", str(target), "--p4runtime-files", str(info)], check=True, cwd=ROOT)
    return info, target


class Worker:
    """One worker's connection."""

    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(path)
        self._lines = self.sock.makefile("rb")

    def tell(self, message: Any) -> None:
        self.sock.sendall(encode(message if isinstance(message, dict) else message.wire()))

    def hear(self) -> dict[str, Any]:
        line = self._lines.readline()
        assert line, "the controller closed the connection"
        return decode(line)

    def quiet(self) -> bool:
        return not select.select([self.sock], [], [], 0)[0]

    def drop(self) -> None:
        self._lines.close()
        self.sock.close()


class Rig:
    """A switch, its controller, and workers."""

    def __init__(self, stack: ExitStack, program: tuple[Path, Path], folder: Path, gather: float) -> None:
        self.stack = stack
        self.device, self.server = self.switch("127.0.0.1:0")
        app: list[App] = []
        self.plane = Plane(Target(self.server.address, *program), HOSTS, lambda reason: app[0].switch_lost(reason))
        self.plane.connect(fresh=True)
        limits = Limits(entries.slot_count(self.plane.schema), elements=32)
        self.registry = Registry(limits, HOSTS, first_id=5, avoid=self.plane.remembered_jobs())
        self.app = App(self.plane, self.registry, gather_timeout=gather)
        app.append(self.app)
        self.path = str(folder / "c.sock")
        self.loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        thread.start()
        stack.callback(thread.join, 10)
        stack.callback(lambda: self.loop.call_soon_threadsafe(self.loop.stop))
        self.run(self.app.start(f"unix:{self.path}"))
        stack.callback(lambda: self.run(self.app.stop()))

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def switch(self, address: str) -> tuple[Device, Server]:
        device = Device(SwitchOptions("interp"))
        server = Server(device, address)
        server.start()
        self.stack.callback(device.close)
        self.stack.callback(server.stop, 0)
        return device, server

    def worker(self) -> Worker:
        worker = Worker(self.path)
        self.stack.callback(worker.drop)
        return worker

    def job(self, name: str = "j", workers: int = 2, slots: int = 8) -> tuple[list[Worker], list[Joined]]:
        found = [self.worker() for _ in range(workers)]
        for i, one in enumerate(found):
            one.tell(ask(i + 1, name, workers, slots))
        return found, [Joined.read(one.hear()) for one in found]

    def resume_with_one_ahead(self, workers: list[Worker], job: int) -> None:
        """Two workers tell their states; the second has the result of chunk 3, which the first lacks."""
        workers[0].tell(State(job, (tuple(range(8)),)))
        workers[0].tell(SilentQuery(0, 0))
        assert Silent.read(workers[0].hear()).silent == (1,), "who has not told keeps the job waiting"
        workers[1].tell(State(job, ((0, 1, 2, 11, 4, 5, 6, 7),)))
        assert Resume.read(workers[0].hear()) == Resume(job, (), 1)
        need = Need(0, 3, (0,))
        assert Resume.read(workers[1].hear()) == Resume(job, (need,), 0)
        workers[1].tell(Given(job, 0, 3, (0,), "AAAA", 0.0, 0).wire(GIVE))
        assert Given.read(workers[0].hear()).chunk == 3

    def table(self, name: str) -> int:
        return len(self.device.switch.control.tables[name])

    def fates(self) -> dict[str, int]:
        counter = self.device.switch.control.counters[entries.FATE]
        return {name: counter.read(i)[0] for i, name in enumerate(entries.FATES) if counter.read(i)[0]}


def ask(host: int, name: str = "j", workers: int = 2, slots: int = 8, **more: Any) -> JoinRequest:
    return JoinRequest(name, workers, f"10.0.0.{host}", 20000, slots, elements=32, rank=host - 1, **more)


def contribution(joined: Joined, rank: int, chunk: int = 0) -> bytes:
    """A frame of 32 ones from this rank, for the first slot's set 0."""
    import struct

    member = joined.members[rank]
    payload = struct.pack("<32f", *([1.0] * 32))
    header = struct.pack("!BBHBBHIBbH", 1 << 4, 1, joined.job, rank, 0, joined.first_slot * 2, chunk, 0, 0, 32)
    udp = struct.pack("!HHHH", 20000, 18000, 8 + len(header) + len(payload), 0)
    addresses = socket.inet_aton(member.host) + socket.inet_aton(joined.switch_ip)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp) + len(header) + len(payload), 0, 0, 64, 17, 0) + addresses
    macs = bytes.fromhex((joined.switch_mac + member.mac).replace(":", ""))
    return macs + b"\x08\x00" + ip + udp + header + payload


@pytest.fixture
def rig(program: tuple[Path, Path], tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    with ExitStack() as stack:
        yield lambda gather=60.0: Rig(stack, program, tmp_path, gather)
    assert not list(tmp_path.glob("*.sock")), "a controller that has stopped leaves no socket"


def until(condition: Callable[[], bool], limit: float = 10.0) -> bool:
    """Poll an outside condition for which there is no event."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            return False
        threading.Event().wait(0.01)
    return True


def test_a_job_from_joining_to_release(rig: Any) -> None:
    r = rig()
    workers, joined = r.job()
    assert [j.rank for j in joined] == [0, 1] and joined[0].job == 5
    assert (joined[0].switch_mac, joined[0].switch_ip) == (HOSTS.switch_mac, HOSTS.switch_ip)
    assert (r.table(entries.JOBS), r.table(entries.MEMBERS), r.table(entries.REPLICAS)) == (1, 2, 2)
    switch = r.device.switch
    assert switch.send(1, contribution(joined[0], 0)) == []
    out = switch.send(2, contribution(joined[0], 1))
    assert sorted(port for port, _ in out) == [1, 2], "the result goes to both"
    assert all(data.endswith(b"\x00\x00\x00\x40" * 32) for _, data in out), "1 + 1 = 2, as floats"
    assert switch.send(3, contribution(joined[0], 1)) == [], "not from that port"
    assert r.fates() == {"absorbed": 1, "completed": 1, "source": 1}
    for worker in workers:
        worker.tell(LEAVE)
        assert worker.hear() == {"ok": True}
    assert until(lambda: r.table(entries.JOBS) + r.table(entries.MEMBERS) + r.table(entries.REPLICAS) == 0)
    assert until(lambda: set(switch.control.multicast.groups()) == {entries.FLOOD_GROUP})


def test_a_lost_worker_is_announced_within_a_second(rig: Any) -> None:
    r = rig()
    (first, second, third), _ = r.job(workers=3)
    second.drop()
    before = time.monotonic()
    for one in (first, third):
        assert Lost.read(one.hear()).rank == 1
    assert time.monotonic() - before < 1.0
    third.tell(LEAVE)
    assert third.hear() == {"ok": True}
    assert first.quiet(), "who leaves properly is not lost"


def test_silent_ranks_come_from_the_bitmap(rig: Any) -> None:
    r = rig()
    workers, joined = r.job(workers=3)
    query = SilentQuery(joined[0].first_slot * 2, 0)

    def answer(who: int) -> Silent:
        workers[who].tell(query)
        return Silent.read(workers[who].hear())

    assert answer(0).silent == (1, 2), "nothing has arrived: all but the one who asks"
    r.device.switch.send(1, contribution(joined[0], 0))
    r.device.switch.send(3, contribution(joined[0], 2))
    assert answer(0).silent == (1,)
    r.device.switch.send(2, contribution(joined[0], 1))
    done = answer(0)
    assert done.silent == () and "complete" in done.reason
    workers[0].tell(SilentQuery(1000, 0))
    assert "slot 500 is not one of job" in workers[0].hear()["error"]


def test_without_registers_the_connections_tell(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    r = rig()
    workers, joined = r.job(workers=3)

    def refuse(*_: Any) -> Any:
        raise unimplemented("no registers here")

    monkeypatch.setitem(r.device.running.reader._handlers, "register_entry", refuse)
    workers[2].drop()
    assert Lost.read(workers[0].hear()).rank == 2
    workers[0].tell(SilentQuery(joined[0].first_slot * 2, 0))
    answer = Silent.read(workers[0].hear())
    assert answer.silent == (2,) and "by connection only" in answer.reason


def test_several_jobs_share_the_switch(rig: Any) -> None:
    r = rig()
    (_, one), (_, two) = r.job("a"), r.job("b")
    assert {one[0].first_slot, two[0].first_slot} == {0, 8} and one[0].job != two[0].job
    refused = r.worker()
    refused.tell(ask(1, "c", 1, 64))
    assert "no gap of 64 slots" in refused.hear()["error"]
    late = r.worker()
    late.tell(ask(1, "a"))
    assert "already running" in late.hear()["error"]


def test_a_job_that_stays_incomplete_is_given_up(rig: Any) -> None:
    r = rig(gather=0.2)
    one = r.worker()
    one.tell(ask(1))
    assert "only 1 of 2 workers joined job 'j' within 0.2 s" in one.hear()["error"]
    one.tell(ask(1, workers=1))
    assert Joined.read(one.hear()).rank == 0, "the connection may try again"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"nonsense\n", "not JSON"),
        (b"[1]\n", "not a JSON object"),
        (b'{"op": "dance"}\n', "'op' must be join, silent, state, give or leave"),
        (b'{"op": "join"}\n', "must be"),
        (b'{"op": "silent", "pool_index": 0, "chunk": 0}\n', "in no job"),
        pytest.param(b"x" * (MAX_LINE + 2), "longer than", id="long"),
    ],
)
def test_bad_lines_get_a_sentence(rig: Any, line: bytes, words: str) -> None:
    r = rig()
    worker = r.worker()
    worker.sock.sendall(line)
    assert words in worker.hear()["error"]
    assert r.worker() is not None


def test_a_switch_that_refuses_leaves_nothing_behind(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    r = rig()
    table = r.device.switch.control.tables[entries.MEMBERS]
    limit = iter(range(1))
    real = table.insert

    def insert(*args: Any, **keywords: Any) -> int:
        from emulator.switch.errors import ControlError

        if next(limit, None) is None:
            raise ControlError("full", "table is full: it holds 1 entries")
        return real(*args, **keywords)

    monkeypatch.setattr(table, "insert", insert)
    workers = [r.worker(), r.worker()]
    for i, one in enumerate(workers):
        one.tell(ask(i + 1))
    for one in workers:
        assert "the switch refused the job" in one.hear()["error"]
    monkeypatch.undo()
    assert (r.table(entries.JOBS), r.table(entries.MEMBERS), r.table(entries.REPLICAS)) == (0, 0, 0)
    _, joined = r.job("again")
    assert joined[0].first_slot == 0


def test_a_restarted_switch_gets_program_and_jobs_again(rig: Any) -> None:
    r = rig()
    workers, joined = r.job()
    address = r.server.address
    r.server.stop(0)
    r.device.close()
    r.device, r.server = r.switch(address)
    assert until(lambda: r.device.bound is not None and r.table(entries.JOBS) == 1, 30)
    r.device.switch.send(1, contribution(joined[0], 0))
    assert r.fates() == {"job": 1}, "the old id is nobody's any more"
    renewed = [Restarted.read(one.hear()).job for one in workers]
    assert renewed[0] == renewed[1] != joined[0].job
    r.device.switch.send(1, contribution(replace(joined[0], job=renewed[0]), 0))
    assert r.fates() == {"job": 1, "absorbed": 1}
    r.resume_with_one_ahead(workers, renewed[0])


def test_a_new_controller_avoids_remembered_ids_and_old_entries(rig: Any) -> None:
    r = rig()
    _, joined = r.job()
    r.device.switch.send(1, contribution(joined[0], 0))
    assert r.plane.remembered_jobs() == {5}
    second = Plane(Target(r.server.address, election_id=1 << 20), HOSTS, lambda reason: None)
    second.connect(fresh=True)
    try:
        assert (r.table(entries.JOBS), r.table(entries.MEMBERS)) == (0, 0)
        groups = second._connected().read(MulticastGroup())
        assert [g.id for g in groups] == [entries.FLOOD_GROUP]
        assert second.remembered_jobs() == {5}
    finally:
        second.close()


def test_leading_one_tables_are_filled(rig: Any) -> None:
    r = rig()
    tables = entries.leading_one_tables(r.plane.schema)
    assert len(tables) == 32
    for table in tables:
        assert r.table(table.name) == table.fields[0].bitwidth
    rows = list(r.plane._connected().read(TableEntry(tables[0].name)))
    width = tables[0].fields[0].bitwidth
    for row in rows:
        (value, length), bit = next(iter(row.match.values())), row.action.args["bit_index"]
        assert (value, length) == (1 << bit, width - bit)


JOB = Job(5, "j", 3, 0, 8, 1, "fp32", 32, ())


@pytest.mark.parametrize(
    ("seen", "gone", "silent"),
    [
        (None, (2,), (2,)),
        (None, (), ()),
        (Seen(5, 7, (1,)), (), (1,)),
        (Seen(5, 7, ()), (2,), ()),
        (Seen(5, 6, (0, 1, 2)), (), (1, 2)),
        (Seen(5, 6, (0, 1, 2)), (2,), (2,)),
        (Seen(4, 7, ()), (), (1, 2)),
        (Seen(5, 9, (1,)), (), ()),
        (Seen(5, 0xFFFFFFFF, ()), (), (1, 2)),
    ],
)
def test_judgement(seen: Seen | None, gone: tuple, silent: tuple) -> None:
    assert judge(JOB, 0, SilentQuery(0, 7), seen, gone).silent == silent
