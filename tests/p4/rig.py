"""A compiled program in a switch beside its model: same entries and frames, all outputs and registers compared."""

from __future__ import annotations

import functools
import hashlib
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emulator.switch.keys import Lpm
from emulator.switch.switch import Switch
from fpisa.ops.scale import reciprocal_constant
from tests.p4.model import FATES, Job, Model, Parent, Program
from tests.p4.traffic import Frame
from tests.p4.tree_model import TreeModel

ROOT = Path(__file__).resolve().parents[2]
P4SRC, CACHE = ROOT / "p4src", ROOT / "build" / "p4-tests"
# What most tests run: the programs as they are by default, with fewer slots. One compilation serves them all.
USUAL = {shape: Program(shape, slots=64) for shape in ("exact", "approx", "int")}
SOURCES = {"exact": "allreduce_fpisa", "approx": "allreduce_fpisa_approx", "int": "allreduce_int"}
TREES = {"exact": "allreduce_tree", "approx": "allreduce_tree_approx", "int": "allreduce_tree_int"}
FLOOD_GROUP = 0x7FFF


def define_options(program: Program) -> tuple[str, ...]:
    """The -D options that make the P4 this program."""
    fmt = program.fmt
    options = [f"ELEMENTS={program.elements}", f"SLOTS={program.slots}", f"MAX_WORKERS={program.max_workers}"]
    if program.shape != "int":
        options += [
            f"FORMAT={fmt.name}",
            f"REGISTER_BITS={fmt.register_bits}",
            f"GUARD_BITS={fmt.guard_bits}",
        ]
        options += [f"AVERAGE={int(program.average)}"]
        options += [f"ROUNDING={program.rounding}", f"TRACK_INEXACT={int(program.track_inexact)}"]
    if program.tree:
        options += [f"UPLINK={program.uplink}"]
    return tuple(f"-D{option}" for option in options)


@functools.cache
def toolchain_digest() -> str:
    """Changes with any source of the programs or of the compiler."""
    files = [*P4SRC.glob("*.p4"), *(ROOT / "emulator" / "compiler").rglob("*.p*[4y]")]
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()


@functools.cache
def compiled(program: Program) -> Path:
    """The program's bmv2 JSON, compiled once for each state of the sources."""
    options = define_options(program)
    name = (TREES if program.tree else SOURCES)[program.shape]
    key = hashlib.sha256(repr((toolchain_digest(), name, options)).encode()).hexdigest()[:16]
    target = CACHE / f"{name}-{key}.json"
    if not target.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".{hashlib.sha256(sys.argv[0].encode()).hexdigest()[:6]}.tmp")
        source = P4SRC / f"{name}.p4"
        command = [sys.executable, "-m", "fpisa.cli", "compile", *options, str(source), "-o", str(partial)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        partial.replace(target)
    return target


@dataclass
class Rig:
    """`feed` sends frames to both; `compare` looks at the registers."""

    program: Program
    switch: Switch
    model: Model

    @classmethod
    def make(cls, program: Program, engine: str = "interp", number: int = 0) -> Rig:
        """A switch as after loading. Loading and compiling are done once a process, and so are shared; rigs that live at
        once have different numbers."""
        switch = loaded(program, engine, number)
        switch.control.restart()
        fill_leading_one(switch)
        return cls(program, switch, TreeModel(program) if program.tree else Model(program))

    def install(self, job: Job) -> None:
        """What the controller does when a job begins."""
        self.model.jobs[job.id] = job
        tables, control = self.switch.control.tables, self.switch.control
        control.multicast.set_group(job.id, [(worker.port, worker.rank) for worker in job.workers])
        for worker in job.workers:
            key = (job.id, worker.rank)
            mac, ip = int.from_bytes(worker.mac, "big"), int.from_bytes(worker.ip, "big")
            to = ("egress.reply.to_worker", (mac, ip, worker.udp_port))
            if worker.is_switch:
                to = ("egress.reply.to_switch", (mac, ip))
            tables["egress.reply.replicas"].insert(key, *to)
            tables["ingress.admission.members"].insert(key, "ingress.admission.member", (worker.port, mac, ip))
        divisor = self.model.divisor(job)
        if self.program.average and divisor > 1:
            constant = reciprocal_constant(divisor)
            tables["ingress.average.constants"].insert((job.id,), "ingress.average.times", constant)
        values = (len(job.workers), job.first_slot, job.slots, job.id)
        action = "ingress.admission.job"
        if job.parent is not None:
            action, values = "ingress.admission.child_job", (*values, *parent_values(job.parent))
        tables["ingress.admission.jobs"].insert((job.id,), action, values)

    def remove(self, job: Job) -> None:
        """What the controller does when a job ends."""
        del self.model.jobs[job.id]
        tables = self.switch.control.tables
        averaged = self.program.average and self.model.divisor(job) > 1
        for name, keys in (
            ("ingress.average.constants", [(job.id,)] if averaged else []),
            ("ingress.admission.jobs", [(job.id,)]),
            ("ingress.admission.members", [(job.id, worker.rank) for worker in job.workers]),
            ("egress.reply.replicas", [(job.id, worker.rank) for worker in job.workers]),
        ):
            for key in keys:
                tables[name].delete(tables[name].find(key))
        self.switch.control.multicast.delete_group(job.id)

    def install_hosts(self, hosts: dict[bytes, int], flood_ports: list[int]) -> None:
        self.model.hosts, self.model.flood_ports = hosts, flood_ports
        table = self.switch.control.tables["ingress.forward.hosts"]
        for mac, port in hosts.items():
            table.insert((int.from_bytes(mac, "big"),), "ingress.forward.to_port", (port,))
        self.switch.control.multicast.set_group(FLOOD_GROUP, [(port, 0) for port in flood_ports])
        table.set_default("ingress.forward.flood", (FLOOD_GROUP,))

    def feed(self, frames: list[Frame]) -> list[Frame]:
        """Send the frames to both; what comes out must be the same, byte for byte. Returns it."""
        expected = self.model.process(frames)
        got = [(port, bytes(data)) for port, data in self.switch.send_batch(frames)]
        for index, (one, other) in enumerate(zip(got, expected, strict=False)):
            assert one == other, f"output {index}: {describe(one)} instead of {describe(other)}"
        assert len(got) == len(expected), f"{len(got)} frames came out instead of {len(expected)}"
        return got

    def fates(self) -> Counter[str]:
        counts = self.switch.control.counters["ingress.fate"].read_all()
        return Counter({name: packets for name, (packets, _) in zip(FATES, counts, strict=False) if packets})

    def registers(self) -> dict[str, np.ndarray]:
        return {
            name: np.array(array.read_all(), dtype=np.uint64 if array.bitwidth <= 64 else object)
            for name, array in self.switch.control.registers.items()
        }

    def compare(self) -> None:
        """Every register cell and every counter of fates equals the model's."""
        got, expected = self.registers(), expected_registers(self.model)
        assert sorted(got) == sorted(expected)
        for name, cells in expected.items():
            differ = np.flatnonzero(got[name] != cells)
            assert len(differ) == 0, (
                f"{name}[{differ[0]}] is {int(got[name][differ[0]]):#x} instead of {int(cells[differ[0]]):#x}"
                f" ({len(differ)} cells differ)"
            )
        assert self.fates() == +self.model.fates


def parent_values(parent: Parent) -> tuple[int, ...]:
    """A child's job entry: what its action takes beyond a root's."""
    addresses = (parent.own_mac, parent.own_ip, parent.mac, parent.ip)
    numbers = (int.from_bytes(address, "big") for address in addresses)
    return (parent.port, *numbers, parent.rank, parent.pool_offset & 0xFFFF)


@functools.cache
def loaded(program: Program, engine: str, number: int = 0) -> Switch:
    switch = Switch.load(compiled(program), engine=engine)
    fill_leading_one(switch)
    switch.send(0, bytes(64))  # compiles, so that no test's clock runs meanwhile
    return switch


def fill_leading_one(switch: Switch) -> None:
    """The controller's work after the pipeline is set."""
    with switch.control.batch():
        for name, table in switch.control.tables.items():
            if name.endswith(".leading_one"):
                action = name.removesuffix("leading_one") + "found"
                bits = table.spec.keys[0].width
                table.insert_many([((Lpm(1 << b, bits - b),), action, (b,), 0) for b in range(bits)])


def expected_registers(model: Model) -> dict[str, np.ndarray]:
    """The cells as the model would have them; 0 where no packet came."""
    program, pool = model.program, 2 * model.program.slots
    slots = program.slots
    names = {"round_0": slots, "round_1": slots, "seen": slots, "missing": pool}
    cells = {f"ingress.slot.{name}": np.zeros(size, np.uint64) for name, size in names.items()}
    if program.max_workers > 32:
        cells["ingress.slot.seen"] = np.zeros(slots, object)  # bitmaps of both sets are wider than 64 bits
    kinds = ["integer"] if program.shape == "int" else ["exponent", "mantissa", "special"]
    single = "block.block_exponent" if program.shape == "int" else "status.status"
    cells[f"ingress.aggregate.{single}"] = np.zeros(pool, np.uint64)
    for index in range(program.elements):
        for kind in kinds:
            cells[f"ingress.aggregate.add_{index:02x}.{kind}"] = np.zeros(pool, np.uint64)
    for slot, pair in model.sets.items():
        for which, own in enumerate(pair):
            at = slot * 2 + which
            bitmap = sum(1 << rank for rank in own.holders)
            bits = bitmap << program.max_workers * which
            cells["ingress.slot.seen"][slot] |= bits if program.max_workers > 32 else np.uint64(bits)
            if own.round is None:
                continue
            cells[f"ingress.slot.round_{which}"][slot] = own.round[0] << 32 | own.round[1]
            cells["ingress.slot.missing"][at] = 255 if own.answered else own.missing
            fill_elements(program, own, at, cells, f"ingress.aggregate.{single}")
    return cells


def fill_elements(program: Program, own, at: int, cells: dict[str, np.ndarray], single: str) -> None:
    if program.shape == "int":
        cells[single][at] = own.exponent & 0xFF
        for index, total in enumerate(own.sums):
            cells[f"ingress.aggregate.add_{index:02x}.integer"][at] = total
        return
    status, mask = own.flags, (1 << program.fmt.register_bits) - 1
    for index, state in enumerate(own.sums):
        prefix = f"ingress.aggregate.add_{index:02x}."
        cells[prefix + "exponent"][at] = state.exponent
        cells[prefix + "mantissa"][at] = state.mantissa & mask
        cells[prefix + "special"][at] = state.special
        status |= state.events & (3 if program.track_inexact else 2)
    cells[single][at] = status


def describe(frame: Frame) -> str:
    port, data = frame
    return f"port {port}: {data[:58].hex(' ')} | {data[58:].hex()}"
