"""The client's side of an election: which id to offer, and whether this client is the primary.

Pure: messages in, messages out. The primary of a role is the client with the highest election id; ids are 128-bit
and must differ. When an id is taken, the next lower one is offered, so a late-comer becomes a backup.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .protos import p4r
from .role_config import RoleConfig
from .status import Code

_MASK64 = (1 << 64) - 1


def uint128(value: int) -> Any:
    return p4r.Uint128(high=value >> 64, low=value & _MASK64)


def from_uint128(message: Any) -> int:
    return message.high << 64 | message.low


@dataclass(frozen=True)
class Election:
    """State after the last arbitration message. `settled` is false until the server has answered."""

    device_id: int
    election_id: int
    role: str = ""
    settled: bool = False
    primary: bool = False
    primary_id: int = 0  # of whoever is primary; 0: nobody is
    config: RoleConfig | None = None  # what the role may do; None: everything

    def request(self) -> Any:
        """The p4.v1.StreamMessageRequest that takes part in the election."""
        request = p4r.StreamMessageRequest()
        update = request.arbitration
        update.device_id = self.device_id
        if self.role:
            update.role.name = self.role
        if self.config is not None:
            self.config.fill(update.role.config)
        update.election_id.CopyFrom(uint128(self.election_id))
        return request

    def received(self, update: Any) -> Election:
        """The state after an arbitration message from the server."""
        code = Code.of(update.status.code)
        known = from_uint128(update.election_id)
        primary = code == Code.OK and known == self.election_id
        return replace(self, settled=True, primary=primary, primary_id=0 if code == Code.NOT_FOUND else known)

    def refused(self) -> Election:
        """The state to begin anew with, after the server said that the election id is in use."""
        if self.election_id <= 1:
            raise ValueError("every lower election id is taken; start with a higher one")
        return replace(self, election_id=self.election_id - 1, settled=False, primary=False)
