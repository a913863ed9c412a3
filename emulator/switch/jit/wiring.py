"""The table of addresses that compiled code starts from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emulator.switch.jit.gen import Shared


class Wiring:
    """The table of addresses of one compiled program (%state)."""

    def __init__(self, shared: Shared, resolve: Callable[[str, int], int]):
        self.shared = shared
        self._resolve = resolve
        self.words = np.zeros(max(1, len(shared.addresses)), np.uint64)
        self.refresh()

    @property
    def address(self) -> int:
        return int(self.words.ctypes.data)

    def refresh(self) -> None:
        for (kind, number), word in self.shared.addresses.items():
            self.words[word] = self._resolve(kind, number)
