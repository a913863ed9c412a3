"""Packet tests: text files of table entries, packets and what must leave, in two forms.

The golden suite's form (tests/golden/README.md) is checked packet by packet and reads state back; the
reference compiler's STF is checked port by port at the end, with wildcards and prefixes. `run_file` tells
them apart by a comment `# form: golden` (or reference), by what only one of them has, and by the golden suite's names of files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from emulator.switch.errors import ControlError
from emulator.switch.switch import Switch

GOLDEN_ONLY = frozenset(
    [
        "expect_none",
        "expect_digest",
        "member",
        "group",
        "modify",
        "mc_group",
        "mirror",
        "mirror_mc",
        "meter_rates",
        "direct_meter_rates",
        "value_set_add",
        "value_set_clear",
        "counter_read",
        "direct_counter_read",
    ]
)


REFERENCE_ONLY = frozenset(
    [
        "mirroring_add",
        "mirroring_add_mc",
        "mirroring_get",
        "mirroring_delete",
        "mc_mgrp_create",
        "mc_node_create",
        "mc_node_associate",
        "check_counter",
        "no_packet",
        "register_reset",
        "wait",
    ]
)


class CaseError(Exception):
    """A line of the test file that cannot be carried out; one sentence."""


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    command: str
    rest: str

    @property
    def words(self) -> list[str]:
        return self.rest.split()

    def take(self, *names: str) -> list[str]:
        """The words, which must be as many as the names; a last name in brackets stands for any number."""
        words = self.words
        least = len(names) - names[-1].startswith("[")
        if len(words) < least or (len(words) > least and least == len(names)):
            raise CaseError(f"'{self.command}' is written {self.command} {' '.join(names)}")
        return words


@dataclass(frozen=True, slots=True)
class Failure:
    """What did not hold: the line it is about, one sentence, and the difference to look at (may be empty)."""

    line: int
    message: str
    difference: tuple[str, ...] = ()


@dataclass(slots=True)
class Result:
    form: str
    packets: int = 0
    checks: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.failures


def read_lines(text: str) -> list[Line]:
    """Commands with their line numbers; comments and blank lines dropped."""
    found = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#", 1)[0].strip()
        if line:
            command, *rest = line.split(None, 1)
            found.append(Line(number, command, rest[0] if rest else ""))
    return found


SAID = re.compile(r"^\s*#\s*form:\s*(golden|reference)\s*$", re.MULTILINE)
GOLDEN_NAMES = frozenset(["case.stf", "unrecorded.stf"])
"""Files of the golden suite: what nothing else tells is of its form there."""


def form_of_text(text: str, name: str = "") -> str:
    """ "golden" or "reference": as a comment says it, else by what only one form has, else by the file's name."""
    said = SAID.search(text)
    if said is not None:
        return said[1]
    return _signs(read_lines(text)) or ("golden" if name in GOLDEN_NAMES else "reference")


def form_of(lines: list[Line]) -> str:
    """ "golden" or "reference": by commands that only one form has, then by how lines are written; else reference."""
    return _signs(lines) or "reference"


def _signs(lines: list[Line]) -> str | None:
    commands = {line.command for line in lines}
    if commands & REFERENCE_ONLY:
        return "reference"
    if commands & GOLDEN_ONLY:
        return "golden"
    if any(_written_as_reference(line) for line in lines):
        return "reference"
    return "golden" if any(_written_as_golden(line) for line in lines) else None


def _written_as_reference(line: Line) -> bool:
    if line.command == "expect":
        return "$" in line.rest or "*" in line.rest or len(line.words) != 2
    if line.command == "packet":
        return len(line.words) > 2
    if line.command == "add":
        return any("*" in word.rpartition(":")[2] for word in line.words)
    return line.command == "register_read" and len(line.words) == 2


def _written_as_golden(line: Line) -> bool:
    if line.command == "add":
        return "->" in line.rest or "&&&" in line.rest
    return line.command == "register_read" and len(line.words) == 3


def run_file(switch: Switch, path: str | Path, form: str = "auto") -> Result:
    """Plays a test file on a fresh switch. Raises CaseError for a file that cannot be read."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise CaseError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise CaseError(f"{path} is not text in UTF-8") from None
    return run_text(switch, text, form, Path(path).name)


def run_text(switch: Switch, text: str, form: str = "auto", name: str = "") -> Result:
    """Plays the text of a test file. form: golden, reference or auto; name: of the file, which may tell."""
    from emulator.switch.stf_golden import GoldenCase
    from emulator.switch.stf_reference import ReferenceCase

    lines = read_lines(text)
    chosen = form_of_text(text, name) if form == "auto" else form
    case = (GoldenCase if chosen == "golden" else ReferenceCase)(switch, Result(chosen))
    for line in lines:
        try:
            case.play(line)
        except (CaseError, ControlError) as error:
            case.result.failures.append(Failure(line.number, str(error)))
        except (IndexError, ValueError) as error:
            case.result.failures.append(Failure(line.number, f"cannot be carried out: {error}"))
    case.finish()
    return case.result


CALL = re.compile(r"^(?P<before>.*?)(?P<name>[^\s()]+)\s*\((?P<args>[^)]*)\)\s*(?:=\s*(?P<handle>\S+))?\s*$")


def split_call(text: str) -> tuple[list[str], str, list[tuple[str, str]], str | None]:
    """ "words action(a:1,b:2) = $h" -> (words, action, [(a, 1), (b, 2)], $h)"""
    found = CALL.match(text)
    if found is None:
        raise CaseError("an action with its arguments in parentheses is missing")
    args = []
    for item in filter(None, (part.strip() for part in found["args"].split(","))):
        name, colon, value = item.rpartition(":")
        args.append((name, value) if colon else ("", item))
    return found["before"].split(), found["name"], args, found["handle"]


def hex_bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise CaseError(f"{text!r} is not a whole number of bytes in hexadecimal") from None


def number(text: str) -> int:
    """Decimal, 0x, 0b or 0o."""
    try:
        return int(text, 0)
    except ValueError:
        try:
            return int(text, 10)
        except ValueError:
            raise CaseError(f"{text!r} is not a number") from None


def difference(expected: str, found: str) -> tuple[str, ...]:
    """Two hex strings (`*` matches any digit) with marks below the digits that differ."""
    length = max(len(expected), len(found))
    marks = []
    for i in range(length):
        a, b = expected[i : i + 1], found[i : i + 1]
        marks.append(" " if a == b or (a == "*" and b) else "^")
    rows = []
    for start in range(0, length, 64):
        row = slice(start, start + 64)
        if "^" in marks[row]:
            rows += [
                f"byte {start // 2:4d}  expected {expected[row]}",
                f"           received {found[row]}",
                f"                    {''.join(marks[row]).rstrip()}",
            ]
    return tuple(rows)


def report(result: Result, path: str | Path) -> Iterator[str]:
    """Lines to print: one per failure with its difference, then the verdict."""
    for failure in result.failures:
        yield f"{path}:{failure.line}: {failure.message}"
        for row in failure.difference:
            yield f"    {row}"
    verdict = "passed" if result.passed else f"FAILED ({len(result.failures)} differences)"
    yield f"{path}: {verdict}, {result.packets} packets, {result.checks} checks ({result.form} form)"
