"""Each invariant of docs/PROTOCOL.md, on the compiled program, beside the model."""

import random
import struct

import numpy as np
import pytest

from tests.p4.rig import USUAL, Rig
from tests.p4.traffic import SWITCH_IP, SWITCH_MAC, contribution, make_job, worker

PROGRAM = USUAL["exact"]
pytestmark = pytest.mark.xdist_group("p4-exact")
JOB = make_job(5, 3, 2, 4)
ELEMENTS = PROGRAM.elements


def word(value: float) -> int:
    return struct.unpack("<I", struct.pack("<f", value))[0]


def frame(rank, chunk, value, /, **change):
    return contribution(PROGRAM, change.pop("of", JOB), rank, chunk, [word(value)] * ELEMENTS, **change)


def values(data: bytes) -> list[float]:
    return struct.unpack(f"<{ELEMENTS}f", data[58 : 58 + 4 * ELEMENTS])


def kind(data: bytes) -> int:
    return data[42] & 15


def rank(data: bytes) -> int:
    return data[46]


@pytest.fixture(params=["interp", "jit"])
def rig(request):
    """The program with one job of three workers; afterwards every register must equal the model's."""
    made = Rig.make(PROGRAM, request.param)
    made.install(JOB)
    yield made
    made.compare()


def whole_round(rig, chunk, numbers, of=JOB):
    out = []
    for sender, value in enumerate(numbers):
        out += rig.feed([frame(sender, chunk, value, of=of)])
    return out


def snapshot(rig):
    return rig.registers()


def unchanged(rig, before):
    after = rig.registers()
    return all(np.array_equal(after[name], before[name]) for name in before)


def test_the_last_contribution_brings_the_sum_to_all(rig):
    assert rig.feed([frame(0, 0, 1.5), frame(2, 0, 4.0)]) == []
    out = rig.feed([frame(1, 0, -2.0)])
    assert [(port, rank(data), kind(data)) for port, data in out] == [(1, 0, 1), (2, 1, 1), (3, 2, 1)]
    assert all(values(data) == (3.5,) * ELEMENTS for _, data in out)


def test_a_contribution_is_added_once(rig):
    """Invariant 1."""
    rig.feed([frame(0, 0, 1.0)] * 5 + [frame(1, 0, 2.0)] * 5)
    out = rig.feed([frame(2, 0, 4.0)])
    assert values(out[0][1])[0] == 7.0
    assert rig.fates()["duplicate"] == 8


def test_the_first_contribution_overwrites(rig):
    """Invariant 2: rounds follow each other in the same cells, also those of another job."""
    for chunk in (0, 4, 8, 12):
        out = whole_round(rig, chunk, (1.0, 2.0, float(chunk)))
        assert values(out[0][1])[0] == 3.0 + chunk
    rig.feed([frame(0, 16, float("nan")), frame(1, 20, 9.0)])  # left behind half done, with specials
    rig.remove(JOB)
    other = make_job(6, 2, 2, 4)
    rig.install(other)
    for chunk in (0, 4, 8):
        out = whole_round(rig, chunk, (10.0, 20.0), of=other)
        assert values(out[0][1])[0] == 30.0 and len(out) == 2


def test_a_duplicate_gets_the_stored_result_or_nothing(rig):
    """Invariant 3."""
    rig.feed([frame(0, 0, 1.0)])
    assert rig.feed([frame(0, 0, 1.0)]) == []
    whole_round(rig, 0, (1.0, 2.0, 3.0))
    for sender in (2, 0, 2):
        ((port, data),) = rig.feed([frame(sender, 0, 1.0, queue=2)])
        assert (port, rank(data), kind(data), values(data)[0]) == (sender + 1, sender, 2, 6.0)
        assert struct.unpack(">H", data[36:38])[0] == JOB.workers[sender].udp_port + 2


def test_a_slow_worker_still_gets_the_old_result(rig):
    """The others are a set ahead; the one that missed the multicast asks again."""
    whole_round(rig, 0, (1.0, 2.0, 3.0))
    rig.feed([frame(0, 4, 5.0), frame(1, 4, 5.0)])
    ((_, data),) = rig.feed([frame(2, 0, 3.0)])
    assert values(data)[0] == 6.0
    assert values(rig.feed([frame(2, 4, 5.0)])[0][1])[0] == 15.0


def test_a_set_reused_too_soon_is_told_and_never_mixes(rig):
    """Invariant 4 is the workers' to keep (tests/workers/test_window.py); a breach is counted, and no sum mixes rounds."""
    whole_round(rig, 0, (1.0, 2.0, 3.0))
    rig.feed([frame(0, 4, 1.0), frame(1, 4, 1.0)])
    rig.feed([frame(0, 8, 7.0)])
    assert rig.fates()["early"] == 1
    before = snapshot(rig)
    assert rig.feed([frame(2, 0, 3.0)]) == [] and unchanged(rig, before)  # what it asks for is gone; it is told nothing wrong
    rig.feed([frame(1, 8, 8.0)])
    assert {values(data)[0] for _, data in rig.feed([frame(2, 8, 9.0)])} == {24.0}


def test_a_stale_duplicate_never_corrupts(rig):
    """Invariant 5: an old packet arrives after its sender moved on, at any later moment."""
    old = [frame(sender, 0, 100.0) for sender in range(3)]
    for chunk in (0, 4, 8, 12):
        for sender in range(3):
            rig.feed([frame(sender, chunk, 100.0 if chunk == 0 else 1.0)])
            if chunk:
                before = snapshot(rig)
                assert rig.feed([old[sender]]) == [] and unchanged(rig, before)
        if chunk:
            ((_, data),) = rig.feed([frame(0, chunk, 1.0)])
            assert values(data)[0] == 3.0
    assert rig.fates()["stale"] == 9


def test_chunk_numbers_wrap(rig):
    start = 2**32 - 8
    for step in range(5):
        out = whole_round(rig, start + 4 * step, (1.0, 2.0, float(step)))
        assert values(out[0][1])[0] == 3.0 + step


@pytest.mark.parametrize(
    ("change", "fate"),
    [
        ({"port": 2}, "source"),
        ({"mac": worker(1).mac}, "source"),
        ({"ip": worker(1).ip}, "source"),
        ({"job": 4}, "job"),
        ({"job": 0}, "job"),
        ({"rank": 3}, "rank"),
        ({"rank": 255}, "rank"),
        ({"rank": 1}, "source"),
        ({"pool_index": 2 * 1 + 1}, "slot"),
        ({"pool_index": 2 * 6}, "slot"),
        ({"pool_index": 0xFFFF}, "slot"),
        ({"version": 0}, "version"),
        ({"version": 2, "kind": 1}, "version"),
        ({"kind": 1}, "kind"),
        ({"kind": 15, "format": 9}, "kind"),
        ({"format": 0, "elements": 3}, "format"),
        ({"elements": 32, "job": 4}, "elements"),
        ({"udp_bytes": 24 + 4 * ELEMENTS - 1}, "short"),
        ({"udp_bytes": 0, "version": 2}, "short"),
    ],
)
def test_only_what_the_controller_installed_is_admitted(rig, change, fate):
    """Invariant 6. The first check that fails is the fate."""
    rig.feed([frame(1, 0, 1.0)])
    before = snapshot(rig)
    assert rig.feed([frame(0, 0, 1.0, **change)]) == []
    assert rig.fates() == {"absorbed": 1, fate: 1} and unchanged(rig, before)


def test_every_length_that_is_too_short(rig):
    port, data = frame(0, 0, 1.0)
    before = snapshot(rig)
    for length in range(len(data)):
        assert rig.feed([(port, data[:length])]) == []
    assert unchanged(rig, before)
    # Up to the UDP header nobody can tell that it was meant for the switch.
    assert rig.fates() == {"unknown": 42, "short": len(data) - 42}


def test_jobs_do_not_touch_each_other(rig):
    """Invariant 6 and 7: two jobs at once; a worker of one cannot reach the other's slots."""
    other = make_job(9, 2, 6, 4, first_host=5)
    rig.install(other)
    rig.feed([frame(0, 0, 1.0), frame(0, 0, 10.0, of=other)])
    before = snapshot(rig)
    assert rig.feed([frame(0, 0, 5.0, of=other, pool_index=2 * JOB.first_slot)]) == []
    assert unchanged(rig, before) and rig.fates()["slot"] == 1
    out = rig.feed([frame(1, 0, 10.0, of=other)])
    assert [port for port, _ in out] == [6, 7] and values(out[0][1])[0] == 20.0
    out = rig.feed([frame(1, 0, 1.0), frame(2, 0, 1.0)])
    assert values(out[0][1])[0] == 3.0
    assert {struct.unpack(">H", data[44:46])[0] for _, data in out} == {JOB.id}


def test_thirty_two_workers():
    rig = Rig.make(PROGRAM)
    job = make_job(1, 32, 0, 2)
    rig.install(job)
    order = list(range(32))
    for chunk in (0, 1, 2, 3, 4):
        random.Random(chunk).shuffle(order)
        for sender in order[:-1]:
            assert rig.feed([frame(sender, chunk, float(sender), of=job)]) == []
        out = rig.feed([frame(order[-1], chunk, float(order[-1]), of=job)])
        assert len(out) == 32 and values(out[31][1])[0] == sum(range(32))
    rig.compare()


def test_one_worker_is_answered_at_once(rig):
    job = make_job(8, 1, 8, 1, first_host=6)
    rig.install(job)
    for chunk in range(4):
        ((port, data),) = rig.feed([frame(0, chunk, 2.5, of=job)])
        assert (port, kind(data), values(data)[0]) == (7, 1, 2.5)
        ((port, data),) = rig.feed([frame(0, chunk, 2.5, of=job)])
        assert (port, kind(data), values(data)[0]) == (7, 2, 2.5)


def test_addresses_of_an_answer(rig):
    """From the switch to each receiver's own address, with a good IPv4 checksum."""
    rig.feed([frame(0, 0, 1.0, queue=1), frame(2, 0, 1.0, queue=3)])
    for port, data in rig.feed([frame(1, 0, 1.0, queue=9)]):
        member = JOB.workers[port - 1]
        assert data[:12] == member.mac + SWITCH_MAC
        assert data[26:34] == SWITCH_IP + member.ip
        assert struct.unpack(">HH", data[34:38]) == (18000, member.udp_port + 9)
        total = sum(struct.unpack(">10H", data[14:34]))
        assert (total & 0xFFFF) + (total >> 16) == 0xFFFF


def test_flags_are_those_of_the_round(rig):
    """Inexact and overflow stay for who asks again, and are gone with the next round."""
    out = whole_round(rig, 0, (1e20, 1.0, 0.0))
    assert out[0][1][54] == 1
    assert rig.feed([frame(1, 0, 1.0)])[0][1][54] == 1
    assert whole_round(rig, 4, (3e38, 3e38, 0.0))[0][1][54] == 2
    assert whole_round(rig, 8, (float("inf"), float("-inf"), 0.0))[0][1][54] == 4
    assert whole_round(rig, 12, (1.0, 1.0, 0.0))[0][1][54] == 0


def test_other_traffic_passes(rig):
    """Plain layer 2 beside the jobs: known hosts, floods that do not come back, results of other switches."""
    rig.install_hosts({worker(host).mac: host + 1 for host in range(3)}, [1, 2, 3])
    arp = b"\xff" * 6 + worker(0).mac + b"\x08\x06" + bytes(46)
    assert rig.feed([(1, arp)]) == [(2, arp), (3, arp)]
    tcp = worker(2).mac + worker(0).mac + b"\x08\x00\x45" + bytes(8) + b"\x06" + bytes(60)
    assert rig.feed([(1, tcp)]) == [(3, tcp)]
    fragment = bytearray(frame(0, 0, 1.0)[1])
    fragment[20:22] = b"\x20\x00"
    assert [port for port, _ in rig.feed([(1, bytes(fragment))])] == [2, 3]
    assert rig.fates() == {"flooded": 2, "forwarded": 1}
