"""Primitives and actions as closures."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from emulator.switch import expr as x
from emulator.switch.control import Control
from emulator.switch.engine import BACKWARD_JUMP_LIMIT
from emulator.switch.externs import Cell
from emulator.switch.interp.calculations import input_bytes
from emulator.switch.interp.exprs import Args, Compiler, Evaluate, any_header
from emulator.switch.interp.headers import Headers
from emulator.switch.interp.phv import Phv
from emulator.switch.model import Action, Deparser, Field, Model, Primitive

Step = Callable[[Phv, Args], int | None]
"""Runs one primitive; a number returned is the index of the primitive to go on with."""


class Actions:
    """Compiles the primitives of one model. on_log is called with each log_msg's text."""

    def __init__(
        self, model: Model, control: Control, compiler: Compiler, rng: random.Random, drop_port: int
    ) -> None:
        self.model, self.control, self.compiler = model, control, compiler
        self.headers = Headers(model)
        self.rng = rng
        self.drop_port = drop_port
        self.on_log: Callable[[str], None] = lambda text: None
        self.event = control.state.event

    def action(self, action: Action | Deparser) -> Callable[[Phv, Args], None]:
        """The code of an action, or what a deparser runs before it emits."""
        steps = tuple(self.primitive(step) for step in action.body)
        if not any(step.op.startswith("_jump") for step in action.body):

            def straight(p: Phv, a: Args) -> None:
                for step in steps:
                    step(p, a)

            return straight
        return lambda p, a: self._with_jumps(steps, p, a)

    def _with_jumps(self, steps: tuple[Step, ...], p: Phv, a: Args) -> None:
        position = back = 0
        while position < len(steps):
            following = steps[position](p, a)
            if following is None:
                position += 1
                continue
            if following <= position:
                back += 1
                if back > BACKWARD_JUMP_LIMIT:
                    p.odd.add("action_loop_cut")
                    return
            position = following

    def primitive(self, step: Primitive) -> Step:
        return getattr(self, "_" + step.op.lstrip("_"))(*step.args)

    def _value(self, expr: Any) -> Evaluate:
        return self.compiler.value(expr)

    # --- Assignments ---

    def _assign(self, target: x.LValue, source: x.Expr) -> Step:
        value, store = self._value(source), self.compiler.store(target)
        if isinstance(target, x.FieldRead):
            from emulator.switch.interp.exprs import fitting

            h, f = target.header, target.field
            fit = fitting(self.model.header_type(h).fields[f])

            def put(p: Phv, a: Args) -> None:
                p.values[h][f] = fit(value(p, a))

            return put
        return lambda p, a: store(p, a, value(p, a))

    def _assign_VL(self, target: x.LValue, source: x.LValue) -> Step:
        """Bits and width of a varbit."""
        left, right = self._field_header(target), self._field_header(source)
        f, g = target.field, source.field

        def assign(p: Phv, a: Args) -> None:
            h, k = left(p, a), right(p, a)
            if h >= 0 and k >= 0:
                p.values[h][f] = p.values[k][g]
                p.varbits[h] = p.varbits[k]

        return assign

    def _field_header(self, ref: x.LValue) -> Evaluate:
        return self.compiler.header(x.HeaderRef(ref.header) if isinstance(ref, x.FieldRead) else ref.header)

    def _assign_header(self, target: x.HeaderExpr, source: x.HeaderExpr) -> Step:
        left, right, assign = self.compiler.header(target), self.compiler.header(source), self.headers.assign
        return lambda p, a: assign(p, left(p, a), right(p, a))

    def _assign_union(self, target: x.UnionExpr, source: x.UnionExpr) -> Step:
        left, right, assign = (
            self.compiler.union(target),
            self.compiler.union(source),
            self.headers.assign_union,
        )
        return lambda p, a: assign(p, left(p, a), right(p, a))

    def _assign_header_stack(self, target: int, source: int) -> Step:
        return lambda p, a: self.headers.assign_stack(p, target, source)

    def _assign_union_stack(self, target: int, source: int) -> Step:
        return lambda p, a: self.headers.assign_union_stack(p, target, source)

    # --- Headers and stacks ---

    def _add_header(self, header: x.HeaderExpr) -> Step:
        where, add = self.compiler.header(header), self.headers.add
        return lambda p, a: add(p, where(p, a))

    def _remove_header(self, header: x.HeaderExpr) -> Step:
        where, remove = self.compiler.header(header), self.headers.remove
        return lambda p, a: remove(p, where(p, a))

    def _push(self, stack: int, count: int) -> Step:
        return lambda p, a: self.headers.push(p, stack, count)

    def _pop(self, stack: int, count: int) -> Step:
        return lambda p, a: self.headers.pop(p, stack, count)

    def _push_union_stack(self, stack: int, count: int) -> Step:
        return lambda p, a: self.headers.push_union(p, stack, count)

    def _pop_union_stack(self, stack: int, count: int) -> Step:
        return lambda p, a: self.headers.pop_union(p, stack, count)

    # --- Control flow ---

    def _jump(self, target: int) -> Step:
        return lambda p, a: target

    def _jump_if_zero(self, cond: x.Expr, target: int) -> Step:
        value = self._value(cond)
        return lambda p, a: None if value(p, a) else target

    def _exit(self) -> Step:
        def leave(p: Phv, a: Args) -> None:
            p.exited = True

        return leave

    def _assert(self, cond: x.Expr) -> Step:
        return self._expect(cond, "assert_failed")

    def _assume(self, cond: x.Expr) -> Step:
        return self._expect(cond, "assume_failed")

    def _expect(self, cond: x.Expr, event: str) -> Step:
        value = self._value(cond)

        def check(p: Phv, a: Args) -> None:
            if not value(p, a):
                self.event(event)

        return check

    def _log_msg(self, text: str, values: tuple[x.Expr, ...]) -> Step:
        parts, found = text.split("{}"), [self._value(v) for v in values]

        def log(p: Phv, a: Args) -> None:
            words = [str(value(p, a)) for value in found]
            words += ["{}"] * (len(parts) - 1 - len(words))
            self.on_log("".join(part + word for part, word in zip(parts, [*words[: len(parts) - 1], ""])))

        return log

    def _call_extern(self, instance: str | None, name: str, results: int, arguments: tuple[Any, ...]) -> Step:
        makers = [self._extern_argument(argument) for argument in arguments]

        def run(p: Phv, a: Args) -> None:
            values = [make(p, a) for make, _ in makers]
            self.control.externs.call(instance, name, values, results)
            for cell, (_, store) in zip(values, makers):
                if store is not None:
                    store(p, a, cell.value)

        return run

    def _extern_argument(self, argument: Any) -> tuple[Callable[[Phv, Args], Any], Any]:
        """(what the extern gets, how what it leaves in a Cell is stored)"""
        if isinstance(argument, str):
            return lambda p, a: argument, None
        if isinstance(argument, tuple):
            parts = [self._value(part) for part in argument]
            return lambda p, a: tuple(part(p, a) for part in parts), None
        value = self._value(argument)
        field = _target(self.model, argument)
        if field is not None:
            width, signed = field.width, field.signed
            return lambda p, a: Cell(value(p, a), width, signed), self.compiler.store(argument)
        if x.is_bool(argument):
            return lambda p, a: bool(value(p, a)), None
        return lambda p, a: Cell(value(p, a)), None

    # --- Requests to the traffic manager ---

    def _mark_to_drop(self) -> Step:
        standard, port = self.model.standard, self.drop_port
        h, spec, group = standard.header, standard.egress_spec, standard.place("mcast_grp")
        port &= (1 << self.model.header_type(h).fields[spec].width) - 1

        def drop(p: Phv, a: Args) -> None:
            p.values[h][spec] = port
            if group is not None:
                p.values[group.header][group.field] = 0

        return drop

    def _generate_digest(self, receiver: x.Expr, learn_list: int | None) -> Step:
        def digest(p: Phv, a: Args) -> None:
            p.requests.digest = learn_list

        return digest

    def _clone_ingress_pkt_to_egress(self, session: x.Expr, field_list: int) -> Step:
        number = self._value(session)

        def clone(p: Phv, a: Args) -> None:
            p.requests.clone = (number(p, a) & 0x7FFF, field_list)

        return clone

    _clone_egress_pkt_to_egress = _clone_ingress_pkt_to_egress

    def _resubmit(self, field_list: int) -> Step:
        def resubmit(p: Phv, a: Args) -> None:
            p.requests.resubmit = field_list

        return resubmit

    def _recirculate(self, field_list: int) -> Step:
        def recirculate(p: Phv, a: Args) -> None:
            p.requests.recirculate = field_list

        return recirculate

    def _truncate(self, length: x.Expr) -> Step:
        value = self._value(length)

        def truncate(p: Phv, a: Args) -> None:
            size = value(p, a) & 0xFFFFFFFF
            old = p.requests.truncate
            p.requests.truncate = size if old is None else min(old, size)

        return truncate

    # --- Hash, random, state ---

    def _modify_field_with_hash_based_offset(
        self, target: x.LValue, base: x.Expr, calculation: int, size: x.Expr
    ) -> Step:
        store, low, count = self.compiler.store(target), self._value(base), self._value(size)
        spec = self.model.calculations[calculation]
        gather, function = input_bytes(self.model, spec.inputs), self.control.hashes.call(spec.name)

        def put(p: Phv, a: Args) -> None:
            store(p, a, low(p, a) + function(gather(p)) % max(1, count(p, a)))

        return put

    def _modify_field_rng_uniform(self, target: x.LValue, low: x.Expr, high: x.Expr) -> Step:
        store, first, last = self.compiler.store(target), self._value(low), self._value(high)

        def draw(p: Phv, a: Args) -> None:
            lo, hi = first(p, a), last(p, a)
            if lo > hi:
                p.odd.add("random_range_empty")
            else:
                store(p, a, lo + uniform(self.rng, hi - lo))

        return draw

    def _execute_meter(self, meter: int, index: x.Expr, target: x.LValue) -> Step:
        array, where, store = (
            self.control.state.meters[meter],
            self._value(index),
            self.compiler.store(target),
        )

        def execute(p: Phv, a: Args) -> None:
            i = where(p, a)
            if 0 <= i < array.size:
                store(p, a, array.execute(i, p.ingress_length, p.now))
            else:
                p.odd.add("meter_index_out_of_range")

        return execute

    def _count(self, counter: int, index: x.Expr) -> Step:
        array, where = self.control.state.counters[counter], self._value(index)

        def count(p: Phv, a: Args) -> None:
            i = where(p, a)
            if 0 <= i < array.size:
                array.count(i, p.ingress_length)
            else:
                p.odd.add("counter_index_out_of_range")

        return count

    def _register_read(self, target: x.LValue, register: int, index: x.Expr) -> Step:
        array, where, store = (
            self.control.state.registers[register],
            self._value(index),
            self.compiler.store(target),
        )

        def read(p: Phv, a: Args) -> None:
            i = where(p, a)
            if 0 <= i < array.size:
                store(p, a, array.read(i))
            else:
                p.odd.add("register_index_out_of_range")

        return read

    def _register_write(self, register: int, index: x.Expr, source: x.Expr) -> Step:
        array, where, value = self.control.state.registers[register], self._value(index), self._value(source)

        def write(p: Phv, a: Args) -> None:
            i, stored = where(p, a), value(p, a)
            if 0 <= i < array.size:
                array.write(i, stored)
            else:
                p.odd.add("register_index_out_of_range")

        return write


def uniform(rng: random.Random, span: int) -> int:
    """A number in 0..span from one 64-bit draw: the draw scaled down, so both engines agree on it."""
    return (rng.getrandbits(64) * (span + 1)) >> 64 if span < 1 << 64 else rng.randint(0, span)


def _target(model: Model, argument: Any) -> Field | None:
    """The field that an extern may store into."""
    if not isinstance(argument, (x.FieldRead, x.DynamicField)) or argument.field == x.VALID:
        return None
    header = argument.header if isinstance(argument, x.FieldRead) else any_header(model, argument.header)
    return model.header_type(header).fields[argument.field]
