"""SetForwardingPipelineConfig with every action, Get with every response type, elections over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from controller.p4rt.client import Client
from controller.p4rt.entities import ActionCall, MulticastGroup, RegisterEntry, Replica, TableEntry
from controller.p4rt.protos import p4r
from controller.p4rt.status import Code, P4RuntimeError
from controller.p4rt.switch import P4Switch

Get = p4r.GetForwardingPipelineConfigRequest


def refused(call: Any, *args: Any, **keywords: Any) -> P4RuntimeError:
    with pytest.raises(P4RuntimeError) as caught:
        call(*args, **keywords)
    return caught.value


def test_without_a_program(live: Any) -> None:
    client = live().client
    assert client.client.capabilities().startswith("1.5")
    for call in (lambda: client.client.get_pipeline(), lambda: list(client.client.read([p4r.Entity()])),
                 lambda: client.client.write([], client.election)):  # fmt: skip
        error = refused(call)
        assert error.is_pipeline_missing and ("SetForwardingPipelineConfig" in str(error) or "no program" in str(error))


def test_get_each_part(live: Any) -> None:
    found = live("01_l2_forward")
    found.client.set_pipeline(found.p4info, found.json, cookie=77)
    get = found.client.client.get_pipeline
    whole = get(Get.ALL)
    assert (whole.p4info, whole.p4_device_config, whole.cookie.cookie) == (found.p4info, found.json, 77)
    assert get(Get.COOKIE_ONLY) == p4r.ForwardingPipelineConfig(cookie={"cookie": 77})
    assert not get(Get.P4INFO_AND_COOKIE).p4_device_config
    assert not get(Get.DEVICE_CONFIG_AND_COOKIE).HasField("p4info")


def test_verify_changes_nothing_and_save_waits_for_commit(live: Any) -> None:
    found, other = live("01_l2_forward"), live("05_registers")
    client = found.client
    client.set_pipeline(other.p4info, other.json, action="VERIFY")
    assert client.client.get_pipeline().p4info == found.p4info
    assert refused(client.set_pipeline, None, b"", action="COMMIT").code == Code.NOT_FOUND
    client.set_pipeline(other.p4info, other.json, action="VERIFY_AND_SAVE")
    assert client.client.get_pipeline().p4info == found.p4info
    client.set_pipeline(None, b"", action="COMMIT")
    assert client.client.get_pipeline().p4info == other.p4info
    assert list(client.read(RegisterEntry()))


@pytest.mark.parametrize(
    ("p4info", "json", "words"),
    [
        (True, b"", "p4_device_config is empty"),
        (True, b"{", "the bmv2 JSON cannot be run"),
        (True, b"nonsense", "the bmv2 JSON cannot be run"),
        (False, None, "the P4Info is of another program"),
    ],
)
@pytest.mark.parametrize("action", ["VERIFY", "VERIFY_AND_COMMIT", "RECONCILE_AND_COMMIT"])
def test_a_bad_config_is_refused_and_the_old_one_runs_on(
    live: Any, p4info: bool, json: bytes | None, words: str, action: str
) -> None:
    found, other = live("01_l2_forward"), live("02_ipv4_lpm")
    found.client.insert(MulticastGroup(1, (Replica(1),)))
    error = refused(
        found.client.set_pipeline,
        found.p4info if p4info else other.p4info,
        found.json if json is None else json,
        action=action,
    )
    assert error.code == Code.INVALID_ARGUMENT
    assert words in str(error)
    assert list(found.client.read(MulticastGroup()))
    assert found.client.client.get_pipeline().p4info == found.p4info


def test_commit_clears_and_reconcile_keeps(live: Any) -> None:
    found = live("05_registers")
    client = found.client
    register = next(iter(client.schema.registers)).name
    client.insert(MulticastGroup(3, (Replica(2, 9),)))
    client.modify(RegisterEntry(register, 1, 1))
    client.set_pipeline(found.p4info, found.json, action="RECONCILE_AND_COMMIT")
    assert list(client.read(MulticastGroup())) == [MulticastGroup(3, (Replica(2, 9),))]
    assert client.read_one(RegisterEntry(register, 1)).value == 1
    client.set_pipeline(found.p4info, found.json)
    assert list(client.read(MulticastGroup())) == []
    assert client.read_one(RegisterEntry(register, 1)).value == 0


def test_reconcile_with_entries(live: Any) -> None:
    found = live("34_cpu_names")
    client = found.client
    entry = TableEntry("Ig.l2.exact_table", {"dst_mac": 1}, ActionCall("Ig.to_port", {"out_port": 5}), metadata=b"x")
    default = TableEntry("Ig.l2.exact_table", action=ActionCall("Ig.punt", {"reason": 9}), is_default=True)
    client.insert(entry)
    client.modify(default)
    client.set_pipeline(found.p4info, found.json, action="RECONCILE_AND_COMMIT")
    assert list(client.read(TableEntry("Ig.l2.exact_table"))) == [entry]
    assert client.read_one(TableEntry("Ig.l2.exact_table", is_default=True)) == default
    other = live("01_l2_forward")
    error = refused(client.set_pipeline, other.p4info, other.json, action="RECONCILE_AND_COMMIT")
    assert error.code == Code.INVALID_ARGUMENT and "cannot take over" in str(error)
    assert list(client.read(TableEntry("Ig.l2.exact_table"))) == [entry]


def test_the_wrapper_of_older_controllers(live: Any) -> None:
    found = live("01_l2_forward")
    body = found.json
    length, size = bytearray(), len(body)
    while size:
        length.append(size & 0x7F | (0x80 if size > 0x7F else 0))
        size >>= 7
    found.client.set_pipeline(found.p4info, b"\x08\x01\x1a" + bytes(length) + body)
    assert found.client.client.get_pipeline().p4_device_config == body


def test_wrong_device_and_unset_action(live: Any) -> None:
    found = live("01_l2_forward")
    other = Client(found.server.address, device_id=5)
    assert "use device id 0" in str(refused(other.get_pipeline))
    other.close()
    error = refused(found.client.set_pipeline, found.p4info, found.json, action="UNSPECIFIED")
    assert error.code == Code.INVALID_ARGUMENT


def test_a_backup_may_read_and_not_write(live: Any) -> None:
    found = live("01_l2_forward")
    with P4Switch(found.server.address, election_id=5) as backup:
        assert not backup.election.primary and backup.election.primary_id == found.client.election.election_id
        assert list(backup.read(TableEntry(is_default=True)))
        error = refused(backup.insert, MulticastGroup(1))
        assert error.is_not_primary and "not that of the primary" in str(error)
        assert refused(backup.set_pipeline, found.p4info, found.json).is_not_primary


def test_a_taken_id_leads_to_the_next_lower_one(live: Any) -> None:
    found = live()
    with P4Switch(found.server.address) as second:
        assert second.election.election_id == found.client.election.election_id - 1
        assert not second.election.primary


def test_roles_have_primaries_of_their_own(live: Any) -> None:
    found = live("01_l2_forward")
    with P4Switch(found.server.address, role="telemetry", election_id=1) as other:
        assert other.election.primary
        other.insert(MulticastGroup(1))
        found.client.insert(MulticastGroup(2))
        assert len(list(other.read(MulticastGroup()))) == 2


def test_the_primary_hears_of_its_fall(live: Any) -> None:
    import threading

    found = live()
    fell = threading.Event()
    found.client.on_election = lambda election: None if election.primary else fell.set()
    with P4Switch(found.server.address, election_id=1 << 17) as higher:
        assert higher.election.primary
        assert fell.wait(5)
    assert refused(found.client.client.write, [], found.client.election).code == Code.PERMISSION_DENIED
