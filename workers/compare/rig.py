"""A switch process and worker processes, and one measurement after another on them."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from workers.compare.child import Child, Message
from workers.compare.plan import Setting
from workers.compare.row import Row, row_of
from workers.compare.scarce import limited, remove
from workers.compare.seats import frame_bytes

LOAD_LIMIT, REDUCE_LIMIT = 600.0, 300.0
SEED = 20


class Rig:
    """A context manager. Workers are started as they are needed, and stay. logs: folder for what children complain about;
    scarcity: "cgroup" or "affinity" (scarce.way). Every method raises CompareError."""

    def __init__(self, logs: Path, scarcity: str = "cgroup") -> None:
        self.logs, self.scarcity = logs, scarcity
        self.stack = ExitStack()
        self.workers: list[Child] = []
        self.opened: tuple[object, ...] | None = None

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
        pids = [worker.pid for worker in self.workers[: setting.workers]]
        self.reduce(setting, 1)  # pages are touched, the inputs made
        with limited(pids, setting.cpu_share, self.scarcity):
            if setting.cpu_share is not None:
                self.reduce(setting, 1)  # the round trip is that of the limited worker
            before = self.switch.ask({"op": "usage"})
            replies = self.reduce(setting, setting.repeats)
            after = self.switch.ask({"op": "usage"})
        return row_of(setting, replies, after["cpu"] - before["cpu"])

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

    def reduce(self, setting: Setting, repeats: int) -> list[Message]:
        """All workers' answers; the first one compares with the exact sum, the others send a checksum."""
        message = {
            "op": "reduce", "count": setting.count, "repeats": repeats, "seed": SEED, "compute": setting.compute
        }  # fmt: skip
        return self._all([{**message, "check": rank == 0} for rank in range(setting.workers)], REDUCE_LIMIT)

    def _all(self, messages: list[Message], limit: float) -> list[Message]:
        members = self.workers[: len(messages)]
        for worker, message in zip(members, messages, strict=True):
            worker.tell(message)
        return [worker.answer(limit) for worker in members]
