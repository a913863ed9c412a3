"""Small networks and data for convergence studies: everything ships with a package or is generated."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Data(NamedTuple):
    """Training and test inputs with their class labels (int64)."""

    inputs: Tensor
    labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor


class Study(NamedTuple):
    """A network to train: how to make it and its data, SGD's learning rate and the usual number of steps."""

    label: str
    network: Callable[[], nn.Module]
    data: Callable[[], Data]
    learning_rate: float
    steps: int


def digits() -> Data:
    """scikit-learn's 1,797 handwritten digits as (n, 1, 8, 8) in 0..1; every fifth is for testing."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = torch.tensor(bunch.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(bunch.target, dtype=torch.int64)
    test = torch.arange(len(labels)) % 5 == 0
    return Data(images[~test], labels[~test], images[test], labels[test])


SEQUENCE, SYMBOLS = 16, 11


def sequences() -> Data:
    """Generated text: each symbol follows from the two before it, x[t] = 3 x[t-1] + x[t-2] + 1 mod 11.

    Inputs are (n, 16) symbols, labels the next one of the last; a tenth of the earlier symbols are noise.
    """
    generator = torch.Generator().manual_seed(5)
    text = torch.randint(0, SYMBOLS, (6000, SEQUENCE + 1), generator=generator)
    for at in range(2, SEQUENCE + 1):
        follows = (3 * text[:, at - 1] + text[:, at - 2] + 1) % SYMBOLS
        noise = (torch.rand(len(text), generator=generator) < 0.1) & (at < SEQUENCE - 2)
        text[:, at] = torch.where(noise, text[:, at], follows)
    inputs, labels = text[:, :-1], text[:, -1]
    return Data(inputs[:5000], labels[:5000], inputs[5000:], labels[5000:])


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)
    )


class Residual(nn.Module):
    """Two convolutions and a shortcut; group norm, since batch statistics would differ between workers."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.GroupNorm(4, channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.GroupNorm(4, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


def resnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), Residual(16), nn.MaxPool2d(2), Residual(16),
        nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip


def vgg() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


class Transformer(nn.Module):
    """Two encoder layers over symbols with learned positions; the last position's output is classified."""

    def __init__(self, width: int = 32):
        super().__init__()
        self.symbols = nn.Embedding(SYMBOLS, width)
        self.positions = nn.Parameter(torch.randn(SEQUENCE, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, 4, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, SYMBOLS)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.symbols(x) + self.positions)[:, -1])


STUDIES = {
    "mlp": Study("MLP on handwritten digits", mlp, digits, 1.0, 200),
    "resnet": Study("small ResNet on handwritten digits", resnet, digits, 0.5, 80),
    "vgg": Study("small VGG on handwritten digits", vgg, digits, 1.0, 200),
    "transformer": Study("small transformer on generated text", Transformer, sequences, 0.5, 260),
}
