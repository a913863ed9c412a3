"""A trace as text: a line or a few for each event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from emulator.switch.trace import Event


def trace_text(events: Iterable[Event]) -> Iterator[str]:
    """A line or a few for each event."""
    for event in events:
        yield from WORDING.get(event["kind"], _other)(event)


def _packet(e: Event) -> Iterator[str]:
    yield f"packet, {e['length']} bytes, into port {e['port']}: {e['data']}"


def _state(e: Event) -> Iterator[str]:
    yield f"  parser state {e['name']} at byte {e['offset']}"


def _extract(e: Event) -> Iterator[str]:
    yield f"    extract {e['header']}: " + ", ".join(f"{k}={v}" for k, v in e["fields"].items())


def _select(e: Event) -> Iterator[str]:
    yield f"    select {', '.join(e['values'])}"


def _error(e: Event) -> Iterator[str]:
    yield f"    parser error {e['error']}"


def _pipeline(e: Event) -> Iterator[str]:
    yield f"  {e['name']}"


def _condition(e: Event) -> Iterator[str]:
    yield f"    if {e['text']}: {str(e['result']).lower()}"


def _table(e: Event) -> Iterator[str]:
    key = ", ".join(f"{k}={v}" for k, v in e["key"].items())
    outcome = f"hit entry {e['entry']}" if e["hit"] else "miss"
    outcome += "".join(f", {name} {e[name]}" for name in ("group", "member") if name in e)
    action = ""
    if "action" in e:
        action = f" -> {e['action']}({', '.join(f'{k}={v}' for k, v in e['args'].items())})"
    yield f"    table {e['name']} ({key}): {outcome}{action}" if key else f"    {e['name']}{action}"


def _parsed(e: Event) -> Iterator[str]:
    yield f"  parsed {e['offset']} bytes, payload {e['payload']}"


def _deparse(e: Event) -> Iterator[str]:
    yield f"  emit {', '.join([*e['headers'], *(['payload'] if e['payload'] else [])]) or 'nothing'}"


def _register(e: Event) -> Iterator[str]:
    yield f"      {e['name']}[{e['index']}] = {e['value']}"


def _counter(e: Event) -> Iterator[str]:
    if "index" in e:
        where = f"[{e['index']}]"
    else:
        where = " of the default entry" if e["entry"] is None else f" of entry {e['entry']}"
    yield f"      {e['name']}{where}: {e['value'][0]} packets, {e['value'][1]} bytes"


def _odd(e: Event) -> Iterator[str]:
    yield f"    note: {e['event'].replace('_', ' ')}"


def _log(e: Event) -> Iterator[str]:
    yield f"    log: {e['text']}"


def _writes(e: Event) -> Iterator[str]:
    for name, (old, new) in e["fields"].items():
        yield f"      {name}: {old} -> {new}"
    for name, valid in e.get("valid", {}).items():
        yield f"      {name} is {'valid' if valid else 'not valid'} now"


def _output(e: Event) -> Iterator[str]:
    yield f"  leaves port {e['port']}: {e['data']}"


def _other(e: Event) -> Iterator[str]:
    details = ", ".join(f"{k} {v}" for k, v in e.items() if k != "kind")
    yield f"  {e['kind']}" + (f": {details}" if details else "")


WORDING = {
    "packet": _packet,
    "state": _state,
    "extract": _extract,
    "select": _select,
    "parser_error": _error,
    "pipeline": _pipeline,
    "condition": _condition,
    "table": _table,
    "writes": _writes,
    "parsed": _parsed,
    "deparse": _deparse,
    "register": _register,
    "counter": _counter,
    "odd": _odd,
    "log": _log,
    "output": _output,
}
