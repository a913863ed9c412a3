"""A whole switch in one process: load a program, send packets, change tables.

switch = Switch.load("prog.json")
switch.control.tables["Ig.dmac"].insert((0x0200_0000_0001,), "Ig.forward", (2,))
assert switch.send(1, frame) == [(2, frame)]
"""

from __future__ import annotations

import importlib
import random
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from emulator.switch.control import Control
from emulator.switch.digests import DigestList
from emulator.switch.engine import Engine
from emulator.switch.interp import Interpreter
from emulator.switch.load import load_model
from emulator.switch.model import Model
from emulator.switch.queues import QueueSettings
from emulator.switch.state import Layout, State
from emulator.switch.table import Entry, Table
from emulator.switch.traffic import MAX_PASSES, Output, Traffic

EngineName = Literal["auto", "interp", "jit"]
Clock = Callable[[], int]


class Switch:
    """Callbacks, all optional: on_digest(DigestList), on_packet_in(data) for packets that leave through the
    CPU port (they then are not among send()'s results), on_idle_timeout(table, entries), on_log(text)."""

    def __init__(
        self,
        model: Model,
        *,
        engine: EngineName = "auto",
        drop_port: int = 511,
        cpu_port: int | None = None,
        clock: Clock | None = None,
        seed: int | None = None,
        max_passes: int = MAX_PASSES,
        p4info: Any = None,
        queues: QueueSettings | None = None,
        externs: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.p4info = p4info
        self.drop_port, self.cpu_port = drop_port, cpu_port
        self.clock = clock or _since_now()
        self.rng = random.Random(seed)
        chosen, factory, layout = _engine(engine)
        self.state = State(model, layout)
        self.control = Control(model, self.state, self.clock, queues, externs)
        self.control.hashes.seed(self.rng)
        self.engine: Engine = factory(model, self.control, rng=self.rng, drop_port=drop_port)
        self.engine_name = chosen
        self.traffic = Traffic(model, self.control, self.engine, drop_port=drop_port, max_passes=max_passes)
        attach = getattr(self.engine, "attach", None)
        if attach is not None:  # compiled batches hand packets that clone, resubmit, ... to the traffic manager
            attach(self.traffic)
        self.on_digest: Callable[[DigestList], None] | None = None
        self.on_packet_in: Callable[[bytes], None] | None = None
        self.on_idle_timeout: Callable[[Table, list[Entry]], None] | None = None
        self.on_log: Callable[[str], None] | None = None
        self.engine.set_log(self._log)  # type: ignore[attr-defined]
        for digest in self.control.digests.values():
            digest.on_list = self._digest

    @classmethod
    def load(
        cls,
        json: str | Path | bytes | Mapping[str, Any],
        p4info: Any = None,
        *,
        engine: EngineName = "auto",
        strict_select: bool = False,
        externs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Switch:
        """A switch running the program in `json` (path, bytes or parsed object of bmv2 JSON).

        engine: "jit" compiles, "interp" is the slow twin, "auto" takes the compiled one if it is there.
        drop_port, cpu_port: numbers; clock: a function giving microseconds (virtual time); seed: of random();
        queues: QueueSettings of the ports that have a rate; externs: the program's own, in Python (see externs.py).
        Raises ModelError with one sentence when the JSON cannot be run."""
        model = load_model(json, strict_select=strict_select, externs=externs)
        return cls(model, engine=engine, p4info=p4info, externs=externs, **options)

    def send(self, port: int, data: bytes) -> list[Output]:
        """Sends one packet into `port` and returns (port, packet) for all that leave because of it, after those whose
        turn to leave a queue has come meanwhile."""
        return self._delivered(self.traffic.run(port, bytes(data)))

    def send_batch(self, packets: Iterable[tuple[int, bytes]]) -> list[Output]:
        """send() for each packet in turn, on the compiled engine all at once; what leaves, in order."""
        if hasattr(self.engine, "process") and not self.control.queues.active:
            return self._delivered(self.engine.process(list(packets)))
        out: list[Output] = []
        for port, data in packets:
            out += self.send(port, data)
        return out

    def poll(self) -> list[Output]:
        """Does what is due by now: idle timeouts, digest lists whose time has come; returns the packets whose turn to
        leave a queue has come. Call it about once a second, or after moving virtual time on."""
        self.control.digests.poll()
        if self.on_idle_timeout is not None:
            for table, entries in self.control.idle_entries():
                self.on_idle_timeout(table, entries)
        return self.departed()

    def departed(self) -> list[Output]:
        """The packets whose turn to leave a queue has come by now."""
        return self._delivered(self.traffic.serve())

    def drain(self) -> list[Output]:
        """All packets that wait in queues, each at its own time, as if the clock had run on; at most `max_passes`."""
        out: list[Output] = []
        for _ in range(self.traffic.max_passes):
            following = self.next_departure
            if following is None:
                break
            out += self._delivered(self.traffic.serve(following, 1))
        return out

    @property
    def next_departure(self) -> int | None:
        """When the next packet leaves a queue, in microseconds of the clock; None when none waits."""
        return self.control.queues.next_us()

    @property
    def events(self) -> dict[str, int]:
        """Counts of drops by reason and of what went wrong quietly (an index out of range, ...)."""
        if hasattr(self.engine, "sync_events"):
            self.engine.sync_events()
        return self.state.events

    def _delivered(self, out: list[Output]) -> list[Output]:
        if self.cpu_port is None or self.on_packet_in is None:
            return out
        for port, data in out:
            if port == self.cpu_port:
                self.on_packet_in(data)
        return [item for item in out if item[0] != self.cpu_port]

    def _digest(self, message: DigestList) -> None:
        if self.on_digest is not None:
            self.on_digest(message)

    def _log(self, text: str) -> None:
        if self.on_log is not None:
            self.on_log(text)


def _since_now() -> Clock:
    """Microseconds since the switch was made."""
    start = time.monotonic_ns()
    return lambda: (time.monotonic_ns() - start) // 1000


def _engine(name: EngineName) -> tuple[str, Callable[..., Any], Layout | None]:
    """(name, factory, register layout). The compiled engine's module offers `make_engine` and `layout`."""
    if name not in ("auto", "interp", "jit"):
        raise ValueError(f"there is no engine {name!r}; there are auto, interp and jit")
    if name != "interp":
        try:
            jit = importlib.import_module("emulator.switch.jit")
            return "jit", jit.make_engine, getattr(jit, "layout", None)
        except (ImportError, AttributeError):
            if name == "jit":
                raise
    return "interp", Interpreter, None
