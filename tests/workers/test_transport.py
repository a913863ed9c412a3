"""Raw sockets over veth pairs, the switch being the model behind raw sockets of its own."""

import contextlib
import dataclasses
import socket
import struct

import numpy as np
import pytest

from controller.session import Silent
from tests.p4.model import Program
from tests.workers.cluster import (
    Watcher,
    everyone,
    exact_inputs,
    ip_of,
    model_for,
    seat_of,
)
from tests.workers.veth import Veths, VethSwitch
from workers import wire
from workers.allreduce import AllReduce, Options, frame_bytes, make_engine
from workers.join import PeerLost
from workers.transport import RawSocket, TransportError, result_filter
from workers.window import Timing

OPTIONS = Options(elements=32, slots=8)


@pytest.fixture
def veths():
    with Veths() as pairs:
        yield pairs


ENGINES = [("python", "python"), ("native", "native"), ("python", "native")]


@contextlib.contextmanager
def clients_over(pairs, engines, options, shape="exact"):
    """A client on each veth, with the engine named for its rank."""
    program = Program(shape, elements=options.elements, slots=32)
    model = model_for(len(pairs), options, program)
    switch = VethSwitch(model.process, [far for _, far in pairs])
    members = []
    try:
        for rank, ((near, _), engine) in enumerate(zip(pairs, engines, strict=True)):
            mine = dataclasses.replace(options, engine=engine)
            seat, watcher = seat_of(rank, len(pairs), mine), Watcher()
            members.append(AllReduce(make_engine(near, seat, mine, watcher.check), seat, mine, watcher))
        yield members
    finally:
        switch.close()
        for member in members:
            member.close()


@pytest.mark.root
@pytest.mark.parametrize("engines", ENGINES)
@pytest.mark.parametrize("queues", [1, 3])
@pytest.mark.parametrize("shape", ["exact", "int"])
def test_all_reduce_over_veth(veths, engines, queues, shape):
    """Both engines, alone and in one job; float sums exact, block-quantised ones alike on both ranks."""
    options = Options(format="int32" if shape == "int" else "fp32", elements=32, slots=8, queues=queues)
    arrays = exact_inputs(2, 1000, seed=3)
    right = arrays[0] + arrays[1]
    with clients_over(veths, engines, options, shape) as members:
        for count in (1000, 33, 1):
            work = [array[:count].copy() for array in arrays]
            everyone(members, lambda client, rank, work=work: client.allreduce(work[rank]))
            np.testing.assert_array_equal(work[0], work[1])
            if shape == "exact":
                np.testing.assert_array_equal(work[0], right[:count])
            else:
                np.testing.assert_allclose(work[0], right[:count], atol=1e-3)
        assert all(member.stats.calls == 3 and member.stats.payload_bytes == 1034 * 4 for member in members)


@pytest.mark.root
@pytest.mark.parametrize("engine", ["python", "native"])
def test_a_silent_rank_is_named_over_veth(veths, engine):
    options = Options(elements=32, slots=8, timing=Timing(deadline=0.3))
    with clients_over(veths, (engine, engine), options) as (client, _):
        client.watcher.answer = Silent((1,), "its bit is missing")
        with pytest.raises(PeerLost, match="rank 1 went silent: its bit is missing"):
            client.allreduce(np.ones(100, np.float32))
        assert client.watcher.asked is not None and client.watcher.asked[1] < 4


@pytest.mark.root
@pytest.mark.parametrize("engine", ["python", "native"])
def test_ports_belong_to_one_client(veths, engine):
    near, _ = veths[0]
    options = dataclasses.replace(OPTIONS, engine=engine)
    first = make_engine(near, seat_of(0, 2, options), options, lambda: None)
    try:
        with pytest.raises(TransportError, match="18100"):
            make_engine(near, seat_of(0, 2, options), options, lambda: None)
    finally:
        first.close()


@pytest.mark.root
def test_only_results_for_the_port_range_arrive(veths):
    near, far = veths[0]
    size = frame_bytes(OPTIONS)
    link = RawSocket(near, size, 18100, queues=2)
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as peer:
            peer.bind((far, 0))
            sent = []
            for source, destination, extra in (
                (18000, 18100, 0),
                (18000, 18101, 0),
                (18000, 18102, 0),
                (18000, 18099, 0),
                (17999, 18100, 0),
                (18000, 18100, 7),
                (18000, 18101, 0),
            ):
                addresses = wire.Addresses(bytes(6), "10.0.0.9", bytes([2, 0, 0, 0, 0, 1]), ip_of(0))
                frame = wire.template(wire.get_format("fp32"), 32, addresses, 1, 1, 1, 0)
                frame["udp_source"], frame["udp_destination"] = source, destination
                frame["fpisa_chunk"] = len(sent)
                sent.append(frame.tobytes() + bytes(extra))
                peer.send(sent[-1])
        got = []
        while len(got) < 3:
            rows = link.receive(5)
            assert len(rows), "a result did not arrive"
            got += [row.tobytes() for row in rows]
        assert got == [sent[0], sent[1], sent[6]]
    finally:
        link.close()


def test_the_filter_is_eleven_instructions():
    program = result_filter(18100, 4)
    assert len(program) == 11 * 8
    codes = [struct.unpack_from("=HBBI", program, 8 * index) for index in range(11)]
    for index, (code, yes, no, _) in enumerate(codes):
        if code & 7 == 5:  # every jump lands inside
            assert index + 1 + max(yes, no) < 11


def test_a_missing_interface_has_a_sentence():
    with pytest.raises(TransportError, match="there is no network interface 'nowhere0'"):
        RawSocket("nowhere0", 100, 18100)
