"""What a program keeps between packets: registers, counters, meters - as NumPy arrays.

A register array holds unsigned elements in the next power-of-two width (8, 16, 32, 64 bits); wider ones are
rows of 64-bit limbs, least significant first. An engine may lay several arrays out as strided views of one
interleaved block (the `layout` hook of `State`): compiled code and Python then share memory without copies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from emulator.switch.model import Counter, Meter, Model, ModelError, Register

LIMB = 64
MAX_STATE_BYTES = 1 << 31
Layout = Callable[[Model], Mapping[str, np.ndarray]]


def element_dtype(width: int) -> np.dtype:
    """Dtype of one element (of one limb, for more than 64 bits)."""
    for bits in (8, 16, 32, 64):
        if width <= bits:
            return np.dtype(f"u{bits // 8}")
    return np.dtype("u8")


def element_limbs(width: int) -> int:
    """Limbs per element: 1 up to 64 bits."""
    return max(1, -(-width // LIMB))


def register_shape(register: Register) -> tuple[int, ...]:
    limbs = element_limbs(register.width)
    return (register.size,) if limbs == 1 else (register.size, limbs)


class RegisterArray:
    """`size` unsigned elements of `bitwidth` bits. Signed values are kept as their two's-complement bits."""

    def __init__(self, name: str, width: int, data: np.ndarray):
        self.name = name
        self.bitwidth = width
        self.size = int(data.shape[0])
        self.data = data
        self._mask = (1 << width) - 1
        self._limbs = element_limbs(width)

    def read(self, index: int) -> int:
        """Raises IndexError when `index` is not in 0..size-1."""
        self._check(index)
        if self._limbs == 1:
            return int(self.data[index])
        return int.from_bytes(self.data[index].astype("<u8").tobytes(), "little")

    def write(self, index: int, value: int) -> None:
        """Stores `value` modulo 2**bitwidth; raises IndexError."""
        self._check(index)
        value &= self._mask
        if self._limbs == 1:
            self.data[index] = value
        else:
            self.data[index] = np.frombuffer(value.to_bytes(8 * self._limbs, "little"), "<u8")

    def read_all(self) -> list[int]:
        if self._limbs == 1:
            return self.data.tolist()
        return [self.read(i) for i in range(self.size)]

    def fill(self, value: int) -> None:
        """Stores `value` modulo 2**bitwidth in every element."""
        value &= self._mask
        self.data[...] = value if self._limbs == 1 else np.frombuffer(value.to_bytes(8 * self._limbs, "little"), "<u8")

    def restore(self, data: np.ndarray) -> None:
        """Puts back what a copy of `data` held."""
        self.data[...] = data

    def reset(self) -> None:
        self.data[...] = 0

    def _check(self, index: int) -> None:
        if not 0 <= index < self.size:
            raise IndexError(f"register {self.name} has no index {index}; its size is {self.size}")


class CounterArray:
    """`data[i]` = (packets, bytes), modulo 2**64. A direct counter grows with its table's entries."""

    def __init__(self, name: str, size: int):
        self.name = name
        self.size = size
        self.data = np.zeros((size, 2), np.uint64)

    def count(self, index: int, length: int) -> None:
        row = self.data[index]
        row[0] += np.uint64(1)
        row[1] += np.uint64(length)

    def read(self, index: int) -> tuple[int, int]:
        """(packets, bytes); raises IndexError."""
        self._check(index)
        packets, octets = self.data[index].tolist()
        return packets, octets

    def write(self, index: int, packets: int, octets: int) -> None:
        self._check(index)
        self.data[index] = (packets & (2**64 - 1), octets & (2**64 - 1))

    def read_all(self) -> list[tuple[int, int]]:
        return [(packets, octets) for packets, octets in self.data.tolist()]

    def reset(self) -> None:
        self.data[...] = 0

    def grow(self, size: int) -> None:
        if size > self.size:
            data = np.zeros((size, 2), np.uint64)
            data[: self.size] = self.data
            self.data, self.size = data, size

    def _check(self, index: int) -> None:
        if not 0 <= index < self.size:
            raise IndexError(f"counter {self.name} has no index {index}; its size is {self.size}")


class State:
    """Register arrays, indexed counters and meters of one running program, by name and by model index."""

    def __init__(self, model: Model, layout: Layout | None = None):
        from emulator.switch.meters import MeterArray

        check_size(model)
        placed = dict(layout(model)) if layout else {}
        self.registers = [
            RegisterArray(r.name, r.width, placed.get(r.name, _plain(r))) for r in model.registers
        ]
        self.counters = [CounterArray(c.name, _rows(c)) for c in model.counters]
        self.meters = [MeterArray(m.name, _rows(m), m.kind) for m in model.meters]
        self.events: dict[str, int] = {}
        """Named counts of what went wrong quietly (an index out of range, a loop cut off, ...)."""

    def reset(self) -> None:
        """All zero, all meters unset."""
        for register in self.registers:
            register.reset()
        for counter in self.counters:
            counter.reset()
        for meter in self.meters:
            meter.reset()

    def event(self, name: str) -> None:
        self.events[name] = self.events.get(name, 0) + 1


def _plain(register: Register) -> np.ndarray:
    return np.zeros(register_shape(register), element_dtype(register.width))


def _rows(item: Counter | Meter) -> int:
    return item.size if item.table is None else max(1, min(item.size, 1024))  # a direct one has a row for the default entry


def check_size(model: Model) -> None:
    """Raises ModelError when the arrays together would not fit in memory."""
    total = sum(r.size * element_limbs(r.width) * element_dtype(r.width).itemsize for r in model.registers)
    total += sum(16 * c.size for c in model.counters) + sum(64 * m.size for m in model.meters)
    if total > MAX_STATE_BYTES:
        raise ModelError(f"registers, counters and meters need {total} bytes; the limit is {MAX_STATE_BYTES}")
