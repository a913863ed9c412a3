"""Which variables are written where ways part and meet again."""
from __future__ import annotations

from collections.abc import Callable, Sequence

from .checker import Checker, Sym
from .values import Env


def branches(ck: Checker, runs: Sequence[Callable[[], bool]], complete: bool) -> list[bool]:
    """Check pieces of code of which one runs (or none, unless `complete`); for each, whether it never ends normally.

    No piece sees what another has written. Behind them a variable is unwritten only where no piece that ends normally
    writes it: conditions often depend on each other, and only what surely is a mistake is worth a warning.
    """
    unwritten = _unwritten(ck)
    written: set[int] = set()
    ended: list[bool] = []
    for run in runs:
        for sym in unwritten:
            sym.written = False
        ended.append(run())
        if not ended[-1]:
            written |= {id(sym) for sym in unwritten if sym.written}
    for sym in unwritten:
        sym.written = id(sym) in written or (complete and all(ended))
    return ended


def _unwritten(ck: Checker) -> list[Sym]:
    found: list[Sym] = []
    env: Env | None = ck.env
    while env is not None and env is not ck.globals:
        found += [s for s in env.names.values() if isinstance(s, Sym) and not s.written]
        env = env.parent
    return found
