"""Real clients over the compiled programs, in one process: the same bits on a bad wire as on a good one."""

import numpy as np
import pytest

from tests.p4.rig import USUAL, Rig
from tests.workers.cluster import clients, everyone, exact_inputs, job_of
from workers.allreduce import Options
from workers.loopback import Impairment

# What the main job promises: 1 % loss, 0.5 % duplication and reordering, both ways, for each receiver on its own.
PROMISED = Impairment(loss=0.01, duplication=0.005, reorder=0.05, depth=16)
WORKERS, COUNT, CALLS = 4, 50_000, 2


def reduce_all(shape, arrays, options, impairment=None, seed=0):
    rig = Rig.make(USUAL[shape], "jit")
    rig.install(job_of(WORKERS, options))
    members = clients(rig.switch.send_batch, WORKERS, options, impairment, seed)
    work = [array.copy() for array in arrays]

    def body(client, rank):
        for _ in range(CALLS):
            work[rank][...] = arrays[rank]
            client.allreduce(work[rank])

    everyone(members, body, timeout=120)
    return work, members, rig.fates()


@pytest.mark.parametrize(
    "shape", [pytest.param(shape, marks=pytest.mark.xdist_group(f"p4-{shape}")) for shape in USUAL]
)
def test_a_bad_wire_changes_no_bit(shape):
    options = Options(format="int32" if shape == "int" else "fp32", slots=48, queues=2)
    # The approximate shape is exact, whatever the order, while exponents lie closer than the headroom.
    arrays = [np.where(np.abs(a) < 512, a + 1024, a) for a in exact_inputs(WORKERS, COUNT, seed=7)]
    clean, quiet, _ = reduce_all(shape, arrays, options)
    noisy, members, fates = reduce_all(shape, arrays, options, PROMISED, seed=8)
    for one, other in zip(clean, noisy, strict=True):
        np.testing.assert_array_equal(one.view(np.uint32), other.view(np.uint32))
        np.testing.assert_array_equal(one.view(np.uint32), clean[0].view(np.uint32))
    if shape != "int":
        np.testing.assert_array_equal(clean[0], np.sum(arrays, axis=0))
    assert sum(member.stats.retransmissions for member in members) > 0
    assert fates["resent"] > 0 and fates["duplicate"] > 0
    chunks = -(-COUNT // options.elements) + (options.slots if shape == "int" else 0)
    assert fates["completed"] == CALLS * chunks
    assert fates["absorbed"] == CALLS * chunks * (WORKERS - 1)
    assert all(member.stats.calls == CALLS for member in quiet)
