"""Where the fields of tables' keys usually lie in a packet, so that memory can be asked for before the look-ups.

The parser graph is walked breadth first: a header's place is that on the shortest way to it over headers of fixed size.
A guess may be wrong for any packet; nothing but speed depends on it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from emulator.native import tables as native
from emulator.switch import expr as x
from emulator.switch.keys import full
from emulator.switch.model import Extract, Key, Model, TableNode


def of(model: Model, tables: Sequence[native.NativeTable | None]) -> native.Guesses:
    """Guesses for all tables whose keys consist of header fields alone."""
    places = header_offsets(model)
    found = []
    for node, table in zip(model.tables, tables, strict=True):
        words = None if table is None else key_guess(model, node, places)
        if table is not None and words:
            found.append((table.address, words))
    return native.Guesses(found)


def any_key(model: Model, left_out: Collection[int]) -> bool:
    """Whether some table's key can be guessed, those left out aside."""
    places = header_offsets(model)
    return any(n.keys and n.table not in left_out and key_guess(model, n, places) for n in model.tables)


def header_offsets(model: Model) -> dict[int, int]:
    """Bits from the packet's start for every header that is extracted behind headers of fixed size."""
    places: dict[int, int] = {}
    seen: set[int] = set()
    waiting = [] if model.parser.init_state is None else [(model.parser.init_state, 0)]
    while waiting:
        number, at = waiting.pop(0)
        if number in seen:
            continue
        seen.add(number)
        state = model.parser.states[number]
        for op in state.ops:
            if not isinstance(op, Extract):
                continue
            if not isinstance(op.target, int) or op.bits is not None:
                break
            places.setdefault(op.target, at)
            at += model.header_type(op.target).fixed_bits
        else:
            waiting.extend((t.next, at) for t in state.transitions if t.next is not None)
    return places


def key_guess(model: Model, node: TableNode, places: dict[int, int]) -> list[native.GuessedWord] | None:
    """The key's words, or None where one of them cannot be guessed."""
    words: list[native.GuessedWord] = []
    for key in node.keys:
        part = _part_guess(model, key, places)
        if part is None:
            return None
        words += part
    return words if len(words) <= native.MAX_GUESS_WORDS else None


def _part_guess(model: Model, key: Key, places: dict[int, int]) -> list[native.GuessedWord] | None:
    if key.field.field == x.VALID:
        return [native.GuessedWord(0, 0, 0, 1)]
    at = places.get(key.field.header)
    header = model.header_type(key.field.header)
    if at is None or model.headers[key.field.header].metadata or header.varbit is not None:
        return None
    end = at + header.fields[key.field.field].offset + key.width
    mask = full(key.width) if key.mask is None else key.mask
    words = []
    for low in range(0, key.width, 64):
        width = min(64, key.width - low)
        last = -(-(end - low) // 8)  # byte behind the word's last bit
        first = max(0, last - 8)
        shift = 8 * (first + 8) - (end - low)
        if shift + width > 64:
            return None
        words.append(native.GuessedWord(first, shift, mask >> low & full(width)))
    return words
