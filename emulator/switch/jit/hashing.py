"""Calculations: collecting their inputs, and computing hashes and checksums over them.

The Internet checksum is computed from the fields' values without building the bytes; everything else over
bytes in scratch memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from emulator.switch import expr as x
from emulator.switch.hashes import STATEFUL
from emulator.switch.jit import exprs, extern_state, externs
from emulator.switch.jit.extern_state import hash_names
from emulator.switch.jit.gen import Gen, Site
from emulator.switch.jit.ir import Ref
from emulator.switch.jit.packing import Item, write_items
from emulator.switch.jit.phv import Buffer
from emulator.switch.jit.values import Val, const
from emulator.switch.model import CalculationInput, ConstInput, FieldInput, HeaderInput, PayloadInput

CSUM = frozenset({"csum16", "cksum16"})


@dataclass(slots=True)
class Segment:
    """Neighbouring inputs that are there together: all while `present` holds. A varbit stands alone."""

    present: Ref
    items: list[Item]
    varbit: Buffer | None = None

    @property
    def width(self) -> int:
        return sum(w for _, w in self.items)


def segments(g: Gen, inputs: tuple[CalculationInput, ...]) -> list[Segment]:
    """All inputs but the payload."""
    found: list[Segment] = []
    for item in inputs:
        if isinstance(item, ConstInput):
            found.append(Segment(1, [(const(item.value), item.width)]))
        elif isinstance(item, FieldInput):
            found.append(_field(g, item.field.header, item.field.field))
        elif isinstance(item, HeaderInput):
            count = len(g.model.header_type(item.header).fields)
            found.extend(_field(g, item.header, f) for f in range(count))
    return _joined(found)


def _field(g: Gen, header: int, field: int) -> Segment:
    present: Ref = 1 if g.model.headers[header].metadata or field == x.VALID else g.flag(g.phv.valid[header])
    buffer = g.phv.buffers.get((header, field))
    if buffer is not None:
        return Segment(present, [], buffer)
    var = g.phv.field(header, field)
    return Segment(present, [(g.get(var), var.width)])


def _joined(found: list[Segment]) -> list[Segment]:
    out: list[Segment] = []
    for segment in found:
        last = out[-1] if out else None
        if last and last.present == segment.present and last.varbit is None and segment.varbit is None:
            last.items.extend(segment.items)
        else:
            out.append(segment)
    return out


def has_payload(inputs: tuple[CalculationInput, ...]) -> bool:
    return any(isinstance(i, PayloadInput) for i in inputs)


# --- The bytes ---


def gather(g: Gen, inputs: tuple[CalculationInput, ...]) -> tuple[str, Ref]:
    """Pointer to the input's bytes and their number (i64)."""
    scratch = g.address("scratch")
    size: Ref = 0
    for run, payload_follows in _runs(inputs):
        parts = segments(g, run)
        place = g.fn.gep(scratch, size)
        whole = not any(part.width % 8 for part in parts[:-1])
        size = g.fn.op("add", 64, size, _gather_bytes(g, place, parts) if whole else _gather_bits(g, place, parts))
        if payload_follows:
            pointer, length = g.payload()
            g.fn.memcpy(g.fn.gep(scratch, size), pointer, length)
            size = g.fn.op("add", 64, size, length)
    return scratch, size


def _runs(inputs: tuple[CalculationInput, ...]) -> list[tuple[tuple[CalculationInput, ...], bool]]:
    """Inputs between payloads, and whether the payload follows; each run fills whole bytes."""
    runs: list[tuple[tuple[CalculationInput, ...], bool]] = []
    run: list[CalculationInput] = []
    for item in inputs:
        if isinstance(item, PayloadInput):
            runs.append((tuple(run), True))
            run = []
        else:
            run.append(item)
    return [*runs, (tuple(run), False)] if run else runs


def _gather_bytes(g: Gen, place: str, parts: list[Segment]) -> Ref:
    at: Ref = 0
    for part in parts:
        pointer = g.fn.gep(place, at)
        if part.varbit is not None:
            size: Ref = g.arith.widen(g.arith.shr(g.get(part.varbit.used), const(3)), 64)
            size = g.fn.select(part.present, 64, size, 0)
            g.fn.memcpy(pointer, g.buffer(part.varbit), size)
        else:
            size = g.fn.select(part.present, 64, write_items(g, pointer, part.items, ""), 0)
        at = g.fn.op("add", 64, at, size)
    return at


def _gather_bits(g: Gen, place: str, parts: list[Segment]) -> Ref:
    """Parts that do not end on bytes, appended bit by bit."""
    used: Ref = 0
    for part in parts:
        if part.varbit is not None:
            pointer, bits = g.buffer(part.varbit), g.arith.widen(g.get(part.varbit.used), 64)
        else:
            size = -(-part.width // 8)
            pointer, bits = g.fn.place(f"bits{size}", f"[{size} x i8]"), part.width
            write_items(g, pointer, part.items, "")
        args = [f"ptr {place}", f"i64 {g.fn.ref(used, 64)}", f"ptr {pointer}"]
        taken = g.fn.select(part.present, 64, bits, 0)
        used = g.fn.call("i64", g.address("run_append"), [*args, f"i64 {g.fn.ref(taken, 64)}"])
    return g.fn.op("lshr", 64, g.fn.op("add", 64, used, 7), 3)


# --- The Internet checksum ---


def csum16(g: Gen, inputs: tuple[CalculationInput, ...]) -> Val:
    parts = segments(g, inputs)
    simple = not any(p.varbit is not None for p in parts) and not any(p.width % 16 for p in parts[:-1])
    if not simple or has_payload(inputs):
        pointer, size = gather(g, inputs)
        g.helpers.add("fp_word_sum")
        total: Ref = g.fn.call("i64", "@fp_word_sum", [f"ptr {pointer}", f"i64 {g.fn.ref(size, 64)}"])
    else:
        total = 0
        for part in parts:
            total = g.fn.op("add", 64, total, g.fn.select(part.present, 64, _word_sum(g, part.items), 0))
    for _ in range(3):
        total = g.fn.op("add", 64, g.fn.op("and", 64, total, 0xFFFF), g.fn.op("lshr", 64, total, 16))
    result = g.fn.trunc(g.fn.op("xor", 64, total, 0xFFFF), 64, 32)
    return g.arith.made(result, 32, 0, 0xFFFF)


def _word_sum(g: Gen, items: list[Item]) -> Ref:
    """Sum of the 16-bit words of items laid side by side, zeros filling the last one."""
    total: Ref = 0
    at = 0
    for value, width in items:
        done = 0
        while done < width:
            room = 16 - (at + done) % 16
            take = min(room, width - done)
            piece = g.arith.mask(g.arith.shr(g.arith.mask(value, width), const(width - done - take)), take)
            moved = g.fn.op("shl", 64, g.arith.modulo(piece, 64), room - take)
            total = g.fn.op("add", 64, total, moved)
            done += take
        at += width
    return total


# --- Hashes ---


def hash_value(g: Gen, algo: str, inputs: tuple[CalculationInput, ...], name: str) -> Val:
    """The hash as an unsigned number of at most 64 bits."""
    if algo in CSUM:
        return csum16(g, inputs)
    pointer, size = gather(g, inputs)
    if algo not in STATEFUL or algo in extern_state.STATEFUL:
        spec = g.address("hash", hash_names(g.model).index(name))
        args = [f"ptr {spec}", f"ptr {pointer}", f"i64 {g.fn.ref(size, 64)}"]
        return Val(g.fn.call("i64", g.address("run_hash"), args), 64, 0, (1 << 64) - 1)
    ref = externs.call(g, externs.HASH, g.site(Site("hash", name)), size, 0)
    return Val(ref, 64, 0, (1 << 64) - 1)


def hash_to_field(g: Gen, target: x.LValue, base: x.Expr, calculation: int, limit: x.Expr) -> None:
    """target = base + hash mod limit; a limit of 0 counts as 1."""
    from emulator.switch.jit import primitives

    found = g.model.calculations[calculation]
    value = hash_value(g, found.algo, found.inputs, found.name)
    most = g.arith.clamp(exprs.exact(g, limit), 1, 1 << 64)
    rest = g.arith.div(value, most, rest=True)
    primitives.store(g, target, g.arith.add(exprs.exact(g, base), rest))
