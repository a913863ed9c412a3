"""Jobs over several switches: the file, the places, and the entries on three running switches."""

from __future__ import annotations

import copy
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controller import entries
from controller.fabric import Fabric, from_dict, outline
from controller.fabric_plane import FabricPlane, judge_tree
from controller.inspect import _jobs
from controller.jobs import Limits, Refusal, Registry
from controller.p4rt.entities import MulticastGroup, TableEntry
from controller.plane import Seen, Target
from controller.session import Job, JoinRequest, SilentQuery
from emulator.compiler.api import compile_file
from emulator.server.device import Device
from emulator.server.program import SwitchOptions
from emulator.server.service import Server
from tests.p4.model import Job as ModelJob
from tests.p4.model import Program, Worker
from tests.p4.traffic import contribution

P4SRC = Path(__file__).parents[2] / "p4src"
SLOTS = 32


def site(number: int, **more: Any) -> dict[str, Any]:
    return {"name": f"s{number}", "mac": f"02:00:00:00:fe:0{number}", "ip": f"10.0.0.20{number}", "address": "127.0.0.1:1",
            "device_id": number, **more}  # fmt: skip


def host(number: int, switch: str, port: int) -> dict[str, Any]:
    return {"name": f"h{number}", "ip": f"10.0.0.{number}", "mac": f"02:00:00:00:00:0{number}", "switch": switch, "port": port}


RACKS: dict[str, Any] = {
    "switches": [
        site(1, parent="s3", uplink=3, parent_port=1), site(2, parent="s3", uplink=3, parent_port=2), site(3)
    ],
    "hosts": [host(1, "s1", 1), host(2, "s1", 2), host(3, "s2", 1), host(4, "s2", 2)],
}  # fmt: skip


def request(number: int, job: str = "j", workers: int = 4, slots: int = 8, rank: int | None = None) -> JoinRequest:
    return JoinRequest(job, workers, f"10.0.0.{number}", 18100 + 100 * (ord(job[0]) - 97), slots, elements=32, rank=rank)


def start(registry: Registry, name: str, hosts: tuple[int, ...], **more: Any) -> Job:
    job = None
    for rank, number in enumerate(hosts):
        job = registry.join((name, rank), request(number, name, len(hosts), rank=rank, **more))
    assert job is not None
    return job


def places(job: Job) -> dict[str, tuple[int, list[int], str | None, int]]:
    return {p.switch: (p.first_slot, [c.rank for c in p.children], p.parent, p.rank) for p in job.posts}


def test_a_job_has_slots_and_a_rank_at_each_switch_it_needs() -> None:
    registry = Registry(Limits(SLOTS), from_dict(RACKS))
    assert places(start(registry, "alone", (3, 4))) == {"s2": (0, [0, 1], None, 0)}  # one rack needs no spine
    job = start(registry, "both", (1, 3, 2, 4))
    assert places(job) == {
        "s1": (0, [0, 2], "s3", 0),
        "s2": (8, [1, 3], "s3", 1),
        "s3": (0, [0, 1], None, 0),
    }
    assert [post.switch for post in job.posts][-1] == "s3"
    start(registry, "c", (1, 2), slots=24)
    with pytest.raises(Refusal, match="no gap of 24 slots on switch s1: 32 of 32 are in use"):
        start(registry, "d", (1, 4), slots=24)
    start(registry, "e", (3, 4), slots=16)


def test_jobs_and_members_are_counted_by_switch() -> None:
    registry = Registry(Limits(SLOTS, jobs=2, members=5), from_dict(RACKS))
    start(registry, "a", (1, 2))
    start(registry, "b", (1, 2))
    with pytest.raises(Refusal, match="switch s1 runs 2 jobs already"):
        start(registry, "c", (1, 2))
    start(registry, "d", (3, 4))
    registry = Registry(Limits(SLOTS, members=3), from_dict(RACKS))
    start(registry, "a", (1, 2))
    with pytest.raises(Refusal, match="switch s1 has no room for 2 more workers"):
        start(registry, "b", (2, 1))


def changed(*path: Any, to: Any) -> dict[str, Any]:
    raw = copy.deepcopy(RACKS)
    at = raw
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = to
    return raw


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ([], "expected an object with the lists"),
        (changed("switches", 0, "mac", to="02"), "switch 0: 'mac' must be a MAC address"),
        (changed("switches", 1, "name", to="s1"), "two switches called s1"),
        (changed("switches", 0, "parent", to="s9"), "the parent of s1, 's9', is not in the file"),
        (changed("switches", 2, "parent", to="s1"), "'uplink': 'port' must be a whole number"),
        (changed("switches", 2, to=site(3, parent="s1", uplink=5, parent_port=6)), "s1 is above itself"),
        (changed("switches", 0, "parent", to=None), "exactly one switch has no parent, not 2: s1, s3"),
        (changed("switches", 0, "address", to=7), "needs a 'name', an 'address'"),
        (changed("hosts", 0, "switch", to="s7"), "host 0 hangs on switch 's7'"),
        (changed("hosts", 1, "ip", to="10.0.0.1"), "10.0.0.1 is also h1"),
        (changed("hosts", 1, to=3), "host 1 is not an object"),
    ],
)
def test_a_wrong_file_is_one_sentence(raw: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        from_dict(raw)


def test_what_a_switch_sees_of_the_network() -> None:
    fabric = from_dict(RACKS)
    ports = {name: [h.port for h in fabric.hosts_of(name).by_ip.values()] for name in fabric.sites}
    assert ports == {"s1": [1, 2, 3, 3], "s2": [3, 3, 1, 2], "s3": [1, 1, 2, 2]}


def test_deep_trees_and_hosts_at_any_switch() -> None:
    raw = {
        "switches": [site(1, parent="s2", uplink=9, parent_port=4), site(2, parent="s3", uplink=9, parent_port=5), site(3)],
        "hosts": [host(1, "s1", 1), host(2, "s2", 2), host(3, "s3", 3)],
    }
    registry = Registry(Limits(SLOTS), from_dict(raw))
    assert places(start(registry, "j", (3, 2, 1))) == {
        "s1": (0, [2], "s2", 2), "s2": (0, [1, 2], "s3", 1), "s3": (0, [0, 1], None, 0)
    }  # fmt: skip


class Running:
    """Three interpreted switches with the smallest tree program, and the plane above them."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        compiled = compile_file(P4SRC / "allreduce_tree_int.p4", defines={"ELEMENTS": "32", "SLOTS": str(SLOTS)})
        program = write(compiled, folder)
        raw = copy.deepcopy(RACKS)
        self.stack = stack
        self.devices: dict[str, Device] = {}
        self.servers: dict[str, Server] = {}
        for switch in raw["switches"]:
            self.switch(switch["name"], switch["device_id"], "127.0.0.1:0")
            switch["address"] = self.servers[switch["name"]].address
        self.fabric: Fabric = from_dict(raw)
        self.plane = FabricPlane(Target("", *program), self.fabric, lambda reason: None)
        stack.callback(self.plane.close)
        self.plane.connect(fresh=True)

    def switch(self, name: str, device_id: int, address: str) -> None:
        device = Device(SwitchOptions("interp"), device_id=device_id)
        server = Server(device, address)
        server.start()
        self.stack.callback(device.close)
        self.stack.callback(server.stop, 0)
        self.devices[name], self.servers[name] = device, server

    def restart(self, name: str) -> None:
        """The switch is started again, empty, at the same address."""
        address, number = self.servers[name].address, self.fabric.sites[name].device_id
        self.servers[name].stop(0)
        self.devices[name].close()
        self.switch(name, number, address)

    def count(self, pattern: Any) -> dict[str, int]:
        return {name: len(list(plane._connected().read(pattern))) for name, plane in self.plane.planes.items()}

    def send(self, name: str, port: int, data: bytes) -> list[tuple[int, bytes]]:
        return [(p, bytes(d)) for p, d in self.devices[name].switch.send_batch([(port, data)])]


def write(compiled: Any, folder: Path) -> tuple[Path, Path]:
    import json

    from google.protobuf import text_format

    info, config = folder / "a.txtpb", folder / "a.json"
    info.write_text(text_format.MessageToString(compiled.p4info))
    config.write_text(json.dumps(compiled.json))
    return info, config


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with ExitStack() as stack:
        yield Running(stack, tmp_path)


def frame(running: Running, job: Job, rank: int, value: int) -> tuple[str, int, bytes]:
    """(switch, port, frame) of a worker's contribution to chunk 0."""
    seat = running.plane.seat(job, rank)
    member = job.members[rank]
    mac, ip = bytes.fromhex(member.mac.replace(":", "")), bytes(int(part) for part in member.host.split("."))
    worker = Worker(rank, member.port, mac, ip, member.udp_port)
    model = ModelJob(job.id, seat.first_slot, job.slots, (worker,) * job.workers)
    program = Program("int", elements=32)
    port, data = contribution(program, model, rank, 0, [value] * 32)
    return running.fabric.by_ip[member.host].switch, port, data


def test_a_job_is_installed_sums_and_is_released(running: Running) -> None:
    registry = Registry(Limits(SLOTS), running.fabric, first_id=5)
    start(registry, "other", (3, 4))
    job = start(registry, "j", (1, 2, 3, 4))
    before = running.count(TableEntry(entries.MEMBERS))
    running.plane.install(job)
    assert running.count(TableEntry(entries.MEMBERS)) == {"s1": 2, "s2": 2, "s3": 2}
    shown = {name: _jobs(plane._connected(), Namespace()) for name, plane in running.plane.planes.items()}
    assert shown["s1"][0]["parent"] == "rank 0@port 3 02:00:00:00:fe:03" and shown["s3"][0]["parent"] == ""
    assert [len(row["members"]) for rows in shown.values() for row in rows] == [2, 2, 2]
    query = SilentQuery(2 * running.plane.seat(job, 0).first_slot, 0)

    def silent(rank: int = 0) -> tuple[tuple[int, ...], str]:
        at = SilentQuery(2 * running.plane.seat(job, rank).first_slot, 0)
        seen = running.plane.seen(job, rank, at)
        assert seen is not None
        return seen.silent, seen.reason

    assert query.pool_index == 0 and running.plane.seat(job, 2).first_slot == 8
    assert silent()[0] == (1, 2, 3)
    ups = []
    for rank in (0, 2, 1):
        switch, port, data = frame(running, job, rank, 10 ** rank)
        ups += running.send(switch, port, data)
    assert [port for port, _ in ups] == [3]
    assert silent(2) == ((3,), "their bits are missing in their switches' bitmaps")
    assert running.send("s3", 1, ups[0][1]) == []
    assert silent()[0] == (3,)
    switch, port, data = frame(running, job, 3, 1000)
    ((_, second),) = running.send(switch, port, data)
    assert silent() == ((), "all have contributed, but the sum of switch s2 has not reached switch s3")
    answers = dict(running.send("s3", 2, second))
    assert silent()[1].startswith("the chunk is complete")
    out = running.send("s1", 3, answers[1]) + running.send("s2", 3, answers[2])
    assert [np.frombuffer(data[58:], ">i4")[0] for _, data in out] == [1111] * 4
    running.plane.release(job)
    assert running.count(TableEntry(entries.MEMBERS)) == before
    assert running.count(MulticastGroup()) == {"s1": 1, "s2": 1, "s3": 1}  # for floods


def test_a_switch_that_refuses_leaves_nothing_behind(running: Running) -> None:
    registry = Registry(Limits(SLOTS), running.fabric, first_id=5)
    job = start(registry, "j", (1, 2, 3, 4))
    running.plane.planes["s2"].close()
    with pytest.raises(ValueError, match=r"switch s2: .*not connected"):
        running.plane.install(job)
    for name in ("s1", "s3"):
        assert not list(running.plane.planes[name]._connected().read(TableEntry(entries.JOBS)))


def test_a_switch_that_comes_back(running: Running) -> None:
    """With its registers, the others go on; without, all jobs are taken away everywhere, to come back under new ids."""
    registry = Registry(Limits(SLOTS), running.fabric, first_id=5)
    job = start(registry, "j", (1, 2, 3, 4))
    running.plane.install(job)
    running.plane._lost("s2", "gone")
    assert running.plane.connect(fresh=False)
    assert running.count(TableEntry(entries.MEMBERS)) == {"s1": 2, "s2": 0, "s3": 2}
    running.plane.install(job)
    assert running.count(TableEntry(entries.MEMBERS)) == {"s1": 2, "s2": 2, "s3": 2}
    running.plane._lost("s2", "gone")
    running.restart("s2")
    assert not running.plane.connect(fresh=False)
    assert running.count(TableEntry(entries.MEMBERS)) == {"s1": 0, "s2": 0, "s3": 0}
    running.plane.install(job)
    assert running.plane.connect(fresh=False)  # nobody is away
    assert running.count(TableEntry(entries.MEMBERS)) == {"s1": 2, "s2": 2, "s3": 2}


def test_who_is_silent_in_words() -> None:
    fabric = from_dict(RACKS)
    registry = Registry(Limits(SLOTS), fabric, first_id=5)
    job = start(registry, "j", (1, 2, 3, 4))
    assert len(outline(fabric, job.members)) == 3
    whole, none = Seen(5, 0, ()), Seen(0, 0, (0, 1, 2, 3))
    found = {"s1": whole, "s2": Seen(5, 0, (3,)), "s3": Seen(5, 0, (2,))}
    assert judge_tree(job, 0, 0, found).silent == (3,)
    assert judge_tree(job, 0, 0, {"s1": none, "s2": none, "s3": none}).silent == (1, 2, 3)
    assert judge_tree(job, 0, 0, {"s1": Seen(5, 0, (0,)), "s2": whole, "s3": Seen(5, 0, (0,))}).silent == (0,)
    later = Seen(5, 16, ())
    assert judge_tree(job, 0, 0, {"s1": later, "s2": later, "s3": later}).reason.startswith("the chunk is complete")
