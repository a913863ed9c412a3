"""Register cells read through P4Runtime: whole arrays in one request, and the same decoded a message object each.

Run by benchmarks.p4runtime."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from controller.p4rt.entities import RegisterEntry
from controller.p4rt.p4info import read_p4info
from controller.p4rt.register_cells import arrays
from controller.p4rt.switch import P4Switch
from emulator.compiler.api import compile_file

P4 = Path(__file__).resolve().parent / "p4" / "cells.p4"
CELLS, TURNS = 65536, 5
VALUES = {"bytes": 0x7F, "words": 0x12345678, "keys": 0xFEDCBA9876543210, "sums": 0x123456789A}


def measure(address: str) -> dict[str, float]:
    """Cells a second read in bulk, and as messages; cells a second cleared. Raises RuntimeError for wrong values."""
    result = compile_file(P4)
    if result.json is None:
        raise RuntimeError(f"cells.p4 does not compile: {result.text()}")
    with P4Switch(address, timeout=60) as client:
        client.set_pipeline(read_p4info(result.p4info.SerializeToString()), json.dumps(result.json).encode())
        names = {f"Ingress.{name}": value for name, value in VALUES.items()}
        client.modify(*(RegisterEntry(name, None, value) for name, value in names.items()))
        ids = [client.schema.registers[name].id for name in names]
        asked = [RegisterEntry(name).encode(client.schema) for name in names]

        def bulk() -> None:
            found = arrays(client.client.read_bytes(asked), ids, CELLS)
            if [set(row) for row in found[:, ::4096].tolist()] != [{value} for value in VALUES.values()]:
                raise RuntimeError("the registers hold something else than was written")

        count = CELLS * len(ids)
        return {
            "bulk": count / _best(bulk, TURNS), "messages": count / _best(lambda: list(client.client.read(asked)), 2),
            "cleared": count / _best(lambda: client.modify(*(RegisterEntry(name, None, 0) for name in names)), TURNS),
        }  # fmt: skip


def _best(work: Callable[[], object], turns: int) -> float:
    """Seconds of the fastest turn."""
    spent = []
    for _ in range(turns):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return min(spent)
