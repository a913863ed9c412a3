"""Packet-in and packet-out, digests, idle timeouts, and what a stream may not say."""

from __future__ import annotations

import queue
from typing import Any

from controller.p4rt.entities import ActionCall, DigestEntry, DigestList, PacketIn, TableEntry
from controller.p4rt.protos import p4r
from controller.p4rt.status import P4RuntimeError
from emulator.server.packet_io import PacketIo
from emulator.server.translation import Translations

from .conftest import watch_for_idle_entries

WAIT = 10.0


def test_packet_out_and_in_with_controller_headers(live: Any) -> None:
    """The program of case 34 punts what it does not know to port 255."""
    found = live("34_cpu_names", cpu_port=255)
    heard: queue.Queue[PacketIn] = queue.Queue()
    found.client.on_packet_in = heard.put
    frame = bytes.fromhex("020000000009 020000000001 0800") + b"payload"
    found.device.switch.send(3, frame)
    packet = heard.get(timeout=WAIT)
    assert packet.metadata["ingress_port"] == 3
    assert packet.payload.endswith(b"payload")
    found.client.packet_out(frame, egress_port=5)
    found.client.packet_out(frame, egress_port=6)
    settle(found)
    assert [port for port, _ in found.outputs] == [5, 6]
    assert all(data.endswith(b"payload") for _, data in found.outputs)


def settle(found: Any) -> None:
    """Wait until the server has handled all earlier stream messages: it answers an arbitration in order."""
    done: queue.Queue[Any] = queue.Queue()
    found.client.on_election = done.put
    found.client._send(found.client.election.request())
    done.get(timeout=WAIT)
    found.client.on_election = None


def test_header_packing() -> None:
    from pathlib import Path

    from controller.p4rt.p4info import from_p4info, read_p4info

    path = Path(__file__).parents[1] / "golden/34_cpu_names/program.p4info.txtpb"
    info = read_p4info(path)
    io = PacketIo(from_p4info(info), Translations(info))
    message = p4r.PacketOut(payload=b"xyz")
    message.metadata.add(metadata_id=2, value=b"\x01")
    message.metadata.add(metadata_id=1, value=b"\x01\x01")
    assert io.to_switch(message) == (0x101 << 7 | 1 << 6).to_bytes(2, "big") + b"xyz"
    packet = io.from_switch(bytes.fromhex("0180 0007") + b"rest")
    assert packet is not None
    assert [m.value for m in packet.packet.metadata] == [b"\x03", b"\x00", b"\x07"]
    assert packet.packet.payload == b"rest"
    assert io.from_switch(b"\x01\x80\x00") is None


def stream_errors(found: Any, *requests: Any) -> list[str]:
    heard: queue.Queue[str] = queue.Queue()
    found.client.on_error = heard.put
    for request in requests:
        found.client._send(request)
    settle(found)
    return [heard.get_nowait() for _ in range(heard.qsize())]


def packet(*metadata: tuple[int, bytes]) -> Any:
    request = p4r.StreamMessageRequest()
    request.packet.payload = b"x" * 20
    for number, value in metadata:
        request.packet.metadata.add(metadata_id=number, value=value)
    return request


def test_stream_errors_name_the_cause(live: Any) -> None:
    found = live("34_cpu_names")
    ack = p4r.StreamMessageRequest()
    ack.digest_ack.digest_id = 5
    other = p4r.StreamMessageRequest()
    other.other.SetInParent()
    errors = stream_errors(
        found, packet((9, b"\x01")), packet((1, b"\x02\x00")), packet((1, b"\x01"), (1, b"\x01")), ack,
        p4r.StreamMessageRequest(), other,
    )  # fmt: skip
    for text, words in zip(
        errors,
        [
            "no metadata 9; it has 1 (egress_port)",
            "does not fit in 9 bits",
            "given twice",
            "no digest",
            "is empty",
            "no stream messages of its own",
        ],
        strict=True,
    ):
        assert words in text
    assert found.outputs == []


def test_no_cpu_port_no_packets(live: Any) -> None:
    found = live("01_l2_forward", cpu_port=None)
    (text,) = stream_errors(found, packet())
    assert "start it with --cpu-port" in text


def test_digests_are_sent_acknowledged_and_repeated(live: Any) -> None:
    found = live("11_digest")
    client = found.client
    heard: queue.Queue[DigestList] = queue.Queue()
    client.on_digest = heard.put
    frame = bytes.fromhex("020000000009 020000000001 0800") + bytes(60)
    found.device.switch.send(1, frame)
    for digest in client.schema.digests:
        client.insert(DigestEntry(digest.name, max_list_size=1, ack_timeout_ns=10**12))
    assert heard.empty(), "a digest is off until it is inserted"
    found.device.switch.send(1, frame)
    first = heard.get(timeout=WAIT)
    members = {m.name for d in client.schema.digests if d.name == first.digest for m in d.members}
    assert set(first.messages[0]) == members
    found.device.switch.send(1, frame)
    client.acknowledge(first)
    settle(found)
    assert heard.empty(), "an equal message waits for the acknowledgement"
    found.device.switch.send(1, frame)
    again = heard.get(timeout=WAIT)
    assert again.messages == first.messages and again.list_id > first.list_id
    client.delete(DigestEntry(first.digest))
    found.device.switch.send(1, frame)
    assert heard.empty()


def test_an_acknowledgement_of_nothing_is_an_error(live: Any) -> None:
    found = live("11_digest")
    digest = next(iter(found.client.schema.digests)).name
    (text,) = stream_errors(found, DigestList(digest, 99, (), 0).ack(found.client.schema))
    assert "there was no digest list 99" in text


def test_idle_timeouts(live: Any) -> None:
    """Virtual time: no test waits for it. The program is case 01's, its table made to support timeouts."""
    now = [0]
    found = live("01_l2_forward", clock=lambda: now[0])
    watch_for_idle_entries(found)
    client = found.client
    heard: queue.Queue[tuple[TableEntry, ...]] = queue.Queue()
    client.on_idle_timeout = heard.put
    table = client.schema.tables["Ig.dmac"]
    action = next(a for a in (client.schema.actions[i] for i in table.scopes) if len(a.params) == 1)
    entry = TableEntry(table.name, {table.fields[0].name: 1}, ActionCall(action.name, {action.params[0].name: 2}),
                       idle_timeout_ns=5_000_000, metadata=b"m")  # fmt: skip
    client.insert(entry)
    now[0] = 4_000
    (read,) = client.read(TableEntry(table.name, since_last_hit_ns=0))
    assert (read.since_last_hit_ns, read.idle_timeout_ns) == (4_000_000, 5_000_000)
    found.device._notifier.poll()
    assert heard.empty()
    now[0] = 6_000
    found.device._notifier.poll()
    (idle,) = heard.get(timeout=WAIT)
    assert (idle.match, idle.metadata, idle.idle_timeout_ns) == (entry.match, b"m", 5_000_000)


def test_a_backups_packets_are_refused(live: Any) -> None:
    from controller.p4rt.switch import P4Switch

    found = live("34_cpu_names")
    with P4Switch(found.server.address, election_id=3) as backup:
        heard: queue.Queue[str] = queue.Queue()
        backup.on_error = heard.put
        backup.packet_out(b"x" * 20)
        assert "only the primary client may send packets" in heard.get(timeout=WAIT)
    assert found.outputs == []


def test_a_server_that_stops_is_an_error_at_once(live: Any) -> None:
    found = live()
    lost: queue.Queue[P4RuntimeError] = queue.Queue()
    found.client.on_lost = lost.put
    found.server.stop(0)
    assert lost.get(timeout=WAIT).is_unreachable
