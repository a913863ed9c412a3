"""What a comparison is to measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from emulator.native.engine import QUANTISED, RAW, SWAPPED

KB, MB = 1 << 10, 1 << 20


class CompareError(Exception):
    """A sentence for the user: why the comparison did not finish."""


@dataclass(frozen=True)
class Aggregator:
    """One way to add. source: of p4src/; format: code of docs/PROTOCOL.md; representation: of the worker's engine."""

    name: str
    source: str
    format: int
    representation: int
    dtype: str
    says: str
    vectors: int = -1  # emulator.native.engine.set_vectors
    registered: bool = False  # tensors lie in memory that the switch reads and writes itself (emulator.native.pool)


AGGREGATORS = {
    a.name: a
    for a in (
        Aggregator("fpisa", "allreduce_fpisa.p4", 1, RAW, "float32", "floats added in the switch", registered=True),
        Aggregator("fpisa-copy", "allreduce_fpisa.p4", 1, RAW, "float32", "as fpisa, tensors copied by the workers"),
        Aggregator("fpisa-a", "allreduce_fpisa_approx.p4", 1, RAW, "float32", "floats, approximate shape", registered=True),
        Aggregator("switchml", "allreduce_int.p4", 0, QUANTISED, "float32", "floats the workers quantise"),
        Aggregator("switchml-plain", "allreduce_int.p4", 0, QUANTISED, "float32", "as switchml, converted value by value", 0),
        Aggregator("switchml-int", "allreduce_int.p4", 0, SWAPPED, "int32", "integers, bytes swapped by the workers"),
    )
}


DEFAULT = tuple(name for name in AGGREGATORS if name != "switchml-plain")


@dataclass(frozen=True)
class Setting:
    """One measured point. tensor_bytes: of one worker; loss: probability per packet, port and direction; cpu_share: cores
    each worker may use, None: all it gets; compute: seconds a worker computes (sleeps) before each all-reduce; queues: threads of
    each worker, and as many pipelines in the switch, each with its share of the slots."""

    aggregator: Aggregator
    tensor_bytes: int = 4 * MB
    workers: int = 2
    elements: int = 64
    slots: int = 256
    loss: float = 0.0
    cpu_share: float | None = None
    compute: float = 0.0
    repeats: int = 3
    queues: int = 1

    @property
    def count(self) -> int:
        return self.tensor_bytes // 4


@dataclass(frozen=True)
class Sweep:
    """Settings that differ in one thing: `label` names it, `points` are its values as text, `settings` one list a point."""

    name: str
    label: str
    points: tuple[str, ...]
    settings: tuple[tuple[Setting, ...], ...]


@dataclass(frozen=True)
class Plan:
    aggregators: tuple[Aggregator, ...]
    sizes: tuple[int, ...]
    workers: tuple[int, ...]
    elements: tuple[int, ...]
    losses: tuple[float, ...]
    cpu_shares: tuple[float | None, ...]
    base: Setting
    rounds: int
    repeats: int
    sweeps: tuple[str, ...]
    model_scale: int
    model_share: float
    model_rounds: int


SWEEPS = ("size", "workers", "elements", "loss", "queues", "cpu", "models")
QUEUES = (1, 2, 4)
FASTEST_REPEATS = 400


def repeats_for(tensor_bytes: int, least: int) -> int:
    """More of small tensors, whose time is noisy, within about the same total time."""
    return max(least, min(FASTEST_REPEATS, 2 * MB // tensor_bytes))


def repeats_in_all(tensor_bytes: int, least: int, total_bytes: int = 32 * MB) -> int:
    """Under a CPU quota, and in the replay: enough of them to last for many of the quota's periods."""
    return max(least, min(64, total_bytes // tensor_bytes))


def make_plan(
    aggregators: Sequence[str],
    full: bool,
    largest: int = 0,
    workers: int = 2,
    elements: int = 64,
    slots: int = 256,
    sweeps: Sequence[str] = SWEEPS,
) -> Plan:
    """largest: bytes of the size sweep's end; 0: 4 MB (quick) or 64 MB. Raises CompareError for values that cannot be."""
    unknown = [name for name in aggregators if name not in AGGREGATORS]
    if unknown or not aggregators:
        raise CompareError(f"unknown aggregator {', '.join(unknown) or repr('')}; there are {', '.join(AGGREGATORS)}")
    strange = [name for name in sweeps if name not in SWEEPS]
    if strange or not sweeps:
        raise CompareError(f"unknown sweep {', '.join(strange) or repr('')}; there are {', '.join(SWEEPS)}")
    for name, value, low, high in (
        ("--workers", workers, 2, 8),
        ("--elements", elements, 32, 256),
        ("--slots", slots, 1, 512),
        ("--largest", largest or 4 * KB, 4 * KB, 256 * MB),
    ):
        if not low <= value <= high:
            raise CompareError(f"{name} must be from {low} to {high}, not {value}")
    largest = largest or (64 * MB if full else 4 * MB)
    chosen = tuple(AGGREGATORS[name] for name in dict.fromkeys(aggregators))
    return Plan(
        aggregators=chosen,
        sizes=sizes_to(largest, 4 if full else 16),
        workers=tuple(range(2, 9)) if full else (2, 4, 8),
        elements=tuple(sorted({64, 256, elements})),
        losses=(0.0, 0.001, 0.005, 0.01, 0.02) if full else (0.0, 0.005, 0.02),
        cpu_shares=(None, 0.6, 0.4, 0.3, 0.2, 0.15, 0.1) if full else (None, 0.4, 0.2, 0.1),
        base=Setting(chosen[0], workers=workers, elements=elements, slots=slots),
        rounds=3 if full else 2,
        repeats=5 if full else 3,
        sweeps=tuple(dict.fromkeys(sweeps)),
        model_scale=128 if full else 256,
        model_share=0.1,
        model_rounds=7 if full else 5,
    )


def sizes_to(largest: int, factor: int) -> tuple[int, ...]:
    """4 KB, 4 KB * factor, ... and `largest`."""
    found = []
    size = 4 * KB
    while size < largest:
        found.append(size)
        size *= factor
    return (*found, largest)


def sweeps_of(plan: Plan) -> list[Sweep]:
    """The plan's sweeps in the order in which they run; the models are apart (models.py)."""
    axes: dict[str, tuple[str, str, list[tuple[str, dict[str, object]]]]] = {
        "size": ("Tensor size", "tensor", [(size_text(s), {"tensor_bytes": s}) for s in plan.sizes]),
        "workers": ("Workers", "workers", [(str(w), {"workers": w}) for w in plan.workers]),
        "elements": ("Values a packet", "values", [(str(e), {"elements": e}) for e in plan.elements]),
        "loss": ("Loss", "loss", [(f"{p:.1%}", {"loss": p}) for p in plan.losses]),
        "queues": ("Pipelines and threads", "queues", [(str(q), {"queues": q}) for q in QUEUES]),
        "cpu": ("CPU share of a worker", "cores", [(share_text(s), {"cpu_share": s}) for s in plan.cpu_shares]),
    }
    found = []
    for name, (title, label, points) in axes.items():
        if name in plan.sweeps:
            settings = tuple(tuple(at(plan, a, change) for a in plan.aggregators) for _, change in points)
            found.append(Sweep(title, label, tuple(text for text, _ in points), settings))
    return found


def at(plan: Plan, aggregator: Aggregator, change: dict[str, object]) -> Setting:
    setting = replace(plan.base, aggregator=aggregator, **change)  # type: ignore[arg-type]
    repeats = repeats_for if setting.cpu_share is None else repeats_in_all
    return replace(setting, repeats=repeats(setting.tensor_bytes, plan.repeats))


def size_text(size: int) -> str:
    return f"{size / MB:g} MB" if size >= MB else f"{size / KB:g} KB"


def share_text(share: float | None) -> str:
    return "unlimited" if share is None else f"{share:g}"
