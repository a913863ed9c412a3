"""The replay of eight models: a gradient of a scaled size is summed after a scaled time of computing.

Sizes: Sapio et al., Scaling Distributed Machine Learning with In-Network Aggregation (SwitchML), NSDI 2021, table of
models, MB of 2^20 bytes. Shares of an iteration that is communication, at 10 and 100 Gbit/s: Yuan et al., Unlocking the
Power of Inline Floating-Point Operations on Programmable Switches (FPISA), NSDI 2022, in the authors' talk.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from workers.compare.plan import AGGREGATORS, MB, CompareError, Plan, Setting, repeats_in_all
from workers.compare.row import Row

PAPER_HEADLINE = 0.859  # DeepLight at 10 Gbit/s with 2 cores: the paper's largest speed-up of training over SwitchML
RATES = (10, 100)  # Gbit/s
LEAST_REPEATS, ROUND_BYTES = 3, 16 * MB  # of one measurement of a round


@dataclass(frozen=True)
class Model:
    """gradient_bytes: of one worker; shares: of an iteration spent communicating, by link rate in Gbit/s."""

    name: str
    gradient_bytes: int
    shares: dict[int, float]


MODELS = tuple(
    Model(name, size * MB, {10: at_10, 100: at_100})
    for name, size, at_10, at_100 in (
        ("DeepLight", 2319, 0.97, 0.79),
        ("LSTM", 1627, 0.94, 0.46),
        ("NCF", 121, 0.72, 0.23),
        ("BERT", 1274, 0.67, 0.17),
        ("VGG19", 548, 0.73, 0.10),
        ("UGATIT", 511, 0.28, 0.04),
        ("ResNet-50", 87, 0.29, 0.03),
        ("SSD", 98, 0.26, 0.03),
    )
)


def scaled_bytes(model: Model, scale: int) -> int:
    """One worker's tensor in the replay: whole float32 values."""
    return max(4, model.gradient_bytes // scale // 4 * 4)


def compute_seconds(model: Model, rate_gbit: int, scale: int) -> float:
    """Of one iteration of the replay: comm * (1 - share) / share, comm = the scaled gradient's bits / the link's rate."""
    communication = scaled_bytes(model, scale) * 8 / (rate_gbit * 1e9)
    share = model.shares[rate_gbit]
    return communication * (1 - share) / share


@dataclass(frozen=True)
class Speedup:
    """One model's iterations, measured: computing (a sleep), then the all-reduce; nothing overlaps. fpisa, switchml: seconds an
    iteration, the median of the rounds' means. rounds: the gain of each round, whose two measurements follow each other."""

    model: str
    rate_gbit: int
    cpu_share: float | None
    tensor_bytes: int
    compute: float
    fpisa: float
    switchml: float
    rounds: tuple[float, ...]

    @property
    def gain(self) -> float:
        """0.1: FPISA trains 10 % more iterations a second than SwitchML; the rounds' median."""
        return statistics.median(self.rounds)

    @property
    def middle(self) -> tuple[float, float]:
        """Between these lies the middle half of the rounds' gains."""
        if len(self.rounds) < 2:
            return self.rounds[0], self.rounds[0]
        low, _, high = statistics.quantiles(self.rounds, n=4, method="inclusive")
        return low, high


def speedup_of(model: str, rate: int, setting: Setting, pairs: Sequence[Sequence[Row]]) -> Speedup:
    """pairs: FPISA's and SwitchML's row of each round."""
    fpisa, switchml = ([statistics.fmean(row.seconds) for row in rows] for rows in zip(*pairs, strict=True))
    gains = tuple(s / f - 1 for f, s in zip(fpisa, switchml, strict=True))
    typical = statistics.median(fpisa), statistics.median(switchml)
    return Speedup(model, rate, setting.cpu_share, setting.tensor_bytes, setting.compute, *typical, gains)


def settings_of(plan: Plan, model: Model, rate: int, share: float | None) -> tuple[Setting, Setting]:
    """(FPISA's, SwitchML's)."""
    base = replace(
        plan.base,
        tensor_bytes=scaled_bytes(model, plan.model_scale),
        compute=compute_seconds(model, rate, plan.model_scale),
        cpu_share=share,
        repeats=repeats_in_all(scaled_bytes(model, plan.model_scale), LEAST_REPEATS, ROUND_BYTES),
    )
    return replace(base, aggregator=AGGREGATORS["fpisa"]), replace(base, aggregator=AGGREGATORS["switchml"])


def replay(
    plan: Plan, shares: Sequence[float | None], pairs: Callable[[Sequence[Setting], int], list[list[Row]]]
) -> list[Speedup]:
    """pairs(settings, count) measures settings one right after the other, `count` times: a list of rows each time. Raises
    what it raises."""
    found = []
    for share in shares:
        for rate in RATES:
            for model in MODELS:
                settings = settings_of(plan, model, rate, share)
                found.append(speedup_of(model.name, rate, settings[0], pairs(settings, plan.model_rounds)))
    return found


def model_shares(plan: Plan, scarcity: str) -> list[float | None]:
    """Unlimited, and scarce: the plan's quota, or one core for all."""
    return [None, plan.model_share if scarcity == "cgroup" else round(1 / plan.base.workers, 3)]


def explanation(plan: Plan, speedups: Sequence[Speedup], rows: Sequence[Row]) -> list[str]:
    """Why the gains are what they are, with the figures that say so. rows: fpisa and switchml of the plan's base, unlimited.

    Raises CompareError where those two rows are missing."""
    by_name = {row.aggregator: row for row in rows}
    if "fpisa" not in by_name or "switchml" not in by_name:
        raise CompareError("the replay is explained by fpisa and switchml measured alone, and one of them is missing")
    f, s = by_name["fpisa"], by_name["switchml"]
    needed = 1 - 1 / (1 + PAPER_HEADLINE)
    return [
        f"The paper's headline is +{PAPER_HEADLINE:.1%} (DeepLight, 10 Gbit/s, 2 cores a worker). Here DeepLight at 10 Gbit/s "
        f"gains {' and '.join(gain_words(x) for x in speedups if (x.model, x.rate_gbit) == ('DeepLight', 10))}; the median "
        f"over models and rates is {' and '.join(middles(speedups))}. The middle half of one model's rounds spans "
        f"{statistics.median(x.middle[1] - x.middle[0] for x in speedups):.0%} in the median.",
        f"1. Conversion. The paper's gain needs {needed:.0%} of an iteration of SwitchML's to be saved. A worker here spends "
        f"{s.convert:.3f} s/GB on converting for SwitchML's floats (quantising, byte order and back, vectorised); FPISA's "
        f"tensors lie in memory that the switch reads and writes itself, {f.copy:.3f} s/GB of copying remain. That is "
        f"{share_words(s.convert, s.cpu)} and {share_words(f.copy, f.cpu)} of their CPU, {s.cpu:.3f} and {f.cpu:.3f} s/GB. With "
        f"workers' CPU as the only limit the difference would be a gain of {s.cpu / f.cpu - 1:+.0%}.",
        f"2. The rest, {s.cpu - s.convert:.3f} and {f.cpu - f.copy:.3f} s/GB, is the same engine for both: window, timers, "
        f"rings, sleeping and waking (system calls: {s.system_call:.3f} and {f.system_call:.3f}). It is a cost of packets: "
        f"the fewer values each has (here {plan.base.elements}), the larger this part.",
        f"3. The switch is software on the same cores. It takes {f.switch_cpu:.2f} s/GB of one worker's tensor to add floats, "
        f"{s.switch_cpu:.2f} to add integers; a switch chip adds both at line rate. Here the switch is the limit rather than "
        "the workers, so the dearer addition shows in FPISA's times; and a worker that waits for a slower switch sleeps and is "
        "woken more often, which costs it CPU exactly where CPU is scarce.",
        "4. Computing is a sleep that takes no CPU from the workers, and nothing overlaps with the all-reduce; both help an "
        "all-reduce that is faster, for both aggregators alike. Where all-reduce at the stated link rate is a small share, "
        "a faster one cannot gain much.",
        f"5. Sizes and computing times are the models' divided by one factor, {plan.model_scale}; SwitchML's additional window "
        f"of packets ({plan.base.slots} slots) is therefore a larger part of small tensors than at full size, in FPISA's favour.",
        "6. SwitchML's quantiser here uses the machine's widest vectors; the original leaves their width to its build.",
    ]


def gain_words(speedup: Speedup) -> str:
    return f"{speedup.gain:+.1%} (CPU {cpu_words(speedup.cpu_share)})"


def middles(speedups: Sequence[Speedup]) -> list[str]:
    """The median gain for each of the CPU shares, in words."""
    shares = dict.fromkeys(x.cpu_share for x in speedups)
    gains = {share: statistics.median(x.gain for x in speedups if x.cpu_share == share) for share in shares}
    return [f"{gain:+.1%} (CPU {cpu_words(share)})" for share, gain in gains.items()]


def share_words(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "-"


def cpu_words(share: float | None) -> str:
    return "unlimited" if share is None else f"{share:g} core a worker"


def speedup_record(speedup: Speedup) -> dict[str, Any]:
    return {**speedup.__dict__, "gain": speedup.gain}
