"""The token verbs of the parser (peek, accept, expect, mark, reset) and the scopes of type names.

P4's grammar needs to know whether an identifier names a type. The parser answers from a stack of scopes which it
fills as it meets declarations; nothing else of name resolution happens here.
"""
from __future__ import annotations

from .lexer import KEYWORDS, LINE_START, SPACE, Token
from .source import Diagnostics

BASE_TYPES = frozenset(["bit", "int", "varbit", "bool", "error", "string", "void", "tuple", "list", "_"])


class SyntaxProblem(Exception):
    """Unwinds to the nearest place where parsing can go on."""


class TokenReader:
    """Walks the token list."""

    def __init__(self, tokens: list[Token], diags: Diagnostics) -> None:
        self.tokens = tokens
        self.at = 0
        self.diags = diags
        self.scopes: list[dict[str, str]] = [{}]
        self.quiet = 0
        self.braces = 0
        self.ignored: frozenset[str] = frozenset()

    # -- token verbs
    def text(self) -> str:
        return self.tokens[self.at][1]

    def peek(self, ahead: int = 1) -> str:
        index = min(self.at + ahead, len(self.tokens) - 1)
        return self.tokens[index][1]

    def pos(self) -> int:
        return self.tokens[self.at][2]

    def next(self) -> Token:
        token = self.tokens[self.at]
        if self.at < len(self.tokens) - 1:
            self.at += 1
        return token

    def accept(self, text: str) -> bool:
        token = self.tokens[self.at]
        if token[1] == text and token[0] != "str":
            self.at += 1
            return True
        return False

    def expect(self, text: str, after: str = "") -> int:
        token = self.tokens[self.at]
        if token[1] == text and token[0] != "str":
            self.at += 1
            return token[2]
        problem = self.unexpected(f"'{text}'" + (f" {after}" if after else ""))
        if text == ";" and not self.quiet and (token[1] == "}" or token[3] & LINE_START) and token[0] != "eof":
            return token[2]  # forgotten at the end of a line: what follows is read as if it were there
        raise problem

    def mark(self) -> int:
        return self.at

    def reset(self, mark: int) -> None:
        self.at = mark

    def unexpected(self, wanted: str) -> SyntaxProblem:
        kind, text, pos, _, _ = self.tokens[self.at]
        found = {"eof": "the end of the file"}.get(kind, f"'{text}'")
        if kind == "id" and text in KEYWORDS:
            found = f"the keyword '{text}'"
        return self.problem(pos, f"expected {wanted}, found {found}")

    def problem(self, pos: int, message: str) -> SyntaxProblem:
        if not self.quiet:
            self.diags.error(pos, message)
        return SyntaxProblem(message)

    def adjacent(self, ahead: int) -> bool:
        """Does the token at `ahead` follow the one before it without a gap?"""
        index = self.at + ahead
        return index < len(self.tokens) and not self.tokens[index][3] & (SPACE | LINE_START)

    # -- names
    def is_name(self, ahead: int = 0) -> bool:
        token = self.tokens[min(self.at + ahead, len(self.tokens) - 1)]
        return token[0] == "id" and token[1] not in KEYWORDS

    def name(self, what: str = "a name") -> tuple[str, int]:
        token = self.tokens[self.at]
        if token[0] != "id" or token[1] in KEYWORDS:
            raise self.unexpected(what)
        self.at += 1
        return token[1], token[2]

    def declare(self, name: str, kind: str) -> None:
        """kind: "type", "generic" (a type that takes arguments) or "value"."""
        self.scopes[-1][name] = kind

    def kind_of(self, name: str) -> str | None:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return None

    def push(self) -> None:
        self.scopes.append({})

    def pop(self) -> None:
        self.scopes.pop()

    def at_type(self) -> bool:
        """Does a type begin here?"""
        kind, text = self.tokens[self.at][:2]
        if kind == "op":
            return text == "." and self.kind_of_global(self.peek()) in ("type", "generic")
        if kind != "id":
            return False
        if text in BASE_TYPES:
            return text != "list" or self.peek() == "<"
        return text not in KEYWORDS and self.kind_of(text) in ("type", "generic")

    def kind_of_global(self, name: str) -> str | None:
        return self.scopes[0].get(name)

    def skip_to(self, stop: frozenset[str]) -> None:
        """Recovery: go to the next `;` or `}` at this depth, or to a word a declaration begins with."""
        depth = 0
        while self.tokens[self.at][0] != "eof":
            text = self.text()
            if depth == 0 and (text in stop and self.tokens[self.at][3] & LINE_START):
                return
            if text in "{":
                depth += 1
            elif text == "}":
                if depth == 0:
                    return
                depth -= 1
                if depth == 0:
                    self.at += 1
                    return
            elif text == ";" and depth == 0:
                self.at += 1
                return
            self.at += 1
