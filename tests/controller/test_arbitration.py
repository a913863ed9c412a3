"""The client's election."""

from __future__ import annotations

import pytest

from controller.p4rt.arbitration import Election, from_uint128, uint128
from controller.p4rt.protos import p4r


def update(status: int, election_id: int) -> object:
    message = p4r.MasterArbitrationUpdate()
    message.status.code = status
    message.election_id.CopyFrom(uint128(election_id))
    return message


@pytest.mark.parametrize("value", [0, 1, (1 << 64) - 1, 1 << 64, (1 << 128) - 1])
def test_uint128(value: int) -> None:
    assert from_uint128(uint128(value)) == value


@pytest.mark.parametrize(
    ("status", "known", "primary", "primary_id"),
    [(0, 10, True, 10), (6, 12, False, 12), (5, 12, False, 0), (0, 12, False, 12)],
)
def test_outcomes(status: int, known: int, primary: bool, primary_id: int) -> None:
    election = Election(0, 10).received(update(status, known))
    assert (election.settled, election.primary, election.primary_id) == (True, primary, primary_id)


def test_a_taken_id_is_lowered_until_none_is_left() -> None:
    election = Election(0, 2).refused()
    assert election.election_id == 1
    with pytest.raises(ValueError, match="higher"):
        election.refused()


def test_request_carries_role_and_id() -> None:
    message = Election(7, 1 << 70, "r").request().arbitration
    assert (message.device_id, message.role.name, from_uint128(message.election_id)) == (7, "r", 1 << 70)
