"""Source files, positions and diagnostics.

A position is one int: the file's number times 2**32 plus the offset of the character in the file. It is turned
into line and column only when a diagnostic is printed, so tokens and tree nodes stay small.
"""
from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

FILE_SHIFT = 32
OFFSET_MASK = (1 << FILE_SHIFT) - 1
NO_POS = -1


@dataclass(slots=True)
class SourceFile:
    """One file read by the compiler; `name` is the path as the user wrote it."""

    name: str
    text: str
    number: int
    system: bool = False
    _starts: list[int] | None = None

    def starts(self) -> list[int]:
        """Offsets at which the lines begin."""
        if self._starts is None:
            starts, at = [0], self.text.find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = self.text.find("\n", at + 1)
            self._starts = starts
        return self._starts

    def locate(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both counted from 1."""
        starts = self.starts()
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def line(self, number: int) -> str:
        starts = self.starts()
        begin = starts[number - 1]
        end = self.text.find("\n", begin)
        return self.text[begin:] if end < 0 else self.text[begin:end]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message with its place; `kind` is "error" or "warning", `name` is the class --Wdisable takes."""

    kind: str
    pos: int
    message: str
    name: str
    file: str
    line: int
    column: int
    source: str

    def render(self) -> str:
        if self.line == 0:
            return f"{self.file or 'fpisa compile'}: {self.kind}: {self.message}"
        head = f"{self.file}:{self.line}:{self.column}: {self.kind}: {self.message}"
        text = self.source.replace("\t", " ")
        return f"{head}\n    {text}\n    {' ' * (self.column - 1)}^"


class CompileError(Exception):
    """Compilation cannot go on; the reasons are in the Diagnostics."""


@dataclass(slots=True)
class Diagnostics:
    """Collects messages; knows the files, so that it can say where things are.

    `disabled` names the classes of warning to leave out, `as_errors` those to count as errors ("*" means all, without
    those in `kept`).
    """

    files: list[SourceFile] = field(default_factory=list)
    items: list[Diagnostic] = field(default_factory=list)
    disabled: set[str] = field(default_factory=set)
    as_errors: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    max_errors: int = 20
    error_count: int = 0

    def add_file(self, name: str, text: str, system: bool = False) -> SourceFile:
        file = SourceFile(name, text, len(self.files), system)
        self.files.append(file)
        return file

    def where(self, pos: int) -> tuple[SourceFile | None, int, int]:
        if pos < 0:
            return None, 0, 0
        file = self.files[pos >> FILE_SHIFT]
        line, column = file.locate(min(pos & OFFSET_MASK, len(file.text)))
        return file, line, column

    def line_of(self, pos: int) -> int:
        return self.where(pos)[1]

    def describe(self, pos: int) -> str:
        """`file:line:column`, for messages that point at a second place."""
        file, line, column = self.where(pos)
        return f"{file.name}:{line}:{column}" if file else "built in"

    def error(self, pos: int, message: str) -> None:
        """Record an error once per place and text; give up after max_errors."""
        if any(d.kind == "error" and d.pos == pos and (d.message == message or pos != NO_POS) for d in self.items):
            return
        self._add("error", pos, message, "")
        self.error_count += 1
        if self.error_count >= self.max_errors:
            raise CompileError("too many errors")

    def fatal(self, pos: int, message: str) -> CompileError:
        """Record an error and return the exception to raise."""
        self.error(pos, message)
        return CompileError(message)

    def warn(self, pos: int, message: str, name: str) -> None:
        file = self.where(pos)[0]
        if file is not None and file.system:
            return
        if name in self.as_errors or ("*" in self.as_errors and not self.disabled & {name, "*"} and name not in self.kept):
            self.error(pos, f"{message} [--Werror={name}]")
            return
        if name in self.disabled or "*" in self.disabled:
            return
        if any(d.pos == pos and d.message == message for d in self.items):
            return
        self._add("warning", pos, f"{message} [{name}]", name)

    def _add(self, kind: str, pos: int, message: str, name: str) -> None:
        file, line, column = self.where(pos)
        source = file.line(line) if file else ""
        self.items.append(Diagnostic(kind, pos, message, name, file.name if file else "", line, column, source))

    @property
    def failed(self) -> bool:
        return self.error_count > 0

    def render(self) -> str:
        return "\n".join(d.render() for d in self.items)
