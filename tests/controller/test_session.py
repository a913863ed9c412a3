"""The wire form of jobs and members."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from controller import session
from controller.session import (
    MAX_LINE,
    Joined,
    JoinRequest,
    Lost,
    Member,
    Silent,
    SilentQuery,
    WireError,
    decode,
    encode,
)

MEMBERS = (Member(0, "10.0.0.1", "02:00:00:00:00:01", 3, 20000),)


@pytest.mark.parametrize(
    "message",
    [
        JoinRequest("j", 2, "10.0.0.1", 20000, 64, 2, "bf16", 128, 1),
        JoinRequest("j", 2, "10.0.0.1", 20000, 64, average=True),
        Joined(5, 0, 1, 0, 64, "02:00:00:00:00:fe", "10.0.0.254", 18000, MEMBERS),
        SilentQuery(65535, 0xFFFFFFFF),
        Silent((0, 31), "why"),
        Lost(3, "why"),
    ],
    ids=lambda m: type(m).__name__,
)
def test_round_trip(message: object) -> None:
    line = encode(message.wire())  # type: ignore[attr-defined]
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert type(message).read(decode(line)) == message  # type: ignore[attr-defined]


GOOD = JoinRequest("j", 2, "10.0.0.1", 20000, 64).wire()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workers", 0), ("workers", 129), ("workers", True), ("workers", "2"), ("workers", None), ("rank", 2),
        ("rank", -1), ("host", "h1"), ("host", 5), ("udp_port", 0), ("udp_port", 65536), ("slots", 0), ("slots", 1.5),
        ("queues", 0), ("format", "fp64"), ("elements", 0), ("job", ""), ("job", "x" * 201), ("job", None), ("average", 1),
    ],
)  # fmt: skip
def test_join_refuses_and_names_the_field(name: str, value: object) -> None:
    with pytest.raises(WireError, match=f"'{name}'"):
        JoinRequest.read({**GOOD, name: value})


@pytest.mark.parametrize("line", [b"", b"x", b"[]", b"5", b'{"a":', b"\xff", b"[" * 50000, b"{" + b" " * MAX_LINE])
def test_lines_that_are_no_message(line: bytes) -> None:
    with pytest.raises(WireError):
        decode(line)


def test_a_refusal_is_the_controller_s_own_sentence() -> None:
    with pytest.raises(WireError, match="no room"):
        Joined.read(session.refusal("no room"))
    with pytest.raises(WireError, match="not understood"):
        Silent.read({"ok": 1})


def test_standard_library_only() -> None:
    """Workers import this module and must not get gRPC with it."""
    tree = ast.parse(Path(session.__file__).read_text())
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [node.module or ""]
        assert all(name.split(".")[0] in sys.stdlib_module_names for name in names)
