"""What went wrong on the wire, as an exception that answers questions instead of showing codes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from .protos import DecodeError, ErrorInfo, RpcStatus, p4r


class Code(IntEnum):
    """google.rpc.Code, which gRPC and P4Runtime share."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16

    @classmethod
    def of(cls, number: int) -> Code:
        return cls(number) if number in cls._value2member_map_ else cls.UNKNOWN


@dataclass(frozen=True)
class UpdateFailure:
    """One update of a batch that failed: its place in the batch, and why."""

    index: int
    code: Code
    message: str
    remedy: str = ""
    space: str = ""

    def __str__(self) -> str:
        return f"update {self.index}: {self.code.name}: {self.message}"


class P4RuntimeError(Exception):
    """A P4Runtime call failed. `str()` is one sentence or, for a batch, one line for each failed update."""

    def __init__(self, code: Code, message: str, failures: tuple[UpdateFailure, ...] = (), where: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.failures = failures
        self.where = where

    def __str__(self) -> str:
        lines = [str(failure) for failure in self.failures[:20]]
        if len(self.failures) > 20:
            lines.append(f"and {len(self.failures) - 20} more")
        head = f"{self.where}: " if self.where else ""
        return head + ("\n".join(lines) if lines else f"{self.code.name}: {self.message}")

    def _only(self, code: Code) -> bool:
        if self.failures:
            return all(failure.code in (code, Code.ABORTED) for failure in self.failures)
        return self.code == code

    @property
    def is_not_found_only(self) -> bool:
        """Everything that failed, failed because the entity is not there."""
        return self._only(Code.NOT_FOUND)

    @property
    def is_already_exists_only(self) -> bool:
        return self._only(Code.ALREADY_EXISTS)

    @property
    def is_not_primary(self) -> bool:
        return self.code == Code.PERMISSION_DENIED and not self.failures

    @property
    def is_pipeline_missing(self) -> bool:
        return self.code == Code.FAILED_PRECONDITION and not self.failures

    @property
    def is_election_id_used(self) -> bool:
        """simple_switch_grpc says so with INVALID_ARGUMENT; so does the specification."""
        return self.code == Code.INVALID_ARGUMENT and "lection" in self.message

    @property
    def is_unreachable(self) -> bool:
        return self.code in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)

    @property
    def is_unimplemented(self) -> bool:
        return self._only(Code.UNIMPLEMENTED)


def from_rpc_error(error: Any, where: str = "") -> P4RuntimeError:
    """A grpc.RpcError with its P4Runtime details, if any."""
    code = Code.of(error.code().value[0]) if error.code() is not None else Code.UNKNOWN
    message = error.details() or code.name
    if code == Code.UNAVAILABLE:
        message = f"no P4Runtime server answers there ({message})"
    return P4RuntimeError(code, message, _failures(error), where)


def _failures(error: Any) -> tuple[UpdateFailure, ...]:
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        try:
            status = RpcStatus.FromString(value)
            return tuple(failure for failure in _each(status) if failure.code != Code.OK)
        except DecodeError:
            return ()
    return ()


def _each(status: Any) -> list[UpdateFailure]:
    found = []
    for index, detail in enumerate(status.details):
        one = p4r.Error()
        if not detail.type_url.endswith("p4.v1.Error"):
            continue
        one.ParseFromString(detail.value)
        info = ErrorInfo()
        if one.details.type_url.endswith("google.rpc.ErrorInfo"):
            info.ParseFromString(one.details.value)
        found.append(
            UpdateFailure(index, Code.of(one.canonical_code), one.message, info.metadata.get("remedy", ""), one.space)
        )
    return found
