"""The parser as compiled code: one basic block per state, the position in the packet as a variable.

Every read is behind a check of the packet's length. A state on a cycle burns fuel, so no program can hang.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from emulator.switch import expr as x
from emulator.switch.engine import PARSER_STEP_LIMIT
from emulator.switch.jit import exprs, externs, headers, primitives
from emulator.switch.jit.gen import Gen
from emulator.switch.jit.ir import Ref
from emulator.switch.jit.packing import read_bits, read_varbit
from emulator.switch.jit.phv import Var
from emulator.switch.jit.values import Val, const
from emulator.switch.model import (
    Advance,
    Extract,
    ParserOp,
    ParseState,
    Primitive,
    Set,
    StackNext,
    Transition,
    UnionStackNext,
    Verify,
)

PACKET = "packet"


class ParserGen:
    """Generates the parser into `g`'s function; afterwards the current block is behind it.

    data, length: pointer and i64 of the packet's bytes."""

    def __init__(self, g: Gen, data: str, length: Ref):
        self.g = g
        self.data = data
        self.length = length
        self.parser = g.model.parser
        self.labels = [g.fn.label("state") for _ in self.parser.states]
        self.done = g.fn.label("parsed")
        self.cyclic = _cyclic(self.parser.states)
        self.before = _sole_ways(self.parser.states, self.parser.init_state)

    def run(self) -> None:
        g = self.g
        g.lookahead = self._lookahead
        if self.parser.init_state is None:
            g.goto(self.done)
        else:
            if any(self.cyclic):
                externs.reset_fuel(g, PARSER_STEP_LIMIT)
            g.goto(self.labels[self.parser.init_state])
            for number in _reachable(self.parser.states, self.parser.init_state):
                if self.before[number] is None:
                    self._chain(number)
        g.start(self.done)
        g.lookahead = None
        error = g.phv.standard("parser_error")
        if error is not None:
            g.set(error, g.get(g.phv.own.error))

    # --- states ---

    def _chain(self, number: int) -> None:
        """A state and those that have no other way in, in one block."""
        self.g.start(self.labels[number])
        following: int | None = number
        while following is not None:
            following = self._state(following)

    def _state(self, number: int) -> int | None:
        """A state whose block has begun. Returns the one that goes on in the same block."""
        g, state = self.g, self.parser.states[number]
        if any(self.cyclic):
            on = g.fn.label("fuelled")
            out = g.fn.label("empty")
            g.branch(externs.burn_fuel(g), on, out)
            g.start(out)
            self._fail_now("ParserTimeout")
            g.start(on)
        for op in state.ops:
            self._op(op)
        sole = _only_next(state)
        if sole is not None and self.before[sole] == number:
            return sole
        self._transitions(state)
        return None

    def _op(self, op: ParserOp) -> None:
        g = self.g
        if not isinstance(op, Extract):
            self._check_lookahead(op)
        match op:
            case Extract(target, bits):
                self._extract(target, bits)
            case Set(target, value):
                primitives.assign(g, target, value)
            case Verify(test, error):
                self._unless(exprs.cond(g, test), exprs.low(g, error, 32))
            case Advance(bits):
                self._advance(exprs.exact(g, bits))
            case Primitive():
                if op.op in primitives.HARD:
                    g.flush()
                primitives.run(g, op)

    # --- position and errors ---

    def _at(self) -> Val:
        return self.g.get(self.g.phv.own.position)

    def _pointer(self) -> str:
        return self.g.fn.gep(self.data, self.g.arith.widen(self._at(), 64))

    def _fits(self, size: Val) -> Ref:
        """Whether `size` bytes are left."""
        end = self.g.arith.add(self._at(), size)
        return self.g.arith.compare("<=", end, Val(self.length, 64, 0, self.g.max_length))

    def _unless(self, good: Ref, code: Val) -> None:
        """Leave the parser with an error when not `good`."""
        if good == 1:
            return
        g = self.g
        on, out = g.fn.label("good"), g.fn.label("error")
        g.branch(good, on, out, likely=True)
        g.start(out)
        self._fail_value(code)
        g.start(on)

    def _error(self, name: str) -> Val:
        return const(self.g.model.errors[name])

    def _fail_now(self, name: str) -> None:
        self._fail_value(self._error(name))

    def _fail_value(self, code: Val) -> None:
        self.g.set(self.g.phv.own.error, code)
        self.g.goto(self.done)

    def _advance(self, bits: Val) -> None:
        g = self.g
        whole = g.arith.compare("==", g.arith.bitwise("and", bits, const(7)), const(0))
        self._unless(g.fn.and_(whole, g.arith.compare(">=", bits, const(0))), self._error("ParserInvalidArgument"))
        size = g.arith.clamp(g.arith.shr(bits, const(3)), 0, 1 << 29)
        self._unless(self._fits(size), self._error("PacketTooShort"))
        self._move(size)

    def _move(self, size: Val) -> None:
        position = self.g.phv.own.position
        self.g.set(position, self.g.arith.add(self.g.get(position), size))

    # --- lookahead ---

    def _check_lookahead(self, item: object) -> None:
        last = max((a.offset + a.width for a in _lookaheads(item)), default=0)
        if last:
            self._unless(self._fits(const((last + 7) // 8)), self._error("PacketTooShort"))

    def _lookahead(self, offset: int, width: int) -> Val:
        return read_bits(self.g, self._pointer(), offset, width, self.g.tag(PACKET))

    # --- extraction ---

    def _extract(self, target: int | StackNext | UnionStackNext, bits: x.Expr | None) -> None:
        if isinstance(target, int):
            self._extract_header(target, bits)
            return
        g = self.g
        if isinstance(target, StackNext):
            following = g.phv.next[target.stack]
            items = g.model.stacks[target.stack].headers
        else:
            following = g.phv.union_next[target.union_stack]
            unions = g.model.union_stacks[target.union_stack].unions
            items = tuple(g.model.unions[u].headers[target.member] for u in unions)
        index = g.get(following)
        self._unless(g.arith.compare("<", index, const(len(items))), self._error("StackOutOfBounds"))
        self._extract_next(index, following, items, bits)

    def _extract_next(self, index: Val, following: Var, items: tuple[int, ...], bits: x.Expr | None) -> None:
        g = self.g
        after = g.fn.label("extracted")
        cases = [g.fn.label("element") for _ in items]
        g.flush()
        table = " ".join(f"i32 {k}, label %{label}" for k, label in enumerate(cases))
        if isinstance(index.ref, int):
            g.fn.br(cases[index.ref])
        else:
            g.fn.end(f"switch i32 {index.ref}, label %{cases[0]} [{table}]")
        for k, label in enumerate(cases):
            g.start(label)
            self._extract_header(items[k], bits)
            g.set_const(following, k + 1)
            g.goto(after)
        g.start(after)

    def _extract_header(self, header: int, bits: x.Expr | None) -> None:
        g = self.g
        kind = g.model.header_type(header)
        if kind.varbit is not None:
            self._extract_varbit(header, bits)
            return
        size = kind.fixed_bits // 8
        self._unless(self._fits(const(size)), self._error("PacketTooShort"))
        pointer = self._pointer()
        if not g.homes.extract(header, pointer):
            for f, field in enumerate(kind.fields):
                g.set(g.phv.field(header, f), self._field(pointer, field.offset, field.width))
        headers.make_valid(g, header)
        self._move(const(size))

    def _field(self, pointer: str, offset: int, width: int) -> Val:
        return read_bits(self.g, pointer, offset, width, self.g.tag(PACKET))

    def _extract_varbit(self, header: int, bits: x.Expr | None) -> None:
        g = self.g
        kind = g.model.header_type(header)
        assert kind.varbit is not None
        varbit = kind.fields[kind.varbit]
        buffer = g.phv.buffers[header, kind.varbit]
        if bits is not None:
            wide = exprs.exact(g, bits)
        else:
            wide = self._own_length(header)
        whole = g.arith.compare("==", g.arith.bitwise("and", wide, const(7)), const(0))
        self._unless(g.fn.and_(whole, g.arith.compare(">=", wide, const(0))), self._error("ParserInvalidArgument"))
        self._unless(g.arith.compare("<=", wide, const(varbit.width)), self._error("HeaderTooShort"))
        count = g.arith.clamp(g.arith.shr(wide, const(3)), 0, buffer.size)
        size = g.arith.add(const(kind.fixed_bits // 8), count)
        self._unless(self._fits(size), self._error("PacketTooShort"))
        pointer = self._pointer()
        behind = g.fn.gep(pointer, g.arith.widen(count, 64))
        for f, field in enumerate(kind.fields):
            if f != kind.varbit:
                place = pointer if f < kind.varbit else behind
                g.set(g.phv.field(header, f), self._field(place, field.offset, field.width))
        read_varbit(g, g.buffer(buffer), pointer, varbit.offset, g.arith.widen(count, 64))
        g.set(buffer.used, g.arith.clamp(wide, 0, varbit.width))
        headers.make_valid(g, header)
        self._move(size)

    def _own_length(self, header: int) -> Val:
        """`length_exp`: the varbit's bits, as fields in front of it tell."""
        g, kind = self.g, self.g.model.header_type(header)
        if kind.length_expr is None:
            return const(0)
        self._unless(self._fits(const(kind.fixed_bits // 8)), self._error("PacketTooShort"))
        pointer = self._pointer()
        for f, field in enumerate(kind.fields):
            if f != kind.varbit:
                g.set(g.phv.field(header, f), self._field(pointer, field.offset, field.width))
        headers.make_valid(g, header)
        headers.invalidate(g, header)
        return exprs.exact(g, kind.length_expr)

    # --- transitions ---

    def _transitions(self, state: ParseState) -> None:
        g = self.g
        self._check_lookahead(state.key)
        key = [g.arith.mask(exprs.low(g, part.expr, part.width), part.width) for part in state.key]
        for transition in state.transitions:
            if transition.default:
                self._go(transition.next)
                return
            matches = self._matches(transition, key)
            if matches == 0:
                continue
            if matches == 1:
                self._go(transition.next)
                return
            no = g.fn.label("next")
            g.branch(matches, self._label(transition.next), no)
            g.start(no)
        if g.model.strict_select and state.key:
            self._fail_now("NoMatch")
        else:
            self._go(None)

    def _label(self, state: int | None) -> str:
        return self.done if state is None else self.labels[state]

    def _go(self, state: int | None) -> None:
        self.g.goto(self._label(state))

    def _matches(self, transition: Transition, key: list[Val]) -> Ref:
        g = self.g
        if transition.value_set is not None:
            return self._in_value_set(transition, key)
        result: Ref = 1
        for part, value, mask in zip(key, transition.values, transition.masks, strict=True):
            masked = g.arith.bitwise("and", part, const(mask))
            result = g.fn.and_(result, g.arith.compare("==", masked, const(value)))
        return result

    def _in_value_set(self, transition: Transition, key: list[Val]) -> Ref:
        """Members lie as rows of 64-bit words (each part from a fresh word) behind their number."""
        g = self.g
        words: list[tuple[Ref, int]] = []
        widths = g.model.value_sets[transition.value_set or 0].widths
        for part, width, mask in zip(key, widths, transition.masks or [-1] * len(key), strict=True):
            bits = 64 * -(-width // 64)
            value = g.arith.modulo(part, bits)
            keep = (1 << bits) - 1 if mask < 0 else mask
            for k in range(bits // 64):
                word = g.fn.trunc(g.fn.op("lshr", bits, value, 64 * k), bits, 64)
                words.append((word, (keep >> (64 * k)) & ((1 << 64) - 1)))
        place = g.key_space(2 * len(words))
        for k, (word, mask) in enumerate(words):
            g.fn.store("i64", g.fn.ref(word, 64), g.fn.gep(place, 8 * k), 8)
            g.fn.store("i64", g.fn.ref(mask, 64), g.fn.gep(place, 8 * (len(words) + k)), 8)
        g.helpers.add("fp_in_set")
        members = g.address("value_set", transition.value_set or 0)
        found = g.fn.call("i32", "@fp_in_set", [f"ptr {members}", f"ptr {place}", f"i64 {len(words)}"])
        return g.fn.icmp("ne", 32, found, 0)


def _lookaheads(item: object) -> list[x.Lookahead]:
    if isinstance(item, x.Lookahead):
        return [item]
    if is_dataclass(item):
        return [a for f in fields(item) for a in _lookaheads(getattr(item, f.name))]
    if isinstance(item, tuple):
        return [a for part in item for a in _lookaheads(part)]
    return []


def _reachable(states: tuple[ParseState, ...], first: int) -> list[int]:
    found = [first]
    for number in found:
        for transition in states[number].transitions:
            if transition.next is not None and transition.next not in found:
                found.append(transition.next)
    return found


def _only_next(state: ParseState) -> int | None:
    """The state that follows whatever the packet holds. A key counts, though nothing depends on it: it may not be there."""
    first = state.transitions[0] if state.transitions and not state.key else None
    return first.next if first is not None and first.default else None


def _sole_ways(states: tuple[ParseState, ...], first: int | None) -> list[int | None]:
    """For each state the one that it always and solely follows."""
    ways: list[list[int]] = [[] for _ in states]
    for number, state in enumerate(states):
        for transition in state.transitions:
            if transition.next is not None:
                ways[transition.next].append(number)
    cyclic = _cyclic(states)
    return [
        w[0] if len(w) == 1 and n != first and not cyclic[n] and _only_next(states[w[0]]) == n else None
        for n, w in enumerate(ways)
    ]


def _cyclic(states: tuple[ParseState, ...]) -> list[bool]:
    """Which states can come back to themselves."""
    nexts = [{t.next for t in s.transitions if t.next is not None} for s in states]
    result = []
    for number in range(len(states)):
        seen: set[int] = set()
        todo = set(nexts[number])
        while todo:
            at = todo.pop()
            if at not in seen:
                seen.add(at)
                todo |= nexts[at]
        result.append(number in seen)
    return result
