"""Which variables are written: where ways part and meet again, and in actions and tables, which run elsewhere."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import ast
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


def read(ck: Checker, sym: Sym, pos: int) -> None:
    """Notice that a variable is read."""
    if sym.written:
        return
    if sym in ck.outer:
        ck.outer[sym].append(pos)
        return
    ck.diags.warn(pos, f"variable '{sym.name}' is read before anything is written to it", "uninitialized")
    sym.written = True


def apart(ck: Checker, decl: ast.Action | ast.Table, check: Callable[[], None]) -> None:
    """Check an action or a table of a control. Whether the control's variables are written by the time it runs, only
    the place that runs it can tell (`run`)."""
    saved = ck.outer
    ck.outer = {sym: [] for sym in _unwritten(ck)}
    check()
    ck.reads[decl] = [(sym, pos) for sym, places in ck.outer.items() for pos in places]
    ck.outer = saved


def run(ck: Checker, decl: Any) -> None:
    """What an action reads when it is called here, or the keys of a table when it is applied here."""
    for sym, pos in ck.reads.get(decl, ()):
        read(ck, sym, pos)


def _unwritten(ck: Checker) -> list[Sym]:
    found: list[Sym] = []
    env: Env | None = ck.env
    while env is not None and env is not ck.globals:
        found += [s for s in env.names.values() if isinstance(s, Sym) and not s.written]
        env = env.parent
    return found
