"""Table look-ups in compiled code.

`Found` is what a look-up gives: the action's position in the table's list as a value (or known), its arguments, and
whether it was a hit. Contents known at compile time become selects (see baked.py); others are looked up by the native
tables of `emulator/native/tables.h`, whose entries carry [slot, arguments...] behind their header.
"""

from __future__ import annotations

from dataclasses import dataclass

from emulator.native import tables as native
from emulator.switch import expr as x
from emulator.switch.jit import externs, hashing, notes, registers
from emulator.switch.jit.baked import Content, Row, bounds, constant_content, steps
from emulator.switch.jit.gen import Gen
from emulator.switch.jit.ir import Ref
from emulator.switch.jit.values import Val, const, container, unsigned_range
from emulator.switch.keys import full
from emulator.switch.model import Key, Model, TableNode
from emulator.switch.table import DEFAULT_SLOT

NONE = 0xFFFFFFFF
"""Action number of an entry without an action."""
GROUP = 0xFFFFFFFE
"""Action number of an entry that names a group: its first argument is the address of the group's members,
their number, whether they are chosen at random, and that many addresses of records laid out as entries."""
HEADER = 32
ENTRY, AHEAD = "entry", "ahead"


@dataclass(frozen=True, slots=True)
class Found:
    """action: value in {positions, NONE}. entry: pointer to the record with the arguments, or None when `rows`
    are compiled in. hit: i1. actions: the positions that can occur; none: whether NONE can."""

    action: Val
    hit: Ref
    actions: tuple[int, ...]
    none: bool
    entry: str | None = None
    args: dict[int, tuple[Val, ...]] | None = None


def arg_words(model: Model, node: TableNode) -> int:
    """64-bit words of action data in an entry, the slot included."""
    sizes = [sum(-(-p.width // 64) for p in model.actions[a].params) for a in node.actions]
    return 1 + max([1, *sizes])


def content_of(g: Gen, number: int) -> Content | None:
    """The table's content if it is to be compiled in."""
    found = g.shared.baked.get(number)
    return found if found is not None else constant_content(g.model.tables[number])


def is_static(g: Gen, node: TableNode) -> bool:
    """Whether the look-up is free of memory accesses that depend on the packet."""
    direct = node.counter is not None or node.meter is not None
    return (not node.keys and not direct) or content_of(g, node.table) is not None


def lookup(g: Gen, node: TableNode) -> Found:
    content = content_of(g, node.table)
    if content is not None:
        return _baked(g, node, content)
    if not node.keys:
        return _default_only(g, node)
    return _native(g, node)


def params(g: Gen, node: TableNode, found: Found, position: int) -> tuple[Val, ...]:
    """The arguments of the action at `position`, loaded when they are needed."""
    if found.args is not None:
        return found.args.get(position, ())
    assert found.entry is not None
    values = []
    at = HEADER + 8
    for param in g.model.actions[node.actions[position]].params:
        values.append(_load_words(g, found.entry, at, param.width))
        at += 8 * -(-param.width // 64)
    return tuple(values)


def _load_words(g: Gen, entry: str, at: int, width: int) -> Val:
    if not width:
        return const(0)
    bits = 64 * -(-width // 64)
    ref = g.fn.load(f"i{bits}", g.fn.gep(entry, at), 8, g.tag(ENTRY))
    return g.arith.shrink(Val(ref, bits, *unsigned_range(width)))


# --- Keys ---


def key_value(g: Gen, key: Key) -> Val:
    """A key part: 0 for a field of an invalid header, then masked."""
    value = g.get(g.phv.field(key.field.header, key.field.field))
    value = g.arith.mask(value, key.width)
    if not g.model.headers[key.field.header].metadata and key.field.field != x.VALID:
        value = g.arith.select(g.flag(g.phv.valid[key.field.header]), value, const(0))
    if key.mask is not None:
        value = g.arith.bitwise("and", value, const(key.mask))
    return value


def _store_key(g: Gen, node: TableNode) -> tuple[str, list[Ref]]:
    """(where the key lies, its words)."""
    words: list[Ref] = []
    for key in node.keys:
        value = key_value(g, key)
        bits = 64 * -(-key.width // 64)
        ref = g.arith.modulo(value, bits)
        words.extend(g.fn.trunc(g.fn.op("lshr", bits, ref, 64 * k), bits, 64) for k in range(bits // 64))
    place = g.key_space(len(words))
    for k, word in enumerate(words):
        g.fn.store("i64", g.fn.ref(word, 64), g.fn.gep(place, 8 * k), 8)
    return place, words


# --- Native tables ---


def _entry(g: Gen, node: TableNode) -> str:
    """The winning entry: the one that was found before the batch if the key is as it was guessed, else from a look-up."""
    place, words = _store_key(g, node)
    args = [f"ptr {g.address('table', node.table)}", f"ptr {place}"]
    if g.packet_number is None or not 0 < len(words) <= native.MAX_GUESS_WORDS:
        return g.fn.call("ptr", g.address("lookup"), args)
    fn = g.fn
    exact = node.kind == "exact"
    number = fn.op("and", 64, fn.zext(fn.load("i32", g.packet_number, 8), 32, 64), native.AHEAD - 1)
    row = fn.gep(g.address("ahead", node.table), fn.op("mul", 64, number, 8 if exact else 8 + 8 * len(words)))
    found = fn.load("ptr", row, 8, g.tag(AHEAD))
    result = fn.place("entry", "ptr")
    fn.store("ptr", found, result, 8)
    some, search, done = fn.label("guessed"), fn.label("search"), fn.label("entry")
    fn.cond_br(fn.pure(f"icmp ne ptr {found}, null"), some, search, likely=True)
    fn.start(some)
    keys = fn.gep(found, HEADER + 8 * arg_words(g.model, node)) if exact else fn.gep(row, 8)
    kind = g.tag(ENTRY if exact else AHEAD)
    differ: Ref = 0
    for k, word in enumerate(words):
        differ = fn.op("or", 64, differ, fn.op("xor", 64, fn.load("i64", fn.gep(keys, 8 * k), 8, kind), word))
    fn.cond_br(fn.pure(f"icmp eq i64 {fn.ref(differ, 64)}, 0"), done, search, likely=True)
    fn.start(search)
    fn.store("ptr", fn.call("ptr", g.address("lookup"), args), result, 8)
    fn.br(done)
    fn.start(done)
    return fn.load("ptr", result, 8)


def _native(g: Gen, node: TableNode) -> Found:
    own = entry = _entry(g, node)
    if node.selector:
        entry = _member(g, node, entry)
    hit = g.fn.icmp("ne", 32, g.fn.load("i32", g.fn.gep(entry, 8), 4, g.tag(ENTRY)), 0)
    if node.support_timeout:
        _note_hit(g, g.fn.select_ptr(hit, own, entry))  # an empty group is no hit
    _direct(g, node, own, hit)
    return _from_record(g, node, entry, hit)


def _from_record(g: Gen, node: TableNode, entry: str, hit: Ref) -> Found:
    ref = g.fn.load("i32", entry, 8, g.tag(ENTRY))
    actions = tuple(range(len(node.actions)))
    return Found(Val(ref, 32, 0, NONE), hit, actions, True, entry)


def _default_only(g: Gen, node: TableNode) -> Found:
    _direct(g, node, None, 0)
    if node.default is None and node.default_const:
        return Found(const(NONE), 0, (), True, args={})
    if node.default is not None and node.default_const:
        position = node.actions.index(node.default.action)
        return Found(
            const(position), 0, (position,), False, args={position: _const_args(g, node, position, node.default.args)}
        )
    return _from_record(g, node, g.address("default", node.table), 0)


def _const_args(g: Gen, node: TableNode, position: int, args: tuple[int, ...]) -> tuple[Val, ...]:
    return tuple(const(a) for a in args)


def _note_hit(g: Gen, entry: str) -> None:
    """The time of the last hit, for idle timeouts."""
    now = g.fn.load("i64", g.address("now"), 8)
    g.fn.store("i64", now, g.fn.gep(entry, 24), 8, g.tag("last_hit"))


def _direct(g: Gen, node: TableNode, entry: str | None, hit: Ref) -> None:
    """Direct counter and meter of the entry, or after a miss of the default entry; the colour is there before the action
    runs. The default entry's meter does nothing until it is configured."""
    if node.counter is None and node.meter is None:
        return
    row: Ref = DEFAULT_SLOT
    if entry is not None:
        row = g.fn.select(hit, 64, g.fn.load("i64", g.fn.gep(entry, HEADER), 8, g.tag(ENTRY)), DEFAULT_SLOT)
    if node.counter is not None:
        cell = g.fn.gep(g.address("counter", node.counter), g.fn.op("mul", 64, row, 16))
        registers.add_to_counter(g, cell, 1)
    if node.meter is not None:
        meter, number = g.model.meters[node.meter], node.meter
        if meter.target is not None:
            target = g.phv.field(meter.target.header, meter.target.field)
            kind = g.fn.load("i64", g.fn.gep(g.address("meter", number), DEFAULT_SLOT * externs.METER_ROW), 8)
            runs = g.fn.or_(hit, g.fn.icmp("ne", 64, kind, 0))
            g.branch_if(runs, lambda: g.set(target, externs.meter_colour(g, number, row)))


def _member(g: Gen, node: TableNode, entry: str) -> str:
    """An entry that names a group leads to the record of the member the hash chooses."""
    assert node.profile is not None
    action = g.fn.load("i32", entry, 8, g.tag(ENTRY))
    record = g.fn.place("record", "ptr")
    g.fn.store("ptr", entry, record, 8)

    def choose() -> None:
        profile = g.model.action_profiles[node.profile or 0]
        group = g.fn.load("ptr", g.fn.gep(entry, HEADER + 8), 8, g.tag(ENTRY))
        count = Val(g.fn.load("i64", group, 8, g.tag(ENTRY)), 64, 0, 1 << 32)
        notes.note(g, "empty_group", g.fn.not_(g.arith.nonzero(count)))
        some = g.arith.clamp(count, 1, 1 << 32)
        chosen = g.fn.place("chosen", "i64")

        def draw() -> None:
            span = g.fn.ref(g.arith.widen(g.arith.sub(some, const(1)), 64), 64)
            args = [f"ptr {g.address('random')}", f"i64 {span}"]
            g.fn.store("i64", g.fn.call("i64", g.address("run_draw"), args), chosen, 8)

        def hashed() -> None:
            number = hashing.hash_value(g, profile.selector_algo or "", profile.inputs, profile.name)
            rest = g.arith.widen(g.arith.div(number, some, rest=True), 64)
            g.fn.store("i64", g.fn.ref(rest, 64), chosen, 8)

        at_random = g.fn.icmp("ne", 64, g.fn.load("i64", g.fn.gep(group, 8), 8, g.tag(ENTRY)), 0)
        g.branch_if(at_random, draw, likely=False)
        g.branch_if(g.fn.not_(at_random), hashed)
        index = g.fn.load("i64", chosen, 8)
        place = g.fn.gep(group, g.fn.op("add", 64, g.fn.op("mul", 64, index, 8), 16))
        g.fn.store("ptr", g.fn.load("ptr", place, 8, g.tag(ENTRY)), record, 8)

    g.branch_if(g.fn.icmp("eq", 32, action, GROUP), choose)
    return g.fn.load("ptr", record, 8)


# --- Compiled contents ---


def _baked(g: Gen, node: TableNode, content: Content) -> Found:
    rows = [*content.rows, content.default]
    actions = tuple(sorted({r.action for r in rows if r.action is not None}))
    choose = _chooser(g, node, content)
    numbers = {id(r): NONE if r.action is None else r.action for r in rows}
    action = choose(lambda r: numbers[id(r)])
    hit = choose(lambda r: int(r is not content.default))
    args: dict[int, tuple[Val, ...]] = {}
    for position in actions:
        args[position] = tuple(
            choose(lambda r, k=k, p=position: r.args[k] if r.action == p else None)
            for k in range(len(g.model.actions[node.actions[position]].params))
        )
    none = any(r.action is None for r in rows)
    return Found(action, g.arith.nonzero(hit), actions, none, args=args)


def _chooser(g: Gen, node: TableNode, content: Content):
    """A function that turns a quantity of rows into its value for this packet's key. A quantity may be None
    where it does not matter."""
    found = steps(node, content)
    if found is not None and len(content.rows) > 2:
        key = key_value(g, node.keys[0])
        table = [(start, row or content.default) for start, row in found]
        return lambda quantity: _step_function(g, node.keys[0].width, key, [(s, quantity(r)) for s, r in table])
    conds = [_row_matches(g, node, row) for row in content.rows]

    def chain(quantity) -> Val:
        pairs = [(c, quantity(r)) for c, r in zip(conds, content.rows, strict=True)]
        last = quantity(content.default)
        known = [v for _, v in pairs if v is not None] + ([last] if last is not None else [0])
        value = const(last if last is not None else known[0])
        for c, v in reversed(pairs):
            if v is not None:
                value = g.arith.select(c, const(v), value)
        return value

    return chain


def _row_matches(g: Gen, node: TableNode, row: Row) -> Ref:
    result: Ref = 1
    for key, part in zip(node.keys, row.key, strict=True):
        value = key_value(g, key)
        span = bounds(part, key.width)
        if span is None:
            mask, wanted = part.mask, part.value  # type: ignore[attr-defined]
            test = g.arith.compare("==", g.arith.bitwise("and", value, const(mask)), const(wanted))
        elif span[0] == span[1]:
            test = g.arith.compare("==", value, const(span[0]))
        else:
            low = g.arith.compare(">=", value, const(span[0]))
            test = g.fn.and_(low, g.arith.compare("<=", value, const(span[1])))
        result = g.fn.and_(result, test)
    return result


def _step_function(g: Gen, width: int, key: Val, table: list[tuple[int, int | None]]) -> Val:
    """The value of the last step whose start is not above the key."""
    filled: list[tuple[int, int]] = []
    for start, value in table:
        if value is not None and (not filled or filled[-1][1] != value):
            filled.append((start if filled else 0, value))
    if not filled:
        return const(0)
    if len(filled) == 1:
        return const(filled[0][1])
    by_length = _by_bit_length(width, filled)
    if by_length is not None and len(filled) > 3:
        return _length_function(g, width, key, by_length)
    result = const(filled[0][1])
    for start, value in filled[1:]:
        result = g.arith.select(g.arith.compare(">=", key, const(start)), const(value), result)
    return result


def _by_bit_length(width: int, table: list[tuple[int, int]]) -> list[int] | None:
    """Values by the key's bit length 0..width, when the steps are at powers of two only."""
    if any(start & (start - 1) for start, _ in table):
        return None
    values = []
    for length in range(width + 1):
        least = 0 if length == 0 else 1 << (length - 1)
        values.append([v for s, v in table if s <= least][-1])
    return values


def _length_function(g: Gen, width: int, key: Val, values: list[int]) -> Val:
    """A function of the key's bit length: a line where it is one, else selects at its kinks."""
    bits = container(width)
    zeros = g.fn.emit(f"call i{bits} @llvm.ctlz.i{bits}(i{bits} {g.fn.ref(g.arith.modulo(key, bits), bits)}, i1 false)")
    g.fn.declared.add(f"declare i{bits} @llvm.ctlz.i{bits}(i{bits}, i1)")
    length = g.arith.sub(const(bits), g.arith.shrink(Val(zeros, bits, bits - width, bits)))
    pieces: list[tuple[int, int, int]] = []  # from this length on: value there, slope
    at = 0
    while at <= width:
        slope = values[at + 1] - values[at] if at < width else 0
        end = at
        while end < width and values[end + 1] - values[end] == slope:
            end += 1
        if end == at + 1 and at == 0:
            slope, end = 0, 0
        pieces.append((at, values[at], slope))
        at = end + 1
    result = _line(g, length, pieces[0])
    for piece in pieces[1:]:
        result = g.arith.select(g.arith.compare(">=", length, const(piece[0])), _line(g, length, piece), result)
    return (
        g.arith.clamp(result, min(values), max(values))
        if result.lo < 0 or result.hi > full(64)
        else _bounded(result, values)
    )


def _line(g: Gen, length: Val, piece: tuple[int, int, int]) -> Val:
    start, value, slope = piece
    if slope == 0:
        return const(value)
    return g.arith.add(g.arith.mul(length, const(slope)), const(value - slope * start))


def _bounded(value: Val, values: list[int]) -> Val:
    return Val(value.ref, value.bits, min(values), max(values)) if isinstance(value.ref, str) else value
