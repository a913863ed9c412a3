"""Graphs as SVG: layers from top to bottom by longest path, ordered by the mean place of their neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from emulator.switch.graph import Graph, Vertex, graphs
from emulator.switch.model import Model

CHAR, LINE, PAD, GAP_X, GAP_Y, MARGIN = 6.6, 14, 8, 28, 46, 24
MAX_CHARS = 60
FILL = {"state": "#e8f0fe", "table": "#e6f4ea", "condition": "#fef7e0", "end": "#f1f3f4"}


@dataclass(slots=True)
class Box:
    """Where a vertex lies: x, y of the upper left corner, in pixels."""

    vertex: Vertex
    lines: tuple[str, ...]
    width: float
    height: float
    x: float = 0
    y: float = 0

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


def as_svg(model: Model) -> str:
    """All parts of the program, one below the other."""
    body: list[str] = []
    top, width = float(MARGIN), 0.0
    for graph in graphs(model):
        boxes, right, bottom = _laid_out(graph, top + LINE * 2)
        body.append(_text(MARGIN, top + LINE, graph.name, "bold"))
        body += _edges(graph, boxes)
        body += [piece for box in boxes.values() for piece in _box(box)]
        top, width = bottom + GAP_Y, max(width, right)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + MARGIN:.0f}" height="{top:.0f}" '
        'font-family="monospace" font-size="11">'
    )
    arrow = (
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0L8 4L0 8z" fill="#5f6368"/></marker></defs>'
    )
    return "\n".join([head, arrow, *body, "</svg>"]) + "\n"


def _laid_out(graph: Graph, top: float) -> tuple[dict[str, Box], float, float]:
    """(boxes by vertex, right edge, bottom edge)"""
    boxes = {v.id: _sized(v) for v in graph.vertices}
    layers = _ordered(graph, _layers(graph))
    widest = max((_layer_width([boxes[i] for i in layer]) for layer in layers), default=0.0)
    y = top
    for layer in layers:
        row = [boxes[i] for i in layer]
        x = MARGIN + (widest - _layer_width(row)) / 2
        for box in row:
            box.x, box.y = x, y
            x += box.width + GAP_X
        y += max(box.height for box in row) + GAP_Y
    return boxes, MARGIN + widest, y - GAP_Y


def _sized(vertex: Vertex) -> Box:
    lines = tuple(line if len(line) <= MAX_CHARS else line[: MAX_CHARS - 3] + "..." for line in vertex.lines)
    width = max(map(len, lines)) * CHAR + 2 * PAD
    return Box(vertex, lines, width, len(lines) * LINE + 2 * PAD)


def _layer_width(row: list[Box]) -> float:
    return sum(box.width for box in row) + GAP_X * (len(row) - 1)


def _layers(graph: Graph) -> list[list[str]]:
    """Longest distance from the start, edges that go back (loops of the parser) left out."""
    place = {vertex.id: i for i, vertex in enumerate(graph.vertices)}
    depth = {vertex.id: 0 for vertex in graph.vertices}
    forward = [e for e in graph.edges if not _is_back(graph, e.source, e.target)]
    for _ in graph.vertices:
        changed = False
        for edge in forward:
            if depth[edge.target] < depth[edge.source] + 1 <= len(place):
                depth[edge.target] = depth[edge.source] + 1
                changed = True
        if not changed:
            break
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for vertex in graph.vertices:
        layers[depth[vertex.id]].append(vertex.id)
    return [layer for layer in layers if layer]


def _is_back(graph: Graph, source: str, target: str) -> bool:
    """Whether the source can be reached from the target."""
    seen, waiting = {target}, [target]
    while waiting:
        vertex = waiting.pop()
        if vertex == source:
            return True
        for edge in graph.edges:
            if edge.source == vertex and edge.target not in seen:
                seen.add(edge.target)
                waiting.append(edge.target)
    return False


def _ordered(graph: Graph, layers: list[list[str]]) -> list[list[str]]:
    """Within a layer by the mean position of the vertices in front that lead there."""
    position: dict[str, float] = {}
    for layer in layers:
        means = {}
        for i, vertex in enumerate(layer):
            places = [position[e.source] for e in graph.edges if e.target == vertex and e.source in position]
            means[vertex] = sum(places) / len(places) if places else float(i)
        layer.sort(key=lambda v: means[v])
        position.update({vertex: float(i) for i, vertex in enumerate(layer)})
    return layers


def _box(box: Box) -> Iterator[str]:
    radius = {"state": 12, "end": 16}.get(box.vertex.shape, 2)
    yield (
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="{radius}" '
        f'fill="{FILL[box.vertex.shape]}" stroke="#5f6368"/>'
    )
    for i, line in enumerate(box.lines):
        weight = "bold" if i == 0 else "normal"
        yield _text(box.x + PAD, box.y + PAD + (i + 0.8) * LINE, line, weight)


def _edges(graph: Graph, boxes: dict[str, Box]) -> Iterator[str]:
    for edge in graph.edges:
        start, end = boxes[edge.source], boxes[edge.target]
        x1, y1, x2, y2 = start.middle, start.y + start.height, end.middle, end.y
        if y2 <= y1:  # back or to itself: round the right side
            x1, y1 = start.x + start.width, start.y + start.height / 2
            x2, y2 = end.x + end.width, end.y + end.height / 2 - 4
            side = max(x1, x2) + 40
            path = f"M{x1:.1f} {y1:.1f}C{side:.1f} {y1:.1f} {side:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
        else:
            bend = (y2 - y1) / 2
            path = f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"
        yield f'<path d="{path}" fill="none" stroke="#5f6368" marker-end="url(#a)"/>'
        if edge.label:
            label = edge.label if len(edge.label) <= 40 else edge.label[:37] + "..."
            yield _text((x1 + x2) / 2 + 4, (y1 + y2) / 2, label, "normal", "#80868b")


def _text(x: float, y: float, text: str, weight: str, colour: str = "#202124") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}" fill="{colour}">{escape(text)}</text>'
