"""Runs a switch between its ports: a C loop in a thread of its own, which calls the compiled pipeline by
pointer.

    with Runner({0: Interface("veth0"), 1: Interface("veth2")}) as runner:
        runner.set_pipeline(switch)

No Python runs per packet with a compiled switch, also where packets wait in queues. An interpreting one works too: it is run
by Python. TCP between the hosts passes with its checksum and segmentation offload: ports exchange
virtio-net headers with the kernel.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from emulator.native import lib_and_ffi
from emulator.switch.ports import Impairment, Impairments, Interface, PortSpec, Queue
from emulator.switch.ports.departures import Departures, keeps_queues, nothing, queues_of
from emulator.switch.ports.lending import Lending
from emulator.switch.ports.links import LinkWatch
from emulator.switch.ports.opening import add_impairment, add_port
from emulator.switch.ports.python_pipeline import PythonPipeline, callback

log = logging.getLogger(__name__)

MAX_FRAME = 66560
"""FP_MAX_FRAME of emulator/native/pipeline.h."""
_STATES = ("up", "down", "gone")
LET_GO_S = 10.0
"""How long `close` waits for other threads' calls; what is still in use then is not freed."""


class RunnerError(Exception):
    """A port or the loop could not be set up; one sentence for the user."""


class Runner:
    """Ports by number, and the loop. impair: for all ports, or by port number. cpu_port: number of a port
    whose packets go to on_packet_in(data), called in a thread of its own. clock: microseconds as the switch
    counts them (Switch.clock); the loop's timestamps continue from its value at start. spin_us: the longest
    time the loop watches for a packet before it sleeps.

    Raises RunnerError where a port cannot be opened; nothing stays open then."""

    def __init__(
        self,
        ports: Mapping[int, PortSpec],
        *,
        impair: Impairments | Mapping[int, Impairments] | None = None,
        cpu_port: int | None = None,
        on_packet_in: Callable[[bytes], None] | None = None,
        clock: Callable[[], int] | None = None,
        spin_us: int = 20,
    ) -> None:
        try:
            self._lib, self._ffi = lib_and_ffi()
        except RuntimeError as error:
            raise RunnerError(str(error)) from None
        self._error = self._ffi.new("char[256]")
        self._raw = self._lib.fpn_new(spin_us)
        if self._raw == self._ffi.NULL:
            raise RunnerError("cannot set up the packet loop: no memory or descriptors left")
        self.ports = dict(ports)
        self.cpu_port = cpu_port
        self.on_packet_in = on_packet_in
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._pump: threading.Thread | None = None
        self._lending = Lending()
        self._keep: list[Any] = []  # what C points to
        self._switch: Any = None
        self._links: LinkWatch | None = None
        self._departures: Departures | None = None
        try:
            self._open(impair)
        except Exception:
            self.close()
            raise

    @property
    def _runner(self) -> Any:
        if self._raw == self._ffi.NULL:
            raise RunnerError("the runner is closed")
        return self._raw

    def _lent(self) -> AbstractContextManager[Any]:
        """The runner for calls from any thread: `close` waits for them."""
        return self._lending.of(lambda: self._runner)

    # ---- opening ----

    def _open(self, impair: Impairments | Mapping[int, Impairments] | None) -> None:
        for number, spec in self.ports.items():
            self._add(number, spec)
        if any(isinstance(spec, Interface) for spec in self.ports.values()):
            self._links = LinkWatch(self._follow_links)
        if self.cpu_port is not None and self.cpu_port not in self.ports:
            self._add(self.cpu_port, Queue(4096))
        for number in self.ports:
            chosen = impair if isinstance(impair, Impairments) or impair is None else impair.get(number)
            if chosen is not None:
                self._impair(number, 0, chosen.inward, chosen.seed)
                self._impair(number, 1, chosen.outward, chosen.seed)

    def _check(self, status: int) -> None:
        if status:
            raise RunnerError(self._ffi.string(self._error).decode(errors="replace"))

    def _add(self, number: int, spec: PortSpec) -> None:
        for status in add_port(self._lib, self._ffi, self._runner, number, spec, self._error):
            self._check(status)

    def _impair(self, number: int, outward: int, impair: Impairment, seed: int) -> None:
        if impair.active:
            self._check(add_impairment(self._lib, self._ffi, self._runner, number, outward, impair, seed, self._error))

    # ---- life ----

    def start(self) -> None:
        """Starts the loop's thread. A stopped runner is not started again."""
        if self._thread is not None:
            raise RuntimeError("the runner was started already")
        if self._clock is not None:
            self._lib.fpn_set_clock_base(self._runner, time.monotonic_ns() // 1000 - self._clock())
        self._thread = threading.Thread(target=self._run, name="fpisa-ports", daemon=True)
        self._thread.start()
        if self.cpu_port is not None:
            self._pump = threading.Thread(target=self._packets_in, name="fpisa-cpu-port", daemon=True)
            self._pump.start()
        if self._links is not None:
            self._links.start()
            self._follow_links()

    def _run(self) -> None:
        error = self._ffi.new("char[256]")
        if self._lib.fpn_run(self._runner, error):
            log.error("%s", self._ffi.string(error).decode(errors="replace"))

    def stop(self) -> None:
        """Stops the loop after the batch at hand and joins its threads; stats() stay readable until
        close()."""
        if self._links is not None:
            self._links.close()
        self._watch_queues(None)
        if self._thread is None or self._raw == self._ffi.NULL:
            return
        self._lib.fpn_stop(self._runner)
        self._thread.join()
        if self._pump is not None and self._pump is not threading.current_thread():
            self._pump.join()

    def close(self) -> None:
        """Stops, and frees all sockets and memory. Two threads may call it: one of them frees."""
        self.stop()
        raw, unused = self._lending.last(self._taken, LET_GO_S)
        if raw != self._ffi.NULL and unused:
            self._lib.fpn_free(raw)
            self._keep.clear()

    def _taken(self) -> Any:
        raw, self._raw = self._raw, self._ffi.NULL
        return raw

    def __enter__(self) -> Runner:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def thread(self) -> threading.Thread | None:
        """The loop's thread, once started; its processor time is the switch's."""
        return self._thread

    @property
    def running(self) -> bool:
        """Whether the loop's thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    # ---- pipeline ----

    def set_pipeline(self, switch: Any) -> None:
        """Puts a switch (emulator.switch.switch.Switch) between the ports, between two batches; None:
        packets are counted and dropped. A switch with native_process() is called by pointer as long as no port of its
        has a queue or the engine keeps queues itself (native_queues()), any other through send()."""
        self._watch_queues(switch)
        self._switch = switch
        self._choose_pipeline()
        if self._links is not None:
            self._follow_links()

    def _choose_pipeline(self) -> None:
        switch = self._switch
        native = getattr(switch, "native_process", None) or getattr(
            getattr(switch, "engine", None), "native_process", None
        )
        queued = switch is not None and queues_of(switch) is not None and queues_of(switch).active
        kept = native is not None and keeps_queues(switch)
        if queued and kept:
            self._keep_queues(switch)
        pointers = native() if native is not None and (kept or not queued) else None
        self._lib.fpn_cut_super_frames(self._runner, int(bool(queued)))
        if switch is None:
            self.set_native(0, 0)
        elif pointers is not None:
            process, state = pointers
            self.set_native(process, state, keep=switch)
        else:
            handle = self._ffi.new_handle(PythonPipeline(switch, self.emit, queued))
            function = int(self._ffi.cast("intptr_t", callback(self._lib, self._ffi)))
            self.set_native(function, int(self._ffi.cast("intptr_t", handle)), keep=handle)

    def _watch_queues(self, switch: Any) -> None:
        """Send what waits in this switch's queues from now on, and no longer what waits in the last one's."""
        old, new = queues_of(self._switch), queues_of(switch)
        if old is not None:
            old.changed, old.woken, old.settled = nothing, nothing, nullcontext
        if self._departures is not None:
            self._departures.close()
            self._departures = None
        if old is not None and old.store is not None and self._raw != self._ffi.NULL:
            self._lib.fpn_set_departures(self._runner, self._ffi.NULL, self._ffi.NULL)
            with self.paused():
                old.attach(None)
        if new is not None:
            new.changed = self._choose_pipeline
            if not keeps_queues(switch):
                self._departures = Departures(lambda: self._depart(switch), switch.clock)
                new.woken = self._departures.wake

    def _keep_queues(self, switch: Any) -> None:
        """Packets wait in native code, and the loop sends them."""
        queues, store = queues_of(switch), switch.engine.native_queues()
        if queues.store is not store:
            with self.paused():
                queues.attach(store)
            queues.settled = self._settled
            serve = self._ffi.cast("fp_serve_fn", store.serve)
            self._lib.fpn_set_departures(self._runner, serve, self._ffi.cast("void *", store.address))

    @contextmanager
    def _settled(self) -> Iterator[None]:
        """Around a change of queues; the loop may have slept until a time that no longer holds."""
        with self.paused():
            yield
        with self._lent() as runner:
            self._lib.fpn_wake(runner)

    def _depart(self, switch: Any) -> int | None:
        with self.paused():
            for port, data in switch.departed():
                self.emit(port, data)
            following: int | None = switch.next_departure
            return following

    def set_native(self, process: int, state: int, keep: Any = None) -> None:
        """Sets a pipeline by addresses of its fp_process_fn and its state; keep: object that owns them."""
        with self._lent() as runner:
            self._lib.fpn_set_pipeline(runner, self._ffi.cast("fp_process_fn", process), self._ffi.cast("void *", state))
        self._keep = [keep]  # the old one is no longer in use once fpn_set_pipeline has returned

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No batch is processed inside: for writes that a packet must see whole or not at all. May nest."""
        with self._lent() as runner:
            self._lib.fpn_pause(runner)
            try:
                yield
            finally:
                self._lib.fpn_resume(runner)

    # ---- packets from Python ----

    def inject(self, port: int, data: bytes) -> None:
        """Runs a packet through the pipeline as if it had come in by the port number (packet-out). Raises
        RunnerError where it is too long or too many wait."""
        with self._lent() as runner:
            refused = self._lib.fpn_inject(runner, port, data, len(data))
        if refused:
            raise RunnerError(f"packet of {len(data)} bytes for port {port} not taken: too long, or the queue is full")

    def emit(self, port: int, data: bytes) -> None:
        """Sends a packet out of a port, past the pipeline. Raises RunnerError as inject does."""
        with self._lent() as runner:
            refused = self._lib.fpn_emit(runner, port, data, len(data))
        if refused:
            raise RunnerError(f"packet of {len(data)} bytes for port {port} not taken: too long, or the queue is full")

    def take(self, port: int, timeout: float = 0.0) -> bytes | None:
        """The next packet that left by a Queue port; None after timeout seconds or once stopped."""
        buffer = self._ffi.new("uint8_t[]", MAX_FRAME)
        with self._lent() as runner:
            length = self._lib.fpn_take(runner, port, buffer, MAX_FRAME, int(timeout * 1000))
        if length == -3:
            raise RunnerError(f"port {port} is not a queue port")
        return bytes(self._ffi.buffer(buffer, length)) if length > 0 else None

    def _packets_in(self) -> None:
        buffer = self._ffi.new("uint8_t[]", MAX_FRAME)
        while True:
            length = self._lib.fpn_take(self._runner, self.cpu_port, buffer, MAX_FRAME, 1000)
            if length < 0:
                return
            if length and self.on_packet_in is not None:
                try:
                    self.on_packet_in(bytes(self._ffi.buffer(buffer, length)))
                except Exception:
                    log.exception("packet-in handler failed")

    # ---- numbers ----

    def stats(self) -> dict[int, dict[str, Any]]:
        """Per port: packets and bytes in and out, what impairments did, drops by reason, state up, down or
        gone. Brings the switch up to date as well: its events, and which ports members of groups may use."""
        found: dict[int, dict[str, Any]] = {}
        raw = self._ffi.new("struct fpn_stats *")
        for number in self.ports:
            self._get_stats(number, raw)
            names = [n for n, _ in self._ffi.typeof("struct fpn_stats").fields if n not in ("drops", "state")]
            found[number] = {name: int(getattr(raw, name)) for name in names}
            found[number]["drops"] = {
                self._drop(i): int(raw.drops[i]) for i in range(self._lib.FPN_DROPS) if raw.drops[i]
            }
            found[number]["state"] = _STATES[raw.state]
        self._tell_switch({number: stats["state"] == "up" for number, stats in found.items()})
        return found

    def _follow_links(self) -> None:
        """Ports that went up or down count at once for the members of groups that watch them."""
        if self._raw != self._ffi.NULL:
            self._tell_switch({n: self._state(n) == "up" for n, spec in self.ports.items() if isinstance(spec, Interface)})

    def _state(self, number: int) -> str:
        raw = self._ffi.new("struct fpn_stats *")
        self._get_stats(number, raw)
        return _STATES[raw.state]

    def _get_stats(self, number: int, into: Any) -> None:
        with self._lent() as runner:
            self._lib.fpn_get_stats(runner, number, into)

    def _tell_switch(self, up: Mapping[int, bool]) -> None:
        """What the compiled code counted goes to the switch's events; ports that went up or down, to its groups."""
        sync = getattr(getattr(self._switch, "engine", None), "sync_events", None)
        control: Any = getattr(self._switch, "control", None)
        changed = [] if control is None else [n for n, is_up in up.items() if is_up == (n in control.ports_down)]
        if sync is None and not changed:
            return
        with self.paused():
            if sync is not None:
                sync()
            for number in changed:
                control.set_port(number, up[number])

    def loop_stats(self) -> dict[str, int]:
        """Of the loop as a whole: batches, packets, sleeps, spins, and drops that belong to no port."""
        raw = self._ffi.new("struct fpn_loop_stats *")
        with self._lent() as runner:
            self._lib.fpn_get_loop_stats(runner, raw)
        return {name: int(getattr(raw, name)) for name, _ in self._ffi.typeof("struct fpn_loop_stats").fields}

    def _drop(self, reason: int) -> str:
        return str(self._ffi.string(self._lib.fpn_drop_name(reason)).decode())

    def drop_reasons(self) -> dict[str, str]:
        """Every drop reason's name with a sentence for people."""
        count = self._lib.FPN_DROPS
        return {self._drop(i): self._ffi.string(self._lib.fpn_drop_sentence(i)).decode() for i in range(count)}

    def problems(self) -> list[str]:
        """One sentence for each port whose interface is down or gone."""
        words = {"down": "is down", "gone": "no longer exists"}
        stats = self.stats()
        return [
            f'port {number}: interface "{spec.name}" {words[stats[number]["state"]]}'
            for number, spec in self.ports.items()
            if isinstance(spec, Interface) and stats[number]["state"] != "up"
        ]
