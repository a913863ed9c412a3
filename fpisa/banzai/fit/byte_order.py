"""Words put together from the bytes of another in reverse order, which a parser with byte swaps does for nothing."""

from __future__ import annotations

from collections.abc import Iterator

from fpisa.banzai.fit.graph import Graph


def byte_order(graph: Graph, number: int) -> int | None:
    """The node whose bytes this one holds in reverse order, if that is what it is."""
    parts = dict(concatenated(graph, number, 0))
    sources = {node for node, _ in parts.values()}
    if len(sources) != 1 or len(parts) < 2:
        return None
    source = next(iter(sources))
    count = len(parts)
    reverse = {8 * k: 8 * (count - 1 - k) for k in range(count)}
    return source if {at: low for at, (_, low) in parts.items()} == reverse else None


def concatenated(graph: Graph, number: int, at: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """(position, (source, low bit)) of each byte of a word put together from bytes; nothing sensible for other words."""
    node = graph[number]
    if node.kind == "op" and node.label in ("|", "^", "+"):
        for argument in node.args:
            yield from concatenated(graph, argument, at)
    elif node.kind == "op" and node.label == "<<" and graph.constant(node.args[1]) is not None:
        yield from concatenated(graph, node.args[0], at + (graph.constant(node.args[1]) or 0))
    elif node.kind == "op" and isinstance(node.label, tuple) and node.label[2] == 8:
        yield at, (node.args[0], node.label[1])
    else:
        yield -1 - number, (number, 0)
