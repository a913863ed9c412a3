"""Characters to tokens.

A token is a tuple (kind, text, pos, flags, hide):
  kind   "id" (also keywords), "num", "str", "op", "bad", "eof"
  flags  LINE_START: first on its line; SPACE: white space stands before it
  hide   names of the macros whose expansion made it; they are not expanded in it again

`>` is always a token of its own; the expression parser joins two adjacent ones to a shift, so that
`register<bit<8>>` needs no help from the lexer.
"""
from __future__ import annotations

import re

from .source import FILE_SHIFT, Diagnostics, SourceFile

LINE_START = 1
SPACE = 2
NO_HIDE: frozenset[str] = frozenset()

Token = tuple[str, str, int, int, frozenset[str]]

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
    append = out.append
    base = file.number << FILE_SHIFT
    flags = LINE_START
    for match in _TOKEN.finditer(file.text):
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
            append((kind or "bad", text, base + start, flags, NO_HIDE))
            flags = 0
    return out


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
