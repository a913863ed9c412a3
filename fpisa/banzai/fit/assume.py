"""Conditions taken apart, and values seen under a condition that is known to hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fpisa.banzai.fit.graph import Graph


def literals(graph: Graph, condition: int) -> Iterator[tuple[int, bool]]:
    """The conjuncts of a condition, each with its sign."""
    node = graph[condition]
    if node.kind == "op" and node.label == "and":
        for argument in node.args:
            yield from literals(graph, argument)
    elif node.kind == "op" and node.label == "or":  # what both sides have in common
        left, right = (set(literals(graph, a)) for a in node.args)
        yield from left & right
        yield condition, True
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


def rewritten(graph: Graph, number: int, done: dict[int, int], rebuild: Callable[[int], int]) -> int:
    """`number` rebuilt from its arguments up; `done` remembers what became of each node."""
    stack = [number]
    while stack:
        inner = stack[-1]
        open_args = [a for a in graph[inner].args if a not in done]
        if inner in done or not open_args:
            stack.pop()
            if inner not in done:
                done[inner] = rebuild(inner)
        else:
            stack += open_args
    return done[number]


def replaced(graph: Graph, number: int, args: tuple[int, ...]) -> int:
    node = graph[number]
    return number if args == node.args else graph.add(node.kind, node.label, args, node.width)


def under(graph: Graph, number: int, when: int) -> int:
    """The node's value where `when` holds: choices that it settles are made. Remembered, as the same condition comes often."""
    if graph.constant(when) is not None:
        return number
    done = graph.known.setdefault(when, {})
    facts = graph.facts.get(when)
    if facts is None:
        facts = graph.facts[when] = {when: True, **dict(literals(graph, when))}

    def rebuild(inner: int) -> int:
        args = tuple(done[a] for a in graph[inner].args)
        if graph[inner].kind != "select":
            return replaced(graph, inner, args)
        known = holds(graph, graph[inner].args[0], facts)
        return graph.select(args[0], args[1], args[2]) if known is None else args[1 if known else 2]

    return rewritten(graph, number, done, rebuild)


def settled(graph: Graph, number: int, done: dict[int, int]) -> int:
    """The node with every choice that may give anything on one side replaced by its other side."""

    def rebuild(inner: int) -> int:
        node, args = graph[inner], tuple(done[a] for a in graph[inner].args)
        if node.kind != "select":
            return replaced(graph, inner, args)
        for one, other in ((1, 2), (2, 1)):
            if graph[args[one]].kind == "any":
                return args[other]
        return graph.select(args[0], args[1], args[2])

    return rewritten(graph, number, done, rebuild)
