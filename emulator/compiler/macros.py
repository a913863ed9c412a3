"""Macros: their definitions, and what stands in the place of a call: parameters, # and ##, variable arguments.

Beyond the language of C there is what GNU's preprocessor, which the reference runs, has: named variable arguments
(`args...`), and a comma before `##` and the variable arguments that goes when there are none.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .lexer import LINE_START, NO_HIDE, SPACE, Token, lex
from .source import Diagnostics, SourceFile

Expander = Callable[[list[Token]], list[Token]]
PASTED = "pasted"
"""The kind of what ## made and is no token yet, as 8w: another ## may make a number of it."""
_NUMBER_LIKE = re.compile(r"[0-9][A-Za-z0-9_]*\Z")
_VA_ARGS, _VA_OPT = "__VA_ARGS__", "__VA_OPT__"


@dataclass(frozen=True, slots=True)
class Macro:
    """variadic: the last of the parameters takes all further arguments."""

    name: str
    params: tuple[str, ...] | None
    variadic: bool
    body: tuple[Token, ...]


def define(pos: int, rest: list[Token], diags: Diagnostics) -> Macro | None:
    """The macro that the words behind #define make; None after an error."""
    if not rest or rest[0][0] != "id":
        diags.error(pos, "#define needs a macro name")
        return None
    name, body = rest[0][1], rest[1:]
    if not body or body[0][1] != "(" or body[0][3] & SPACE:
        return Macro(name, None, False, tuple(body))
    close = next((i for i, t in enumerate(body) if t[1] == ")"), None)
    if close is None:
        diags.error(pos, f"parameter list of macro {name} is never closed")
        return None
    words = [t[1] for t in body[1:close]]
    variadic = words[-1:] == ["..."]
    if variadic:
        del words[-1]
        if not words or words[-1] == ",":
            words.append(_VA_ARGS)
    return Macro(name, tuple(w for w in words if w != ","), variadic, tuple(body[close + 1:]))


def substitute(macro: Macro, args: list[list[Token]], call: Token, expand: Expander, diags: Diagnostics) -> list[Token]:
    """The macro's body with its parameters replaced; # and ## carried out. Variable arguments may be missing in `args`."""
    params = macro.params or ()
    by_name = dict(zip(params, [*args, []]))
    rest = params[-1] if macro.variadic else ""
    omitted = macro.variadic and (len(args) < len(params) or (len(params) == 1 and not args[0]))
    expanded: dict[str, list[Token]] = {}
    out: list[Token] = []
    body = macro.body
    index = 0
    while index < len(body):
        token = body[index]
        following = body[index + 1][1] if index + 1 < len(body) else ""
        if token[1] == "#" and following in by_name:
            text = spelled(by_name[following]).replace("\\", "\\\\").replace('"', '\\"')
            out.append(("str", f'"{text}"', call[2], token[3], NO_HIDE))
            index += 2
        elif token[1] == _VA_OPT and rest and following == "(":
            inner, index = _parenthesised(body, index + 1)
            if expand(list(by_name[rest])):
                part = Macro(macro.name, params, True, inner)
                out.extend(substitute(part, args, call, expand, diags))
        elif token[1] == "##" and out and index + 1 < len(body):
            right = list(by_name.get(following, [body[index + 1]]))
            if out[-1][1] == "," and rest and following == rest:
                out = out[:-1] if omitted else out + right
            else:
                paste(out, right, call, diags)
            index += 2
        elif token[1] in by_name:
            name = token[1]
            if following == "##":
                part_tokens = by_name[name] or [("op", "", call[2], token[3], NO_HIDE)]
            else:
                if name not in expanded:
                    expanded[name] = expand(list(by_name[name]))
                part_tokens = expanded[name]
            out.extend((t[0], t[1], t[2], t[3] if i else token[3], t[4]) for i, t in enumerate(part_tokens))
            index += 1
        else:
            out.append((token[0], token[1], call[2], token[3], NO_HIDE))
            index += 1
    return [t for t in out if t[1]]


def _parenthesised(body: Sequence[Token], at: int) -> tuple[tuple[Token, ...], int]:
    """What stands between the parenthesis at `at` and its partner, and the place behind."""
    depth = 0
    for end in range(at, len(body)):
        depth += (body[end][1] == "(") - (body[end][1] == ")")
        if depth == 0:
            return tuple(body[at + 1:end]), end + 1
    return tuple(body[at + 1:]), len(body)


def paste(out: list[Token], right: list[Token], call: Token, diags: Diagnostics) -> None:
    """Join the last of `out` to the first of `right`."""
    left = out.pop()
    if not right:
        out.append(left)
        return
    if left[0] == "id" and not left[3] & (SPACE | LINE_START) and out and out[-1][0] == "num":  # 8w, as it was written
        head = out.pop()
        left = (PASTED, head[1] + left[1], *head[2:])
    text = left[1] + right[0][1]
    glued = lex(SourceFile("<paste>", text, 0), diags)
    if len(glued) > 1 and _NUMBER_LIKE.match(text):
        out.append((PASTED, text, call[2], left[3], NO_HIDE))
    elif len(glued) > 1 and left[0] == PASTED:
        out += [left, (*right[0][:2], call[2], 0, NO_HIDE)]
    else:
        out.extend((t[0], t[1], call[2], left[3] if i == 0 else 0, NO_HIDE) for i, t in enumerate(glued))
    out.extend(right[1:])


def settle(tokens: list[Token], diags: Diagnostics) -> list[Token]:
    """The tokens without what ## left unfinished: it falls apart again."""
    if not any(t[0] == PASTED for t in tokens):
        return tokens
    out: list[Token] = []
    for token in tokens:
        if token[0] == PASTED:
            parts = lex(SourceFile("<paste>", token[1], 0), diags)
            out.extend((t[0], t[1], token[2], token[3] if i == 0 else 0, token[4]) for i, t in enumerate(parts))
        else:
            out.append(token)
    return out


def spelled(tokens: Sequence[Token]) -> str:
    """Tokens as text, with single spaces where white space stands."""
    return "".join((" " if i and t[3] & SPACE else "") + t[1] for i, t in enumerate(tokens))
