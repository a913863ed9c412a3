"""The course of a comparison: compile, sweep, replay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from workers.compare.models import MODELS, RATES, Speedup, explanation, model_shares, replay
from workers.compare.plan import AGGREGATORS, Plan, Setting, Sweep, at, sweeps_of
from workers.compare.rig import Rig
from workers.compare.row import Row, merged
from workers.compare.scarce import LEAST, way

BASE_ROUNDS = 6
Progress = Callable[[str, float], None]  # (what, steps of the whole that are done with it)


@dataclass(frozen=True)
class Outcome:
    """rows: one list a point of each sweep, one row an aggregator. notes: sentences on how it was run. why: explanation of
    the speed-ups; empty without the replay."""

    sweeps: list[tuple[Sweep, list[list[Row]]]]
    speedups: list[Speedup]
    why: list[str]
    notes: list[str]

    @property
    def wrong(self) -> int:
        """Values out of bounds over everything that was measured."""
        return sum(row.wrong for _, points in self.sweeps for rows in points for row in rows)


def adapted(plan: Plan, scarcity: str) -> Plan:
    """The plan as it can run here: without quotas there is one scarce point."""
    if scarcity == "cgroup":
        kept = tuple(s for s in plan.cpu_shares if s is None or s >= LEAST)
        return replace(plan, cpu_shares=kept)
    return replace(plan, cpu_shares=(None, round(1 / plan.base.workers, 3)))


def steps(plan: Plan) -> float:
    """Rounds of one setting that the plan has, for the estimate; loading a program counts as ten."""
    swept = sum(len(point) for sweep in sweeps_of(plan) for point in sweep.settings) * plan.rounds
    models = len(MODELS) * len(RATES) * 2 * 2 * plan.model_rounds + 2 * BASE_ROUNDS if "models" in plan.sweeps else 0
    return swept + models + 10 * len(programs(plan))


def programs(plan: Plan) -> list[Setting]:
    """One setting for each program to be compiled."""
    settings = [s for sweep in sweeps_of(plan) for point in sweep.settings for s in point]
    if "models" in plan.sweeps:
        settings += [replace(plan.base, aggregator=AGGREGATORS[name]) for name in ("fpisa", "switchml")]
    return list({(s.aggregator.source, s.elements): s for s in settings}.values())


def run(plan: Plan, logs: Path, progress: Progress) -> Outcome:
    """Raises CompareError and TopologyError."""
    scarcity, sentence = way()
    plan = adapted(plan, scarcity)
    with Rig(logs, scarcity) as rig:
        for setting in programs(plan):
            progress(f"compiling {setting.aggregator.source}, {setting.elements} values", 0)
            rig.load(setting)
            progress("compiled", 10)

        def rounds(settings: Sequence[Setting], count: int) -> list[Row]:
            return in_turn(rig, settings, count, progress)

        swept = [(s, [rounds(point, plan.rounds) for point in s.settings]) for s in sweeps_of(plan)]
        speedups, why = [], []
        if "models" in plan.sweeps:
            base = quietest(rig, [at(plan, AGGREGATORS[name], {}) for name in ("fpisa", "switchml")], progress)
            speedups = replay(plan, model_shares(plan, scarcity), lambda s, n: paired(rig, s, n, progress))
            why = explanation(plan, speedups, base)
    return Outcome(swept, speedups, why, [sentence])


def in_turn(rig: Rig, settings: Sequence[Setting], count: int, progress: Progress) -> list[Row]:
    """Each setting's row. They take turns, so that what else the machine does falls on all."""
    return [merged(rows) for rows in zip(*paired(rig, settings, count, progress), strict=True)]


def paired(rig: Rig, settings: Sequence[Setting], count: int, progress: Progress) -> list[list[Row]]:
    """A list of rows a round, in the settings' order. Every other round is measured backwards: what drifts falls on all."""
    found = []
    for turn in range(count):
        rows = {}
        for setting in settings if turn % 2 == 0 else list(reversed(settings)):
            progress(words(setting), 0)
            rows[setting] = rig.measure(setting)
            progress(words(setting), 1)
        found.append([rows[setting] for setting in settings])
    return found


def quietest(rig: Rig, settings: Sequence[Setting], progress: Progress) -> list[Row]:
    """Each setting's round with the least CPU of a worker: other work on the machine only adds to it."""
    rounds = [in_turn(rig, settings, 1, progress) for _ in range(BASE_ROUNDS)]
    return [min(rows, key=lambda row: row.cpu) for rows in zip(*rounds, strict=True)]


def words(setting: Setting) -> str:
    """What is being measured, for a person who waits."""
    told = [setting.aggregator.name, f"{setting.tensor_bytes / (1 << 20):.3g} MB", f"{setting.workers} workers"]
    if setting.loss:
        told.append(f"loss {setting.loss:.1%}")
    if setting.cpu_share is not None:
        told.append(f"{setting.cpu_share:g} core")
    return ", ".join(told)
