"""A switch process and worker processes, and one measurement after another on them."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from emulator.topo.quota import PERIOD_US
from workers.compare.child import Child, Message
from workers.compare.plan import Setting
from workers.compare.row import Row, row_of
from workers.compare.scarce import limited, remove
from workers.compare.seats import TRAIN_BYTES, frame_bytes

LOAD_LIMIT, REDUCE_LIMIT = 600.0, 300.0
SEED = 20
SETTLE_S = 3e-6 * PERIOD_US  # three periods of a quota: idle for so long, a process begins a period when it wakes


def joined(parts: list[Message]) -> Message:
    """One worker's answers for several trains as one."""
    return {
        "seconds": [s for part in parts for s in part["seconds"]],
        "sums": [s for part in parts for s in part["sums"]],
        "wrong": sum(part["wrong"] for part in parts),
        "largest_error": max(part["largest_error"] for part in parts),
        "stats": {name: sum(part["stats"][name] for part in parts) for name in parts[0]["stats"]},
    }


class Rig:
    """A context manager. Workers are started as they are needed, and stay. logs: folder for what children complain about;
    scarcity: "cgroup" or "affinity" (scarce.way). Every method raises CompareError."""

    def __init__(self, logs: Path, scarcity: str = "cgroup") -> None:
        self.logs, self.scarcity = logs, scarcity
        self.stack = ExitStack()
        self.workers: list[Child] = []
        self.switch_cpu = 0.0  # seconds of the switch's packet loops in the runs of a measurement

    def __enter__(self) -> Rig:
        self.stack.callback(remove)  # last: a worker that was killed leaves its group only when it has been waited for
        # Socket paths are short: 108 bytes is all a Unix socket's address holds.
        self.folder = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="fpisa-"))
        self.switch = self._child("switch", "workers.compare.switch_child")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.close()

    def _child(self, name: str, module: str) -> Child:
        child = Child(name, module, self.logs / f"{name.replace(' ', '-')}.log")
        self.stack.callback(child.close)
        return child

    def load(self, setting: Setting) -> float:
        """Compiles the setting's program unless the switch has it; returns the seconds."""
        message = {
            "op": "load", "source": setting.aggregator.source, "elements": setting.elements, "queues": setting.queues
        }  # fmt: skip
        return float(self.switch.ask(message, LOAD_LIMIT)["seconds"])

    def measure(self, setting: Setting) -> Row:
        """One round: a job of its own, a warm-up, then the setting's repeats."""
        self.open(setting)
        self.reduce(setting, 1)  # pages are touched, the inputs made
        if setting.cpu_share is not None:
            self.reduce(setting, 1, setting.cpu_share)  # the round trip is that of the limited worker
        self.switch_cpu = 0.0
        return row_of(setting, self.reduce(setting, setting.repeats, setting.cpu_share), self.switch_cpu)

    def open(self, setting: Setting) -> None:
        """A fresh job on fresh ports."""
        while len(self.workers) < setting.workers:
            self.workers.append(self._child(f"worker {len(self.workers)}", "workers.compare.worker_child"))
        self.load(setting)
        described = {
            "workers": setting.workers, "slots": setting.slots, "elements": setting.elements, "queues": setting.queues
        }  # fmt: skip
        opened = self.switch.ask(
            {
                "op": "open",
                "source": setting.aggregator.source,
                "frame": frame_bytes(setting.elements),
                "loss": setting.loss,
                "seed": SEED,
                "folder": self.folder,
                **described,
            }
        )
        place = {"op": "open", "aggregator": setting.aggregator.name, "job": opened["job"], **described}
        self._all([{**place, "rank": rank, "path": path} for rank, path in enumerate(opened["ports"])], 60.0)

    def reduce(self, setting: Setting, repeats: int, share: float | None = None) -> list[Message]:
        """All workers' answers over all trains; the first worker compares with the exact sum, the others send a checksum.
        Only the all-reduces themselves have their CPU limited to `share`."""
        length = max(1, min(repeats, TRAIN_BYTES // setting.tensor_bytes))
        found: list[list[Message]] = [[] for _ in range(setting.workers)]
        for first in range(0, repeats, length):
            for parts, part in zip(found, self.train(setting, min(length, repeats - first), share), strict=True):
                parts.append(part)
        return [joined(parts) for parts in found]

    def train(self, setting: Setting, repeats: int, share: float | None) -> list[Message]:
        fill = {"op": "fill", "count": setting.count, "repeats": repeats, "seed": SEED}
        self._all([{**fill, "check": rank == 0} for rank in range(setting.workers)], REDUCE_LIMIT)
        run: Message = {"op": "run", "compute": setting.compute, "settle": 0.0 if share is None else SETTLE_S}
        with limited([worker.pid for worker in self.workers[: setting.workers]], share, self.scarcity):
            before = self.switch.ask({"op": "usage"})
            timed = self._all([run] * setting.workers, REDUCE_LIMIT)
            self.switch_cpu += self.switch.ask({"op": "usage"})["cpu"] - before["cpu"]
        checked = self._all([{"op": "check"}] * setting.workers, REDUCE_LIMIT)
        return [{**a, **b} for a, b in zip(timed, checked, strict=True)]

    def _all(self, messages: list[Message], limit: float) -> list[Message]:
        members = self.workers[: len(messages)]
        for worker, message in zip(members, messages, strict=True):
            worker.tell(message)
        return [worker.answer(limit) for worker in members]
