"""Put what a variable holds where the variable is read, as far as nothing changes in between.

Before: tmp = h.a; t2 = tmp + 1; h.c = 0; h.b = t2      After: h.c = 0; h.b = h.a + 1
A copy (of a field, a constant, an action's argument) goes to every reader. A computed value goes to its reader when
there is but one, so that nothing is computed twice. Facts hold along straight code: into branches and past them, but
not past a write to what they mention, and not past a table, whose actions may write anything.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .. import fold, ir
from ..types import Bits
from .walk import Body, bodies, other_reads, reads_of, rewrite, scalars_in, statements

Place = tuple[str, str]
HEADERS: Place = ("", "*")
"""What all facts about headers depend on: headers made valid or invalid, copied, extracted, moved in a stack."""
ANY_FIELD: Place = ("", "field")
"""What facts depend on that mention a field or header chosen at run time: a write to any field."""
MAX_DEPTH = 24
"""Values are put together to expressions up to this deep; the switch takes 300."""
INPUTS = {"register_write": (1, 2), "register_read": (2,), "count": (1,), "verify": (0,), "advance": (0,),
          "extract_VL": (1,), "execute_meter": (1,), "assert": (0,), "assume": (0,), "log_msg": (1,)}
"""Which arguments of a primitive are values it only reads."""


def propagate(program: ir.Program) -> ir.Program:
    single = _single_use(program)
    return rewrite(program, lambda body: _Walk(single).body(body, _Facts()))


def _single_use(program: ir.Program) -> set[str]:
    """Variables of the compiler and of bodies that are written once and read once."""
    reads: Counter[str] = Counter()
    writes: Counter[str] = Counter()
    for body in bodies(program):
        for stmt in statements(body):
            for e in reads_of(stmt):
                reads.update(scalars_in(e))
            if isinstance(stmt, ir.Assign) and isinstance(stmt.target, ir.Field) and stmt.target.header == "scalars":
                writes[stmt.target.name] += 1
    for e in other_reads(program):
        reads.update(dict.fromkeys(scalars_in(e), 2))
    return {n for n in program.scalars if reads[n] == 1 and writes[n] == 1} - program.user_scalars


@dataclass(slots=True)
class _Facts:
    """values: variable -> what it holds; users: place -> variables whose value mentions it."""

    values: dict[str, ir.Expr] = field(default_factory=dict)
    users: dict[Place, set[str]] = field(default_factory=dict)

    def copy(self) -> _Facts:
        return _Facts(dict(self.values), {place: set(names) for place, names in self.users.items()})

    def learn(self, name: str, value: ir.Expr) -> None:
        self.values[name] = value
        for place in _mentions(value):
            self.users.setdefault(place, set()).add(name)

    def forget(self, places: Iterable[Place]) -> None:
        for place in places:
            if place[0] == "scalars":
                self.values.pop(place[1], None)
            for name in self.users.pop(place, ()):
                self.values.pop(name, None)

    def clear(self) -> None:
        self.values.clear()
        self.users.clear()


def _mentions(value: ir.Expr) -> set[Place]:
    found: set[Place] = set()
    fold.reads(value, found)
    if any(header not in ("scalars", "standard_metadata") for header, _ in found):
        found.add(HEADERS)
    if any(name == "*" for _, name in found):
        found.add(ANY_FIELD)
    return found


def _depth(e: Any) -> int:
    return 1 + max((_depth(a) for a in e.args), default=0) if isinstance(e, ir.Op) else 1


class _Walk:
    def __init__(self, single: set[str]) -> None:
        self.single = single

    def body(self, body: Body, facts: _Facts) -> Body:
        out: list[ir.Stmt] = []
        for stmt in body:
            if isinstance(stmt, ir.If):
                cond = self.value(stmt.cond, facts)
                if isinstance(cond, ir.Const):
                    out.extend(self.body(stmt.then if cond.value else stmt.orelse, facts))
                    continue
            out.append(self.stmt(stmt, facts))
        return tuple(out)

    def stmt(self, stmt: ir.Stmt, facts: _Facts) -> ir.Stmt:
        if isinstance(stmt, ir.Assign):
            return self._assign(stmt, facts)
        if isinstance(stmt, ir.Prim):
            return self._primitive(stmt, facts)
        if isinstance(stmt, ir.If):
            cond = self.value(stmt.cond, facts)
            stmt = ir.If(cond, self.body(stmt.then, facts.copy()), self.body(stmt.orelse, facts.copy()), stmt.pos)
        elif isinstance(stmt, ir.Block):
            stmt = ir.Block(stmt.label, self.body(stmt.body, facts.copy()), stmt.pos)
        elif isinstance(stmt, ir.Loop):
            return self._loop(stmt, facts)
        elif isinstance(stmt, ir.Apply):
            facts.clear()
            return ir.Apply(stmt.table, tuple((c, self.body(b, _Facts())) for c, b in stmt.cases), stmt.pos)
        else:
            return stmt
        self._after([stmt], facts)
        return stmt

    def _loop(self, stmt: ir.Loop, facts: _Facts) -> ir.Loop:
        """Only copies go in, and none of what the loop itself changes."""
        self._after(stmt.body, facts)
        inner = _Facts()
        for name, value in facts.values.items():
            if not isinstance(value, ir.Op):
                inner.learn(name, value)
        return ir.Loop(stmt.label, self.body(stmt.body, inner), stmt.pos)

    def _after(self, body: Iterable[ir.Stmt], facts: _Facts) -> None:
        """Forget what code may have changed."""
        for stmt in statements(tuple(body)):
            if _runs_other_code(stmt):
                facts.clear()
            else:
                facts.forget(_written(stmt))

    def _assign(self, stmt: ir.Assign, facts: _Facts) -> ir.Stmt:
        value = self.value(stmt.value, facts)
        target = stmt.target
        if not isinstance(target, ir.Field):
            target = self.value(target, facts)
        new = ir.Assign(target, value, stmt.pos)
        facts.forget(_written(new))
        if isinstance(target, ir.Field) and target.header == "scalars" and value.type == target.type and \
                self._worth(target.name, value) and ("scalars", target.name) not in _mentions(value):
            facts.learn(target.name, value)
        return new

    def _worth(self, name: str, value: ir.Expr) -> bool:
        if isinstance(value, (ir.Field, ir.Const)):
            return True
        if isinstance(value, ir.Data):  # signed ones are unsigned until they have been stored
            return not (isinstance(value.type, Bits) and value.type.signed)
        return name in self.single and not isinstance(value, ir.Lookahead) and _depth(value) <= MAX_DEPTH

    def _primitive(self, stmt: ir.Prim, facts: _Facts) -> ir.Stmt:
        if _runs_other_code(stmt):
            facts.clear()
            return stmt
        inputs = INPUTS.get(stmt.op, ())
        args = tuple(self._argument(a, facts) if i in inputs else a for i, a in enumerate(stmt.args))
        new = ir.Prim(stmt.op, args, stmt.pos)
        facts.forget(_written(new))
        return new

    def _argument(self, arg: Any, facts: _Facts) -> Any:
        if isinstance(arg, tuple):
            return tuple(self._argument(a, facts) for a in arg)
        return self.value(arg, facts) if isinstance(arg, ir.Expr) else arg

    def value(self, e: ir.Expr, facts: _Facts) -> ir.Expr:
        """The expression with what is known put in."""
        if isinstance(e, ir.Field):
            return facts.values.get(e.name, e) if e.header == "scalars" else e
        if isinstance(e, ir.Op):
            args = tuple(self.value(a, facts) for a in e.args)
            if args == e.args:
                return e
            new = refold(ir.Op(e.op, args, e.type))
            return new if _depth(new) <= 2 * MAX_DEPTH else e
        if isinstance(e, ir.DynField):
            return ir.DynField(e.stack, self.value(e.index, facts), e.name, e.type)
        return e


def _runs_other_code(stmt: ir.Stmt) -> bool:
    """A table, or a sub-parser's states."""
    return isinstance(stmt, ir.Apply) or (isinstance(stmt, ir.Prim) and stmt.op == "$call")


def refold(e: ir.Op) -> ir.Expr:
    """Fold an operation anew whose operands have become constants."""
    args = e.args
    if e.op == "?":
        return fold.choose(*args)
    if not any(isinstance(a, ir.Const) for a in args):
        return e
    if e.op in ("and", "or"):
        return fold.logic(e.op, *args)
    if e.op == "cast":
        return fold.cast(args[0], e.type)
    if e.op in ("neg", "not", "~"):
        return fold.negate(args[0]) if e.op == "not" else e
    if e.op in ("==", "!="):
        same = fold.equal(*args)
        return same if e.op == "==" else fold.negate_compare(same)
    if e.op in ("slice", "window", "++", "/", "%"):
        return e
    return fold.binary(e.op, args[0], args[1], e.type)


def _written(stmt: ir.Stmt) -> set[Place]:
    """Places a statement itself may change; HEADERS stands for headers as a whole."""
    if isinstance(stmt, ir.Assign):
        return _place(stmt.target)
    if not isinstance(stmt, ir.Prim):
        return set()
    inputs = INPUTS.get(stmt.op, ())
    out: set[Place] = set()
    for number, arg in enumerate(stmt.args):
        if number in inputs or isinstance(arg, (ir.Raw, ir.Returned, ir.ObjectArg, ir.Const)):
            continue
        if isinstance(arg, ir.Expr):
            out |= _place(arg)
        elif not isinstance(arg, ir.HeaderArg) or arg.name != "standard_metadata":
            out.add(HEADERS)
    if stmt.op == "mark_to_drop":
        out |= {("standard_metadata", "egress_spec"), ("standard_metadata", "mcast_grp")}
    return out


def _place(target: ir.Expr) -> set[Place]:
    if isinstance(target, ir.Field):
        if target.header in ("scalars", "standard_metadata"):
            return {(target.header, target.name)}
        return {(target.header, target.name), ANY_FIELD}
    found: set[Place] = {HEADERS}
    fold.reads(target, found)
    return found
