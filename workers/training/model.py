"""The network that is trained, and its parameters and gradients as one flat tensor."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable

import torch

HIDDEN = (128, 64)


def network(seed: int) -> torch.nn.Sequential:
    """A multi-layer perceptron 64-128-64-10. Equal seeds give equal bits on every worker."""
    generator = torch.Generator().manual_seed(seed)
    sizes = (64, *HIDDEN, 10)
    layers: list[torch.nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        linear = torch.nn.Linear(inputs, outputs)
        with torch.no_grad():
            bound = (6.0 / inputs) ** 0.5  # He's uniform initialisation for rectifiers
            linear.weight.uniform_(-bound, bound, generator=generator)
            linear.bias.zero_()
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def flat(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    """One contiguous float32 tensor with the elements of all, in order."""
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def gradients(model: torch.nn.Module) -> torch.Tensor:
    return flat(parameter.grad for parameter in model.parameters() if parameter.grad is not None)


def set_gradients(model: torch.nn.Module, values: torch.Tensor) -> None:
    """Puts a flat tensor back; raises ValueError if its size is another."""
    sizes = [parameter.numel() for parameter in model.parameters()]
    if values.numel() != sum(sizes):
        raise ValueError(f"{values.numel()} gradients for {sum(sizes)} parameters")
    for parameter, part in zip(model.parameters(), values.split(sizes), strict=True):
        parameter.grad = part.view_as(parameter).clone()


def digest(model: torch.nn.Module) -> str:
    """SHA-256 of the parameters' bits: equal on two workers only if every bit is."""
    return hashlib.sha256(flat(model.parameters()).numpy().tobytes()).hexdigest()


def accuracy(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Share of samples whose class is the network's first choice, 0..1."""
    with torch.no_grad():
        return float((model(x).argmax(dim=1) == y).float().mean())
