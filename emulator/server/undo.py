"""What a write gives back: how to undo it. A batch that must not be half done runs its undos backwards."""

from __future__ import annotations

from collections.abc import Callable

Undo = Callable[[], object]


def nothing() -> None:
    """Undo of a write that changed nothing."""
