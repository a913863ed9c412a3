"""`fpisa switch` and `fpisa controller` as processes, with a shared-memory port for each rank of a torch job."""

from __future__ import annotations

import json
import queue
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

P4SRC = Path(__file__).resolve().parents[1] / "p4src"
START_LIMIT_S = 60.0


@dataclass(frozen=True)
class Stack:
    folder: Path

    @property
    def controller(self) -> str:
        return str(self.folder / "c")

    def memory(self, rank: int) -> Path:
        return self.folder / f"m{rank}"

    def ip(self, rank: int) -> str:
        return f"10.77.0.{rank + 1}"


def fpisa(words: list[str], running: ExitStack) -> None:
    """A command that says {"ready": true} once it serves; ended with `running`. Raises RuntimeError."""
    child = subprocess.Popen([sys.executable, "-m", "fpisa.cli", *words], stdout=subprocess.PIPE, text=True)
    running.callback(end, child)
    said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(child, said), daemon=True).start()
    try:
        while (line := said.get(timeout=START_LIMIT_S)) is not None:
            if line.startswith("{") and json.loads(line).get("ready"):
                return
    except queue.Empty:
        pass
    raise RuntimeError(f"fpisa {words[0]} does not start")


def listen(child: subprocess.Popen[str], said: queue.SimpleQueue[str | None]) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        said.put(line)
    said.put(None)


def end(child: subprocess.Popen[str]) -> None:
    child.terminate()
    try:
        child.wait(5.0)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def start_stack(folder: Path, program: str, elements: int, ranks: int, running: ExitStack) -> Stack:
    """A switch that runs the program and a controller that admits jobs of so many ranks. Raises RuntimeError."""
    folder.mkdir()
    info, config, hosts = folder / "p4info.txt", folder / "p4.json", folder / "hosts.json"
    sizes = [f"-DELEMENTS={elements}", "-DSLOTS=512"]
    command = ["compile", *sizes, str(P4SRC / program), "-o", str(config), "--p4runtime-files", str(info)]
    if subprocess.run([sys.executable, "-m", "fpisa.cli", *command], check=False).returncode:
        raise RuntimeError(f"{program} does not compile")
    stack = Stack(folder)
    members = [
        {"name": f"h{r}", "ip": stack.ip(r), "mac": f"02:00:00:00:0f:{r + 1:02x}", "port": r + 1} for r in range(ranks)
    ]
    hosts.write_text(json.dumps({"switch": {"mac": "02:00:00:00:0f:fe", "ip": "10.77.0.254"}, "hosts": members}))
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    ports = [word for r in range(ranks) for word in ("-i", f"{r + 1}@shm:{stack.memory(r)}")]
    fpisa(["switch", "--no-p4", *ports, "--grpc-server-addr", address, "--json", "-L", "warn"], running)
    words = ["--switch", address, "--p4info", str(info), "--json-config", str(config), "--hosts", str(hosts)]
    fpisa(["controller", *words, "--listen", f"unix:{stack.controller}", "--json"], running)
    return stack
