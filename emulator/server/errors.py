"""Refusals: what is wrong, and what to do about it, as P4Runtime wants to hear it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controller.p4rt.protos import ErrorInfo, RpcStatus, p4r
from controller.p4rt.status import Code

SPACE = "fpisa"


class Refused(Exception):
    """One update, entity or call that the switch will not do. `str()` is the cause and the remedy."""

    def __init__(self, code: Code, cause: str, remedy: str = "") -> None:
        super().__init__(cause)
        self.code = code
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.cause}; {self.remedy}" if self.remedy else self.cause


def invalid(cause: str, remedy: str = "") -> Refused:
    return Refused(Code.INVALID_ARGUMENT, cause, remedy)


def not_found(cause: str, remedy: str = "") -> Refused:
    return Refused(Code.NOT_FOUND, cause, remedy)


def unimplemented(cause: str, remedy: str = "") -> Refused:
    return Refused(Code.UNIMPLEMENTED, cause, remedy)


def denied(cause: str, remedy: str = "") -> Refused:
    return Refused(Code.PERMISSION_DENIED, cause, remedy)


# How the switch core words its refusals, as codes and remedies.
_KINDS = {
    "exists": (Code.ALREADY_EXISTS, "use MODIFY to change it"),
    "not_found": (Code.NOT_FOUND, "use INSERT to create it"),
    "full": (Code.RESOURCE_EXHAUSTED, "delete something, or give it a larger size in the P4 program"),
    "const": (Code.PERMISSION_DENIED, "the P4 program declares it constant; change the program"),
    "invalid": (Code.INVALID_ARGUMENT, ""),
    "unsupported": (Code.UNIMPLEMENTED, ""),
}


def from_control(error: Any) -> Refused:
    """A ControlError of the switch core as a refusal."""
    code, remedy = _KINDS.get(error.kind, (Code.UNKNOWN, ""))
    return Refused(code, str(error), remedy)


def to_message(refused: Refused | None) -> Any:
    """A p4.v1.Error; None is success. Cause and remedy also travel apart, in a google.rpc.ErrorInfo."""
    message = p4r.Error()
    if refused is None:
        return message
    message.canonical_code = int(refused.code)
    message.message = str(refused)
    message.space = SPACE
    info = ErrorInfo(reason=refused.code.name, domain=SPACE)
    info.metadata["cause"] = refused.cause
    if refused.remedy:
        info.metadata["remedy"] = refused.remedy
    message.details.Pack(info)
    return message


def batch_status(results: Sequence[Refused | None]) -> Any:
    """The google.rpc.Status of a Write of which some updates failed: one p4.v1.Error per update, in order."""
    failed = [r for r in results if r is not None]
    first = next(r for r in failed if r.code != Code.ABORTED)
    status = RpcStatus(code=int(Code.UNKNOWN))
    status.message = f"{len(failed)} of {len(results)} updates failed; the first: {first}"
    for result in results:
        status.details.add().Pack(to_message(result))
    return status
