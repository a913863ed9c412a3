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
    """One model's iterations, measured: computing (a sleep), then the all-reduce; nothing overlaps. Seconds, medians;
    under a CPU quota means."""

    model: str
    rate_gbit: int
    cpu_share: float | None
    tensor_bytes: int
    compute: float
    fpisa: float
    switchml: float
    rounds: tuple[float, ...] = ()  # the gain of each round by its mean times: how far they scatter

    @property
    def gain(self) -> float:
        """0.1: FPISA trains 10 % more iterations a second than SwitchML."""
        return self.switchml / self.fpisa - 1


def gains_of(fpisa: Sequence[float], switchml: Sequence[float], rounds: int) -> tuple[float, ...]:
    """Of each round: seconds are those of all rounds, one after another, alike in number."""
    length = len(fpisa) // rounds
    parts = [slice(k * length, (k + 1) * length) for k in range(rounds)]
    return tuple(sum(switchml[part]) / sum(fpisa[part]) - 1 for part in parts)


def settings_of(plan: Plan, model: Model, rate: int, share: float | None) -> tuple[Setting, Setting]:
    """(FPISA's, SwitchML's)."""
    base = replace(
        plan.base,
        tensor_bytes=scaled_bytes(model, plan.model_scale),
        compute=compute_seconds(model, rate, plan.model_scale),
        cpu_share=share,
        repeats=repeats_in_all(scaled_bytes(model, plan.model_scale), plan.repeats),
    )
    return replace(base, aggregator=AGGREGATORS["fpisa"]), replace(base, aggregator=AGGREGATORS["switchml"])


def replay(
    plan: Plan, shares: Sequence[float | None], rounds: Callable[[Sequence[Setting], int], list[Row]]
) -> list[Speedup]:
    """rounds(settings, count) measures settings in turn, `count` times. Raises what it raises."""
    found = []
    for share in shares:
        for rate in RATES:
            for model in MODELS:
                settings = settings_of(plan, model, rate, share)
                fpisa, switchml = rounds(settings, plan.model_rounds)
                size, compute = settings[0].tensor_bytes, settings[0].compute
                scatter = gains_of(fpisa.seconds, switchml.seconds, plan.model_rounds)
                found.append(Speedup(model.name, rate, share, size, compute, fpisa.typical, switchml.typical, scatter))
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
        f"over models and rates is {' and '.join(middles(speedups))}. One model's rounds scatter by "
        f"{statistics.median(max(x.rounds) - min(x.rounds) for x in speedups):.0%} in the median: a single gain below that "
        "says nothing.",
        f"1. Conversion. The paper's gain needs {needed:.0%} of an iteration of SwitchML's to be saved. A worker here spends "
        f"{s.convert:.3f} s/GB on converting for SwitchML's floats (quantising, byte order and back, vectorised), and "
        f"{f.copy:.3f} s/GB on plain copies for FPISA: {share_words(s.convert, s.cpu)} and {share_words(f.copy, f.cpu)} of its "
        f"CPU, {s.cpu:.3f} and {f.cpu:.3f} s/GB. With workers' CPU as the only limit that would be a gain of "
        f"{s.cpu / f.cpu - 1:+.0%}.",
        f"2. The rest, {s.cpu - s.convert:.3f} and {f.cpu - f.copy:.3f} s/GB, is the same engine for both: window, timers, "
        f"rings and waking the peer (system calls: {s.system_call:.3f} and {f.system_call:.3f}).",
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
