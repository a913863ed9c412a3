"""bmv2 JSON expressions to dataflow nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fpisa.banzai.fit.graph import COMPARISONS, Graph


class NotMappable(ValueError):
    """The program cannot be laid onto the pipeline; the message names the P4 objects involved."""


ReadField = Callable[[str], int]


def number(text: str | int) -> int:
    return text if isinstance(text, int) else int(text, 16)


def low_mask(value: int | None) -> int | None:
    """k for the constant 2**k - 1."""
    return value.bit_length() if value is not None and value > 0 and value & value + 1 == 0 else None


def convert(graph: Graph, value: Any, read: ReadField, arguments: list[int]) -> int:
    """The node of a JSON value: field, constant, action argument or expression. Raises NotMappable for what no unit does."""
    if value is None:
        return graph.const(0)
    kind, body = value.get("type"), value.get("value")
    if kind == "expression" and isinstance(body, dict) and "op" in body:
        return operation(graph, body, read, arguments)
    if kind == "expression":
        return convert(graph, body, read, arguments)
    if kind is None and "op" in value:
        return operation(graph, value, read, arguments)
    if kind == "field":
        return read(".".join(body))
    if kind == "hexstr":
        return graph.const(number(body))
    if kind == "bool":
        return graph.const(int(body))
    if kind in ("local", "runtime_data"):
        return arguments[body] if body < len(arguments) else graph.const(0)
    raise NotMappable(f"a {kind} cannot be used as a value in a pipeline")


def operation(graph: Graph, body: dict[str, Any], read: ReadField, arguments: list[int]) -> int:
    op, condition = body["op"], body.get("cond")
    if op == "?":
        parts = [convert(graph, body[k], read, arguments) for k in ("cond", "left", "right")]
        return graph.select(parts[0], parts[1], parts[2])
    assert condition is None
    if op == "valid":
        return read(f"{body['right']['value']}.$valid$")
    left = convert(graph, body.get("left"), read, arguments)
    right = convert(graph, body.get("right"), read, arguments)
    if op in ("d2b", "b2d"):
        return right if op == "b2d" or graph[right].width == 1 else graph.op("!=", right, graph.const(0))
    if op == "not":
        return graph.op("not", right)
    if op == "two_comp_mod":
        return graph.bits(left, 0, graph.constant(right) or 1)
    if op in ("sat_cast", "usat_cast"):
        return saturating(graph, op, left, graph.constant(right) or 1)
    if op == "~":
        return graph.op("~", right, width=graph[right].width)
    if op == "&":
        return masked(graph, left, right)
    if op in COMPARISONS or op in ("and", "or"):
        return graph.op(op, left, right)
    if op == ">>":
        distance = graph.constant(right)
        if distance is not None:
            return graph.bits(left, distance, max(graph[left].width - distance, 1))
        return graph.op(">>", left, right, width=graph[left].width)
    if op in ("+", "-", "*", "<<"):
        return graph.op(op, left, right, width=grown(graph, op, left, right))
    if op in ("|", "^"):
        return graph.op(op, left, right)
    raise NotMappable(f"the pipeline has no unit for the operation {op}")


def grown(graph: Graph, op: str, left: int, right: int) -> int:
    distance = graph.constant(right)
    if op == "<<":
        return graph[left].width + (distance if distance is not None else (1 << min(graph[right].width, 6)) - 1)
    if op == "*":
        return graph[left].width + graph[right].width
    return max(graph[left].width, graph[right].width) + 1


def masked(graph: Graph, left: int, right: int) -> int:
    for value, mask in ((left, right), (right, left)):
        low = low_mask(graph.constant(mask))
        if low is not None:
            return graph.bits(value, 0, low)
    return graph.op("&", left, right)


def saturating(graph: Graph, op: str, inner: int, width: int) -> int:
    """A saturating cast of a sum is one operation: the saturating sum."""
    node = graph[inner]
    if node.kind == "op" and node.label in ("+", "-"):
        return graph.add("op", f"|{node.label}|", node.args, width)
    return graph.add("op", op, (inner,), width)
