"""The expressions of #if: integers, defined, and C's operators."""
from __future__ import annotations

from collections.abc import Callable, Mapping

from .lexer import NO_HIDE, Token, parse_number
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
    {"<<": lambda a, b: a << b, ">>": lambda a, b: a >> b},
    {"+": lambda a, b: a + b, "-": lambda a, b: a - b},
    {"*": lambda a, b: a * b, "/": lambda a, b: int(a / b), "%": lambda a, b: a - b * int(a / b)},
]


class _Parser:
    """Precedence climbing over the words of one #if line."""

    def __init__(self, words: list[tuple[str, str]]) -> None:
        self.words = words
        self.at = 0

    def peek(self) -> str:
        return self.words[self.at][1] if self.at < len(self.words) else ""

    def ternary(self) -> int:
        value = self.binary(0)
        if self.peek() != "?":
            return value
        self.at += 1
        yes = self.ternary()
        self.take(":")
        no = self.ternary()
        return yes if value else no

    def take(self, text: str) -> None:
        if self.peek() != text:
            raise ValueError(f"expected '{text}' in the condition")
        self.at += 1

    def binary(self, level: int) -> int:
        if level == len(_BINARY):
            return self.unary()
        left = self.binary(level + 1)
        while self.peek() in _BINARY[level]:
            apply = _BINARY[level][self.peek()]
            self.at += 1
            left = apply(left, self.binary(level + 1))
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
            return parse_number(text)[0]
        if kind == "id":
            return int(text == "true")
        raise ValueError(f"unexpected '{text}' in the condition")


def evaluate_condition(tokens: list[Token], pos: int, macros: Mapping[str, object],
                       expand: Callable[[list[Token]], list[Token]], diags: Diagnostics) -> bool:
    """Value of the condition of an #if; reports an error at `pos` and answers False when it has none."""
    replaced: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token[1] == "defined":
            names = [t for t in tokens[index + 1:index + 4] if t[0] == "id"][:1]
            wrapped = index + 1 < len(tokens) and tokens[index + 1][1] == "("
            known = bool(names) and names[0][1] in macros
            replaced.append(("num", str(int(known)), token[2], token[3], NO_HIDE))
            index += 4 if wrapped else 2
            continue
        replaced.append(token)
        index += 1
    words: list[tuple[str, str]] = []
    for token in expand(replaced):
        if token[1] == ">" and words and words[-1][1] == ">" and not token[3]:
            words[-1] = ("op", ">>")
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
