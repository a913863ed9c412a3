"""Raw sockets over veth pairs, the switch being the model behind raw sockets of its own."""

import socket
import struct

import numpy as np
import pytest

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
from workers.allreduce import AllReduce, Options, frame_bytes
from workers.engine import PythonEngine
from workers.transport import RawSocket, TransportError, interface_address, result_filter

OPTIONS = Options(elements=32, slots=8)


@pytest.fixture
def veths():
    with Veths() as pairs:
        yield pairs


@pytest.mark.root
def test_all_reduce_over_veth(veths):
    model = model_for(2, OPTIONS, Program(elements=32, slots=16))
    switch = VethSwitch(model.process, [far for _, far in veths])
    members = []
    try:
        for rank, (near, _) in enumerate(veths):
            assert interface_address(near) == (bytes([2, 0, 0, 0, 0, rank + 1]), ip_of(rank))
            link = RawSocket(near, frame_bytes(OPTIONS), OPTIONS.udp_port)
            seat = seat_of(rank, 2, OPTIONS)
            engine = PythonEngine(link, seat, wire.get_format("fp32"), 32, OPTIONS.timing)
            members.append(AllReduce(engine, seat, OPTIONS, Watcher()))
        arrays = exact_inputs(2, 1000, seed=3)
        right = arrays[0] + arrays[1]
        everyone(members, lambda client, rank: client.allreduce(arrays[rank]))
        for array in arrays:
            np.testing.assert_array_equal(array, right)
        # Each rank's ports are its own: a second client on the same address is refused.
        with pytest.raises(TransportError, match="cannot use UDP port 18100"):
            RawSocket(veths[0][0], 100, OPTIONS.udp_port)
    finally:
        switch.close()
        for member in members:
            member.close()


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
