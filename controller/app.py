"""The running controller: workers' connections on one side, the switch on the other.

One asyncio loop owns the registry of jobs. Calls to the switch block, so they run, one after another, on one thread
of their own: a job's release is always finished before the next job's entries are written.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

from .jobs import Refusal, Registry
from .listen import MAX_CONNECTIONS, Impatient, clear_socket, drained, next_line, notice_dead_peers
from .p4rt.status import P4RuntimeError
from .pipelines import AnyPlane, PipelinesPlane
from .plane import Seen
from .restarts import Restarts
from .session import (
    MAX_LINE,
    UDP_PORT,
    Given,
    Job,
    Joined,
    JoinRequest,
    Lost,
    Silent,
    SilentQuery,
    State,
    WireError,
    decode,
    encode,
    refusal,
)

log = logging.getLogger("fpisa.controller")
T = TypeVar("T")
RECONNECT_S = 1.0  # the longest pause between two attempts to reach a lost switch
_FAILURES = (P4RuntimeError, ValueError, OSError)


@dataclass(eq=False)
class Worker:
    """One connection. `left` is true after a `leave`: then its end is no loss."""

    writer: asyncio.StreamWriter
    name: str
    left: bool = False

    def send(self, message: dict[str, Any]) -> None:
        if not self.writer.is_closing():
            self.writer.write(encode(message))


class App:
    """Serve workers until cancelled. `gather_timeout`: seconds a job may wait for its workers. `idle_timeout`: seconds that a
    connection in no job may be silent."""

    def __init__(
        self,
        plane: AnyPlane | PipelinesPlane,
        registry: Registry,
        *,
        gather_timeout: float = 60.0,
        idle_timeout: float = 60.0,
    ) -> None:
        self._idle = idle_timeout
        self._connections = 0
        self._plane = plane
        self._registry = registry
        self._gather_timeout = gather_timeout
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="switch")
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._transports: WeakSet[asyncio.WriteTransport] = WeakSet()  # until they are closed and nobody's
        self._settled: set[int] = set()  # jobs whose workers have had their answer
        self._server: asyncio.Server | None = None
        self._socket: Path | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reconnecting = False
        self._lost_again = False
        self._forgotten: set[int] = set()  # running jobs whose registers the switch has lost
        self._restarts = Restarts(registry)

    # -- life ------------------------------------------------------------------------------------------------

    async def start(self, listen: str) -> str:
        """Listen on unix:PATH or tcp:HOST:PORT (port 0: any); the address bound. Raises OSError."""
        self._loop = asyncio.get_running_loop()
        if listen.startswith("unix:"):
            path = Path(listen.removeprefix("unix:"))
            clear_socket(path)
            self._server = await asyncio.start_unix_server(self._serve, path, limit=MAX_LINE)
            self._socket = path
            return listen
        host, _, port = listen.removeprefix("tcp:").rpartition(":")
        self._server = await asyncio.start_server(self._serve, host.strip("[]"), int(port), limit=MAX_LINE)
        bound = self._server.sockets[0].getsockname()
        return f"tcp:{bound[0]}:{bound[1]}"

    async def stop(self) -> None:
        """Stop listening, release the jobs that still run, and let go of the switch."""
        if self._server is not None:
            await self._stop_listening(self._server)
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)  # asyncio does so from Python 3.13 on
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for transport in list(self._transports):
            transport.abort()  # who does not read must not keep it open
        for job in self._registry.running:
            try:
                await self._call(self._plane.release, job)
            except _FAILURES as error:
                log.warning("job %s is not released: %s", job.name, error)
                break
        await self._call(self._plane.close)
        self._thread.shutdown(wait=False)
        await asyncio.sleep(0)  # closed connections are let go in the loop's next round

    async def _stop_listening(self, server: asyncio.Server) -> None:
        """Connections that were just accepted begin first: `stop` ends them, and Python 3.13.0 stumbles over them otherwise."""
        for listening in server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        for _ in range(3):
            await asyncio.sleep(0)
        server.close()

    async def _call(self, function: Any, *args: Any) -> Any:
        assert self._loop is not None
        return await self._loop.run_in_executor(self._thread, function, *args)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- the switch ------------------------------------------------------------------------------------------

    def switch_lost(self, reason: str) -> None:
        """From the connection's thread: the switch is gone; keep trying to get it back."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin_reconnect, reason)

    def _begin_reconnect(self, reason: str) -> None:
        self._lost_again = True
        if not self._reconnecting:
            self._reconnecting = True
            log.error("lost the switch: %s", reason)
            self._spawn(self._reconnect())

    async def _reconnect(self) -> None:
        wait = 0.2
        while self._lost_again:
            self._lost_again = False
            try:
                await self._come_back()
            except _FAILURES as error:
                log.info("not yet: %s", error)
                self._lost_again = True
                await asyncio.sleep(wait)
                wait = min(2 * wait, RECONNECT_S)
        self._reconnecting = False

    async def _come_back(self) -> None:
        """The running jobs' entries are written again. Where the switch may have lost its registers, jobs get new ids
        first, and their workers are asked how far they are."""
        remembers = await self._call(lambda: self._plane.connect(fresh=False, patience=1.0))
        jobs = [job for job in self._registry.running if job.id in self._settled]
        if not remembers:
            self._forgotten.update(job.id for job in jobs)
        for job in jobs:
            await self._install_again(job)
        log.warning("the switch is back%s; %d jobs installed again", "" if remembers else ", empty", len(jobs))

    async def _install_again(self, job: Job) -> None:
        forgotten = job.id in self._forgotten
        if job.id not in self._settled:
            return  # its last worker has left meanwhile
        if forgotten:
            for ids in (self._forgotten, self._settled):
                ids.discard(job.id)
            job = self._registry.renew(job.id)
            for ids in (self._forgotten, self._settled):
                ids.add(job.id)
        await self._call(self._plane.install, job)
        self._forgotten.discard(job.id)
        if forgotten and job.id in self._settled:
            self._restarts.begin(job)

    # -- workers ---------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        notice_dead_peers(writer)
        worker = Worker(writer, str(writer.get_extra_info("peername") or "local"))
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)  # which `stop` cancels
        self._transports.add(writer.transport)
        self._connections += 1
        try:
            self._gone(worker, await self._listen(worker, reader))
        except asyncio.CancelledError:
            log.debug("connection of %s is closed", worker.name)
        finally:
            self._connections -= 1
            self._tasks.discard(task)
            writer.close()

    async def _listen(self, worker: Worker, reader: asyncio.StreamReader) -> str:
        """Answer one line after the other; in words, why no more come."""
        if self._connections > MAX_CONNECTIONS:
            worker.send(refusal(f"{MAX_CONNECTIONS} connections are open already"))
            return "there are too many connections"
        try:
            while line := await next_line(reader, lambda: not self._registry.knows(worker), self._idle):
                await self._line(worker, line)
                await drained(worker.writer)
        except ValueError:  # readline's way to say that the line is too long
            worker.send(refusal(f"a line is longer than {MAX_LINE} bytes"))
            return "it sent a line that is too long"
        except Impatient as error:
            worker.send(refusal(str(error)))
            return str(error)
        except OSError as error:
            return f"its connection broke: {error.strerror or error}"
        return "its connection to the controller closed"

    async def _line(self, worker: Worker, line: bytes) -> None:
        try:
            message = decode(line)
            op = message.get("op")
            if op == "join":
                await self._join(worker, JoinRequest.read(message))
            elif op == "silent":
                worker.send((await self._silent(worker, SilentQuery.read(message))).wire())
            elif op == "state":
                self._restarts.state(worker, State.read(message))
            elif op == "give":
                self._restarts.give(worker, Given.read(message))
            elif op == "leave":
                worker.left = True
                self._gone(worker, "")
                worker.send({"ok": True})
            else:
                raise WireError(f"'op' must be join, silent, state, give or leave, not {op!r}")
        except (WireError, Refusal) as error:
            worker.send(refusal(str(error)))

    async def _join(self, worker: Worker, request: JoinRequest) -> None:
        waiting = self._registry.waiting_with
        try:
            job = self._registry.join(worker, request)
        except Refusal as error:
            # The last worker's job may be impossible to place: then those who waited must hear it, too.
            for other in self._orphans():
                other.send(refusal(str(error)))
            raise
        if job is None:
            if len(waiting(worker)) == 1:
                self._arm(request)
            return
        self._disarm(request.job)
        await self._begin(job)

    def _orphans(self) -> list[Worker]:
        return [w for w in self._registry.take_orphans() if isinstance(w, Worker)]

    async def _begin(self, job: Job) -> None:
        try:
            await self._call(self._plane.install, job)
        except _FAILURES as error:
            clients = self._registry.clients_of(job.id)
            self._registry.drop(job.id)
            log.error("job %s cannot be installed: %s", job.name, error)
            for client in clients:
                client.send(refusal(f"the switch refused the job: {error}"))  # type: ignore[attr-defined]
            return
        self._settled.add(job.id)
        log.info("job %d (%s): %d workers, slots %d+%d", job.id, job.name, job.workers, job.first_slot, job.slots)
        self._answer(job)

    def _answer(self, job: Job) -> None:
        """Tell every worker its place, and of those who went away while the entries were written."""
        present = self._registry.clients_of(job.id)
        for client, rank in present.items():
            seat = self._plane.seat(job, rank)
            joined = Joined(
                job.id,
                rank,
                job.workers,
                seat.first_slot,
                job.slots,
                seat.switch_mac,
                seat.switch_ip,
                UDP_PORT,
                job.members,
            )
            client.send(joined.wire())  # type: ignore[attr-defined]
        for rank in sorted(set(range(job.workers)) - set(present.values())):
            self._announce(job, rank, "it went away while the job was being installed")
        if not present:
            self._spawn(self._release(job))

    def _announce(self, job: Job, rank: int, reason: str) -> None:
        for client in self._registry.clients_of(job.id):
            client.send(Lost(rank, reason).wire())  # type: ignore[attr-defined]

    def _gone(self, worker: Worker, reason: str) -> None:
        place = self._registry.job_of(worker)
        ended = self._registry.leave(worker)
        if place is None:
            return
        job, rank = place
        if not worker.left and job.id in self._settled:
            log.warning("job %s: rank %d is lost: %s", job.name, rank, reason)
            self._announce(job, rank, reason)
        if ended is not None and job.id in self._settled:
            self._spawn(self._release(ended))

    async def _release(self, job: Job) -> None:
        self._settled.discard(job.id)
        try:
            await self._call(self._plane.release, job)
            log.info("job %d (%s) is released", job.id, job.name)
        except _FAILURES as error:
            log.error("job %s is not released: %s", job.name, error)

    # -- waiting ---------------------------------------------------------------------------------------------

    def _arm(self, request: JoinRequest) -> None:
        assert self._loop is not None
        self._disarm(request.job)
        self._timers[request.job] = self._loop.call_later(self._gather_timeout, self._give_up, request.job)

    def _disarm(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _give_up(self, name: str) -> None:
        self._timers.pop(name, None)
        found = self._registry.abandon(name)
        if found is None:
            return
        clients, wanted = found
        sentence = f"only {len(clients)} of {wanted} workers joined job {name!r} within {self._gather_timeout:g} s"
        for client in clients:
            client.send(refusal(sentence))  # type: ignore[attr-defined]

    # -- who is silent ---------------------------------------------------------------------------------------

    async def _silent(self, worker: Worker, query: SilentQuery) -> Silent:
        place = self._registry.job_of(worker)
        if place is None:
            raise Refusal("this connection is in no job")
        job, rank = place
        slot = query.pool_index >> 1
        first = self._plane.seat(job, rank).first_slot
        if not first <= slot < first + job.slots:
            raise Refusal(f"slot {slot} is not one of job {job.name!r}")
        gone = tuple(sorted(set(range(job.workers)) - set(self._registry.clients_of(job.id).values())))
        if missing := self._restarts.missing(job):
            return Silent(missing, "the switch was restarted, and they have not said how far they are")
        try:
            seen = await self._call(self._plane.seen, job, rank, query)
        except _FAILURES as error:
            log.warning("cannot read the switch's registers: %s", error)
            return Silent(gone, f"the switch does not answer ({error}); these connections are gone")
        return judge(job, rank, query, seen, gone)


def judge(job: Job, asker: int, query: SilentQuery, seen: Seen | None, gone: tuple[int, ...]) -> Silent:
    """Who keeps a chunk waiting, from the registers and from whose connection is gone. Pure."""
    if seen is None:
        return Silent(gone, "by connection only: the switch's registers cannot be read")
    if seen.reason:
        return Silent(seen.silent, seen.reason)
    if seen.job == job.id and seen.chunk == query.chunk:
        if seen.silent:
            return Silent(seen.silent, "their bits are missing in the switch's bitmap")
        return Silent((), "the chunk is complete on the switch; its result was lost on the way")
    if seen.job == job.id and (seen.chunk - query.chunk) & 0xFFFFFFFF < 1 << 31:
        return Silent((), "the switch has moved on to a later chunk in this set")
    silent = gone or tuple(rank for rank in range(job.workers) if rank != asker)
    return Silent(silent, "no contribution to this chunk has reached the switch")
