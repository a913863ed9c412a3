"""What to train, without torch: whoever starts workers need not load it."""

from __future__ import annotations

from dataclasses import dataclass

TRAIN_SAMPLES = 1438  # of the digits' 1,797; the others are for testing


@dataclass(frozen=True)
class Recipe:
    """Equal on all workers: they must agree on every bit."""

    epochs: int = 20
    batch: int = 32  # samples of one worker in one step
    rate: float = 0.1
    seed: int = 7

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1 or not self.rate > 0:
            raise ValueError("epochs, batch and learning rate must be above 0")
