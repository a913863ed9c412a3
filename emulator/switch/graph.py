"""The parser and the pipelines of a program as a graph: text, Graphviz dot, or SVG (drawn by draw.py)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from emulator.switch.model import (
    ActionNode,
    Advance,
    ConditionalNode,
    Extract,
    Model,
    ParserOp,
    ParseState,
    Pipeline,
    Primitive,
    Set,
    StackNext,
    TableNode,
    Transition,
    UnionStackNext,
)
from emulator.switch.text import expr_text

Shape = Literal["state", "table", "condition", "end"]


@dataclass(frozen=True, slots=True)
class Vertex:
    """lines: the text inside, the name first."""

    id: str
    shape: Shape
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    source: str
    target: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """One part of a program (parser, ingress, egress), vertices in order from the start."""

    name: str
    vertices: tuple[Vertex, ...]
    edges: tuple[Edge, ...]


def graphs(model: Model) -> list[Graph]:
    """The parser and each pipeline that is not empty."""
    found = [parser_graph(model)]
    found += [pipeline_graph(model, p) for p in (model.ingress, model.egress) if p.first is not None]
    return found


# --- Parser ---


def parser_graph(model: Model) -> Graph:
    vertices = [Vertex(s.name, "state", tuple(_state_lines(model, s))) for s in model.parser.states]
    vertices.append(Vertex("accept", "end", ("accept",)))
    edges = []
    for state in model.parser.states:
        seen: dict[str, list[str]] = {}
        for transition in state.transitions:
            target = "accept" if transition.next is None else model.parser.states[transition.next].name
            seen.setdefault(target, []).append(_transition_text(model, transition))
        if not any(t.default for t in state.transitions):
            seen.setdefault("accept", []).append("no match")
        always = len(seen) == 1
        edges += [
            Edge(state.name, target, "" if always else _shortened(labels)) for target, labels in seen.items()
        ]
    return Graph("parser", tuple(vertices), tuple(edges))


def _state_lines(model: Model, state: ParseState) -> Iterator[str]:
    yield state.name
    for op in state.ops:
        yield _op_text(model, op)
    if state.key:
        yield "select " + ", ".join(expr_text(model, part.expr) for part in state.key)


def _op_text(model: Model, op: ParserOp) -> str:
    if isinstance(op, Extract):
        return f"extract {_target_text(model, op.target)}"
    if isinstance(op, Set):
        return f"{expr_text(model, op.target)} = {expr_text(model, op.value)}"
    if isinstance(op, Advance):
        return f"advance {expr_text(model, op.bits)}"
    if isinstance(op, Primitive):
        return op.op
    return f"verify {expr_text(model, op.cond)}"


def _target_text(model: Model, target: int | StackNext | UnionStackNext) -> str:
    if isinstance(target, int):
        return model.headers[target].name
    if isinstance(target, StackNext):
        return f"{model.stacks[target.stack].name}.next"
    stack = model.union_stacks[target.union_stack]
    return f"{stack.name}.next.{model.unions[stack.unions[0]].members[target.member]}"


def _transition_text(model: Model, transition: Transition) -> str:
    if transition.default:
        return "default"
    if transition.value_set is not None:
        return model.value_sets[transition.value_set].name
    parts = []
    for value, mask in zip(transition.values, transition.masks):
        whole = mask & (mask + 1) == 0 and mask
        parts.append("_" if not mask else hex(value) if whole else f"{value:#x}&&&{mask:#x}")
    return ", ".join(parts)


def _shortened(labels: list[str]) -> str:
    return "; ".join(labels) if len(labels) <= 3 else f"{labels[0]}; ... ({len(labels)} cases)"


# --- Pipelines ---


def pipeline_graph(model: Model, pipeline: Pipeline) -> Graph:
    """Only what can be reached from the first node."""
    order = _reachable(pipeline)
    vertices = []
    edges = []
    for index in order:
        node = pipeline.nodes[index]
        vertices.append(_vertex(model, node))
        found: dict[str, list[str]] = {}
        for target, label in _out(model, node):
            found.setdefault("end" if target is None else pipeline.nodes[target].name, []).append(label)
        always = len(found) == 1
        edges += [
            Edge(node.name, target, "" if always else _shortened(labels)) for target, labels in found.items()
        ]
    vertices.append(Vertex("end", "end", ("end",)))
    return Graph(pipeline.name, tuple(vertices), tuple(edges))


def _reachable(pipeline: Pipeline) -> list[int]:
    order: list[int] = []
    waiting = [] if pipeline.first is None else [pipeline.first]
    while waiting:
        index = waiting.pop(0)
        if index in order:
            continue
        order.append(index)
        waiting += [t for t in _targets(pipeline.nodes[index]) if t is not None]
    return order


def _targets(node: TableNode | ConditionalNode | ActionNode) -> list[int | None]:
    if isinstance(node, ConditionalNode):
        return [node.true_next, node.false_next]
    if isinstance(node, ActionNode):
        return [node.next]
    if node.branches:
        return [node.hit_next, node.miss_next]
    return [*node.next, *([node.base_next] if node.default is None else [])]


def _vertex(model: Model, node: TableNode | ConditionalNode | ActionNode) -> Vertex:
    if isinstance(node, ConditionalNode):
        return Vertex(node.name, "condition", (expr_text(model, node.cond),))
    if isinstance(node, ActionNode):
        return Vertex(node.name, "table", (model.actions[node.call.action].name,))
    lines = [node.name]
    lines += [f"{key.name}: {key.kind}" for key in node.keys]
    names = [model.actions[a].name for a in node.actions]
    if node.keys:
        lines.append("{ " + "; ".join(names[:4]) + ("; ..." if len(names) > 4 else "") + " }")
    return Vertex(node.name, "table", tuple(lines))


def _out(model: Model, node: TableNode | ConditionalNode | ActionNode) -> list[tuple[int | None, str]]:
    if isinstance(node, ConditionalNode):
        return [(node.true_next, "true"), (node.false_next, "false")]
    if isinstance(node, ActionNode):
        return [(node.next, "")]
    if node.branches:
        return [(node.hit_next, "hit"), (node.miss_next, "miss")]
    found = [(target, model.actions[a].name) for a, target in zip(node.actions, node.next)]
    return found if node.default is not None else [*found, (node.base_next, "miss")]


# --- Writing ---


def as_text(model: Model) -> str:
    """An indented outline: every vertex with its lines and where it leads."""
    rows: list[str] = []
    for graph in graphs(model):
        rows.append(graph.name)
        for vertex in graph.vertices:
            if vertex.shape == "end":
                continue
            head = f"if {vertex.lines[0]}" if vertex.shape == "condition" else vertex.lines[0]
            rows.append(f"  {head}")
            rows += [f"      {line}" for line in vertex.lines[1:]]
            for edge in graph.edges:
                if edge.source == vertex.id:
                    target = next(v for v in graph.vertices if v.id == edge.target)
                    label = f"{edge.label}: " if edge.label else ""
                    rows.append(f"    -> {label}{target.lines[0]}")
    return "\n".join(rows) + "\n"


SHAPES = {"state": "ellipse", "table": "box", "condition": "diamond", "end": "doublecircle"}


def as_dot(model: Model) -> str:
    """Graphviz, one cluster per part."""
    rows = ["digraph program {", "  node [fontname=monospace fontsize=10];"]
    for number, graph in enumerate(graphs(model)):
        rows += [f"  subgraph cluster_{number} {{", f"    label={_quoted(graph.name)};"]
        for vertex in graph.vertices:
            label = _quoted("\n".join(vertex.lines))
            rows.append(
                f"    {_quoted(f'{number}/{vertex.id}')} [shape={SHAPES[vertex.shape]} label={label}];"
            )
        for edge in graph.edges:
            ends = f"{_quoted(f'{number}/{edge.source}')} -> {_quoted(f'{number}/{edge.target}')}"
            rows.append(f"    {ends} [label={_quoted(edge.label)}];")
        rows.append("  }")
    return "\n".join([*rows, "}"]) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
