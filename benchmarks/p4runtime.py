"""P4Runtime: table entries inserted a second into a switch process, beside a bare gRPC echo of the same messages, and register
cells read a second, beside the same decoded a message object each.

python -m benchmarks.p4runtime [--json] [--entries N] [--batch N] [--peer]

The switch is a process of its own with the compiled engine; a client holds two requests of `batch` updates in flight, put
together beforehand. The peer is a gRPC server in Python that reads the same messages and answers each with the same
empty response: what the messages' own way costs. Both are taken by turns, and of each the fastest turn counts.
"""

from __future__ import annotations

import argparse
import json
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from benchmarks import register_reads
from controller.p4rt.p4info import from_p4info, read_p4info
from controller.p4rt.protos import METHODS, SERVICE, p4r
from controller.p4rt.switch import P4Switch
from emulator.compiler.api import compile_file

P4 = Path(__file__).resolve().parent / "p4"
ENTRIES, BATCH, IN_FLIGHT, TURNS = 40_000, 500, 2, 5
GOAL = 20_000.0
READ_GOAL = 5_000_000.0
START_S = 60.0
PROGRAMS = {"l2": "exact", "l3": "LPM", "acl": "ternary"}
Rows = dict[str, dict[str, Any]]


# -- the peer ----------------------------------------------------------------------------------------------------


def peer() -> int:
    """Serve Write by reading the request and doing nothing; prints its port, and ends with its standard input."""
    method = METHODS["Write"]
    handler = grpc.unary_unary_rpc_method_handler(
        lambda request, context: method.response(),
        request_deserializer=method.request.FromString,
        response_serializer=method.response.SerializeToString,
    )
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Write": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(json.dumps({"grpc": f"127.0.0.1:{port}"}), flush=True)
    sys.stdin.read()
    server.stop(0).wait()
    return 0


@contextmanager
def process(*words: str) -> Iterator[str]:
    """Start a server; the address it prints. It is ended with the block."""
    child = subprocess.Popen([sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        ready, _, _ = select.select([child.stdout], [], [], START_S)
        line = child.stdout.readline() if ready else ""
        if not line.startswith("{"):
            raise RuntimeError(f"{' '.join(words)} did not start within {START_S:g} s")
        yield json.loads(line)["grpc"]
    finally:
        child.terminate()
        child.wait(10)


# -- the requests ------------------------------------------------------------------------------------------------


def updates(program: str, schema: Any, n: int) -> list[Any]:
    """n different entries of the program's table, as INSERT updates."""
    rng = np.random.default_rng(n)
    table = next(t for t in schema.tables if t.fields)
    action = next(a for a in (schema.actions[i] for i in table.scopes) if a.params)
    numbers = rng.permutation(n)
    found = []
    for i in numbers.tolist():
        update = p4r.Update(type=p4r.Update.INSERT)
        entry = update.entity.table_entry
        entry.table_id = table.id
        _match(program, table, i, entry)
        entry.action.action.action_id = action.id
        for param in action.params:
            entry.action.action.params.add(param_id=param.id, value=bytes([1 + i % 7]))
        found.append(update)
    return found


def _match(program: str, table: Any, i: int, entry: Any) -> None:
    """Key number i: spread over the field for one field, over the first two of several."""
    if table.needs_priority:
        entry.priority = i + 1
    first, *rest = table.fields
    mixed = i * 0x9E3779B1 & 0xFFFFFFFF | 1 << 31
    match = entry.match.add(field_id=first.id)
    if first.kind == "exact":
        match.exact.value = (mixed << 8).to_bytes(5, "big")
    elif first.kind == "lpm":
        match.lpm.value, match.lpm.prefix_len = mixed.to_bytes(4, "big"), 32
    else:
        match.ternary.value, match.ternary.mask = mixed.to_bytes(4, "big"), b"\xff\xff\xff\xff"
        second = entry.match.add(field_id=rest[0].id)
        second.ternary.value, second.ternary.mask = bytes([1 + i % 200, 0, 0, 0]), b"\xff\x00\x00\x00"


def requests(found: Sequence[Any], batch: int, election: Any, kind: int) -> list[bytes]:
    """WriteRequests on the wire."""
    made = []
    for start in range(0, len(found), batch):
        request = p4r.WriteRequest(election_id=election)
        for update in found[start : start + batch]:
            request.updates.add().CopyFrom(update)
        for update in request.updates:
            update.type = kind
        made.append(request.SerializeToString())
    return made


def send(call: Any, wire: Sequence[bytes]) -> float:
    """Seconds for all requests, two of them always on their way. Raises grpc.RpcError for a refusal."""
    waiting: deque[Any] = deque()
    began = time.perf_counter()
    for data in wire:
        if len(waiting) == IN_FLIGHT:
            waiting.popleft().result()
        waiting.append(call.future(data))
    for one in waiting:
        one.result()
    return time.perf_counter() - began


# -- measuring ---------------------------------------------------------------------------------------------------


def measure(program: str, switch: str, echo: str, n: int, batch: int) -> tuple[float, float]:
    """(inserts a second into the switch, updates a second through the peer)."""
    result = compile_file(P4 / f"{program}.p4")
    if result.json is None:
        raise RuntimeError(f"{program}.p4 does not compile: {result.text()}")
    info = read_p4info(result.p4info.SerializeToString())
    best = [float("inf"), float("inf")]
    with P4Switch(switch, timeout=60) as client, ExitStack() as open_:
        client.set_pipeline(info, json.dumps(result.json).encode())
        found = updates(program, from_p4info(info), n)
        election = p4r.Uint128(low=client.election.election_id)
        inserts = requests(found, batch, election, p4r.Update.INSERT)
        deletes = requests(found, batch, election, p4r.Update.DELETE)
        calls = []
        for address in (switch, echo):
            channel = open_.enter_context(grpc.insecure_channel(address))
            calls.append(channel.unary_unary(METHODS["Write"].path))
            grpc.channel_ready_future(channel).result(START_S)
        for _ in range(TURNS):
            for number, call in enumerate(calls):
                best[number] = min(best[number], send(call, inserts))
            send(calls[0], deletes)
    return n / best[0], n / best[1]


def run(progress: Callable[[str], None], entries: int = ENTRIES, batch: int = BATCH) -> Rows:
    """One row for each kind of table; the ratio to the peer beside it."""
    rows: Rows = {}
    start = ("-m", "benchmarks.p4runtime", "--peer")
    command = "import sys; from emulator.server.main import main; sys.exit(main(sys.argv[1:]))"
    with (
        process("-c", command, "--no-p4", "--json", "--", "--grpc-server-addr", "127.0.0.1:0") as switch,
        process(*start) as echo,
    ):
        for program, kind in PROGRAMS.items():
            progress(f"{entries:,} {kind} entries in requests of {batch}")
            inserts, echoed = measure(program, switch, echo, entries if kind != "ternary" else min(entries, 10_000), batch)
            name = "p4runtime_inserts_per_s" if kind == "exact" else f"p4runtime_inserts_per_s_{kind.lower()}"
            rows[name] = {
                "value": round(inserts), "unit": "entries/s", "goal": GOAL,
                "against": f"{kind} entries, {batch} a request; a bare gRPC echo of the same messages: {echoed:,.0f}/s",
                "ratio_to_echo": round(inserts / echoed, 3), "echo_per_s": round(echoed),
            }  # fmt: skip
        progress("register arrays read whole")
        read = register_reads.measure(switch)
        rows["p4runtime_register_cells_read_per_s"] = {
            "value": round(read["bulk"]), "unit": "cells/s", "goal": READ_GOAL,
            "against": f"4 arrays of 65,536 cells in one request; as message objects: {read['messages']:,.0f}/s; "
            f"cleared: {read['cleared']:,.0f}/s",
            "ratio_to_messages": round(read["bulk"] / read["messages"], 2), "messages_per_s": round(read["messages"]),
            "cleared_per_s": round(read["cleared"]),
        }  # fmt: skip
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.p4runtime", description="Inserts a second by P4Runtime.")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--entries", type=int, default=ENTRIES, help=f"in the table (default {ENTRIES:,})")
    parser.add_argument("--batch", type=int, default=BATCH, help=f"updates a request (default {BATCH})")
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.peer:
        return peer()
    rows = run(lambda words: print(words, file=sys.stderr), options.entries, options.batch)
    if options.json:
        print(json.dumps(rows))
    else:
        for name, row in rows.items():
            print(f"{name:36} {row['value']:>10,} {row['unit']}, {row['against']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
