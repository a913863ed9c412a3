"""Characters to tokens.

A token is a tuple (kind, text, pos, flags, hide):
  kind   "id" (also keywords), "num", "str", "op", "bad", "eof"; "open", "line", "close": parts of a string over several lines
  flags  LINE_START: first on its line; SPACE: white space stands before it
  hide   names of the macros whose expansion made it; they are not expanded in it again

`>` is always a token of its own; the expression parser joins two adjacent ones to a shift, so that
`register<bit<8>>` needs no help from the lexer.
"""
from __future__ import annotations

import re

from .long_strings import Token, in_annotation, pieces
from .source import FILE_SHIFT, Diagnostics, SourceFile

LINE_START = 1
SPACE = 2
NO_HIDE: frozenset[str] = frozenset()

_TOKEN = re.compile(
    r"""
  (?P<ws>(?:[ \t\r\f\v]|\\\r?\n)+)
| (?P<nl>\n)
| (?P<id>[A-Za-z_][A-Za-z0-9_]*)
| (?P<num>(?:[0-9]+[ws])?(?:0[xX][0-9a-fA-F_]+|0[dD][0-9_]+|0[oO][0-7_]+|0[bB][01_]+|[0-9][0-9_]*))
| (?P<str>"(?:\\.|[^"\\\n])*")
| (?P<lc>//(?:[^\n\\]|\\.|\\\n)*)
| (?P<bc>/\*.*?\*/)
| (?P<op>\|\+\|=|\|-\|=|&&&|<<=|\.\.\.|\|\+\||\|-\||&&|\|\||==|!=|<=|>=|<<|\+\+|\.\.|\+=|-=|\*=|/=|%=|&=|\|=|\^=|\#\#
    |[-+*/%&|^~!<>=?:;,.(){}\[\]@\#_])
| (?P<bad>.)
""",
    re.VERBOSE | re.DOTALL,
)

KEYWORDS = frozenset(
    [
        "abstract", "action", "bool", "bit", "break", "const", "continue", "control", "default", "else",
        "enum", "error", "exit", "extern", "false", "for", "header", "header_union", "if", "in", "inout",
        "int", "match_kind", "out", "package", "parser", "return", "select", "string", "struct", "switch",
        "table", "transition", "true", "tuple", "typedef", "value_set", "varbit", "void", "_",
    ]
)
"""Words that cannot name anything. apply, key, actions, state, entries, type, priority, list and this can."""


def lex(file: SourceFile, diags: Diagnostics) -> list[Token]:
    """All tokens of a file, without the end mark. Characters no token begins with become "bad" tokens."""
    out: list[Token] = []
    flags, at = LINE_START, 0
    while at >= 0:
        at, flags = _lex(file, diags, out, at, len(file.text), flags)
    return out


def _lex(file: SourceFile, diags: Diagnostics, out: list[Token], at: int, end: int, flags: int) -> tuple[int, int]:
    """Tokens from `at` to `end`, or to the end of a string over several lines: where that is (otherwise -1), and the flags
    of the next token."""
    append = out.append
    base = file.number << FILE_SHIFT
    for match in _TOKEN.finditer(file.text, at, end):
        kind = match.lastgroup
        if kind == "ws":
            flags |= SPACE
        elif kind == "nl":
            flags = LINE_START | SPACE
        elif kind == "lc" or kind == "bc":
            flags |= SPACE
        else:
            text = match.group()
            start = match.start()
            if text == "/" and file.text.startswith("/*", start):
                raise diags.fatal(base + start, "comment is never closed")
            if text == '"' and in_annotation(out):
                after = _long_string(file, diags, out, start, flags)
                if after >= 0:
                    return after, 0
            append((kind or "bad", text, base + start, flags, NO_HIDE))
            flags = 0
    return -1, flags


def _long_string(file: SourceFile, diags: Diagnostics, out: list[Token], start: int, flags: int) -> int:
    """The pieces of a string over several lines, and where it ends; -1 if it does not."""
    found = pieces(file.text, start)
    base = file.number << FILE_SHIFT
    for kind, begin, end in found or ():
        if kind == "directive":
            _lex(file, diags, out, begin, end, LINE_START)
        else:
            out.append((kind, file.text[begin:end], base + begin, flags if kind == "open" else LINE_START, NO_HIDE))
    return found[-1][2] if found else -1


def parse_number(text: str) -> tuple[int, int | None, bool]:
    """Value, width (None when the literal has none) and signedness of a number token."""
    match = re.match(r"([0-9]+)([ws])", text)
    width: int | None = None
    signed = False
    if match and not text.startswith(("0x", "0X")):
        width, signed = int(match.group(1)), match.group(2) == "s"
        text = text[match.end():]
    digits = text.replace("_", "")
    prefix = digits[:2].lower()
    base = {"0x": 16, "0d": 10, "0o": 8, "0b": 2}.get(prefix)
    value = int(digits[2:], base) if base else int(digits, 10)
    return value, width, signed


def spell(tokens: list[Token]) -> str:
    """Tokens as text again, with lines and single spaces kept (for -E)."""
    parts: list[str] = []
    for _, text, _, flags, _ in tokens:
        if flags & LINE_START and parts:
            parts.append("\n")
        elif flags & SPACE and parts:
            parts.append(" ")
        parts.append(text)
    return "".join(parts) + "\n"
