"""Room for queries: nothing is given out twice, and what comes back can be given out again."""

from __future__ import annotations

import random

import pytest

from controller.query_pool import GENERATIONS, MAX_ID, Pool, Refusal

SEED = 20261121


def pool(**cells: int) -> Pool:
    return Pool(cells or {"group_sum": 64, "join": 32, "deliver": 1}, queries=4, windows=6)


def test_regions_never_overlap() -> None:
    rng = random.Random(SEED)
    print("seed", SEED)
    room, live = pool(), {}
    for _ in range(2000):
        if live and rng.random() < 0.45:
            query = rng.choice(list(live))
            room.give_back(query, [rng.randrange(100)] * len(live.pop(query).windows))
            continue
        try:
            region = room.place(rng.choice(["group_sum", "join", "deliver"]), rng.randint(1, 3), rng.choice([None, 8, 16]))
        except Refusal:
            continue
        for other in live.values():
            assert region.query != other.query and region.slot != other.slot
            assert not set(region.windows) & set(other.windows)
            if region.operator == other.operator != "deliver":
                mine, its = (set(range(r.first, r.first + r.cells)) for r in (region, other))
                assert not mine & its
        live[region.query] = region


def test_what_there_is_no_room_for() -> None:
    room = pool()
    with pytest.raises(Refusal, match="no operator 'topn'; it has deliver, group_sum, join"):
        room.place("topn", 1)
    with pytest.raises(Refusal, match="power of two, not 12"):
        room.place("join", 1, 12)
    with pytest.raises(Refusal, match="no more than 6 workers"):
        room.place("join", 7)
    whole = room.place("group_sum", 2)
    with pytest.raises(Refusal, match="no 64 cells left"):
        room.place("group_sum", 1)
    for _ in range(3):
        room.place("deliver", 1)
    with pytest.raises(Refusal, match="no more than 4 queries"):
        room.place("deliver", 1)
    assert room.give_back(whole.query, [3, 4]) == whole


def test_sequence_numbers_go_on() -> None:
    """A window's next query begins where the last one ended; after a failure from 1, for its places are cleared."""
    room = pool()
    first = room.place("group_sum", 2)
    assert first.before == (0, 0)
    room.give_back(first.query, [10, 2**32 - 3])
    second = room.place("join", 2)
    assert (second.windows, second.before) == (first.windows, (10, 2**32 - 3))
    room.give_back(second.query, [1, 5])
    third = room.place("join", 2)
    assert third.before == (11, 2)  # modulo 2^32
    room.give_back(third.query, None)
    assert room.place("join", 2).before == (0, 0)


def test_generations_of_a_filter() -> None:
    """Each query writes another number than all before it into its cells, until they must be cleared."""
    room = pool()
    for expected in range(1, GENERATIONS + 1):
        region = room.place("join", 1, 8 if expected % 2 else None)
        assert region.generation == expected
        room.give_back(region.query, [0])
    region = room.place("join", 1, 8)
    assert region.generation == GENERATIONS + 1
    region = room.cleared(region)
    assert region.generation == 1 and room.taken[region.query] == region
    beside = room.place("join", 1, 8)
    assert beside.first == 8 and beside.generation == GENERATIONS  # its own cells were not cleared: 254 is in them
    room.give_back(region.query, [0])
    assert room.place("join", 1, 8).generation == 2


def test_ids_come_back_late() -> None:
    room = pool()
    room.first_id = MAX_ID
    ids = []
    for _ in range(3):
        region = room.place("deliver", 1)
        ids.append(region.query)
        room.give_back(region.query, [0])
    assert ids == [MAX_ID, 1, 2]
