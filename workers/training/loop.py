"""Synchronous data-parallel SGD: each worker's gradient, one sum over all of them, one equal step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from workers.training import data, model
from workers.training.recipe import Recipe

MOMENTUM = 0.9
# allreduce(values): float32, replaced by the sum over all workers
AllReduce = Callable[[np.ndarray], None]


@dataclass
class Curve:
    """What one worker saw. One entry a step, but `accuracy` and `epoch_seconds` one an epoch."""

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    compute_seconds: list[float] = field(default_factory=list)
    allreduce_seconds: list[float] = field(default_factory=list)
    epoch_seconds: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    curve: Curve
    accuracy: float  # on the test set, after the last step, 0..1
    digest: str  # of the parameters
    samples: int  # seen by all workers together
    seconds: float  # of the training itself
    kept: list[tuple[int, np.ndarray, np.ndarray]]  # step, own gradient, sum received


def train(
    recipe: Recipe,
    rank: int,
    workers: int,
    allreduce: AllReduce,
    on_step: Callable[[int, int, float], None] = lambda step, steps, loss: None,
    keep: Callable[[int, int], bool] = lambda step, steps: False,
) -> Outcome:
    """Trains the digits network as worker `rank` of `workers`.

    on_step(step, steps, loss) is called after each step. keep(step, steps) says whose gradients to keep for a
    comparison with the exact sum. Errors of `allreduce` pass through.
    """
    digits = data.digits()
    x, y = torch.from_numpy(digits.train_x), torch.from_numpy(digits.train_y)
    net = model.network(recipe.seed)
    optimiser = torch.optim.SGD(net.parameters(), lr=recipe.rate, momentum=MOMENTUM)
    curve, kept = Curve(), []
    per_epoch = data.steps_per_epoch(len(y), recipe.batch * workers)
    steps = per_epoch * recipe.epochs
    began = time.perf_counter()
    for step in range(steps):
        epoch, within = divmod(step, per_epoch)
        chosen = data.batch_indices(len(y), epoch, within, recipe.batch * workers, recipe.seed)
        mine = torch.from_numpy(data.share(chosen, rank, workers))
        loss, own, total = one_step(net, optimiser, x[mine], y[mine], workers, allreduce, curve)
        curve.loss.append(loss)
        if keep(step, steps):
            kept.append((step, own, total))
        on_step(step + 1, steps, loss)
        if within == per_epoch - 1:
            curve.epoch_seconds.append(time.perf_counter() - began)
            curve.accuracy.append(score(net))
    seconds = time.perf_counter() - began
    samples = steps * recipe.batch * workers
    return Outcome(curve, score(net), model.digest(net), samples, seconds, kept)


def one_step(
    net: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    x: torch.Tensor,
    y: torch.Tensor,
    workers: int,
    allreduce: AllReduce,
    curve: Curve,
) -> tuple[float, np.ndarray, np.ndarray]:
    """One forward and backward pass, the sum, the step. Returns the loss, the own gradient and the sum."""
    began = time.perf_counter()
    optimiser.zero_grad(set_to_none=True)
    loss = torch.nn.functional.cross_entropy(net(x), y)
    loss.backward()
    own = model.gradients(net).numpy()
    total = own.copy()
    computed = time.perf_counter()
    allreduce(total)
    summed = time.perf_counter()
    model.set_gradients(net, torch.from_numpy(total) / workers)
    optimiser.step()
    curve.allreduce_seconds.append(summed - computed)
    curve.compute_seconds.append(time.perf_counter() - began - (summed - computed))
    return float(loss.detach()), own, total


def score(net: torch.nn.Module) -> float:
    digits = data.digits()
    return model.accuracy(net, torch.from_numpy(digits.test_x), torch.from_numpy(digits.test_y))
