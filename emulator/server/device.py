"""One switch behind P4Runtime: its program, its clients, its ports, and the order in which they may act.

`lock` serialises everything that reads or writes the running program. Packets are held off while a piece of a batch
is written, and for a DATAPLANE_ATOMIC or ROLLBACK_ON_ERROR batch while all of it is. The order of locks is: `lock`,
then the runner's; a packet's own thread takes the runner's and never `lock`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from controller.p4rt.protos import p4r
from controller.p4rt.status import Code
from emulator.switch.runner import MAX_FRAME, RunnerError

from . import program as programs
from .bound import Bound
from .errors import Refused, invalid, not_found
from .notify import Notifier
from .packet_io import PacketIo
from .program import Program, SwitchOptions
from .read import Answer, Reader
from .reconcile import carry_over
from .stream import Streams
from .write import ATOMIC, CONTINUE, ROLLBACK, Writer

log = logging.getLogger("fpisa.p4rt")
_HELD = 128  # updates written while packets wait: a few milliseconds, which the ports' rings absorb
_Request = p4r.SetForwardingPipelineConfigRequest
_Get = p4r.GetForwardingPipelineConfigRequest


@dataclass(frozen=True)
class Running:
    """The committed program with everything that serves it."""

    bound: Bound
    writer: Writer
    reader: Reader
    packets: PacketIo


def _serve(bound: Bound) -> Running:
    packets = PacketIo(bound.schema, bound.translations, bound.control.model)
    return Running(bound, Writer(bound), Reader(bound), packets)


class Device:
    """`runner` moves packets between ports and the switch (None: there are no ports). `on_output` gets what the
    switch sends out of a port when a controller injects a packet and there is no runner."""

    def __init__(
        self,
        options: SwitchOptions | None = None,
        *,
        device_id: int = 0,
        runner: Any = None,
        on_output: Callable[[int, bytes], None] | None = None,
    ) -> None:
        self.options = options or SwitchOptions()
        self.device_id = device_id
        self.runner = runner
        self.lock = threading.RLock()
        self.streams = Streams(device_id, self._packet_out, self._digest_ack, self.lock)
        self.switch: Any = None
        self._on_output = on_output
        self._loading = threading.Lock()  # one SetForwardingPipelineConfig at a time
        self._saved: Running | None = None
        self._running: Running | None = None
        self._notifier = Notifier(self)
        if runner is not None:
            runner.on_packet_in = self._packet_in

    # -- checks ----------------------------------------------------------------------------------------------

    @property
    def target(self) -> Running:
        """What reads and writes are about: a config that was saved, else the one that runs."""
        return self._saved or self.running

    @property
    def running(self) -> Running:
        if self._running is None:
            raise Refused(
                Code.FAILED_PRECONDITION,
                "the switch has no forwarding pipeline config",
                "send one with SetForwardingPipelineConfig",
            )
        return self._running

    @property
    def bound(self) -> Bound | None:
        return self._running.bound if self._running else None

    # -- programs --------------------------------------------------------------------------------------------

    def set_pipeline(self, request: Any) -> None:
        with self._loading:
            action = request.action
            if action == _Request.VERIFY:
                programs.check(self._config(request), self.options.externs)
            elif action == _Request.VERIFY_AND_SAVE:
                self._saved = _serve(self._bind(programs.build(self._config(request), self.options)))
            elif action == _Request.VERIFY_AND_COMMIT:
                self.commit(programs.build(self._config(request), self.options))
            elif action == _Request.RECONCILE_AND_COMMIT:
                self._reconcile(programs.build(self._config(request), self.options))
            elif action == _Request.COMMIT:
                if request.HasField("config"):
                    raise invalid("COMMIT takes no config", "leave it out: the saved one is committed")
                if self._saved is None:
                    raise not_found("no config is saved", "send one with VERIFY_AND_SAVE first")
                self._install(self._saved)
            else:
                raise invalid("the action is not set", "use VERIFY_AND_COMMIT to load a program")

    def _config(self, request: Any) -> Any:
        if not request.HasField("config"):
            raise invalid("the request has no config", "send the P4Info and the bmv2 JSON")
        return request.config

    def commit(self, program: Program) -> None:
        """Let `program` take over, with nothing installed but what it declares itself."""
        self._install(_serve(self._bind(program)))

    def _bind(self, program: Program) -> Bound:
        if self.runner is None:
            return Bound(program)
        ports = self.runner.ports
        names = {spec.name: number for number, spec in ports.items() if hasattr(spec, "name")}
        own = [] if self.options.cpu_port is None else [self.options.cpu_port]
        return Bound(program, names, {*ports, *own})

    def _reconcile(self, program: Program) -> None:
        bound = self._bind(program)
        with self.lock, self.packets_held():
            if self._running is not None:
                carry_over(self._running.bound, bound)
            self._install(_serve(bound))

    def _install(self, running: Running) -> None:
        bound = running.bound
        with self.lock:
            self._keep_ports(bound.control)
            self.use_switch(bound.program.switch)
            self._running, self._saved = running, None
            self._notifier.attach(bound)
        log.info("program loaded: %d tables, %d registers", len(bound.tables), len(bound.registers))

    def _keep_ports(self, control: Any) -> None:
        """A new program finds the ports and the settings of their queues as they are."""
        if self._running is not None:
            for port in self._running.bound.control.ports_down:
                control.set_port(port, False)
            control.queues.take_settings(self._running.bound.control.queues)

    def use_switch(self, switch: Any) -> None:
        """Run this switch, which may have no P4Info (then P4Runtime has no pipeline yet)."""
        with self.lock:
            self.switch = switch
            self._running = None
            switch.on_packet_in = self._packet_in
            if self.runner is not None:
                self.runner.set_pipeline(switch)

    def get_pipeline(self, request: Any) -> Any:
        response = p4r.GetForwardingPipelineConfigResponse()
        wanted = request.response_type
        if wanted not in (_Get.ALL, _Get.COOKIE_ONLY, _Get.P4INFO_AND_COOKIE, _Get.DEVICE_CONFIG_AND_COOKIE):
            raise invalid(f"response type {wanted} is not known", "use ALL")
        if self._running is None:
            return response
        program, config = self._running.bound.program, response.config
        config.SetInParent()
        if wanted in (_Get.ALL, _Get.P4INFO_AND_COOKIE):
            config.p4info.CopyFrom(program.schema.message)
        if wanted in (_Get.ALL, _Get.DEVICE_CONFIG_AND_COOKIE):
            config.p4_device_config = program.config
        if program.cookie is not None:
            config.cookie.cookie = program.cookie
        return response

    # -- entities --------------------------------------------------------------------------------------------

    def write(self, request: Any, check: Callable[[], Any] | None = None) -> list[Refused | None]:
        """What became of each update, None for those that went through. check: raises Refused where the client may not
        write, and gives the function that judges single entities; no primary changes after it."""
        if request.atomicity not in (CONTINUE, ROLLBACK, ATOMIC):
            raise invalid(f"atomicity {request.atomicity} is not known", "use CONTINUE_ON_ERROR")
        updates = request.updates
        size = _HELD if request.atomicity == CONTINUE else max(1, len(updates))
        results: list[Refused | None] = []
        with self.lock:
            may = check() if check is not None else None
            running = self.target
            for start in range(0, len(updates), size):
                with self.packets_held(), running.bound.control.batch():
                    results += running.writer.batch(updates[start : start + size], request.atomicity, may)
        return results

    def read(self, request: Any, sees: Callable[[int], bool] | None = None) -> Answer:
        """No write comes between the entities of one request."""
        with self.lock:
            return self.target.reader.answer(request.entities, sees)

    def packets_held(self) -> AbstractContextManager[Any]:
        """No packet is processed inside this context."""
        return self.runner.paused() if self.runner is not None else nullcontext()

    # -- packets and digests -----------------------------------------------------------------------------------

    def _packet_out(self, message: Any) -> None:
        if self.options.cpu_port is None:
            raise Refused(Code.FAILED_PRECONDITION, "the switch has no CPU port", "start it with --cpu-port")
        with self.lock:
            data = self._to_switch(message)
            if self.runner is None:
                self._send(data)
        if self.runner is not None:
            self._inject(data)

    def _inject(self, data: bytes) -> None:
        if len(data) > MAX_FRAME:
            raise invalid(f"the packet has {len(data)} bytes", f"the longest that the switch takes has {MAX_FRAME}")
        try:
            self.runner.inject(self.options.cpu_port, data)
        except RunnerError as error:
            raise Refused(Code.RESOURCE_EXHAUSTED, str(error), "send more slowly") from None

    def _to_switch(self, message: Any) -> bytes:
        running = self.running
        mark = running.bound.translations.mark()
        try:
            return running.packets.to_switch(message)
        except Refused:
            running.bound.translations.rollback(mark)
            raise

    def _send(self, data: bytes) -> None:
        for port, out in self.switch.send(self.options.cpu_port, data):
            if port != self.options.cpu_port and self._on_output is not None:
                self._on_output(port, out)

    def _packet_in(self, data: bytes) -> None:
        running = self._running
        if running is not None:
            message = running.packets.from_switch(data)
            if message is not None:
                self.streams.notify(message)

    def _digest_ack(self, digest_id: int, list_id: int) -> None:
        with self.lock:
            bound = self.running.bound
            _, digest = bound.find("digest", bound.digests, digest_id)
            if not digest.ack(list_id):
                raise not_found(f"there was no digest list {list_id}", "acknowledge lists that were received")

    def close(self) -> None:
        self._notifier.stop()
        self.streams.close_all()
