"""Tasks to stages: the most urgent first, each in the earliest stage that has room."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field

from fpisa.banzai.fit.elements import topological
from fpisa.banzai.fit.graph import Graph
from fpisa.banzai.fit.tasks import Task
from fpisa.banzai.machine import Machine


@dataclass
class Stage:
    """What a stage holds so far."""

    tasks: list[Task] = field(default_factory=list)
    words: dict[frozenset[int], int] = field(default_factory=dict)  # chooser -> instruction words
    used: Counter[str] = field(default_factory=Counter)

    def instruction_words(self) -> int:
        return sum(self.words.values())


@dataclass(frozen=True)
class Placement:
    """`failed` is the task that found no stage, None where all did; `limits` counts what pushed tasks down."""

    stages: list[Stage]
    failed: Task | None
    limits: Counter[str]
    header_bits: int  # most header-vector bits in use between two stages
    depth: int  # stages passed, those of later passes counted on


LIMITS = {
    "stateful units": "stateful", "gateways": "gateways", "SRAM blocks": "sram_blocks", "TCAM blocks": "tcam_blocks",
    "32-bit units": "words", "narrow units": "narrow_words", "exact crossbar bytes": "crossbar_exact_bytes",
    "ternary crossbar bytes": "crossbar_ternary_bytes",
}  # fmt: skip


def demand(task: Task) -> dict[str, int]:
    return {
        "stateful units": task.stateful, "gateways": task.gateways, "SRAM blocks": task.sram, "TCAM blocks": task.tcam,
        "32-bit units": task.wide, "narrow units": task.narrow, "exact crossbar bytes": task.exact_bytes,
        "ternary crossbar bytes": task.ternary_bytes,
    }  # fmt: skip


def lacking(stage: Stage, task: Task, machine: Machine) -> str | None:
    """The first resource the stage has too little of, None where the task fits."""
    shared = bool(task.chooser) and task.chooser in stage.words  # the gateways that choose are there already
    for name, amount in demand(task).items():
        if shared and name == "gateways":
            continue
        if amount and stage.used[name] + amount > getattr(machine, LIMITS[name]):
            return name
    more = max(task.instructions - stage.words.get(task.chooser, 0), 0)
    return "instruction words" if stage.instruction_words() + more > machine.instructions else None


def put(stage: Stage, task: Task) -> None:
    shared = bool(task.chooser) and task.chooser in stage.words
    stage.tasks.append(task)
    stage.used.update({n: a for n, a in demand(task).items() if not (shared and n == "gateways")})
    if task.instructions:
        stage.words[task.chooser] = max(stage.words.get(task.chooser, 0), task.instructions)


@dataclass
class Placer:
    machine: Machine
    stages: list[Stage]
    ready: dict[int, int] = field(default_factory=dict)  # node -> first stage that can read it
    limits: Counter[str] = field(default_factory=Counter)
    homes: dict[Task, int] = field(default_factory=dict)

    def earliest(self, task: Task) -> int:
        return max((self.ready.get(n, 0) for n in task.needs), default=0)

    def single(self, task: Task, earliest: int) -> int | None:
        """The stage the task got, None where none has room."""
        for number in range(earliest, len(self.stages)):
            missing = lacking(self.stages[number], task, self.machine)
            if missing is None:
                put(self.stages[number], task)
                return number
            self.limits[missing] += 1
        self.limits["stages"] += 1
        return None

    def tree(self, task: Task) -> int | None:
        """Combine the two words that are ready first, until one is left."""
        times = [self.ready.get(n, 0) for n in task.needs]
        heapq.heapify(times)
        number: int | None = times[0] if times else 0
        while len(times) > 1:
            heapq.heappop(times)
            number = self.single(task, heapq.heappop(times))
            if number is None:
                return None
            heapq.heappush(times, number + 1)
        return number

    def place(self, task: Task) -> bool:
        number = self.tree(task) if task.kind == "reduce" else self.single(task, self.earliest(task))
        if number is None:
            return False
        self.homes[task] = number
        for node in task.makes:
            self.ready[node] = number if task.same_stage else number + 1
        return True


def place(graph: Graph, tasks: list[Task], outputs: set[int], machine: Machine, passes: int = 1) -> Placement:
    """With several passes a packet comes round again; what it does then takes room in the same stages."""
    maker = {node: i for i, task in enumerate(tasks) for node in task.makes}
    order = topological(tasks, maker)
    urgency = [0] * len(tasks)
    for i in reversed(order):
        for node in tasks[i].needs:
            if node in maker:
                urgency[maker[node]] = max(urgency[maker[node]], urgency[i] + 1)
    physical = [Stage() for _ in range(machine.stages)]
    placer = Placer(machine, physical * passes)
    failed = None
    for i in by_urgency(tasks, maker, urgency):
        if not placer.place(tasks[i]):
            failed = tasks[i]
            break
    depth = max((stage + 1 for stage in placer.homes.values()), default=0)
    return Placement(physical, failed, placer.limits, header_bits(graph, placer, outputs), depth)


def by_urgency(tasks: list[Task], maker: dict[int, int], urgency: list[int]) -> list[int]:
    """List scheduling: of the tasks whose makers are placed, the one with the longest chain behind it."""
    waiting = [len({maker[n] for n in t.needs if n in maker and maker[n] != i}) for i, t in enumerate(tasks)]
    users: dict[int, set[int]] = {}
    for i, task in enumerate(tasks):
        for node in task.needs:
            if node in maker and maker[node] != i:
                users.setdefault(maker[node], set()).add(i)
    heap = [(-urgency[i], i) for i, count in enumerate(waiting) if count == 0]
    heapq.heapify(heap)
    order = []
    while heap:
        _, i = heapq.heappop(heap)
        order.append(i)
        for user in users.get(i, ()):
            waiting[user] -= 1
            if waiting[user] == 0:
                heapq.heappush(heap, (-urgency[user], user))
    return order


def container_bits(width: int) -> int:
    """A field lives in containers of 8, 16 or 32 bits."""
    return 8 if width <= 8 else 16 if width <= 16 else 32 * -(-width // 32)


def header_bits(graph: Graph, placer: Placer, outputs: set[int]) -> int:
    """The most bits that have to be carried from one stage to the next."""
    last: dict[int, int] = {}
    for task, number in placer.homes.items():
        for node in task.needs:
            last[node] = max(last.get(node, 0), number)
    for node in outputs:
        last[node] = len(placer.stages)
    most = 0
    for number in range(len(placer.stages) + 1):
        live = [n for n, end in last.items() if placer.ready.get(n, 0) <= number <= end and graph[n].kind != "const"]
        most = max(most, sum(container_bits(graph[n].width) for n in live))
    return most
