"""What real controllers do to a switch: programs in all their steps, several instances that fight for it, large batches and
reads, connections that break in the middle of something, floods."""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest

from controller.p4rt.arbitration import uint128
from controller.p4rt.entities import ActionCall, TableEntry
from controller.p4rt.p4info import from_p4info
from controller.p4rt.protos import p4r
from controller.p4rt.status import Code
from emulator.server.device import Device
from emulator.server.program import SwitchOptions
from emulator.server.service import Server

from .conftest import GOLDEN
from .raw import WAIT, Raw

OK, EXISTS, NONE = 0, int(Code.ALREADY_EXISTS), int(Code.NOT_FOUND)
STATUS = grpc.StatusCode
MANY = 20_000


@pytest.fixture
def bare() -> Iterator[tuple[Device, Callable[[], Raw]]]:
    """A device without a client, and a function that makes clients."""
    with ExitStack() as stack:
        device = Device(SwitchOptions("interp", cpu_port=255))
        stack.callback(device.close)
        server = Server(device, "127.0.0.1:0")
        stack.callback(server.stop, 0)
        server.start()
        yield device, lambda: stack.enter_context(Raw(server.address))


def config(case: str) -> tuple[Any, bytes]:
    from controller.p4rt.p4info import read_p4info

    folder = GOLDEN / case
    return read_p4info(folder / "program.p4info.txtpb"), (folder / "program.json").read_bytes()


def rows(case: str, count: int, first: int = 0, metadata: bytes = b"") -> list[Any]:
    """Entities of table Ig.dmac."""
    schema = from_p4info(config(case)[0])
    table = schema.tables["Ig.dmac"]
    action = next(a for a in (schema.actions[i] for i in table.scopes) if len(a.params) == 1)
    call = ActionCall(action.name, {action.params[0].name: 1})
    key = table.fields[0].name
    return [TableEntry(table.name, {key: first + i}, call, metadata=metadata).encode(schema) for i in range(count)]


def large_table(count: int) -> tuple[Any, bytes]:
    """Case 01 with room for `count` entries."""
    import json

    p4info, program = config("01_l2_forward")
    document = json.loads(program)
    for table in p4info.tables:
        table.size = max(table.size, count)
    for pipeline in document["pipelines"]:
        for table in pipeline["tables"]:
            table["max_size"] = max(table["max_size"], count)
    return p4info, json.dumps(document).encode()


def write_request(entities: list[Any], election_id: int, kind: str = "INSERT", atomicity: int = 0) -> Any:
    request = p4r.WriteRequest(election_id=uint128(election_id), atomicity=atomicity)
    for entity in entities:
        request.updates.add(type=p4r.Update.Type.Value(kind), entity=entity)
    return request


def entries(client: Raw) -> list[Any]:
    pattern = p4r.ReadRequest(entities=[p4r.Entity(table_entry=p4r.TableEntry())])
    return [e for response in client.call("Read")(pattern, timeout=60) for e in response.entities]


# -- programs -----------------------------------------------------------------------------------------------------


def test_the_four_ways_to_load_a_program(bare: Any) -> None:
    device, client = bare
    primary, backup = client(), client()
    first, second = config("01_l2_forward"), config("06_counters")
    primary.arbitrate(10)
    assert primary.standing() == (OK, 10)
    backup.arbitrate(9)
    assert backup.standing() == (EXISTS, 10)
    with pytest.raises(grpc.RpcError) as caught:
        entries(primary)
    assert caught.value.code() is STATUS.FAILED_PRECONDITION
    assert primary.cookie() is None
    for action in ("VERIFY", "VERIFY_AND_SAVE", "VERIFY_AND_COMMIT", "RECONCILE_AND_COMMIT"):
        assert primary.pipeline(action, 10) is STATUS.INVALID_ARGUMENT, "no config"
        assert backup.pipeline(action, 9, first) is STATUS.PERMISSION_DENIED
        broken = first[0], first[1][:1000]
        assert primary.pipeline(action, 10, broken) is STATUS.INVALID_ARGUMENT
    assert primary.pipeline("COMMIT", 10) is STATUS.NOT_FOUND
    assert primary.pipeline("UNSPECIFIED", 10, first) is STATUS.INVALID_ARGUMENT
    assert primary.pipeline("VERIFY", 10, first, cookie=1) is STATUS.OK
    assert primary.cookie() is None and device.bound is None
    assert primary.pipeline("VERIFY_AND_SAVE", 10, first, cookie=2) is STATUS.OK
    assert primary.cookie() is None, "Get tells of what runs"
    assert primary.status("Write", write_request(rows("01_l2_forward", 2), 10)) is STATUS.OK
    assert len(entries(primary)) == 2, "and reads are about what was saved"
    assert primary.pipeline("COMMIT", 10, first) is STATUS.INVALID_ARGUMENT, "COMMIT takes no config"
    assert primary.pipeline("COMMIT", 10) is STATUS.OK
    assert primary.cookie() == 2 and len(entries(primary)) == 2
    assert primary.pipeline("COMMIT", 10) is STATUS.NOT_FOUND
    assert primary.pipeline("RECONCILE_AND_COMMIT", 10, first, cookie=3) is STATUS.OK
    assert primary.cookie() == 3 and len(entries(primary)) == 2
    assert primary.pipeline("RECONCILE_AND_COMMIT", 10, second, cookie=4) is STATUS.INVALID_ARGUMENT
    assert primary.cookie() == 3 and len(entries(primary)) == 2, "a refusal costs nothing"
    assert primary.pipeline("VERIFY_AND_COMMIT", 10, first) is STATUS.OK
    assert primary.cookie() is None and entries(primary) == []


def test_a_config_comes_back_as_it_was(bare: Any) -> None:
    _, client = bare
    primary, (p4info, program) = client(), config("06_counters")
    primary.arbitrate(1)
    assert primary.standing() == (OK, 1)
    assert primary.pipeline("VERIFY_AND_COMMIT", 1, (p4info, program), cookie=0) is STATUS.OK
    kinds = p4r.GetForwardingPipelineConfigRequest
    get = primary.call("GetForwardingPipelineConfig")
    for kind, has_info, has_config in (
        (kinds.ALL, True, True), (kinds.COOKIE_ONLY, False, False), (kinds.P4INFO_AND_COOKIE, True, False),
        (kinds.DEVICE_CONFIG_AND_COOKIE, False, True),
    ):  # fmt: skip
        found = get(kinds(response_type=kind)).config
        assert found.p4info == (p4info if has_info else type(p4info)())
        assert found.p4_device_config == (program if has_config else b"")
        assert found.HasField("cookie") and found.cookie.cookie == 0, "0 is a cookie, too"


# -- elections ----------------------------------------------------------------------------------------------------


def test_controllers_come_back_with_lower_higher_and_equal_ids(bare: Any) -> None:
    _, client = bare
    first, second = client(), client()
    first.arbitrate(100)
    assert first.standing() == (OK, 100)
    second.arbitrate(50)
    assert second.standing() == (EXISTS, 100)
    first.close()
    assert second.standing() == (NONE, 100), "the primary is gone, and nobody takes its place"
    again = client()
    again.arbitrate(99)
    assert again.standing() == (NONE, 100), "a lower id than was seen"
    third = client()
    third.arbitrate(99)
    assert third.ended.get(timeout=WAIT) is STATUS.INVALID_ARGUMENT, "an id that another has"
    again.arbitrate(100)
    assert (again.standing(), second.standing()) == ((OK, 100), (EXISTS, 100)), "the highest id seen will do"
    second.arbitrate(101)
    assert (second.standing(), again.standing()) == ((OK, 101), (EXISTS, 101))
    request = write_request([], 100)
    assert again.status("Write", request) is STATUS.PERMISSION_DENIED
    second.arbitrate(1)
    assert (second.standing(), again.standing()) == ((NONE, 101), (NONE, 101)), "it stepped down"
    again.arbitrate(None)
    assert again.standing() == (NONE, 101)
    again.arbitrate(1)
    assert again.ended.get(timeout=WAIT) is STATUS.INVALID_ARGUMENT, "its stream ends, and with it its part in the election"
    other = client()
    other.arbitrate(5, device_id=7)
    assert other.ended.get(timeout=WAIT) is STATUS.NOT_FOUND
    second.arbitrate(5, device_id=7)
    assert second.ended.get(timeout=WAIT) is STATUS.FAILED_PRECONDITION, "a stream keeps to its device"


def test_a_storm_of_elections_ends_with_one_primary(bare: Any) -> None:
    """Fourteen instances change their ids at once, hundreds of times; then all know who won."""
    device, client = bare
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    clients = [client() for _ in range(14)]

    def storm(number: int) -> None:
        rng = random.Random(seed + number)
        for _ in range(40):
            clients[number].arbitrate(rng.randrange(1000) * 16 + number)  # nobody else's

    threads = [threading.Thread(target=storm, args=(n,)) for n in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    # The last word of each, in turn: what comes before it on its stream has been heard by then.
    final = {n: 1 << 20 | n for n in range(len(clients))}
    for number, one in enumerate(clients):
        one.arbitrate(final[number])
        while one.standing() != (OK, final[number]):
            pass
    for number, one in enumerate(clients[:-1]):
        while (standing := one.standing()) != (EXISTS, final[len(clients) - 1]):
            assert standing[0] != OK, number
    assert not any(one.ended.qsize() for one in clients)
    ((winner, _),) = device.streams.elections.primaries()
    assert device.streams.elections.is_primary(winner)
    assert clients[-1].status("Write", write_request([], final[13])) is STATUS.FAILED_PRECONDITION, "primary, but no program"
    assert clients[0].status("Write", write_request([], final[0])) is STATUS.PERMISSION_DENIED


# -- large batches and reads --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_twenty_thousand_entries_in_one_request(bare: Any) -> None:
    _, client = bare
    primary = client()
    primary.arbitrate(1)
    assert primary.standing() == (OK, 1)
    assert primary.pipeline("VERIFY_AND_COMMIT", 1, large_table(MANY)) is STATUS.OK
    found = rows("01_l2_forward", MANY)
    assert primary.status("Write", write_request(found, 1)) is STATUS.OK
    assert len(entries(primary)) == MANY
    missing = rows("01_l2_forward", 1, MANY + 5)
    for atomicity in (1, 2):
        request = write_request(found + missing, 1, "DELETE", atomicity)
        assert primary.status("Write", request) is STATUS.UNKNOWN
        assert len(entries(primary)) == MANY, "all that was deleted is back"
    assert primary.status("Write", write_request(found, 1, "DELETE", 2)) is STATUS.OK
    assert entries(primary) == []


def test_large_reads_come_in_messages_that_a_client_takes(bare: Any) -> None:
    """gRPC's own limit for a message is 4 MiB; here are 18, in entries of 9 kB."""
    _, client = bare
    primary = client()
    primary.arbitrate(1)
    primary.standing()
    assert primary.pipeline("VERIFY_AND_COMMIT", 1, large_table(2000)) is STATUS.OK
    for part in range(4):  # requests have that limit, too, but ours is larger
        assert primary.status("Write", write_request(rows("01_l2_forward", 500, part * 500, b"m" * 9000), 1)) is STATUS.OK
    pattern = p4r.ReadRequest(entities=[p4r.Entity(table_entry=p4r.TableEntry()), p4r.Entity()])
    sizes, count = [], 0
    with pytest.raises(grpc.RpcError) as caught:
        for response in primary.call("Read")(pattern, timeout=60):
            sizes.append(response.ByteSize())
            count += len(response.entities)
    assert caught.value.code() is STATUS.UNKNOWN, "the second question is empty; the first has its answer"
    assert count == 2000 and sum(sizes) > 18e6 and max(sizes) < 1 << 21, sizes


# -- connections that break ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("atomicity", [0, 1, 2])
def test_a_client_that_goes_in_the_middle_of_a_batch(bare: Any, atomicity: int) -> None:
    """Its last batch is done whole or, where that was asked for, not at all; the next primary finds no half of an entry."""
    _, client = bare
    first, second = client(), client()
    first.arbitrate(1)
    assert first.standing() == (OK, 1)
    assert first.pipeline("VERIFY_AND_COMMIT", 1, large_table(8000)) is STATUS.OK
    second.arbitrate(None)
    assert second.standing() == (EXISTS, 1)
    call = first.call("Write").future(write_request(rows("01_l2_forward", 8000), 1, atomicity=atomicity))
    call.cancel()
    first.close()
    assert second.standing() == (NONE, 1)
    second.arbitrate(2)
    assert second.standing() == (OK, 2), "which it is told when the writes before it are done"
    found = entries(second)
    assert len(found) in (0, 8000)
    assert second.status("Write", write_request(found, 2, "DELETE", 2)) is STATUS.OK
    assert entries(second) == []


def test_a_read_that_is_given_up(bare: Any) -> None:
    _, client = bare
    primary = client()
    primary.arbitrate(1)
    primary.standing()
    primary.pipeline("VERIFY_AND_COMMIT", 1, large_table(3000))
    primary.status("Write", write_request(rows("01_l2_forward", 3000), 1))
    pattern = p4r.ReadRequest(entities=[p4r.Entity(table_entry=p4r.TableEntry())] * 2)
    for _ in range(4):
        call = primary.call("Read")(pattern)
        next(call)
        call.cancel()
    assert len(entries(primary)) == 3000, "and the server is there as before"


# -- floods -------------------------------------------------------------------------------------------------------


def test_a_flood_of_packet_outs_keeps_its_order(live: Any) -> None:
    found = live("34_cpu_names", cpu_port=255)
    done: queue.Queue[Any] = queue.Queue()
    found.client.on_election = done.put
    for number in range(3000):
        found.client.packet_out(number.to_bytes(4, "big") + bytes(60), egress_port=5)
    found.client._send(found.client.election.request())
    done.get(timeout=WAIT)
    assert [int.from_bytes(data[:4], "big") for _, data in found.outputs] == list(range(3000))


def test_a_client_that_does_not_read_loses_packets_and_nothing_else(bare: Any) -> None:
    device, client = bare
    primary = client()
    primary.arbitrate(1)
    primary.standing()
    assert primary.pipeline("VERIFY_AND_COMMIT", 1, config("34_cpu_names")) is STATUS.OK
    deaf = client()
    gate = threading.Event()
    deaf.heard.put = lambda message: gate.wait(WAIT)  # type: ignore[method-assign, assignment]
    deaf.arbitrate(2)
    assert primary.standing() == (EXISTS, 2)
    (session, _), = device.streams.elections.primaries()
    frame = bytes.fromhex("020000000009 020000000001 0800") + bytes(1400)
    for _ in range(12_000):
        device.switch.send(3, frame)
        if session.dropped:  # type: ignore[attr-defined]
            break
    assert session.dropped, "its queue is full"  # type: ignore[attr-defined]
    assert deaf.status("Write", write_request([], 2)) is STATUS.OK, "its calls are answered"
    primary.arbitrate(3)
    assert primary.standing() == (OK, 3), "and others can take over"
    gate.set()
