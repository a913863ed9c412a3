"""Cost of a packet as its headers and its values grow in number: from memory, one core, no packet I/O.

python -m benchmarks.growth [--json] [--headers 1,4,16,64] [--elements 32,64,128,256] [--plots results]

Headers: four bytes each, extracted, changed in one field and emitted, one parser state a header. Elements: all-reduce of 4
workers (benchmarks.dataplane), FPISA's floats and SwitchML's integers. Each figure is the fastest batch.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import dataplane
from benchmarks.show import show, tell
from benchmarks.table_plot import plot
from emulator.compiler.api import compile_file
from emulator.switch.jit.batches import Batch
from emulator.switch.switch import Switch

HEADERS, ELEMENTS = (1, 2, 4, 8, 16, 32, 64), (32, 64, 128, 256)
BATCH, BATCHES = 256, 400
Rows = dict[str, dict[str, Any]]

PROGRAM = """
#include <core.p4>
#include <v1model.p4>
header field_t {{ bit<16> tag; bit<16> value; }}
struct headers_t {{ {fields} }}
struct meta_t {{ }}
parser P(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {{
    {states}
}}
control V(inout headers_t hdr, inout meta_t meta) {{ apply {{ }} }}
control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {{
    apply {{ std.egress_spec = 1; {changes} }}
}}
control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {{ apply {{ }} }}
control C(inout headers_t hdr, inout meta_t meta) {{ apply {{ }} }}
control D(packet_out packet, in headers_t hdr) {{ apply {{ packet.emit(hdr); }} }}
V1Switch(P(), V(), I(), E(), C(), D()) main;
"""


def source(count: int) -> str:
    """A program of so many headers."""
    names = ["start", *(f"next{i}" for i in range(1, count)), "accept"]
    states = (
        f"state {names[i]} {{ packet.extract(hdr.h{i});"
        f" transition select(hdr.h{i}.tag) {{ 1: {names[i + 1]}; default: accept; }} }}"
        for i in range(count)
    )
    return PROGRAM.format(
        fields=" ".join(f"field_t h{i};" for i in range(count)),
        states="\n    ".join(states),
        changes=" ".join(f"hdr.h{i}.value = hdr.h{i}.value + {i + 1};" for i in range(count)),
    )


def header_cost(count: int) -> float:
    """Nanoseconds a packet. Raises RuntimeError where packets come out wrong."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "headers.p4"
        path.write_text(source(count))
        result = compile_file(path)
    if result.json is None:
        raise RuntimeError(f"{count} headers do not compile: {result.text()}")
    engine: Any = Switch.load(result.json, engine="jit").engine
    packet = b"\0\1\0\0" * count
    if engine.process([(0, packet)]) != [(1, b"".join(b"\0\1" + (i + 1).to_bytes(2, "big") for i in range(count)))]:
        raise RuntimeError(f"a packet of {count} headers came out wrong")
    _, state = engine.native_process()
    batch = Batch([(0, packet)] * BATCH, int(engine.limits[0]), int(engine.limits[1]), BATCH)
    words = batch.arguments(state, 0, 0)
    best = float("inf")
    for _ in range(BATCHES):
        began = time.perf_counter_ns()
        engine.fused.call(*words)
        best = min(best, (time.perf_counter_ns() - began) / BATCH)
    return best


def run(
    progress: Callable[[str], None],
    headers: Sequence[int] = HEADERS,
    elements: Sequence[int] = ELEMENTS,
    pictures: Path | None = Path("results"),
) -> Rows:
    """Rows for results/bench.json and two plots. Raises RuntimeError."""
    by_headers: dict[int, float] = {}
    for count in headers:
        progress(f"{count} headers")
        by_headers[count] = header_cost(count)
    by_elements: dict[str, dict[int, float]] = {"fpisa": {}, "int": {}}
    for program, found in by_elements.items():
        for count in elements:
            progress(f"{dataplane.SOURCES[program]}, {count} elements")
            found[count] = dataplane.measure(program, count, 1.0)["ns"]
    if pictures is not None:
        plot({"extract, change, emit": by_headers}, pictures / "header_count.svg", "headers", "number of headers")
        plot({dataplane.SOURCES[p]: c for p, c in by_elements.items()}, pictures / "element_count.svg", "elements",
             "values a packet")  # fmt: skip
    rows = {f"headers_{n}_ns": row(ns, "parsed, changed and emitted") for n, ns in by_headers.items()}
    for program, found in by_elements.items():
        rows |= {f"elements_{program}_{n}_ns": row(ns, "all-reduce, 4 workers") for n, ns in found.items()}
    return rows


def row(ns: float, against: str) -> dict[str, Any]:
    return {"value": ns, "unit": "ns/packet", "goal": None, "against": f"{against}, one core, from memory"}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth",
        description=(__doc__ or "").splitlines()[0],
        epilog="example: python -m benchmarks.growth --headers 1,8 --elements 32,64",
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--headers", default=",".join(map(str, HEADERS)), help="numbers of headers")
    parser.add_argument("--elements", default=",".join(map(str, ELEMENTS)), help="values a packet, 32 to 256")
    parser.add_argument("--plots", type=Path, default=Path("results"), help="folder of the two pictures")
    words = parser.parse_args()
    headers, elements = ([int(n) for n in text.split(",")] for text in (words.headers, words.elements))
    return show(lambda: run(tell, headers, elements, words.plots), words.json)


if __name__ == "__main__":
    sys.exit(main())
