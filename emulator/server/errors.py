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


def to_message(refused: Refused | None, *, info: bool = True, text: bool = True) -> Any:
    """A p4.v1.Error; None is success. Cause and remedy also travel apart, in a google.rpc.ErrorInfo."""
    message = p4r.Error()
    if refused is None:
        return message
    message.canonical_code = int(refused.code)
    message.space = SPACE
    if text:
        message.message = str(refused)
    if info:
        details = ErrorInfo(reason=refused.code.name, domain=SPACE)
        details.metadata["cause"] = refused.cause
        if refused.remedy:
            details.metadata["remedy"] = refused.remedy
        message.details.Pack(details)
    return message


def batch_status(results: Sequence[Refused | None], limit: int, what: str = "updates") -> Any:
    """The google.rpc.Status of a Write (or a Read) of which some updates (requests) failed: one p4.v1.Error per update, in order.

    It travels as gRPC metadata, of which a client takes `limit` bytes. Where it would be longer, the parts that can
    be spared go first: causes and remedies apart, then the words of all but the first failures, then the list.
    """
    first = next(i for i, r in enumerate(results) if r is not None and r.code != Code.ABORTED)
    count = sum(r is not None for r in results)
    head = f"{count} of {len(results)} {what} failed; the first, number {first}: {results[first]}"[:1000]
    status = RpcStatus(code=int(Code.UNKNOWN), message=head)
    room = limit - len(status.message) * 2
    for info, words in ((True, len(results)), (False, len(results)), (False, first + 8)):
        if len(results) * 44 > room:
            break
        del status.details[:]
        for place, result in enumerate(results):
            status.details.add().Pack(to_message(result, info=info, text=place < words))
        if status.ByteSize() <= room:
            return status
    del status.details[:]
    status.message = f"{head}; send fewer updates at once to hear of each"
    return status
