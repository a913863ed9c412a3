"""The controller's side of a tree of switches: a plane for each, jobs installed from the root down. Blocking calls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from . import entries
from .fabric import Fabric, Post
from .p4rt.schema import Schema
from .p4rt.status import P4RuntimeError
from .plane import Plane, Seat, Seen, Target
from .session import Job, SilentQuery

log = logging.getLogger("fpisa.controller")


class FabricPlane:
    """All switches of a fabric under this controller. Raises as Plane does, the switch named."""

    def __init__(self, target: Target, fabric: Fabric, on_lost: Callable[[str], None], pipeline: int = 0) -> None:
        """target: the program of all switches; addresses and device ids are the fabric's. pipeline: of each switch."""
        self.fabric = fabric
        self._on_lost = on_lost
        self._away = set(fabric.sites)  # switches without a connection
        self._forgotten = False  # one that came back had lost its registers, and `connect` has not said so yet
        self.planes = {
            name: Plane(
                replace(target, address=site.address, device_id=site.device_id),
                fabric.hosts_of(name),
                lambda reason, name=name: self._lost(name, reason),  # type: ignore[misc]
                pipeline,
            )
            for name, site in fabric.sites.items()
        }

    @property
    def schema(self) -> Schema:
        return next(iter(self.planes.values())).schema

    @property
    def slots(self) -> int:
        """Slots of the switch that has fewest."""
        return min(plane.slots for plane in self.planes.values())

    def _lost(self, name: str, reason: str) -> None:
        self._away.add(name)
        self._on_lost(f"switch {name}: {reason}")

    # -- the program -----------------------------------------------------------------------------------------

    def connect(self, *, fresh: bool, patience: float | None = None) -> bool:
        """Connect to the switches that are away; the others go on undisturbed while they are waited for. Returns whether all
        remember their registers. Where one does not, all jobs are taken from the others, too: they come back under new ids."""
        back = sorted(self._away)
        for name in back:
            plane = self.planes[name]
            with _named(name):
                if not plane.connect(fresh=fresh, patience=patience):
                    self._forgotten = True
                entries.check_tree_program(plane.schema)
            self._away.discard(name)
        remembers, self._forgotten = not self._forgotten, False
        if not remembers:
            self._clear(set(self.planes) - set(back))
        return remembers

    def clear_jobs(self) -> None:
        """Take every job's entries from every switch."""
        self._clear(set(self.planes))

    def _clear(self, names: set[str]) -> None:
        for name in sorted(names):
            with _named(name):
                self.planes[name].clear_jobs()

    def close(self) -> None:
        for plane in self.planes.values():
            plane.close()

    # -- jobs ------------------------------------------------------------------------------------------------

    def seat(self, job: Job, rank: int) -> Seat:
        post = post_of(job, rank)
        site = self.fabric.sites[post.switch]
        return Seat(site.mac, site.ip, post.first_slot)

    def install(self, job: Job) -> None:
        """From the root down, so that no leaf sends up what its parent does not know; all, or none."""
        done: list[Post] = []
        try:
            for post in reversed(job.posts):
                with _named(post.switch):
                    self.planes[post.switch].write(entries.post_entries(job, post, self.fabric))
                done.append(post)
        except ValueError:
            self._take_back(job, list(reversed(done)))
            raise

    def release(self, job: Job) -> None:
        """From the leaves up. A switch that is away keeps its entries until it is back; the others are freed all the same."""
        failed = self._take_back(job, job.posts)
        if failed:
            raise ValueError("; ".join(failed))

    def _take_back(self, job: Job, posts: Iterable[Post]) -> list[str]:
        failed = []
        for post in posts:
            try:
                with _named(post.switch):
                    self.planes[post.switch].take_back(entries.post_entries(job, post, self.fabric))
            except ValueError as error:
                failed.append(str(error))
        return failed

    # -- registers -------------------------------------------------------------------------------------------

    def remembered_jobs(self) -> set[int]:
        return set().union(*(plane.remembered_jobs() for plane in self.planes.values()))

    def seen(self, job: Job, rank: int, query: SilentQuery) -> Seen | None:
        """Which workers keep a chunk waiting, looked for from the root down; None where registers cannot be read."""
        own = post_of(job, rank)
        place = query.pool_index - 2 * own.first_slot
        found = {post.switch: self.planes[post.switch].look(_ranks(post), place + 2 * post.first_slot) for post in job.posts}
        if any(seen is None for seen in found.values()):
            return None
        return judge_tree(job, rank, query.chunk, {name: seen for name, seen in found.items() if seen is not None})


def post_of(job: Job, rank: int) -> Post:
    """The switch that a worker contributes to."""
    return next(
        post for post in job.posts for child in post.children if child.switch is None and child.rank == rank
    )


def _ranks(post: Post) -> list[int]:
    return [child.rank for child in post.children]


def judge_tree(job: Job, asker: int, chunk: int, found: dict[str, Seen]) -> Seen:
    """Who is silent, from what each switch's set holds. Pure. A switch below is silent for its own silent workers; one
    that has them all has lost its partial sum or its answer on the way. The asker is named only where nobody else is."""
    posts = {post.switch: post for post in job.posts}
    on_the_way: list[str] = []

    def silent_below(name: str) -> list[int]:
        seen, post = found[name], posts[name]
        current = seen.job == job.id and seen.chunk == chunk
        if seen.job == job.id and not current and (seen.chunk - chunk) & 0xFFFFFFFF < 1 << 31:
            return []  # it has moved on
        ranks: list[int] = []
        for child in post.children:
            if current and child.rank not in seen.silent:
                continue
            if child.switch is None:
                ranks.append(child.rank)
                continue
            below = silent_below(child.switch)
            if not below:
                on_the_way.append(f"the sum of switch {child.switch} has not reached switch {name}")
            ranks += below
        return ranks

    root = job.posts[-1].switch
    below = silent_below(root)
    silent = tuple(sorted(set(below) - {asker})) or tuple(below)
    if silent:
        reason = "their bits are missing in their switches' bitmaps"
    elif on_the_way:
        reason = "all have contributed, but " + " and ".join(on_the_way)
    else:
        reason = "the chunk is complete on the switches; its result was lost on the way"
    return Seen(job.id, chunk, silent, reason)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Errors inside say which switch it was."""
    try:
        yield
    except (P4RuntimeError, ValueError, OSError) as error:
        raise ValueError(f"switch {name}: {error}") from error
