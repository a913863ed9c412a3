"""Conditions taken apart, and values seen under a condition that is known to hold."""

from __future__ import annotations

from collections.abc import Iterator

from fpisa.banzai.fit.graph import Graph


def literals(graph: Graph, condition: int) -> Iterator[tuple[int, bool]]:
    """The conjuncts of a condition, each with its sign."""
    node = graph[condition]
    if node.kind == "op" and node.label == "and":
        for argument in node.args:
            yield from literals(graph, argument)
    elif node.kind == "op" and node.label == "not":
        yield node.args[0], False
    else:
        yield condition, True


def holds(graph: Graph, condition: int, facts: dict[int, bool]) -> bool | None:
    """Whether the condition holds where the facts do; None where they do not say."""
    if condition in facts:
        return facts[condition]
    node = graph[condition]
    if node.kind != "op" or node.label not in ("and", "or", "not"):
        return None
    parts = [holds(graph, a, facts) for a in node.args]
    if node.label == "not":
        return None if parts[0] is None else not parts[0]
    decisive = node.label == "or"
    if decisive in parts:
        return decisive
    return None if None in parts else not decisive


def under(graph: Graph, number: int, when: int) -> int:
    """The node's value where `when` holds: choices that it settles are made."""
    facts = {when: True, **dict(literals(graph, when))}
    done: dict[int, int] = {}
    for inner in sorted(graph.closure({number})):
        node = graph[inner]
        args = tuple(done[a] for a in node.args)
        if node.kind == "select":
            known = holds(graph, node.args[0], facts)
            done[inner] = graph.select(*args) if known is None else args[1 if known else 2]
        elif args == node.args:
            done[inner] = inner
        else:
            done[inner] = graph.add(node.kind, node.label, args, node.width)
    return done[number]
