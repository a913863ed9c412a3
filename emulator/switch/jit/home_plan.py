"""Which headers compiled code leaves in memory (see homes.py), and how their bytes lie there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass

from emulator.switch import expr as x
from emulator.switch.jit import byte_order
from emulator.switch.jit.phv import Phv, Var
from emulator.switch.model import ActionNode, Model, Node, Pipeline, Primitive, Set, TableNode

FEW = 32
"""Headers of fewer fields are variables like any others."""
WIDTHS = (8, 16, 32, 64)
POINTER = 64
SUFFIX = ".$home$"


@dataclass(frozen=True, slots=True)
class Home:
    """A header's place. address: variable with the address of its bytes. offsets: field -> byte. swapped: the bytes of each
    field are in the order of this machine, not of the network. size: in bytes."""

    header: int
    address: Var
    offsets: Mapping[Var, int]
    swapped: bool
    size: int


def plan(model: Model, phv: Phv) -> tuple[Home, ...]:
    """Homes of the headers that are worth one."""
    found: list[Home] = []
    for header, instance in enumerate(model.headers):
        kind = model.header_type(header)
        plain = not instance.metadata and all(
            f.width in WIDTHS and f.offset % 8 == 0 and not (f.signed or f.varbit) for f in kind.fields
        )
        if plain and len(kind.fields) >= FEW and _is_carried(model, header):
            offsets = {phv.field(header, f): field.offset // 8 for f, field in enumerate(kind.fields)}
            address = Var(instance.name + SUFFIX, POINTER, POINTER, False, phv.size + len(found))
            found.append(Home(header, address, offsets, _is_swapped(model, header), kind.fixed_bits // 8))
    return tuple(found)


def _is_swapped(model: Model, header: int) -> bool:
    """Whether the parser turns a field's bytes around; then it does so with all, or speed is lost."""

    def size_of(field: x.FieldRead) -> int | None:
        return model.field(field).width // 8 if field.header == header and field.field != x.VALID else None

    sets = [op for state in model.parser.states for op in state.ops if isinstance(op, Set)]
    return any(_targets(op.target, header) and byte_order.swapped(op.value, size_of) is not None for op in sets)


def _targets(target: object, header: int) -> bool:
    return isinstance(target, x.FieldRead) and target.header == header and target.field != x.VALID


# --- Is the header only carried? ---


def _is_carried(model: Model, header: int) -> bool:
    """Whether some packets read the header, or pass with it, and leave it as it is. A header that all rewrite would only be
    stored once more."""
    return not any(_assigned(model, p, header) for p in (model.ingress, model.egress)) or _read_only_way(
        model, model.ingress, header
    )


def _assigned(model: Model, pipeline: Pipeline, header: int) -> set[int]:
    """Nodes that give fields of the header values that are not constant."""
    return {n for n, node in enumerate(pipeline.nodes) if any(_assigns(p, header) for p in _steps(model, node))}


def _steps(model: Model, node: Node) -> Iterator[Primitive]:
    if isinstance(node, TableNode):
        for action in node.actions:
            yield from model.actions[action].body
    elif isinstance(node, ActionNode):
        yield from model.actions[node.call.action].body


def _assigns(step: Primitive, header: int) -> bool:
    if step.op == "assign":
        return _targets(step.args[0], header) and not isinstance(step.args[1], x.Const)
    return step.op == "register_read" and _targets(step.args[0], header)


def _read_only_way(model: Model, pipeline: Pipeline, header: int) -> bool:
    """Whether a node that reads the header's fields has a way to the end on which nobody assigns them."""
    assigned = _assigned(model, pipeline, header)
    free: set[int | None] = {None}
    changed = True
    while changed:
        changed = False
        for n, node in enumerate(pipeline.nodes):
            if n not in free and n not in assigned and any(s in free for s in _successors(node)):
                free.add(n)
                changed = True
    return any(
        n in free and any(_mentions(step, header) for step in _steps(model, node))
        for n, node in enumerate(pipeline.nodes)
    )


def _successors(node: Node) -> list[int | None]:
    if isinstance(node, ActionNode):
        return [node.next]
    if isinstance(node, TableNode):
        return [node.hit_next, node.miss_next] if node.branches else [*node.next, node.base_next]
    return [node.true_next, node.false_next]


def _mentions(item: object, header: int) -> bool:
    if isinstance(item, Primitive) and item.op == "assign" and _targets(item.args[0], header):
        return _mentions(item.args[1], header)
    if isinstance(item, x.FieldRead):
        return _targets(item, header)
    if isinstance(item, tuple):
        return any(_mentions(i, header) for i in item)
    return is_dataclass(item) and any(_mentions(getattr(item, f.name), header) for f in fields(item))
