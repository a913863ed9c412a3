"""The window as a pure object: order of chunks, sets, timers, duplicates, lag."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.window import SOONER_WHERE_FEW, RoundTrip, Timing, Window, slot_shares, split

TIMING = Timing(initial=1.0, shortest=0.5, longest=8.0, deadline=20.0)


def window(total, slots, first=0, lag=None):
    return Window(total, slots, RoundTrip(TIMING), first, lag)


def test_a_slot_frees_the_chunk_that_follows_in_it():
    w = window(total=5, slots=2)
    assert w.start(0).tolist() == [0, 1]
    fresh, ready = w.receive(np.array([1]), 0.1)
    assert (fresh.tolist(), ready.tolist()) == ([True], [3])
    fresh, ready = w.receive(np.array([1, 0, 0, 9, -1]), 0.2)
    assert (fresh.tolist(), ready.tolist()) == ([False, True, False, False, False], [2])
    assert w.receive(np.array([2, 3]), 0.3)[1].tolist() == [4]
    assert not w.finished
    assert w.receive(np.array([4]), 0.4)[1].tolist() == []
    assert w.finished and w.next_expiry() == np.inf
    assert w.duplicates == 4


def test_an_answer_to_what_was_not_asked_is_ignored():
    w = window(total=5, slots=2)
    w.start(0)
    fresh, ready = w.receive(np.array([4]), 0.1)
    assert not fresh.any() and len(ready) == 0


def test_sets_alternate_across_calls():
    """Slot and set follow from the chunk's number in the life of the job, also past 2^32."""
    w = window(total=6, slots=4, first=2**32 - 2)
    chunks = np.arange(6)
    assert w.pool_index(chunks, first_slot=10).tolist() == [
        2 * (10 + 2) + 1,
        2 * (10 + 3) + 1,
        2 * 10,
        2 * 11,
        2 * 12,
        2 * 13,
    ]


def test_a_stall_sends_a_few_probes_and_doubles_the_timeout():
    w = window(total=20, slots=20)
    w.start(0)
    assert w.next_expiry() == 1.0
    assert w.expire(0.9).tolist() == []
    assert w.expire(1.0).tolist() == [0, 1]
    assert w.next_expiry() == 1.0 + 2.0
    assert w.expire(3.0).tolist() == [2, 3, 4, 5]
    assert w.next_expiry() == 3.0 + 4.0
    assert w.expire(7.0).tolist() == [6, 7, 8, 9, 10, 11, 12, 13]
    for _ in range(9):
        w.expire(w.next_expiry())
    before = w.next_expiry()
    w.expire(before)
    assert w.next_expiry() == before + TIMING.longest
    w.receive(np.array([19]), before + 1)  # sent more than once: says nothing about the path
    assert w.next_expiry() == before + 1 + TIMING.longest


def test_any_answer_puts_off_the_stall_and_a_first_ones_ends_it():
    w = window(total=9, slots=3)
    w.start(0)
    w.expire(1.0)  # chunks 0 and 1 again; the timeout is 2
    w.receive(np.array([0]), 2.0)
    assert w.next_expiry() == 2.0 + 2.0
    w.receive(np.array([2]), 2.5)
    assert w.next_expiry() == 2.5 + 1.0


def test_overtaken_is_sent_again_and_age_alone_is_not():
    w = window(total=400, slots=40)
    w.start(0)
    now, chunk = 0.01, 7
    w.receive(np.arange(1, 8), now)
    late: list[int] = []
    while not late:
        now, chunk = now + 0.01, chunk + (2 if chunk % 40 == 39 else 1)
        w.receive(np.array([chunk]), now)
        late = w.expire(now).tolist()
    assert late == [0] and chunk >= 25  # not before 24 others sent later were answered
    assert now < TIMING.shortest


def test_where_few_are_under_way_one_that_overtakes_is_enough():
    w = window(total=400, slots=4)
    w.start(0)
    now, chunk = 0.01, 1
    w.receive(np.array([chunk]), now)
    while w.retransmissions == 0:
        now, chunk = now + 0.01, chunk + 4
        w.receive(np.array([chunk]), now)
        late = w.expire(now).tolist()
    assert late == [0, 2, 3] and chunk < 4 * 8
    assert now < TIMING.shortest / SOONER_WHERE_FEW


def test_where_few_are_under_way_a_stall_is_noticed_sooner():
    w = window(total=80, slots=40)
    w.start(0)
    w.receive(np.arange(0, 40), 0.001)
    w.receive(np.arange(40, 55), 0.002)
    assert w.next_expiry() == 0.002 + TIMING.shortest / SOONER_WHERE_FEW  # 25 are left, all that there are
    w.receive(np.arange(55, 79), 0.003)
    assert w.next_expiry() == 0.003 + TIMING.shortest / SOONER_WHERE_FEW
    assert w.expire(w.next_expiry()).tolist() == [79]


def test_the_deadline_counts_from_the_first_transmission():
    w = window(total=3, slots=2)
    w.start(5.0)
    w.receive(np.array([0]), 20.0)
    w.expire(25.0)
    assert w.overdue(25.0) is None
    assert w.overdue(25.1) == 1
    w.receive(np.array([1]), 25.2)
    assert w.overdue(39.0) is None
    assert w.overdue(40.1) == 2


def test_the_timeout_follows_the_round_trip():
    trip = RoundTrip(TIMING)
    assert trip.timeout() == TIMING.initial
    for _ in range(50):
        trip.sample(1.5)
    assert trip.timeout() == pytest.approx(1.5, rel=1e-3)
    for _ in range(50):
        trip.sample(0.001)
    assert trip.timeout() == TIMING.shortest
    trip.sample(100.0)
    assert trip.timeout() == TIMING.longest


def test_a_chunk_sent_twice_measures_nothing():
    w = window(total=1, slots=1)
    w.start(0)
    w.expire(1.0)
    w.receive(np.array([0]), 1.1)
    assert not w.trip.measured


def test_a_result_sent_again_on_request_measures_the_second_transmission():
    w = window(total=1, slots=1)
    w.start(0)
    w.expire(1.0)
    w.receive(np.array([0]), 1.25, np.array([True]))
    assert w.trip.mean == 0.25 and w.backoff == 0


def test_an_answer_faster_than_any_round_trip_belongs_to_the_first_transmission():
    w = window(total=4, slots=1)
    w.start(0)
    w.receive(np.array([0]), 0.5)
    w.receive(np.array([1]), 1.0)
    assert w.trip.least == 0.5
    w.expire(w.next_expiry())  # chunk 2, sent at 1.0
    again = float(w.sent_at[0])
    w.receive(np.array([2]), again + 0.1)
    assert w.trip.mean > 0.5 and w.backoff == 0


@given(
    total=st.integers(1, 60),
    slots=st.integers(1, 9),
    first=st.integers(0, 100),
    ahead=st.integers(0, 9),
    data=st.data(),
)
def test_any_order_of_answers_sends_every_chunk_once_and_in_turn(total, slots, first, ahead, data):
    """With and without lag: chunk c leaves after c - slots (and c - lag) were answered, and all leave."""
    lag = None if ahead == 0 else min(ahead, slots, total)
    w = window(total, slots, first, lag)
    flying, sent, done = w.start(0).tolist(), [], set()
    sent += flying
    while flying:
        chunk = flying.pop(data.draw(st.integers(0, len(flying) - 1)))
        done.add(chunk)
        fresh, ready = w.receive(np.array([chunk, chunk]), 0)
        assert fresh.sum() == 1
        for new in ready.tolist():
            assert all(new - step < 0 or new - step in done for step in (slots, lag or slots))
        flying += ready.tolist()
        sent += ready.tolist()
        occupied = [(first + c) % slots for c in flying]
        assert len(set(occupied)) == len(occupied)
    assert w.finished and sorted(sent) == list(range(total))


@given(total=st.integers(0, 1000), parts=st.integers(1, 40))
def test_split_covers_everything_evenly(total, parts):
    ranges = split(total, parts)
    assert [c for r in ranges for c in r] == list(range(total))
    assert max(map(len, ranges)) - min(map(len, ranges)) <= 1


@given(first=st.integers(0, 50), slots=st.integers(1, 300), queues=st.integers(1, 20))
def test_every_slot_has_one_queue(first, slots, queues):
    shares = slot_shares(first, slots, queues)
    assert [s for share in shares for s in share] == list(range(first, first + slots))
    assert queues > slots or min(map(len, shares)) >= 1
