"""The parser as closures: states run one after another until accept or an error."""

from __future__ import annotations

from collections.abc import Callable

from emulator.switch.engine import PARSER_STEP_LIMIT
from emulator.switch.interp.actions import Actions
from emulator.switch.interp.exprs import ParserError
from emulator.switch.interp.phv import Phv
from emulator.switch.model import (
    Advance,
    Extract,
    Model,
    ParserOp,
    ParseState,
    Primitive,
    Set,
    StackNext,
    Transition,
    UnionStackNext,
    Verify,
)

Operation = Callable[[Phv], None]


class ParserProgram:
    """run(phv): parses; on an error what was extracted stays and phv.error is set."""

    def __init__(self, model: Model, actions: Actions) -> None:
        self.model, self.actions = model, actions
        self.headers = actions.headers
        self.value_sets = actions.control.value_set_list
        self._states = [self._state(state) for state in model.parser.states]

    def run(self, p: Phv) -> None:
        try:
            self._walk(p)
        except ParserError as error:
            p.error = error.code if error.name is None else self.model.errors[error.name]
            if p.trace is not None:
                p.trace.parser_error(p.error)
        p.payload = p.data[p.position // 8 :]
        if p.trace is not None:
            p.trace.parsed(p)

    def _walk(self, p: Phv) -> None:
        state = self.model.parser.init_state
        steps = 0
        while state is not None:
            steps += 1
            if steps > PARSER_STEP_LIMIT:
                raise ParserError("ParserTimeout")
            if p.trace is not None:
                p.trace.enter_state(self.model.parser.states[state].name, p)
            operations, select = self._states[state]
            for operation in operations:
                operation(p)
            state = select(p)

    def _state(self, state: ParseState) -> tuple[tuple[Operation, ...], Callable[[Phv], int | None]]:
        return tuple(self._operation(op) for op in state.ops), self._select(state)

    # --- Operations ---

    def _operation(self, op: ParserOp) -> Operation:
        if isinstance(op, Extract):
            return self._extract(op)
        if isinstance(op, Set):
            value, store = self.actions.compiler.value(op.value), self.actions.compiler.store(op.target)
            return lambda p: store(p, (), value(p, ()))
        if isinstance(op, Verify):
            return self._verify(op)
        if isinstance(op, Advance):
            return self._advance(op)
        assert isinstance(op, Primitive)
        step = self.actions.primitive(op)

        def primitive(p: Phv) -> None:
            step(p, ())

        return primitive

    def _verify(self, op: Verify) -> Operation:
        cond, code = self.actions.compiler.value(op.cond), self.actions.compiler.value(op.error)

        def verify(p: Phv) -> None:
            if not cond(p, ()):
                raise ParserError(None, code(p, ()) & 0xFFFFFFFF)

        return verify

    def _advance(self, op: Advance) -> Operation:
        value = self.actions.compiler.value(op.bits)

        def advance(p: Phv) -> None:
            bits = value(p, ())
            if bits < 0 or bits % 8:
                raise ParserError("ParserInvalidArgument")
            if p.position + bits > 8 * len(p.data):
                raise ParserError("PacketTooShort")
            p.position += bits

        return advance

    def _extract(self, op: Extract) -> Operation:
        place, then = self._target(op.target)
        fields, length = self._sizes(op)

        def extract(p: Phv) -> None:
            h = place(p)
            variable = 0 if length is None else length(p, h)
            bits = fields + variable
            if p.position + bits > 8 * len(p.data):
                raise ParserError("PacketTooShort")
            self.headers.fill(p, h, bits, variable)
            if then is not None:
                then(p)
            if p.trace is not None:
                p.trace.extract(h, p)

        return extract

    def _target(
        self, target: int | StackNext | UnionStackNext
    ) -> tuple[Callable[[Phv], int], Operation | None]:
        """Which header to fill, and what to do when it has worked."""
        if isinstance(target, int):
            return (lambda p: target), None
        if isinstance(target, StackNext):
            stack = target.stack
            headers = self.model.stacks[stack].headers
            return (lambda p: _next(headers, p.next[stack])), lambda p: _bump(p.next, stack)
        stack = target.union_stack
        unions = self.model.union_stacks[stack].unions
        row = tuple(self.model.unions[u].headers[target.member] for u in unions)
        return (lambda p: _next(row, p.union_next[stack])), lambda p: _bump(p.union_next, stack)

    def _sizes(self, op: Extract) -> tuple[int, Callable[[Phv, int], int] | None]:
        """Fixed bits of the header, and a function for those of its varbit."""
        if isinstance(op.target, int):
            header = op.target
        elif isinstance(op.target, StackNext):
            header = self.model.stacks[op.target.stack].headers[0]
        else:
            header = self.model.unions[self.model.union_stacks[op.target.union_stack].unions[0]].headers[
                op.target.member
            ]
        kind = self.model.header_type(header)
        if kind.varbit is None:
            return kind.fixed_bits, None
        limit = kind.fields[kind.varbit].width
        if op.bits is not None:
            value = self.actions.compiler.value(op.bits)
            return kind.fixed_bits, lambda p, h: _checked(value(p, ()), limit)
        if kind.length_expr is None:
            return kind.fixed_bits, None
        return kind.fixed_bits, self._own_length(kind.fixed_bits, kind.length_expr, limit)

    def _own_length(self, fixed: int, expr: object, limit: int) -> Callable[[Phv, int], int]:
        """`length_exp`: bits of the varbit, from fields in front of it."""
        value = self.actions.compiler.value(expr)  # type: ignore[arg-type]

        def length(p: Phv, h: int) -> int:
            start = p.position
            if start + fixed > 8 * len(p.data):
                raise ParserError("PacketTooShort")
            self.headers.fill(p, h, fixed, 0)
            p.position = start
            p.valid[h] = 0
            return _checked(value(p, ()), limit)

        return length

    # --- Select ---

    def _select(self, state: ParseState) -> Callable[[Phv], int | None]:
        parts = [(self.actions.compiler.value(part.expr), (1 << part.width) - 1) for part in state.key]
        transitions = state.transitions
        if transitions and transitions[0].default and not parts:
            following = transitions[0].next
            return lambda p: following
        strict = self.model.strict_select and bool(transitions)

        def select(p: Phv) -> int | None:
            values = tuple([value(p, ()) & mask for value, mask in parts])
            if p.trace is not None and values:
                p.trace.select(values)
            for transition in transitions:
                if transition.default or self._matches(transition, values):
                    return transition.next
            if strict:
                raise ParserError("NoMatch")
            return None

        return select

    def _matches(self, transition: Transition, values: tuple[int, ...]) -> bool:
        if transition.value_set is not None:
            return self.value_sets[transition.value_set].matches(values, transition.masks)
        rows = zip(values, transition.values, transition.masks)
        return all(value & mask == wanted for value, wanted, mask in rows)


def _next(headers: tuple[int, ...], used: int) -> int:
    if used >= len(headers):
        raise ParserError("StackOutOfBounds")
    return headers[used]


def _bump(counts: list[int], stack: int) -> None:
    counts[stack] += 1


def _checked(bits: int, limit: int) -> int:
    """A varbit's width, or the parser error it means."""
    if bits < 0 or bits % 8:
        raise ParserError("ParserInvalidArgument")
    if bits > limit:
        raise ParserError("HeaderTooShort")
    return bits
