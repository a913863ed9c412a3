"""Strings over several lines, in the arguments of annotations: @entry_restriction("...").

The lexer makes one piece of each line (kinds "open", "line", "close"), so that conditional directives between the lines act,
as they do for the reference, whose preprocessor knows nothing of such strings. `join` makes one "str" of the pieces.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from .source import FILE_SHIFT, SourceFile

Token = tuple[str, str, int, int, frozenset[str]]
PIECES = frozenset(["open", "line", "close"])
_QUOTE = re.compile(r'(?:\\.|[^"\\])*"')
_DIRECTIVE = re.compile(r"[ \t]*#(?:\\\n|[^\n])*\n?")
_COMMENT = re.compile(r"//|/\*")
_BLANKS = re.compile(r"[ \t\r\f\v]+")


def in_annotation(tokens: Sequence[Token]) -> bool:
    """Would the next token be an argument of an annotation?"""
    depth = 0
    for at in range(len(tokens) - 1, 1, -1):
        text = tokens[at][1]
        if text in (")", "]"):
            depth += 1
        elif text in ("(", "["):
            depth -= 1
            if depth < 0 and tokens[at - 2][1] == "@":
                return True
            depth = max(depth, 0)
        elif text == ";":
            return False
    return False


def pieces(text: str, start: int) -> list[tuple[str, int, int]] | None:
    """(kind, begin, end) for each line of the string that begins with the quote at `start`, "directive" among the kinds;
    None if it is never closed."""
    end = text.find("\n", start)
    found = [("open", start, end)]
    while end >= 0:
        begin = end + 1
        directive = _DIRECTIVE.match(text, begin)
        if directive:
            end = directive.end() - 1
            found.append(("directive", begin, end))
            continue
        end = text.find("\n", begin)
        quote = _QUOTE.match(text, begin, end if end >= 0 else len(text))
        if quote:
            return [*found, ("close", begin, quote.end())]
        found.append(("line", begin, end))
    return None


def tidy(line: str, expand: Callable[[str], str]) -> str:
    """A line between the first and the last as a preprocessor leaves it: macros expanded, except in comments, blanks
    between words made one."""
    line = line.rstrip()
    words = line.lstrip()
    indent = len(line) - len(words)
    comment = _COMMENT.search(words)
    code = words[:comment.start()] if comment else words
    rest = words[comment.start():] if comment else ""
    blank = " " if rest and code[-1:].isspace() else ""
    return " " * indent + _BLANKS.sub(" ", expand(code.rstrip())) + blank + rest


def join(tokens: list[Token], files: Sequence[SourceFile]) -> list[Token]:
    """The pieces of each string as one token; lines that directives took stay empty."""
    if not any(token[0] in PIECES for token in tokens):
        return tokens
    out: list[Token] = []
    for token in tokens:
        kind, text, pos = token[:3]
        if kind == "open":
            out.append(token)
        elif kind in PIECES and out and out[-1][0] == "open":
            first = out.pop()
            lines = _line(pos, files) - _line(first[2], files) - first[1].count("\n")
            whole = first[1] + "\n" * max(lines, 1) + text
            out.append(("str" if kind == "close" else "open", whole, *first[2:]))
        else:
            out.append(token)
    return out


def _line(pos: int, files: Sequence[SourceFile]) -> int:
    return files[pos >> FILE_SHIFT].locate(pos & ((1 << FILE_SHIFT) - 1))[0]
