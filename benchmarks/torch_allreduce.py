"""torch's all_reduce on one machine: what a rank's process spends on it, by who adds and by how tensors travel.

python -m benchmarks.torch_allreduce [--json] [--rounds 5]

Two ranks a way, as processes with torch.distributed: `fpisa` with tensors that the switch reads and writes where they lie, the
same with tensors copied into packets, SwitchML's integers through the same backend, and gloo over the loopback interface. Switch
and controller are the commands of that name. The ways are measured in turn, round by round; each round gives ratios and
the median counts. The cost is the whole process's, torch and Python included.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.show import show, tell
from benchmarks.torch_stack import Stack, start_stack
from workers.compare.child import Child
from workers.compare.plan import MB, CompareError

Rows = dict[str, dict[str, Any]]
RANKS, TENSOR_BYTES, REPEATS, LIMIT_S = 2, 16 * MB, 8, 120.0
ELEMENTS, SLOTS = 256, 256


@dataclass(frozen=True)
class Way:
    """program: of p4src/, None without a switch; settings: the backend's, beyond those of every way."""

    name: str
    program: str | None
    settings: dict[str, str]


WAYS = (
    Way("registered", "allreduce_fpisa.p4", {"FPISA_FORMAT": "fp32"}),
    Way("copied", "allreduce_fpisa.p4", {"FPISA_FORMAT": "fp32", "FPISA_REGISTERED": "0"}),
    Way("switchml", "allreduce_int.p4", {"FPISA_FORMAT": "int32"}),
    Way("gloo", None, {}),
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def environment(way: Way, stack: Stack | None, rank: int, port: int) -> dict[str, str]:
    """What torchrun and the user would set."""
    common = {"RANK": str(rank), "WORLD_SIZE": str(RANKS), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    common |= {"GLOO_SOCKET_IFNAME": "lo", **way.settings}
    if stack is None:
        return common
    return common | {
        "FPISA_CONTROLLER": stack.controller, "FPISA_MEMORY": str(stack.memory(rank)), "FPISA_IP": stack.ip(rank),
        "FPISA_ELEMENTS": str(ELEMENTS), "FPISA_SLOTS": str(SLOTS), "FPISA_DEADLINE": "60",
    }  # fmt: skip


class Ranks:
    """One way's processes."""

    def __init__(self, way: Way, stack: Stack | None, logs: Path, running: ExitStack) -> None:
        self.children = []
        port = free_port()
        for rank in range(RANKS):
            child = Child(f"{way.name} rank {rank}", "benchmarks.torch_rank", logs / f"{way.name}-{rank}.log")
            running.callback(child.close)
            self.children.append(child)
        backend = "gloo" if stack is None else "fpisa"
        self.ask([{"op": "open", "backend": backend, "environment": environment(way, stack, r, port)} for r in range(RANKS)])

    def ask(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for child, message in zip(self.children, messages, strict=True):
            child.tell(message)
        return [child.answer(LIMIT_S) for child in self.children]

    def cost(self, name: str) -> float:
        """Processor seconds of a rank for 10^9 bytes of its tensor. Raises RuntimeError where a sum is wrong."""
        answers = self.ask([{"op": "reduce", "count": TENSOR_BYTES // 4, "repeats": REPEATS}] * RANKS)
        wrong = sum(answer["wrong"] for answer in answers)
        if wrong:
            raise RuntimeError(f"{wrong} sums of {name} are wrong")
        return statistics.mean(answer["cpu"] for answer in answers) / (TENSOR_BYTES * REPEATS) * 1e9


def measure(rounds: int, progress: Callable[[str], None]) -> dict[str, list[float]]:
    """Costs by way, one a round."""
    with ExitStack() as running:
        logs = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="fpisa-")))
        ranks = {}
        for way in WAYS:
            progress(f"starting {way.name}")
            stack = None if way.program is None else start_stack(logs / way.name, way.program, ELEMENTS, RANKS, running)
            ranks[way.name] = Ranks(way, stack, logs, running)
        found: dict[str, list[float]] = {way.name: [] for way in WAYS}
        for turn in range(rounds):
            for name, members in ranks.items():
                progress(f"{name}, round {turn + 1} of {rounds}")
                found[name].append(members.cost(name))
        return found


def run(progress: Callable[[str], None], rounds: int = 5) -> Rows:
    """The rows of `make bench`. Raises RuntimeError with one sentence."""
    try:
        found = measure(rounds, progress)
    except CompareError as error:
        raise RuntimeError(str(error)) from None
    rows = {}
    for rival, goal in (("switchml", 0.75), ("copied", None), ("gloo", None)):
        ratios = [own / other for own, other in zip(found["registered"], found[rival], strict=True)]
        best = {name: min(found[name]) for name in ("registered", rival)}
        rows[f"torch_cpu_over_{rival}"] = {
            "value": statistics.median(ratios), "unit": "ratio", "goal": goal, "smaller": True,
            "against": f"a rank's CPU with {rival}, {ELEMENTS} values a packet: {best[rival]:.3f} s/GB at best, "
            f"registered {best['registered']:.3f}",
            "rounds": [found["registered"], found[rival]],
        }  # fmt: skip
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.torch_allreduce",
        description="A torch rank's CPU for all_reduce: registered memory, copied tensors, SwitchML's integers, gloo.",
        epilog="example: python -m benchmarks.torch_allreduce --rounds 3",
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--rounds", type=int, default=5, help="of each measurement")
    options = parser.parse_args()
    return show(lambda: run(tell, options.rounds), options.json)


if __name__ == "__main__":
    sys.exit(main())
