"""Who may write: one primary per role, chosen by election id.

Pure: it holds clients as opaque keys and returns whom to tell what. After the P4Runtime specification: the primary
is the client with the highest id that the role has seen; when it leaves, nobody is primary until a client offers
that id or a higher one. When the last client of a role has left, its history is forgotten, so a tool with a lower
id can start anew (simple_switch_grpc behaves like that).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from controller.p4rt.role_config import RoleConfig
from controller.p4rt.status import Code

from .errors import Refused, invalid, not_found
from .roles import check_config

MAX_CLIENTS = 16


@dataclass
class Role:
    """One role: its clients with their ids (None: never primary), the highest id seen, the primary, and the
    configuration that a primary gave last."""

    clients: dict[Hashable, int | None] = field(default_factory=dict)
    highest: int = -1  # none yet
    primary: Hashable | None = None
    config: RoleConfig | None = None


@dataclass(frozen=True)
class Notice:
    """Tell `client` its standing: OK (primary), ALREADY_EXISTS (another is), NOT_FOUND (nobody is)."""

    client: Hashable
    role: str
    status: Code
    election_id: int | None  # of the primary, or the highest seen
    config: RoleConfig | None = None


class Elections:
    """All roles of one device. Not locked: the caller serialises."""

    def __init__(self) -> None:
        self._roles: dict[str, Role] = {}
        self._role_of: dict[Hashable, str] = {}

    def __len__(self) -> int:
        return len(self._role_of)

    def __contains__(self, client: Hashable) -> bool:
        return client in self._role_of

    def update(
        self, client: Hashable, role: str, election_id: int | None, config: RoleConfig | None = None
    ) -> list[Notice]:
        """A MasterArbitrationUpdate from `client`; the notices to send, or Refused (which ends its stream)."""
        known = self._role_of.get(client)
        if known is None and len(self._role_of) >= MAX_CLIENTS:
            raise Refused(Code.RESOURCE_EXHAUSTED, f"{MAX_CLIENTS} clients are connected", "close one of them first")
        if known is not None and known != role:
            raise Refused(
                Code.FAILED_PRECONDITION,
                f"this stream already has role {known!r}",
                "open another stream for another role",
            )
        state = self._roles.get(role) or Role()
        self._refuse_taken(state, client, election_id)
        if config is not None:
            check_config(role, config, self.configs())
        self._roles[role] = state
        self._role_of[client] = role
        state.clients[client] = election_id
        return self._settle(state, role, client, election_id, config)

    def configs(self) -> dict[str, RoleConfig]:
        """Of the roles that have one."""
        return {role: state.config for role, state in self._roles.items() if state.config is not None}

    def config(self, role: str) -> RoleConfig | None:
        state = self._roles.get(role)
        return None if state is None else state.config

    def _refuse_taken(self, state: Role, client: Hashable, election_id: int | None) -> None:
        if election_id is None:
            return
        if any(other != client and used == election_id for other, used in state.clients.items()):
            raise invalid(f"Election id already exists: {election_id} is in use", "offer another one for this role")

    def _settle(
        self, state: Role, role: str, client: Hashable, election_id: int | None, config: RoleConfig | None
    ) -> list[Notice]:
        before = state.primary
        if election_id is not None and election_id >= state.highest:
            state.highest = election_id
            state.primary = client
            state.config = config
        elif state.primary == client:  # the primary stepped down
            state.primary = None
        everyone = state.primary != before or state.primary == client
        told = sorted(state.clients, key=lambda c: c == state.primary) if everyone else [client]  # the primary last
        return [self._notice(state, role, one) for one in told]

    def leave(self, client: Hashable) -> list[Notice]:
        """The stream of `client` has ended; notices for those who stay."""
        role = self._role_of.pop(client, None)
        if role is None:
            return []
        state = self._roles[role]
        del state.clients[client]
        if not state.clients:
            del self._roles[role]
            return []
        if state.primary != client:
            return []
        state.primary = None
        return [self._notice(state, role, one) for one in state.clients]

    def _notice(self, state: Role, role: str, client: Hashable) -> Notice:
        if state.primary is None:
            return Notice(client, role, Code.NOT_FOUND, None if state.highest < 0 else state.highest, state.config)
        status = Code.OK if state.primary == client else Code.ALREADY_EXISTS
        return Notice(client, role, status, state.highest, state.config)

    def is_primary(self, client: Hashable) -> bool:
        role = self._role_of.get(client)
        return role is not None and self._roles[role].primary == client

    def primaries(self) -> list[tuple[Hashable, RoleConfig | None]]:
        """The primary of each role with its configuration: they receive packets, digests and idle timeouts."""
        return [(state.primary, state.config) for state in self._roles.values() if state.primary is not None]

    def check_writer(self, role: str, election_id: int | None) -> None:
        """Refuse a Write or a SetForwardingPipelineConfig that is not from the role's primary.

        With no client connected at all, a request without an election id is let through, as scripts expect.
        """
        state = self._roles.get(role)
        if role and state is None:
            raise not_found(f"there is no role {role!r}", "open a stream in that role first")
        if election_id is None:
            if not self._role_of:
                return
            raise Refused(
                Code.PERMISSION_DENIED,
                "only the primary client may write and this request has no election id",
                "send the election id won in the arbitration",
            )
        if state is None or state.primary is None:
            raise Refused(
                Code.PERMISSION_DENIED,
                f"no client is primary for role {role!r}",
                "open a stream and win the arbitration first",
            )
        if state.clients[state.primary] != election_id:
            raise Refused(
                Code.PERMISSION_DENIED,
                f"election id {election_id} is not that of the primary ({state.highest})",
                "arbitrate with a higher election id, or write from the primary",
            )
