"""Jobs that ask for averages: controller, workers and switch as they are, every frame compared with the model's bit by bit."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controller import entries
from controller.app import App
from controller.float_tables import CONSTANTS
from controller.hosts import from_dict
from controller.jobs import Limits, Registry
from controller.p4rt.p4info import read_p4info
from controller.p4rt.protos import print_text
from controller.plane import Plane, Target
from controller.session import JoinRequest
from emulator.compiler.api import compile_file
from emulator.server.device import Device
from emulator.server.program import SwitchOptions
from emulator.server.service import Server
from tests.e2e.stack import Stack, address, mac
from tests.p4 import rig as p4
from tests.p4.model import Job, Model, Program
from tests.p4.model import Worker as Member
from workers.allreduce import AllReduce, Options, attach
from workers.join import JoinError, join
from workers.loopback import Loopback

ELEMENTS, SLOTS = 32, 64
HOSTS = from_dict({
    "switch": {"mac": "02:00:00:00:00:fe", "ip": "10.0.0.254"},
    "hosts": [{"name": f"h{i}", "ip": f"10.0.0.{i}", "mac": f"02:00:00:00:00:0{i}", "port": i} for i in range(1, 5)],
})  # fmt: skip


class Bench:
    """A switch behind P4Runtime with its controller, and the model that watches its frames."""

    def __init__(self, stack: ExitStack, files: tuple[Path, Path], folder: Path, program: Program) -> None:
        self.stack, self.program, self.model = stack, program, Model(program)
        self.device = Device(SwitchOptions("jit"))
        stack.callback(self.device.close)
        server = Server(self.device, "127.0.0.1:0")
        server.start()
        stack.callback(server.stop, 0)
        self.plane = Plane(Target(server.address, *files, timeout=60), HOSTS, lambda reason: None)
        self.plane.connect(fresh=True)
        stack.callback(self.plane.close)
        limits = Limits(entries.slot_count(self.plane.schema), averages=entries.averages(self.plane.schema))
        self.app = App(self.plane, Registry(limits, HOSTS), gather_timeout=20)
        self.path = str(folder / "controller.sock")
        self.wire = Loopback(self.process)
        self._start()

    def _start(self) -> None:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        self.stack.callback(thread.join, 10)
        self.stack.callback(loop.call_soon_threadsafe, loop.stop)
        asyncio.run_coroutine_threadsafe(self.app.start(f"unix:{self.path}"), loop).result(30)
        self.stack.callback(lambda: asyncio.run_coroutine_threadsafe(self.app.stop(), loop).result(30))

    def process(self, frames: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """The switch's answers, which must be the model's."""
        got = [(port, bytes(data)) for port, data in self.device.switch.send_batch(list(frames))]
        assert got == self.model.process(list(frames))
        return got

    def open(self, name: str, workers: int, average: bool) -> list[AllReduce]:
        """The clients of a job, which the model knows as well."""
        options = Options(elements=ELEMENTS, slots=8, engine="python", average=average)

        def one(rank: int) -> AllReduce:
            host = f"10.0.0.{rank + 1}"
            request = replace(options.request(name, workers, host, rank), udp_port=18100)
            mac = bytes.fromhex(f"02000000000{rank + 1}")
            plug = self.wire.plug(rank + 1, 58 + 4 * ELEMENTS)
            return attach(join(self.path, request, 30), mac, plug, options)

        with ThreadPoolExecutor(workers) as pool:
            clients = list(pool.map(one, range(workers)))
        joined = clients[0].watcher.joined  # type: ignore[attr-defined]
        members = tuple(
            Member(
                m.rank, m.port, bytes.fromhex(m.mac.replace(":", "")), bytes(map(int, m.host.split("."))), m.udp_port
            )
            for m in joined.members
        )
        self.model.jobs[joined.job] = Job(joined.job, joined.first_slot, joined.slots, members)
        return clients

    def constants(self) -> int:
        return len(self.device.switch.control.tables[CONSTANTS])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function: (P4Info, JSON) of the program with or without averages."""

    @cache
    def make(average: bool) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp("program")
        program = Program(elements=ELEMENTS, slots=SLOTS, average=average)
        defines = [option.removeprefix("-D") for option in p4.define_options(program)]
        result = compile_file(p4.P4SRC / "allreduce_fpisa.p4", defines=defines)
        assert result.json is not None, result.text()
        info, target = folder / "a.p4info.txtpb", folder / "a.json"
        info.write_text(print_text(read_p4info(result.p4info.SerializeToString())))
        target.write_text(json.dumps(result.json))
        return info, target

    return make


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def reduce_all(clients: list[AllReduce], arrays: list[np.ndarray]) -> None:
    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(lambda pair: pair[0].allreduce(pair[1]), zip(clients, arrays)))


def test_averages_of_three_and_four_workers(stack: ExitStack, files: Any, tmp_path: Path) -> None:
    program = Program(elements=ELEMENTS, slots=SLOTS, average=True)
    bench = Bench(stack, files(True), tmp_path, program)
    seed = int(np.random.default_rng().integers(1 << 32))
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    for workers in (3, 4):
        clients = bench.open(f"mean-{workers}", workers, True)
        assert bench.constants() == 1
        arrays = [rng.normal(size=1000).astype(np.float32) * np.float32(10.0 ** rng.integers(-3, 4)) for _ in clients]
        arrays[0][:6] = [0.0, -0.0, 1e-42, 3e38, np.inf, np.nan]
        exact = np.sum([a.astype(np.float64) for a in arrays], axis=0) / workers
        reduce_all(clients, arrays)
        for array in arrays[1:]:
            np.testing.assert_array_equal(array.view(np.uint32), arrays[0].view(np.uint32))
        largest = np.abs(exact[6:]).max()
        assert np.abs(arrays[0][6:] - exact[6:]).max() < 1e-5 * largest * workers
        for client in clients:
            client.close()
    assert bench.model.fates["completed"] >= 2 * 1000 // ELEMENTS


def test_a_job_that_does_not_ask_reads_sums(stack: ExitStack, files: Any, tmp_path: Path) -> None:
    program = Program(elements=ELEMENTS, slots=SLOTS, average=True)
    bench = Bench(stack, files(True), tmp_path, program)
    bench.model.program = replace(program, average=False)
    clients = bench.open("sum", 3, False)
    assert bench.constants() == 0
    arrays = [np.full(40, rank + 0.5, np.float32) for rank in range(3)]
    reduce_all(clients, arrays)
    assert (arrays[0] == 4.5).all()
    for client in clients:
        client.close()


def test_programs_without_averages_refuse_such_jobs(stack: ExitStack, files: Any, tmp_path: Path) -> None:
    bench = Bench(stack, files(False), tmp_path, Program(elements=ELEMENTS, slots=SLOTS))
    request = JoinRequest("mean", 2, "10.0.0.1", 18100, 8, elements=ELEMENTS, average=True)
    with pytest.raises(JoinError, match="does not average; compile it with -DAVERAGE=1"):
        join(bench.path, request, 10)
    with pytest.raises(ValueError, match="integers has no average"):
        Options(format="int32", average=True)


@pytest.mark.parametrize(("averages", "workers"), [(True, 3), pytest.param(False, 2, marks=pytest.mark.slow)])
def test_the_command(files: Any, tmp_path: Path, averages: bool, workers: int) -> None:
    """Switch, controller and workers as processes, the workers' engine in C."""
    with Stack(tmp_path, files(averages), workers=workers) as stack:
        members = [
            stack.fpisa(
                "worker", "--controller", stack.listen, "--job", "mean", "--workers", str(workers), "--average", "--json",
                "--elements", str(ELEMENTS), "--slots", "32", "--size", "64K", "--repeats", "3",
                "--memory", stack.socket_of(rank), "--mac", mac(rank), "--ip", address(rank),
            )
            for rank in range(workers)
        ]  # fmt: skip
        for member in members:
            status = member.end()
            if averages:
                assert status == 0, member.said[-5:]
                assert member.told[-1]["wrong"] == 0 and len(member.told[-1]["seconds"]) == 3
            else:
                assert status == 1 and "does not average; compile it with -DAVERAGE=1" in member.said[-1]
