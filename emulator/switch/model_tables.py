"""Tables, conditionals and the pipelines they form."""

from __future__ import annotations

from dataclasses import dataclass

from emulator.switch.expr import BoolExpr, FieldRead
from emulator.switch.model_state import CalculationInput
from emulator.switch.model_steps import ActionCall


@dataclass(frozen=True, slots=True)
class Key:
    """kind: exact, lpm, ternary, range or optional (bmv2 JSON writes optional as ternary). mask: applied to
    the field before matching, or None. A field of an invalid header counts as 0 (but for `$valid$`)."""

    name: str
    kind: str
    field: FieldRead
    width: int
    mask: int | None = None


@dataclass(frozen=True, slots=True)
class ConstEntry:
    """An entry of the JSON file. key parts as in keys.py; the larger priority wins (JSON's turned round, the last at 1).
    const: it cannot be changed."""

    key: tuple[object, ...]
    priority: int
    call: ActionCall
    const: bool = True


@dataclass(frozen=True, slots=True)
class TableNode:
    """next: node after each action, parallel to `actions`; if hit_next/miss_next are used (`branches`),
    they decide instead. again: the node applies table number `table`, which another node stands for, once more:
    entries, default action, counters and meters are that table's. miss without default action: base_next.
    kind: the table's match kind. profile: index of its action profile; selector: whether entries may name groups."""

    name: str
    id: int
    kind: str
    keys: tuple[Key, ...]
    actions: tuple[int, ...]
    next: tuple[int | None, ...]
    max_size: int
    base_next: int | None = None
    branches: bool = False
    hit_next: int | None = None
    miss_next: int | None = None
    default: ActionCall | None = None
    default_const: bool = False
    default_args_const: bool = False
    entries: tuple[ConstEntry, ...] = ()
    const_entries: bool = False
    with_counters: bool = False
    support_timeout: bool = False
    meter: int | None = None
    counter: int | None = None
    profile: int | None = None
    selector: bool = False
    pipeline: int = 0
    table: int = 0
    again: bool = False


@dataclass(frozen=True, slots=True)
class ConditionalNode:
    name: str
    cond: BoolExpr
    true_next: int | None
    false_next: int | None


@dataclass(frozen=True, slots=True)
class ActionNode:
    """An action run without a table (`action_calls`)."""

    name: str
    call: ActionCall
    next: int | None


Node = TableNode | ConditionalNode | ActionNode


def successors(node: Node) -> tuple[int, ...]:
    """Nodes that may come after a node."""
    if isinstance(node, ConditionalNode):
        found: tuple[int | None, ...] = (node.true_next, node.false_next)
    elif isinstance(node, ActionNode):
        found = (node.next,)
    elif node.branches:
        found = (node.hit_next, node.miss_next)
    else:
        found = (*node.next, node.base_next)
    return tuple(dict.fromkeys(i for i in found if i is not None))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """nodes refer to one another by index in `nodes`; first: node to begin with, None for an empty one."""

    name: str
    nodes: tuple[Node, ...]
    first: int | None


@dataclass(frozen=True, slots=True)
class ActionProfile:
    """selector_algo None: no selector. inputs: the selector's hash input."""

    name: str
    max_size: int
    selector_algo: str | None = None
    inputs: tuple[CalculationInput, ...] = ()
