"""Checksums verified and updated, and headers back to bytes."""

from __future__ import annotations

import functools
from collections.abc import Callable

from emulator.switch.hashes import STATEFUL
from emulator.switch.jit import exprs, hashing, primitives
from emulator.switch.jit.gen import Gen
from emulator.switch.jit.ir import Ref
from emulator.switch.jit.packing import write_items, write_varbit
from emulator.switch.jit.phv import Var
from emulator.switch.jit.values import Val, const
from emulator.switch.model import Checksum

OUT = "out"


def verify_checksums(g: Gen) -> None:
    flag = g.phv.standard("checksum_error")
    for checksum in g.model.checksums:
        if checksum.verify and flag is not None:
            _when_due(g, checksum, functools.partial(_verify, g, checksum, flag))


def _verify(g: Gen, checksum: Checksum, flag: Var, due: Ref) -> None:
    target = checksum.target
    expected = g.arith.mask(_computed(g, checksum), g.model.field(target).width)
    wrong = g.arith.compare("!=", expected, g.get(g.phv.field(target.header, target.field)))
    g.set_const(flag, 1, g.fn.and_(due, wrong))


def update_checksums(g: Gen) -> None:
    for checksum in g.model.checksums:
        if checksum.update:
            _when_due(g, checksum, functools.partial(_update, g, checksum))


def _update(g: Gen, checksum: Checksum, due: Ref) -> None:
    primitives.store(g, checksum.target, _computed(g, checksum), due)


def _computed(g: Gen, checksum: Checksum) -> Val:
    found = g.model.calculations[checksum.calculation]
    return hashing.hash_value(g, found.algo, found.inputs, found.name)


def _when_due(g: Gen, checksum: Checksum, step: Callable[[Ref], None]) -> None:
    """Where the target is valid and the condition holds; a hash that keeps state is not even computed elsewhere."""
    due = g.flag(g.phv.valid[checksum.target.header])
    if checksum.cond is not None:
        due = g.fn.and_(due, exprs.guarded(g, due, functools.partial(exprs.cond, g, checksum.cond)))
    if g.model.calculations[checksum.calculation].algo in STATEFUL:
        g.branch_if(due, lambda: step(1))
    else:
        step(due)


def emit(g: Gen, out: str) -> Ref:
    """Valid headers in order, then the payload, to `out`; returns the number of bytes (i64)."""
    at: Ref = 0
    for header in g.model.deparser.order:
        valid = g.flag(g.phv.valid[header])
        if valid == 0:
            continue
        at = _emit_header(g, out, at, header, valid)
    pointer, length = g.payload()
    # Often there is none, and then a call of memcpy is most of the cost.
    some = g.fn.icmp("ne", 64, length, 0)
    g.branch_if(some, lambda: g.fn.memcpy(g.fn.gep(out, at), pointer, length))
    return g.fn.op("add", 64, at, length)


def _emit_header(g: Gen, out: str, at: Ref, header: int, valid: Ref) -> Ref:
    """Branches around the header's bytes; the position comes together in a select."""
    size = _size(g, header)
    after = g.fn.op("add", 64, at, g.fn.select(valid, 64, size, 0))
    if isinstance(valid, int):
        _write(g, g.fn.gep(out, at), header)
        return after

    def body() -> None:
        _write(g, g.fn.gep(out, at), header)

    g.branch_if(valid, body, likely=True)
    return after


def _size(g: Gen, header: int) -> Ref:
    from emulator.switch.jit.headers import size_bytes

    return g.arith.widen(size_bytes(g, header), 64)


def _write(g: Gen, pointer: str, header: int) -> None:
    kind = g.model.header_type(header)
    tag = g.tag(OUT)
    fields = list(range(len(kind.fields)))
    cut = len(fields) if kind.varbit is None else kind.varbit
    before = [(g.get(g.phv.field(header, f)), kind.fields[f].width) for f in fields[:cut]]
    write_items(g, pointer, before, tag)
    if kind.varbit is None:
        return
    buffer = g.phv.buffers[header, kind.varbit]
    count = g.arith.widen(g.arith.shr(g.get(buffer.used), const(3)), 64)
    after = [(g.get(g.phv.field(header, f)), kind.fields[f].width) for f in fields[cut + 1 :]]
    whole, shift = divmod(kind.fields[kind.varbit].offset, 8)
    place = g.fn.gep(pointer, whole)
    shared = write_varbit(g, place, shift, g.buffer(buffer), count)
    write_items(g, g.fn.gep(place, count), [*shared, *after], tag)
