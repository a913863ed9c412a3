"""Which results workers give each other after a switch's restart."""

from __future__ import annotations

import random

import pytest

from controller.resume import WRAP, Apart, Gathered, course, shares
from controller.session import Given, Job, Need, Restarted, Resume, State


def job(workers: int = 3, slots: int = 5, queues: int = 2) -> Job:
    return Job(9, "j", workers, 0, slots, queues, "fp32", 64, ())


def test_queues_share_the_slots() -> None:
    assert [list(s) for s in shares(job(slots=7, queues=3))] == [[0, 1], [2, 3], [4, 5, 6]]


def test_who_is_ahead_gives_to_all_who_are_not() -> None:
    states = {0: [[4, 3], [3, 4, 5]], 1: [[2, 3], [6, 4, 5]], 2: [[2, 5], [3, 4, 5]]}
    found = course(job(), states)
    assert found.needs == {
        0: (Need(0, 2, (1, 2)),),
        1: (Need(1, 3, (0, 2)),),
        2: (Need(0, 3, (0, 1)),),
    }
    assert found.awaited == {0: 2, 1: 2, 2: 2}


def test_numbers_wrap() -> None:
    found = course(job(2, 2, 1), {0: [[WRAP - 2, WRAP - 1]], 1: [[0, WRAP - 1]]})
    assert found.needs[1] == (Need(0, WRAP - 2, (0,)),) and found.awaited == {0: 1, 1: 0}


def test_workers_too_far_apart_are_refused() -> None:
    with pytest.raises(Apart, match="further apart"):
        course(job(2, 2, 1), {0: [[0, 1]], 1: [[4, 1]]})
    with pytest.raises(Apart, match="other slots"):
        Gathered(job()).add(0, [[1, 2]])


def test_nothing_happens_before_all_have_told() -> None:
    gathered = Gathered(job(2, 2, 1))
    assert gathered.add(1, [[0, 1]]) is None and gathered.missing == (0,)
    done = gathered.add(0, [[0, 1]])
    assert done is not None and done.awaited == {0: 0, 1: 0}


def test_random_states_end_alike() -> None:
    """Whatever slots lag by a chunk: after the giving all have the same."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(200):
        made = job(rng.randint(1, 6), slots := rng.randint(2, 9), rng.randint(1, min(3, slots)))
        base = rng.randrange(WRAP)
        target = [[(base + rng.randrange(4) * len(s) + i) % WRAP for i in range(len(s))] for s in shares(made)]
        states = {
            rank: [[(n - rng.randrange(2) * len(queue)) % WRAP for n in queue] for queue in target]
            for rank in range(made.workers)
        }
        found = course(made, states)
        got = dict.fromkeys(states, 0)
        for giver, needs in found.needs.items():
            for need in needs:
                size = len(target[need.queue])
                slot = next(i for i, n in enumerate(states[giver][need.queue]) if n == (need.chunk + size) % WRAP)
                for rank in need.ranks:
                    assert states[rank][need.queue][slot] == need.chunk
                    states[rank][need.queue][slot] = (need.chunk + size) % WRAP
                    got[rank] += 1
        assert got == found.awaited
        assert all(state == states[0] for state in states.values()), seed


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (Restarted(7).wire(), Restarted),
        (State(7, ((1, 2), (3,))).wire(), State),
        (Resume(7, (Need(0, 5, (1,)),), 3).wire(), Resume),
        (Given(7, 1, 5, (0, 2), "AAAA", 0.5, 1).wire({"op": "give"}), Given),
    ],
)
def test_messages_survive_the_wire(message: dict, kind: type) -> None:
    import json

    read = kind.read(json.loads(json.dumps(message)))  # type: ignore[attr-defined]
    again = read.wire({"op": "give"}) if kind is Given else read.wire()
    assert json.loads(json.dumps(again)) == json.loads(json.dumps(message))
