"""The client against the model of the switch: sums, loss, silence."""

import numpy as np
import pytest

from controller.session import Silent
from tests.p4.model import Program
from tests.workers.cluster import clients, everyone, exact_inputs, model_for
from workers.allreduce import Options, flag_names
from workers.join import PeerLost
from workers.loopback import Impairment
from workers.represent import RepresentationError
from workers.window import Timing

SMALL = Options(elements=32, slots=8)
INT = Options(format="int32", elements=32, slots=8)
BAD_WIRE = Impairment(loss=0.05, duplication=0.03, reorder=0.1)


def run(options, program, arrays, impairment=None, seed=0, calls=1):
    model = model_for(len(arrays), options, program)
    members = clients(model.process, len(arrays), options, impairment, seed)
    work = [array.copy() for array in arrays]

    def body(client, rank):
        flags = 0
        for _ in range(calls):
            work[rank][...] = arrays[rank]
            flags |= client.allreduce(work[rank])
        return flags

    flags = everyone(members, body)
    return work, flags, members, model


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [1, 31, 32, 33, 256, 1000])
def test_float_sums_are_exact(workers, count):
    arrays = exact_inputs(workers, count, seed=count)
    results, flags, _, _ = run(SMALL, Program(elements=32, slots=16), arrays)
    expected = np.sum(arrays, axis=0, dtype=np.float64).astype(np.float32)
    for result in results:
        np.testing.assert_array_equal(result, expected)
    assert flags == [0] * workers


@pytest.mark.parametrize("queues", [1, 2, 3])
def test_queues_share_the_slots(queues):
    options = Options(elements=32, slots=8, queues=queues)
    arrays = exact_inputs(3, 32 * 41 + 5, seed=queues)
    results, _, _, model = run(options, Program(elements=32, slots=16), arrays, calls=3)
    for result in results:
        np.testing.assert_array_equal(result, np.sum(arrays, axis=0))
    assert model.fates["early"] == model.fates["stale"] == 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", ["exact", "int"])
def test_nothing_is_wrong_on_a_bad_wire(shape, seed):
    """5 % loss, 3 % duplication and 10 % reordering in both directions; several rounds through every slot."""
    options = INT if shape == "int" else SMALL
    arrays = exact_inputs(3, 32 * 60, seed)
    if shape == "int":
        arrays = [array.view(np.int32) for array in arrays]
    with np.errstate(over="ignore"):
        expected = np.sum(arrays, axis=0, dtype=arrays[0].dtype)
    results, _, members, model = run(options, Program(shape, elements=32, slots=16), arrays, BAD_WIRE, seed, calls=2)
    for result in results:
        np.testing.assert_array_equal(result, expected)
    assert sum(m.stats.retransmissions for m in members) > 0
    assert model.fates["resent"] > 0 and model.fates["duplicate"] > 0


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [1, 40, 300, 32 * 30])
def test_block_quantised_floats_are_close(workers, count):
    """Each value is off by half a quantum at most, and the quantum follows the block's exponent."""
    rng = np.random.default_rng(count)
    arrays = [(rng.standard_normal(count) * 10.0 ** rng.integers(-6, 6)).astype(np.float32) for _ in range(workers)]
    results, _, members, _ = run(INT, Program("int", elements=32, slots=16), arrays)
    exact = np.sum(arrays, axis=0, dtype=np.float64)
    padded = np.zeros((workers, -(-count // 32) * 32))
    padded[:, :count] = np.abs(arrays)
    block = np.repeat(padded.reshape(workers, -1, 32).max(axis=(0, 2)), 32)[:count]
    quantum = 2 * block * workers / 2**31
    for result in results:
        assert np.all(np.abs(result - exact) <= workers * quantum / 2 + np.abs(exact) * 2**-23)
    packets = -(-count // 32)
    assert members[0].stats.packets_sent - members[0].stats.retransmissions == packets + min(packets, 8)


def test_block_quantised_floats_on_a_bad_wire():
    arrays = exact_inputs(3, 32 * 50 + 7, seed=5)
    clean, _, _, _ = run(INT, Program("int", elements=32, slots=16), arrays)
    results, _, _, _ = run(INT, Program("int", elements=32, slots=16), arrays, BAD_WIRE, seed=5, calls=2)
    for result in results:
        np.testing.assert_array_equal(result, clean[0])


def test_flags_come_back():
    values = np.float32([1.0, np.inf, -np.inf, 3e38]).repeat(8)
    _, flags, _, _ = run(SMALL, Program(elements=32, slots=16), [values, -values])
    assert [flag_names(f) for f in flags] == [["invalid"]] * 2
    huge = np.full(32, 3e38, np.float32)
    _, flags, _, _ = run(SMALL, Program(elements=32, slots=16), [huge, huge])
    assert [flag_names(f) for f in flags] == [["overflow"]] * 2
    _, flags, _, _ = run(
        SMALL, Program(elements=32, slots=16), [np.full(32, 1e20, np.float32), np.ones(32, np.float32)]
    )
    assert [flag_names(f) for f in flags] == [["inexact"]] * 2


def test_shapes_and_strides():
    arrays = exact_inputs(2, 240, seed=1)
    views = [array.reshape(12, 20)[:, ::2] for array in arrays]
    results, _, _, _ = run(SMALL, Program(elements=32, slots=16), views)
    np.testing.assert_array_equal(results[0], views[0] + views[1])
    assert results[0].shape == (12, 10)
    base = [array.copy().reshape(12, 20) for array in arrays]
    model = model_for(2, SMALL, Program(elements=32, slots=16))
    members = clients(model.process, 2, SMALL)
    everyone(members, lambda client, rank: client.allreduce(base[rank][:, ::2]))
    np.testing.assert_array_equal(base[0][:, ::2], views[0] + views[1])
    np.testing.assert_array_equal(base[0][:, 1::2], arrays[0].reshape(12, 20)[:, 1::2])


def test_an_empty_array_sends_nothing():
    (client,) = clients(model_for(1, SMALL, Program(elements=32)).process, 1, SMALL)
    assert client.allreduce(np.zeros(0, np.float32)) == 0
    assert client.stats.packets_sent == 0


def test_wrong_types_are_refused():
    (client,) = clients(model_for(1, SMALL, Program(elements=32)).process, 1, SMALL)
    with pytest.raises(TypeError, match="format fp32 cannot sum an array of float64"):
        client.allreduce(np.zeros(4))
    (client,) = clients(model_for(1, INT, Program("int", elements=32)).process, 1, INT)
    with pytest.raises(RepresentationError, match="cannot carry infinities"):
        client.allreduce(np.float32([np.inf]))
    client.allreduce(np.float32([1]))  # nothing was lost


def test_a_silent_rank_is_named():
    options = Options(elements=32, slots=8, timing=Timing(deadline=0.2))
    model = model_for(2, options, Program(elements=32, slots=16))
    client, _ = clients(model.process, 2, options)
    client.watcher.answer = Silent((1,), "its bit is missing")
    with pytest.raises(PeerLost, match="rank 1 went silent: its bit is missing"):
        client.allreduce(np.ones(32, np.float32))
    assert client.watcher.asked == (3 * 2, 0)
    with pytest.raises(RuntimeError, match="failed before"):
        client.allreduce(np.ones(32, np.float32))


def test_stats_add_up():
    arrays = exact_inputs(2, 32 * 20, seed=2)
    _, _, members, _ = run(SMALL, Program(elements=32, slots=16), arrays)
    for member in members:
        stats = member.stats
        assert stats.packets_sent == 20 + stats.retransmissions
        assert stats.bytes_sent == stats.packets_sent * (58 + 128)
        assert stats.payload_bytes == 32 * 20 * 4
        assert stats.packets_received - stats.discarded == 20
        assert 0 < stats.cpu <= stats.wall + 0.05
