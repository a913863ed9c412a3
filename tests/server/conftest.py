"""A P4Runtime server on a free port over an in-process switch, and a client that has won its election."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from controller.p4rt.p4info import read_p4info
from controller.p4rt.protos import p4r
from controller.p4rt.switch import P4Switch
from emulator.server.device import Device
from emulator.server.program import SwitchOptions
from emulator.server.service import Server

GOLDEN = Path(__file__).parents[1] / "golden"


@cache
def compiled(name: str) -> tuple[Any, bytes]:
    """(P4Info, bmv2 JSON) of a P4 file of tests/server/programs."""
    from emulator.compiler.api import compile_file
    from emulator.compiler.context import Options

    result = compile_file(Path(__file__).parent / "programs" / name, options=Options(emit_externs=True))
    assert result.json is not None, result.text()
    return read_p4info(result.p4info.SerializeToString()), json.dumps(result.json).encode()


@dataclass
class Live:
    """device and server; `client` is primary and has loaded the case's program, if one was named."""

    device: Device
    server: Server
    client: P4Switch
    folder: Path | None
    outputs: list[tuple[int, bytes]]
    compiled: tuple[Any, bytes] | None = None

    @property
    def p4info(self) -> Any:
        if self.compiled is not None:
            return self.compiled[0]
        assert self.folder is not None
        return read_p4info(self.folder / "program.p4info.txtpb")

    @property
    def json(self) -> bytes:
        if self.compiled is not None:
            return self.compiled[1]
        assert self.folder is not None
        return (self.folder / "program.json").read_bytes()

    @property
    def control(self) -> Any:
        return self.device.switch.control

    def request(self, *updates: tuple[str, Any], atomicity: int = 0) -> Any:
        """A WriteRequest of the primary's, from (kind, p4.v1.Entity) pairs."""
        request = p4r.WriteRequest(atomicity=atomicity)
        request.election_id.low = self.client.election.election_id
        for kind, entity in updates:
            request.updates.add(type=p4r.Update.Type.Value(kind), entity=entity)
        return request


@pytest.fixture
def live() -> Iterator[Callable[..., Live]]:
    with ExitStack() as stack:

        def start(
            case: str | None = None,
            *,
            cpu_port: int | None = 510,
            clock: Any = None,
            engine: str = "interp",
            queues: Any = None,
            externs: Any = None,
        ) -> Live:
            """case: a golden program's folder, or a P4 file of tests/server/programs."""
            outputs: list[tuple[int, bytes]] = []
            device = Device(
                SwitchOptions(engine, cpu_port=cpu_port, clock=clock, queues=queues, externs=externs),
                on_output=lambda port, data: outputs.append((port, data)),
            )
            stack.callback(device.close)
            server = Server(device, "127.0.0.1:0")
            stack.callback(server.stop, 0)
            server.start()
            client = stack.enter_context(P4Switch(server.address))
            own = compiled(case) if case is not None and case.endswith(".p4") else None
            found = Live(device, server, client, GOLDEN / case if case else None, outputs, own)
            if case is not None:
                client.set_pipeline(found.p4info, found.json)
            return found

        yield start


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA with certificates of a server and a client, and another CA with one of a stranger, made by openssl."""
    folder = tmp_path_factory.mktemp("tls")
    if subprocess.run(["which", "openssl"], capture_output=True).returncode:
        pytest.skip("openssl is not installed")

    def run(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2")
    (folder / "san").write_text("subjectAltName=DNS:switch,IP:127.0.0.1\n")
    run("req", "-x509", *curve, "-keyout", "other_ca.key", "-out", "other_ca.pem", "-subj", "/CN=other", "-days", "2")
    for name, ca in (("server", "ca"), ("client", "ca"), ("stranger", "other_ca")):
        run("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial",
            "-out", f"{name}.pem", "-days", "2", "-extfile", "san")  # fmt: skip
    return folder


def watch_for_idle_entries(found: Live) -> None:
    """Loads the program once more, its tables made to support timeouts."""
    p4info, program = found.p4info, json.loads(found.json)
    for table in p4info.tables:
        table.idle_timeout_behavior = 1
    for pipeline in program["pipelines"]:
        for table in pipeline["tables"]:
            table["support_timeout"] = True
    found.client.set_pipeline(p4info, json.dumps(program).encode())
