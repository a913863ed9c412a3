"""The replay of eight models: a gradient of a scaled size is summed after a scaled time of computing.

Sizes: Sapio et al., Scaling Distributed Machine Learning with In-Network Aggregation (SwitchML), NSDI 2021, table of
models, MB of 2^20 bytes. Shares of an iteration that is communication, at 10 and 100 Gbit/s: Yuan et al., Unlocking the
Power of Inline Floating-Point Operations on Programmable Switches (FPISA), NSDI 2022, in the authors' talk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from workers.compare.plan import AGGREGATORS, MB, CompareError, Plan, Setting
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
    """One model's iterations, measured: computing (a sleep), then the all-reduce; nothing overlaps. Seconds, medians."""

    model: str
    rate_gbit: int
    cpu_share: float | None
    tensor_bytes: int
    compute: float
    fpisa: float
    switchml: float

    @property
    def gain(self) -> float:
        """0.1: FPISA trains 10 % more iterations a second than SwitchML."""
        return self.switchml / self.fpisa - 1


def settings_of(plan: Plan, model: Model, rate: int, share: float | None) -> tuple[Setting, Setting]:
    """(FPISA's, SwitchML's)."""
    base = replace(
        plan.base,
        tensor_bytes=scaled_bytes(model, plan.model_scale),
        compute=compute_seconds(model, rate, plan.model_scale),
        cpu_share=share,
        repeats=plan.repeats,
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
                found.append(Speedup(model.name, rate, share, size, compute, fpisa.median, switchml.median))
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
    best = max(speedups, key=lambda x: x.gain)
    return [
        f"The paper's headline is +{PAPER_HEADLINE:.1%} (DeepLight, 10 Gbit/s, 2 cores a worker); the largest gain here is "
        f"{best.gain:+.1%} ({best.model}, {best.rate_gbit} Gbit/s, CPU {cpu_words(best.cpu_share)}).",
        f"1. Conversion. A worker spends {s.convert:.3f} s/GB on it for SwitchML's floats (the scan for the block exponent, "
        f"quantising, byte order and back, vectorised), and {f.copy:.3f} s/GB on plain copies for FPISA: "
        f"{share_words(s.convert, s.cpu)} and {share_words(f.copy, f.cpu)} of the worker's CPU. All CPU of FPISA's worker over "
        f"SwitchML's is {f.cpu / s.cpu:.2f}: more than 1/(1+gain) cannot be had from the host's side. In the paper's set-up "
        "conversion is the larger part of what few cores do.",
        f"2. The rest, {f.cpu - f.copy:.3f} and {s.cpu - s.convert:.3f} s/GB, is the same engine for both: window, timers, "
        "rings and waking the peer. A network card driven by polling in large bursts has less of it per packet.",
        f"3. The switch is software on the same machine and adds floats at {f.switch_cpu:.2f} s/GB of one worker's tensor, "
        f"integers at {s.switch_cpu:.2f}. A switch chip adds both at line rate; here FPISA's dearer addition takes back what "
        "the host saves whenever switch and workers share cores, or the switch is the limit.",
        "4. Computing is a sleep that takes no CPU from the workers, and nothing overlaps with the all-reduce; both help an "
        "all-reduce that is faster, for both aggregators alike. Where all-reduce at the stated link rate is a small share, "
        "a faster one cannot gain much.",
        f"5. Sizes and computing times are the models' divided by one factor, {plan.model_scale}; SwitchML's additional window "
        f"of packets ({plan.base.slots} slots) is therefore a larger part of small tensors than at full size, in FPISA's favour.",
        "6. SwitchML's quantiser here uses the machine's widest vectors; the original leaves their width to its build.",
    ]


def share_words(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "-"


def cpu_words(share: float | None) -> str:
    return "unlimited" if share is None else f"{share:g} core a worker"


def speedup_record(speedup: Speedup) -> dict[str, Any]:
    return {**speedup.__dict__, "gain": speedup.gain}
