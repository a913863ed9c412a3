"""The expressions of #if: integers, defined, and C's operators."""
from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from .lexer import NO_HIDE, Token, parse_number
from .macros import Macro
from .source import CompileError, Diagnostics

_BINARY: list[dict[str, Callable[[int, int], int]]] = [
    {"||": lambda a, b: int(bool(a) or bool(b))},
    {"&&": lambda a, b: int(bool(a) and bool(b))},
    {"|": lambda a, b: a | b},
    {"^": lambda a, b: a ^ b},
    {"&": lambda a, b: a & b},
    {"==": lambda a, b: int(a == b), "!=": lambda a, b: int(a != b)},
    {"<": lambda a, b: int(a < b), ">": lambda a, b: int(a > b),
     "<=": lambda a, b: int(a <= b), ">=": lambda a, b: int(a >= b)},
    {"<<": lambda a, b: _shifted(a, b), ">>": lambda a, b: _shifted(a, -b)},
    {"+": lambda a, b: a + b, "-": lambda a, b: a - b},
    {"*": lambda a, b: a * b, "/": lambda a, b: _quotient(a, b), "%": lambda a, b: a - b * _quotient(a, b)},
]
_OCTAL = re.compile(r"0[0-7]+\Z")
_SUFFIX = re.compile(r"[uUlL]{1,3}\Z")


def _quotient(left: int, right: int) -> int:
    """Towards zero, as C has it."""
    if not right:
        raise ZeroDivisionError("division by zero")
    found = abs(left) // abs(right)
    return found if (left < 0) == (right < 0) else -found


def _shifted(value: int, count: int) -> int:
    """To the left; to the right for a negative count."""
    return value << min(count, 64) if count >= 0 else value >> -count


def _wrapped(value: int) -> int:
    """As 64 bits with a sign hold it."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


class _Parser:
    """Precedence climbing over the words of one #if line."""

    def __init__(self, words: list[tuple[str, str]]) -> None:
        self.words = words
        self.at = 0
        self.skipped = 0
        """How many operators around this place already have their value without it: what it divides by does not matter."""

    def peek(self) -> str:
        return self.words[self.at][1] if self.at < len(self.words) else ""

    def ternary(self) -> int:
        value = self.binary(0)
        if self.peek() != "?":
            return value
        self.at += 1
        yes = self.unless(not value, self.ternary)
        self.take(":")
        no = self.unless(bool(value), self.ternary)
        return yes if value else no

    def unless(self, skip: bool, read: Callable[[], int]) -> int:
        """What `read` finds; with `skip` its value is not needed."""
        self.skipped += skip
        value = read()
        self.skipped -= skip
        return value

    def take(self, text: str) -> None:
        if self.peek() != text:
            raise ValueError(f"expected '{text}' in the condition")
        self.at += 1

    def binary(self, level: int) -> int:
        if level == len(_BINARY):
            return self.unary()
        left = self.binary(level + 1)
        while self.peek() in _BINARY[level]:
            name = self.peek()
            self.at += 1
            settled = bool(left) if name == "||" else name == "&&" and not left
            right = self.unless(settled, lambda: self.binary(level + 1))
            if name in ("/", "%") and not right and self.skipped:
                right = 1
            left = _wrapped(_BINARY[level][name](left, right))
        return left

    def unary(self) -> int:
        word = self.peek()
        if word in ("!", "-", "+", "~"):
            self.at += 1
            value = self.unary()
            return {"!": int(not value), "-": -value, "+": value, "~": ~value}[word]
        if word == "(":
            self.at += 1
            value = self.ternary()
            self.take(")")
            return value
        if self.at >= len(self.words):
            raise ValueError("the condition ends too early")
        kind, text = self.words[self.at]
        self.at += 1
        if kind == "num":
            return int(text, 8) if _OCTAL.match(text) else parse_number(text)[0]
        if kind == "id":
            return int(text == "true")
        raise ValueError(f"unexpected '{text}' in the condition")


def evaluate_condition(tokens: list[Token], pos: int, macros: Mapping[str, Macro],
                       expand: Callable[[list[Token]], list[Token]], diags: Diagnostics) -> bool:
    """Value of the condition of an #if; reports an error at `pos` and answers False when it has none."""
    words: list[tuple[str, str]] = []
    for token in expand(_without_defined(_unfolded(tokens, macros), macros)):
        close = not token[3]
        if close and token[1] == ">" and words and words[-1][1] == ">":
            words[-1] = ("op", ">>")
        elif close and token[0] == "id" and words and words[-1][0] == "num" and _SUFFIX.match(token[1]):
            continue
        elif token[1] == "'" and len(words) > 1 and words[-2][1] == "'" and len(words[-1][1]) == 1:
            words[-2:] = [("num", str(ord(words[-1][1])))]
        else:
            words.append((token[0], token[1]))
    parser = _Parser(words)
    try:
        value = parser.ternary()
        if parser.at != len(words):
            raise ValueError(f"unexpected '{parser.peek()}' in the condition")
    except (ValueError, ZeroDivisionError) as error:
        if isinstance(error, CompileError):
            raise
        diags.error(pos, f"bad #if: {error}")
        return False
    return bool(value)


def _unfolded(tokens: list[Token], macros: Mapping[str, Macro], within: frozenset[str] = frozenset()) -> list[Token]:
    """Macros whose text asks for `defined` replaced by it: what that names must not be expanded before it is looked at."""
    out: list[Token] = []
    for token in tokens:
        macro = macros.get(token[1]) if token[0] == "id" and token[1] not in within else None
        if macro is not None and macro.params is None and any(t[0] == "id" for t in macro.body):
            body = _unfolded(list(macro.body), macros, within | {token[1]})
            out.extend(body if any(t[1] == "defined" for t in body) else [token])
        else:
            out.append(token)
    return out


def _without_defined(tokens: list[Token], macros: Mapping[str, object]) -> list[Token]:
    """`defined X` and `defined(X)` replaced by 1 or 0."""
    out: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token[1] != "defined":
            out.append(token)
            index += 1
            continue
        names = [t for t in tokens[index + 1:index + 4] if t[0] == "id"][:1]
        wrapped = index + 1 < len(tokens) and tokens[index + 1][1] == "("
        known = bool(names) and names[0][1] in macros
        out.append(("num", str(int(known)), token[2], token[3], NO_HIDE))
        index += 4 if wrapped else 2
    return out
