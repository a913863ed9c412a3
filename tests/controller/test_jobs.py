"""Admission, places and ranks; pure."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from controller.entries import JOBS, job_entries
from controller.float_tables import CONSTANTS
from controller.hosts import Hosts, from_dict
from controller.jobs import MAX_GROUP, Limits, Refusal, Registry, find_place, give_ranks, silent_ranks
from controller.session import Job, JoinRequest


def hosts(count: int = 8) -> Hosts:
    return from_dict({
        "switch": {"mac": "02:00:00:00:00:fe", "ip": "10.0.0.254"},
        "hosts": [{"name": f"h{i}", "ip": f"10.0.0.{i}", "mac": f"02:00:00:00:00:{i:02x}", "port": i - 1}
                  for i in range(1, count + 1)],
    })  # fmt: skip


def request(host: int, job: str = "j", workers: int = 2, **more: object) -> JoinRequest:
    values = {"udp_port": 20000, "slots": 16, **more}
    return JoinRequest(job=job, workers=workers, host=f"10.0.0.{host}", **values)  # type: ignore[arg-type]


def registry(slots: int = 64, **limits: object) -> Registry:
    return Registry(Limits(slots, **limits), hosts(), first_id=7)  # type: ignore[arg-type]


def complete(r: Registry, name: str, workers: int = 2, **more: object) -> Job:
    job = None
    for i in range(workers):
        job = r.join((name, i), request(i + 1, name, workers, **more))
    assert job is not None
    return job


def test_averages_need_a_program_that_has_them_and_workers_that_agree() -> None:
    with pytest.raises(Refusal, match="does not average"):
        registry().join("a", request(1, average=True))
    r = registry(averages=True)
    r.join("a", request(1, average=True))
    with pytest.raises(Refusal, match="begun with average True"):
        r.join("b", request(2))
    job = r.join("b", request(2, average=True))
    assert job is not None and job.average
    names = [getattr(entry, "table", "") for entry in job_entries(job)]
    assert names.index(CONSTANTS) < names.index(JOBS) == len(names) - 1, "admitted last"
    assert CONSTANTS not in [getattr(e, "table", "") for e in job_entries(replace(job, average=False))]


def test_a_job_starts_when_its_last_worker_has_joined() -> None:
    r = registry()
    assert r.join("a", request(1)) is None
    assert r.gathering == [("j", 1, 2)]
    job = r.join("b", request(2, rank=0))
    assert job is not None and (job.id, job.first_slot, job.slots, job.group) == (7, 0, 16, 7)
    assert [(m.rank, m.host, m.port, m.mac) for m in job.members] == [
        (0, "10.0.0.2", 1, "02:00:00:00:00:02"), (1, "10.0.0.1", 0, "02:00:00:00:00:01")
    ]  # fmt: skip
    assert r.job_of("a") == (job, 1) and r.job_of("b") == (job, 0)
    assert r.gathering == [] and r.running == [job]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"host": 9}, "host 10.0.0.9 is not in the controller's hosts file"),
        ({"slots": 65}, "65 slots are more than the switch's 64"),
        ({"slots": 8}, "was begun with slots 16, this worker says 8"),
        ({"workers": 3}, "was begun with workers 2, this worker says 3"),
        ({"format": "bf16"}, "was begun with format fp32, this worker says bf16"),
        ({"rank": 1}, "rank 1 of job 'j' is taken by 10.0.0.1"),
        ({"host": 1}, "UDP port 20000 of 10.0.0.1 is used by another worker"),
        ({"queues": 20}, "20 queues cannot share 16 slots"),
    ],
)
def test_who_does_not_fit_is_told_why_and_nothing_changes(change: dict, words: str) -> None:
    r = registry()
    r.join("a", request(1, rank=1))
    host = change.pop("host", 2)
    with pytest.raises(Refusal, match=words):
        r.join("b", request(host, **change))
    assert r.gathering == [("j", 1, 2)] and r.job_of("b") is None
    assert r.join("b", request(2)) is not None


def test_a_connection_joins_once() -> None:
    r = registry()
    r.join("a", request(1))
    with pytest.raises(Refusal, match="already joined"):
        r.join("a", request(1, udp_port=30000))


def test_the_program_s_own_format_and_elements() -> None:
    r = registry(format="fp32", elements=64)
    for change, words in (({"format": "bf16"}, "has format fp32"), ({"elements": 32}, "has elements 64")):
        with pytest.raises(Refusal, match=words):
            r.join("a", request(1, **change))


def test_jobs_do_not_share_slots_and_gaps_are_used_again() -> None:
    r = registry()
    jobs = [complete(r, f"j{i}") for i in range(4)]
    assert [j.first_slot for j in jobs] == [0, 16, 32, 48]
    r.join("x", request(1, "late"))
    with pytest.raises(Refusal, match="no gap of 16 slots: 64 of 64 are in use"):
        r.join("y", request(2, "late"))
    assert r.take_orphans() == ["x"] and r.take_orphans() == []
    for i in range(2):
        ended = r.leave(("j1", i))
    assert ended == jobs[1]
    assert complete(r, "new").first_slot == 16


def test_ids_do_not_repeat_what_the_switch_remembers() -> None:
    r = Registry(Limits(64), hosts(), first_id=MAX_GROUP, avoid={1, 2})
    found = []
    for i in range(3):
        job = complete(r, f"j{i}")
        found.append(job.id)
    assert found == [MAX_GROUP, 3, 4]


def test_leaving_while_gathering() -> None:
    r = registry()
    r.join("a", request(1))
    assert r.leave("a") is None and r.gathering == []
    assert r.leave("a") is None
    r.join("a", request(1))
    assert r.abandon("j") == (["a"], 2)
    assert r.abandon("j") is None
    assert r.join("a", request(1)) is None


def test_a_job_that_cannot_be_installed_is_forgotten() -> None:
    r = registry()
    job = complete(r, "j")
    r.drop(job.id)
    assert r.running == [] and complete(r, "j").first_slot == 0


def test_random_places_never_overlap() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    taken: list[tuple[int, int]] = []
    for _ in range(2000):
        if taken and rng.random() < 0.45:
            taken.pop(rng.randrange(len(taken)))
            continue
        want = rng.randrange(1, 40)
        first = find_place(taken, want, 256)
        free = [all(not f <= s < f + n for f, n in taken) for s in range(256)]
        fits = [s for s in range(257 - want) if all(free[s : s + want])]
        assert first == (fits[0] if fits else None)
        if first is not None:
            taken.append((first, want))


def test_ranks() -> None:
    requests = {c: request(i + 1, workers=4, rank=rank) for i, (c, rank) in enumerate(zip("abcd", (None, 0, None, 2)))}
    assert give_ranks(requests) == {"a": 1, "b": 0, "c": 3, "d": 2}


def test_silent_ranks_by_set() -> None:
    seen = 0b101 | 0b010 << 32
    assert silent_ranks(range(3), seen, 6) == (1,)
    assert silent_ranks(range(3), seen, 7) == (0, 2)
