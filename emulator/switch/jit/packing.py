"""Bits in packets: reading fields from and writing them to big-endian bytes."""

from __future__ import annotations

from emulator.switch.jit.gen import Gen
from emulator.switch.jit.ir import Ref
from emulator.switch.jit.values import Val, container, unsigned_range

Item = tuple[Val, int]
"""A value and how many of its low bits go into the packet."""


def chunks(size: int) -> list[tuple[int, int]]:
    """(offset, size) of the power-of-two pieces, largest first, that `size` bytes fall into."""
    found = []
    at = 0
    while at < size:
        piece = next(p for p in (8, 4, 2, 1) if p <= size - at)
        found.append((at, piece))
        at += piece
    return found


def read_bits(g: Gen, pointer: str, bit: int, width: int, tag: str) -> Val:
    """`width` bits from bit number `bit` on behind `pointer`, as an unsigned number. Touches no byte but theirs."""
    first, last = bit // 8, (bit + width + 7) // 8
    total = 8 * (last - first)
    bits = container(total)
    value: Ref = 0
    for at, size in chunks(last - first):
        ref: Ref = g.fn.load(f"i{8 * size}", g.fn.gep(pointer, first + at), 1, tag)
        ref = g.fn.zext(g.fn.bswap(ref, 8 * size), 8 * size, bits)
        value = g.fn.op("or", bits, value, g.fn.op("shl", bits, ref, total - 8 * (at + size)))
    value = g.fn.op("lshr", bits, value, 8 * last - bit - width)
    if width < total:
        value = g.fn.op("and", bits, value, (1 << width) - 1)
    return g.arith.shrink(g.arith.made(value, bits, *unsigned_range(width)))


def read_varbit(g: Gen, to: str, pointer: str, bit: int, count: Ref) -> None:
    """`count` bytes from bit number `bit` on behind `pointer` go to `to`, where they begin on a byte. Where they do not begin
    on one in the packet, the byte that holds their last bits belongs to the header: it ends on a byte."""
    first, shift = divmod(bit, 8)
    source = g.fn.gep(pointer, first)
    if shift == 0:
        g.fn.memcpy(to, source, count)
        return
    g.helpers.add("fp_bits_in")
    g.fn.call_void("@fp_bits_in", [f"ptr {to}", f"ptr {source}", f"i16 {shift}", f"i64 {g.fn.ref(count, 64)}"])


def write_varbit(g: Gen, pointer: str, shift: int, source: str, count: Ref) -> list[Item]:
    """`count` bytes of `source` go behind the first `shift` bits of the byte at `pointer`. Returns what goes first of what is
    then written to pointer + count: the bits that share its first byte."""
    if shift == 0:
        g.fn.memcpy(pointer, source, count)
        return []
    g.helpers.add("fp_bits_out")
    args = [f"ptr {pointer}", f"ptr {source}", f"i16 {shift}", f"i64 {g.fn.ref(count, 64)}"]
    last = g.fn.zext(g.fn.call("i8", "@fp_bits_out", args), 8, 32)
    return [(g.arith.made(g.fn.op("lshr", 32, last, 8 - shift), 32, *unsigned_range(shift)), shift)]


def write_items(g: Gen, pointer: str, items: list[Item], tag: str) -> int:
    """Items back to back from `pointer` on, the last byte filled with zeros. Returns the bytes written."""
    at = 0
    run: list[Item] = []
    width = 0
    for item in items:
        run.append(item)
        width += item[1]
        if width % 8 == 0:
            _write_run(g, g.fn.gep(pointer, at), run, width, tag)
            at += width // 8
            run, width = [], 0
    if run:
        padding = -width % 8
        run.append((g.arith.made(0, 32, 0, 0), padding))
        _write_run(g, g.fn.gep(pointer, at), run, width + padding, tag)
        at += (width + padding) // 8
    return at


def combine(g: Gen, items: list[Item]) -> tuple[Ref, int, int]:
    """Items side by side in one integer: (reference, container bits, meaningful bits)."""
    width = sum(w for _, w in items)
    bits = container(width)
    value: Ref = 0
    left = width
    for item, w in items:
        left -= w
        if w:
            part = g.arith.widen(g.arith.mask(item, w), max(bits, item.bits))
            part = g.fn.trunc(part, max(bits, item.bits), bits)
            value = g.fn.op("or", bits, value, g.fn.op("shl", bits, part, left))
    return value, bits, width


def _write_run(g: Gen, pointer: str, items: list[Item], width: int, tag: str) -> None:
    if width == 0:
        return
    value, bits, _ = combine(g, items)
    for at, size in chunks(width // 8):
        part = g.fn.op("lshr", bits, value, width - 8 * (at + size))
        part = g.fn.resize(part, bits, 8 * size)
        part = g.fn.bswap(part, 8 * size)
        g.fn.store(f"i{8 * size}", g.fn.ref(part, 8 * size), g.fn.gep(pointer, at), 1, tag)
