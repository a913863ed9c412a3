"""Who may use which slots: admission, places, ranks. Pure: no clock, no sockets, no switch.

A job is *gathering* until all its workers have asked for it, then *running* until the last of them has left.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from .fabric import Fabric, Post, outline
from .hosts import Host, Hosts
from .session import Job, JoinRequest, Member

MAX_JOB_ID = 0xFFFF
# A job's multicast group has its id. simple_switch_grpc takes groups up to 0x7FFF, and that one is for flooding.
MAX_GROUP = 0x7FFE


class Refusal(Exception):
    """A worker cannot join; the message is the sentence it is told."""


@dataclass(frozen=True)
class Limits:
    """What the switch's program can hold. `format` and `elements` None: not known, not checked. averages: it can divide."""

    slots: int
    jobs: int = 64
    members: int = 1024
    workers: int = 32
    format: str | None = None
    elements: int | None = None
    averages: bool = False


@dataclass
class Gathering:
    """A job that waits for workers; the first one's request is what the others must agree with."""

    request: JoinRequest
    joined: dict[Hashable, tuple[JoinRequest, Host]] = field(default_factory=dict)


@dataclass
class Running:
    job: Job
    ranks: dict[Hashable, int]  # whose connection is up


def find_place(taken: Iterable[tuple[int, int]], slots: int, total: int) -> int | None:
    """The first slot of the lowest gap of `slots` slots between the (first, count) in `taken`; None: no gap."""
    start = 0
    for first, count in sorted(taken):
        if first - start >= slots:
            return start
        start = max(start, first + count)
    return start if total - start >= slots else None


def give_ranks(requests: dict[Hashable, JoinRequest]) -> dict[Hashable, int]:
    """Each client's rank: those asked for first, the rest in order of arrival. They do not collide."""
    wanted = {client: r.rank for client, r in requests.items() if r.rank is not None}
    free = iter(sorted(set(range(len(requests))) - set(wanted.values())))
    return {client: wanted[client] if client in wanted else next(free) for client in requests}


@dataclass(frozen=True)
class Place:
    """Where a job's slots are: the first one, or a post at each of several switches."""

    first_slot: int
    posts: tuple[Post, ...] = ()


class Places(Protocol):
    """Where there is room."""

    def find(self, ip: str) -> Host | None: ...

    def place(self, request: JoinRequest, members: tuple[Member, ...], running: list[Job], limits: Limits) -> Place:
        """Raises Refusal where there is no room."""
        ...


@dataclass(frozen=True)
class OneSwitch:
    """All workers hang on one switch."""

    hosts: Hosts

    @property
    def by_ip(self) -> dict[str, Host]:
        return self.hosts.by_ip

    def find(self, ip: str) -> Host | None:
        return self.hosts.find(ip)

    def place(self, request: JoinRequest, members: tuple[Member, ...], running: list[Job], limits: Limits) -> Place:
        check_room(len(members), [job.workers for job in running], limits, "the switch")
        taken = [(job.first_slot, job.slots) for job in running]
        return Place(room_for(request.slots, taken, limits.slots, ""))


@dataclass(frozen=True)
class Tree:
    """Workers hang on the switches of a fabric; each switch has slots and members of its own."""

    fabric: Fabric

    @property
    def by_ip(self) -> Mapping[str, Host]:
        return self.fabric.by_ip

    def find(self, ip: str) -> Host | None:
        return self.fabric.find(ip)

    def place(self, request: JoinRequest, members: tuple[Member, ...], running: list[Job], limits: Limits) -> Place:
        posts = []
        for post in outline(self.fabric, members).values():
            here = [(job, other) for job in running for other in job.posts if other.switch == post.switch]
            check_room(len(post.children), [len(other.children) for _, other in here], limits, f"switch {post.switch}")
            taken = [(other.first_slot, job.slots) for job, other in here]
            first = room_for(request.slots, taken, limits.slots, f" on switch {post.switch}")
            posts.append(replace(post, first_slot=first))
        return Place(posts[-1].first_slot, tuple(posts))


def check_room(members: int, running: list[int], limits: Limits, where: str) -> None:
    """Refusal where a switch has no room for one job more, or for its members. running: members of each job there."""
    if len(running) >= limits.jobs:
        raise Refusal(f"{where} runs {limits.jobs} jobs already; wait for one to end")
    if sum(running) + members > limits.members:
        raise Refusal(f"{where} has no room for {members} more workers")


def room_for(slots: int, taken: list[tuple[int, int]], total: int, where: str) -> int:
    """The first of `slots` free slots; Refusal where there is no gap so long."""
    first = find_place(taken, slots, total)
    if first is None:
        used = sum(count for _, count in taken)
        raise Refusal(f"no gap of {slots} slots{where}: {used} of {total} are in use; ask for fewer or wait")
    return first


class Registry:
    """All jobs of one switch, or of a fabric. `first_id` should differ from run to run: ids must not repeat those that the
    switch's registers still remember."""

    def __init__(
        self, limits: Limits, hosts: Hosts | Fabric, first_id: int = 1, avoid: Iterable[int] = ()
    ) -> None:
        self.limits = limits
        self.places = OneSwitch(hosts) if isinstance(hosts, Hosts) else Tree(hosts)
        self._next_id = first_id
        self._avoid = set(avoid)
        self._gathering: dict[str, Gathering] = {}
        self._running: dict[int, Running] = {}
        self._orphans: list[Hashable] = []  # waited for a job that turned out to be impossible
        self._where: dict[Hashable, str | int] = {}  # client -> name of a gathering or id of a running job

    @property
    def running(self) -> list[Job]:
        return [r.job for r in self._running.values()]

    @property
    def gathering(self) -> list[tuple[str, int, int]]:
        """(name, joined, wanted) of each job that waits for workers."""
        return [(name, len(g.joined), g.request.workers) for name, g in self._gathering.items()]

    def join(self, client: Hashable, request: JoinRequest) -> Job | None:
        """The job, if this worker was the last one it waited for. Raises Refusal; then nothing has changed."""
        if client in self._where:
            raise Refusal("this connection has already joined a job; open another one")
        host = self._check(request)
        gathering = self._gathering.get(request.job) or Gathering(request)
        self._agree(gathering, request)
        gathering.joined[client] = (request, host)
        self._gathering[request.job] = gathering
        self._where[client] = request.job
        if len(gathering.joined) < request.workers:
            return None
        try:
            return self._start(request.job, gathering)
        except Refusal:
            found = self.abandon(request.job)
            self._orphans = [one for one in (found[0] if found else []) if one != client]
            raise

    def _check(self, request: JoinRequest) -> Host:
        limits = self.limits
        if request.workers > limits.workers:
            raise Refusal(
                f"{request.workers} workers are more than the {limits.workers} of the switch's program;"
                " compile it with -DMAX_WORKERS=64 (at most 128)"
            )
        if request.slots > limits.slots:
            raise Refusal(f"{request.slots} slots are more than the switch's {limits.slots}")
        if request.queues > request.slots:
            raise Refusal(f"{request.queues} queues cannot share {request.slots} slots; ask for more slots")
        for name, own, asked in (
            ("format", limits.format, request.format),
            ("elements", limits.elements, request.elements),
        ):
            if own is not None and own != asked:
                raise Refusal(f"the switch's program has {name} {own}, not {asked}")
        if request.average and not limits.averages:
            raise Refusal(
                "the switch's program does not average; compile it with -DAVERAGE=1, or let the workers divide the sums"
            )
        if any(r.job.name == request.job for r in self._running.values()):
            raise Refusal(f"job {request.job!r} is already running with all its workers")
        host = self.places.find(request.host)
        if host is None:
            known = ", ".join(list(self.places.by_ip)[:8])
            raise Refusal(f"host {request.host} is not in the controller's hosts file (it has {known})")
        return host

    def _agree(self, gathering: Gathering, request: JoinRequest) -> None:
        first = gathering.request
        for name in ("workers", "slots", "queues", "format", "elements", "average"):
            if getattr(first, name) != getattr(request, name):
                raise Refusal(
                    f"job {request.job!r} was begun with {name} {getattr(first, name)},"
                    f" this worker says {getattr(request, name)}"
                )
        for other, _ in gathering.joined.values():
            if request.rank is not None and other.rank == request.rank:
                raise Refusal(f"rank {request.rank} of job {request.job!r} is taken by {other.host}")
            apart = abs(other.udp_port - request.udp_port) >= request.queues
            if other.host == request.host and not apart:
                raise Refusal(
                    f"UDP port {request.udp_port} of {request.host} is used by another worker of the job;"
                    f" choose one at least {request.queues} away"
                )

    def _start(self, name: str, gathering: Gathering) -> Job:
        request = gathering.request
        ranks = give_ranks({client: r for client, (r, _) in gathering.joined.items()})
        members = sorted(
            (_member(ranks[client], r, host) for client, (r, host) in gathering.joined.items()),
            key=lambda m: m.rank,
        )
        place = self.places.place(request, tuple(members), self.running, self.limits)
        job = Job(
            self._take_id(),
            name,
            request.workers,
            place.first_slot,
            request.slots,
            request.queues,
            request.format,
            request.elements,
            tuple(members),
            place.posts,
            request.average,
        )
        del self._gathering[name]
        self._running[job.id] = Running(job, ranks)
        self._where.update(dict.fromkeys(ranks, job.id))
        return job

    def _take_id(self) -> int:
        """The next id that no job has and that the switch's registers do not remember."""
        for _ in range(2 * MAX_GROUP):
            candidate = self._next_id
            self._next_id = candidate % MAX_GROUP + 1
            if candidate not in self._running and candidate not in self._avoid:
                return candidate
        raise Refusal("no job id is free; reload the switch's program")

    def take_orphans(self) -> list[Hashable]:
        """Clients that waited for the job whose last `join` was just refused; each call empties the list."""
        orphans, self._orphans = self._orphans, []
        return orphans

    def abandon(self, name: str) -> tuple[list[Hashable], int] | None:
        """Give up a gathering job; (clients that waited, workers wanted), None if it is not gathering."""
        gathering = self._gathering.pop(name, None)
        if gathering is None:
            return None
        for client in gathering.joined:
            del self._where[client]
        return list(gathering.joined), gathering.request.workers

    def knows(self, client: Hashable) -> bool:
        """Whether the client waits for a job or is in one."""
        return client in self._where

    def job_of(self, client: Hashable) -> tuple[Job, int] | None:
        """(job, rank) of a client in a running job."""
        place = self._where.get(client)
        if not isinstance(place, int):
            return None
        return self._running[place].job, self._running[place].ranks[client]

    def clients_of(self, job_id: int) -> dict[Hashable, int]:
        """client -> rank of those whose connection is up."""
        running = self._running.get(job_id)
        return dict(running.ranks) if running else {}

    def waiting_with(self, client: Hashable) -> list[Hashable]:
        """The clients that gather for the same job as `client`."""
        place = self._where.get(client)
        return list(self._gathering[place].joined) if isinstance(place, str) else []

    def leave(self, client: Hashable) -> Job | None:
        """The client is gone, whether it said so or not; the job, if it was the last one in it."""
        place = self._where.pop(client, None)
        if isinstance(place, str):
            gathering = self._gathering[place]
            del gathering.joined[client]
            if not gathering.joined:
                del self._gathering[place]
            return None
        if place is None:
            return None
        running = self._running[place]
        del running.ranks[client]
        return None if running.ranks else self._running.pop(place).job

    def renew(self, job_id: int) -> Job:
        """Gives a running job a new id: packets and results of the old one are nobody's any more."""
        running = self._running.pop(job_id)
        running.job = replace(running.job, id=self._take_id())
        self._running[running.job.id] = running
        self._where.update(dict.fromkeys(running.ranks, running.job.id))
        return running.job

    def drop(self, job_id: int) -> None:
        """Forget a job that could not be installed."""
        running = self._running.pop(job_id, None)
        for client in running.ranks if running else ():
            self._where.pop(client, None)


def _member(rank: int, request: JoinRequest, host: Host) -> Member:
    return Member(rank, host.ip, host.mac, host.port, request.udp_port)


def silent_ranks(ranks: Iterable[int], seen: int, pool_index: int, width: int = 32) -> tuple[int, ...]:
    """Those of `ranks` whose bit is clear in the slot's pair of bitmaps of `width` bits each, set 0 in the low half."""
    bitmap = seen >> (width * (pool_index & 1)) & (1 << width) - 1
    return tuple(rank for rank in ranks if not bitmap >> rank & 1)
