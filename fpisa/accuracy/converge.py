"""Training with simulated workers in one process, their gradients summed as each aggregator sums them.

Weights, batches and order are equal for every reducer of a seed; only the sum of gradients differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fpisa.accuracy.nets import STUDIES, Data, Study
from fpisa.formats import FP16, FP32, Format
from fpisa.torch_twin import reduce

MOMENTUM = 0.9
BATCH = 16
EVALUATIONS = 12

Reducer = Callable[[Tensor], Tensor]


def fpisa_reducer(fmt: Format, shape: str) -> Reducer:
    """FPISA's sum of (workers, n) float32 gradients; fp16 with a power-of-two loss scale, as mixed precision has."""

    def run(rows: Tensor) -> Tensor:
        if fmt.width == 32:
            return reduce(fmt, rows, shape)[0]
        scale = loss_scale(rows)
        return reduce(fmt, (rows * scale).to(torch.float16), shape)[0].to(torch.float32) / scale

    return run


def loss_scale(rows: Tensor) -> float:
    """A power of two that brings the largest possible sum of the workers near 2^14, well inside fp16."""
    largest = float(rows.abs().sum(dim=0).max())
    return 2.0 ** (14 - np.ceil(np.log2(largest))) if np.isfinite(largest) and largest > 0 else 1.0


def ieee_fp32(rows: Tensor) -> Tensor:
    """One after the other in float32."""
    total = rows[0].clone()
    for row in rows[1:]:
        total += row
    return total


def ieee_fp16(rows: Tensor) -> Tensor:
    """One after the other in fp16, with the same loss scale."""
    scale = loss_scale(rows)
    half = (rows * scale).to(torch.float16)
    total = half[0].clone()
    for row in half[1:]:
        total = (total.float() + row.float()).to(torch.float16)
    return total.float() / scale


REDUCERS: dict[str, Reducer] = {
    "ieee": ieee_fp32,
    "fpisa": fpisa_reducer(FP32, "exact"),
    "fpisa-a": fpisa_reducer(FP32, "approx"),
    "ieee-fp16": ieee_fp16,
    "fpisa-fp16": fpisa_reducer(FP16, "exact"),
    "fpisa-a-fp16": fpisa_reducer(FP16, "approx"),
}
BASELINE = "ieee"


@dataclass(frozen=True)
class Curve:
    """One training: (step, loss, test accuracy) at each evaluation."""

    study: str
    reducer: str
    seed: int
    points: tuple[tuple[int, float, float], ...]

    def as_dict(self) -> dict[str, Any]:
        """Columns by name, for JSON."""
        return {
            "study": self.study,
            "reducer": self.reducer,
            "seed": self.seed,
            "steps": [step for step, _, _ in self.points],
            "loss": [loss for _, loss, _ in self.points],
            "accuracy": [accuracy for _, _, accuracy in self.points],
        }


def train(
    name: str,
    reducer: str,
    seed: int,
    workers: int = 8,
    steps: int | None = None,
    on_step: Callable[[int, Tensor], None] = lambda step, rows: None,
) -> Curve:
    """Train one study with one reducer. `on_step` sees each step's gradients, float32 (workers, parameters)."""
    study = STUDIES[name]
    steps = steps or study.steps
    data = study.data()
    torch.manual_seed(seed)
    network = study.network()
    parameters = list(network.parameters())
    velocity = torch.zeros(sum(parameter.numel() for parameter in parameters))
    points = []
    for step, batch in enumerate(batches(data, seed, workers, steps), start=1):
        rows, loss = worker_gradients(network, parameters, data, batch)
        on_step(step, rows)
        velocity = MOMENTUM * velocity + REDUCERS[reducer](rows) / workers
        apply(parameters, velocity, learning_rate(study, step, steps))
        if step % max(1, steps // EVALUATIONS) == 0 or step == steps:
            points.append((step, loss, accuracy(network, data)))
    return Curve(name, reducer, seed, tuple(points))


def learning_rate(study: Study, step: int, steps: int) -> float:
    """Linear warm-up over a tenth of the steps, then linear decay to a tenth; divided for the momentum."""
    warm = min(1.0, step / max(1, steps // 10))
    return study.learning_rate * (1 - MOMENTUM) * warm * (1 - 0.9 * step / steps)


def batches(data: Data, seed: int, workers: int, steps: int) -> Iterator[Tensor]:
    """Indices (workers, BATCH) for each step, every worker its own samples."""
    generator = torch.Generator().manual_seed(seed + 1000)
    for _ in range(steps):
        yield torch.randint(0, len(data.labels), (workers, BATCH), generator=generator)


def worker_gradients(
    network: nn.Module, parameters: list[nn.Parameter], data: Data, batch: Tensor
) -> tuple[Tensor, float]:
    """Each worker's flattened gradient (workers, parameters), and the mean loss."""
    rows, total = [], 0.0
    for indices in batch:
        loss = nn.functional.cross_entropy(network(data.inputs[indices]), data.labels[indices])
        gradients = torch.autograd.grad(loss, parameters)
        rows.append(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        total += float(loss.detach())
    return torch.stack(rows), total / len(batch)


@torch.no_grad()
def apply(parameters: list[nn.Parameter], velocity: Tensor, rate: float) -> None:
    """One step of SGD from the flat velocity."""
    at = 0
    for parameter in parameters:
        count = parameter.numel()
        parameter.sub_(rate * velocity[at : at + count].view_as(parameter))
        at += count


@torch.no_grad()
def accuracy(network: nn.Module, data: Data) -> float:
    """Share of test samples classified correctly."""
    return float((network(data.test_inputs).argmax(dim=1) == data.test_labels).float().mean())


# Two-sided 95 % points of Student's t for 1..30 degrees of freedom, then the normal's.
STUDENT_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def difference(curves: list[Curve], study: str, reducer: str) -> dict[str, Any]:
    """Final accuracy minus the baseline's, paired by seed: mean and 95 % confidence half-width (None for one
    seed), in percentage points; and the mean final accuracies and losses."""
    by_seed = {(curve.reducer, curve.seed): curve.points[-1] for curve in curves if curve.study == study}
    seeds = [seed for name, seed in by_seed if name == reducer and (BASELINE, seed) in by_seed]
    gaps = np.array([by_seed[reducer, seed][2] - by_seed[BASELINE, seed][2] for seed in seeds]) * 100
    spread = None
    if len(gaps) > 1:
        t = STUDENT_T[len(gaps) - 2] if len(gaps) <= 31 else 1.96
        spread = float(t * gaps.std(ddof=1) / np.sqrt(len(gaps)))
    finals = [by_seed[reducer, seed] for seed in seeds]
    return {
        "study": study,
        "reducer": reducer,
        "seeds": len(seeds),
        "accuracy": float(np.mean([final[2] for final in finals])),
        "loss": float(np.mean([final[1] for final in finals])),
        "difference_points": float(gaps.mean()),
        "confidence_points": spread,
    }
