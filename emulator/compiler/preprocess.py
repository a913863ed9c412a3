"""The C preprocessor of P4: #include, #define with arguments, #if and friends, # and ##.

Works on tokens, so a token keeps the place it was written at through all expansions. A token that a macro's body
made stands at the place of the macro's call. Rescanning follows Prosser's algorithm with hide sets.
"""
from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .condition import evaluate_condition
from .lexer import LINE_START, NO_HIDE, SPACE, Token, lex
from .long_strings import PIECES, join, tidy
from .macros import Macro, define, settle, spelled, substitute
from .source import Diagnostics, SourceFile

BUILTIN_INCLUDE = Path(__file__).parent / "p4include"
MAX_DEPTH = 64
MAX_EXPANDED = 2_000_000
"""Words that the macros of one source may make in all: thirty times those of 256 floats a packet."""


@dataclass(slots=True)
class _Group:
    """One open #if: are we emitting, has some branch been taken, has #else been seen."""

    pos: int
    emitting: bool
    taken: bool
    seen_else: bool = False


@dataclass(slots=True)
class Preprocessor:
    """Holds the macros and the include path while one translation unit is read."""

    diags: Diagnostics
    include: Sequence[str | os.PathLike[str]] = ()
    macros: dict[str, Macro] = field(default_factory=dict)
    once: set[str] = field(default_factory=set)
    depth: int = 0
    counter: int = 0
    expanded: int = 0
    depends: list[str] = field(default_factory=list)

    def define_text(self, text: str) -> None:
        """-D NAME or NAME=VALUE."""
        name, _, value = text.partition("=")
        file = self.diags.add_file("<command line>", value if "=" in text else "1", system=True)
        params = None
        if "(" in name:
            name, _, rest = name.partition("(")
            params = tuple(p.strip() for p in rest.rstrip(")").split(","))
        self.macros[name.strip()] = Macro(name.strip(), params, False, tuple(lex(file, self.diags)))

    def run_file(self, file: SourceFile) -> list[Token]:
        """Tokens of the file with all directives carried out."""
        tokens = lex(file, self.diags)
        self.depends.append(file.name)
        out: list[Token] = []
        groups: list[_Group] = []
        pending: list[Token] = []
        index, count = 0, len(tokens)
        while index < count:
            token = tokens[index]
            if token[1] == "#" and token[3] & LINE_START:
                end = index + 1
                while end < count and not tokens[end][3] & LINE_START:
                    end += 1
                self._directive(tokens[index:end], file, groups, pending, out)
                index = end
                continue
            if not groups or groups[-1].emitting:
                pending.append(token)
            index += 1
        self._flush(pending, out)
        if groups:
            self.diags.error(groups[-1].pos, "#if without #endif")
        return out

    def _flush(self, pending: list[Token], out: list[Token]) -> None:
        if pending:
            out.extend(self.expand(pending))
            pending.clear()

    def _directive(self, line: list[Token], file: SourceFile, groups: list[_Group], pending: list[Token],
                   out: list[Token]) -> None:
        if len(line) == 1:
            return
        name, pos, rest = line[1][1], line[1][2], line[2:]
        emitting = not groups or groups[-1].emitting
        if name in _CONDITIONALS:  # may stand within the arguments of a macro: what is pending goes on behind it
            self._conditional(name, pos, rest, groups, emitting)
            return
        if not emitting:
            return
        self._flush(pending, out)
        if name == "include":
            self._include(line, file, out)
        elif name == "define":
            macro = define(pos, rest, self.diags)
            if macro is not None:
                self.macros[macro.name] = macro
        elif name == "undef":
            if rest:
                self.macros.pop(rest[0][1], None)
        elif name == "error":
            raise self.diags.fatal(pos, "#error " + spelled(rest))
        elif name == "warning":
            self.diags.warn(pos, "#warning " + spelled(rest), "preprocessor")
        elif name == "pragma":
            if rest and rest[0][1] == "once":
                self.once.add(os.path.realpath(file.name))
        elif name != "line" and line[1][0] != "num":
            self.diags.warn(pos, f"unknown preprocessor directive #{name}: the line is skipped", "preprocessor")

    def _conditional(self, name: str, pos: int, rest: list[Token], groups: list[_Group], emitting: bool) -> None:
        if name in ("if", "ifdef", "ifndef"):
            taken = emitting and self._test(name, pos, rest)
            groups.append(_Group(pos, taken, taken or not emitting))
            return
        if not groups:
            self.diags.error(pos, f"#{name} without #if")
            return
        group = groups[-1]
        if name == "endif":
            groups.pop()
            return
        if group.seen_else:
            self.diags.error(pos, f"#{name} after #else")
        if name == "else":
            group.seen_else = True
            group.emitting = not group.taken
            group.taken = True
            return
        group.emitting = not group.taken and self._test("if" + name[4:], pos, rest)
        group.taken = group.taken or group.emitting

    def _test(self, name: str, pos: int, rest: list[Token]) -> bool:
        if name == "if":
            return evaluate_condition(rest, pos, self.macros, self.expand, self.diags)
        if not rest or rest[0][0] != "id":
            self.diags.error(pos, f"#{name} needs a macro name")
            return False
        return (rest[0][1] in self.macros) == (name == "ifdef")

    def _include(self, line: list[Token], file: SourceFile, out: list[Token]) -> None:
        rest = line[2:]
        if rest and rest[0][0] == "id":
            rest = self.expand(list(rest))
        if not rest or not (rest[0][0] == "str" or rest[0][1] == "<"):
            self.diags.error(line[1][2], "#include needs \"file\" or <file>")
            return
        pos = rest[0][2]
        quoted = rest[0][0] == "str"
        if quoted:
            target = rest[0][1][1:-1]
        else:
            target = "".join(t[1] for t in rest[1:-1])
        path = self._find(target, file if quoted else None)
        if path is None:
            raise self.diags.fatal(pos, f"included file not found: {target}")
        if os.path.realpath(path) in self.once:
            return
        if self.depth >= MAX_DEPTH:
            raise self.diags.fatal(pos, f"#include nested too deeply: {target}")
        self.depth += 1
        out.extend(self.run_file(read_source(path, self.diags, pos)))
        self.depth -= 1

    def _find(self, target: str, including: SourceFile | None) -> str | None:
        places: list[str | os.PathLike[str]] = []
        if including is not None:
            places.append(os.path.dirname(including.name))
        places += [*self.include, BUILTIN_INCLUDE]
        for place in places:
            path = os.path.join(place, target)
            if os.path.isfile(path):
                return path
        return None

    def expand(self, tokens: list[Token]) -> list[Token]:
        """Macro-expand a list of tokens."""
        macros = self.macros
        if any(t[0] in PIECES for t in tokens):
            tokens = [(*t[:1], tidy(t[1], self._expand_text), *t[2:]) if t[0] in ("line", "close") else t for t in tokens]
        if not any(t[0] == "id" and (t[1] in macros or t[1] in _DYNAMIC) for t in tokens):
            return list(tokens)
        work = tokens[::-1]
        out: list[Token] = []
        while work:
            token = work.pop()
            if token[0] != "id":
                out.append(token)
                continue
            name = token[1]
            macro = macros.get(name)
            if macro is None:
                out.append(self._dynamic(token) if name in _DYNAMIC else token)
            elif name in token[4]:
                out.append(token)
            elif macro.params is None:
                body = [(t[0], t[1], token[2], t[3], NO_HIDE) for t in macro.body]
                body = substitute(macro, [], token, self.expand, self.diags) if any(t[1] == "##" for t in body) else body
                work.extend(reversed(self._put(body, token, token[4] | {name})))
            elif work and work[-1][1] == "(":
                args, close = self._arguments(macro, token, work)
                hide = (token[4] & close[4]) | {name}
                body = substitute(macro, args, token, self.expand, self.diags)
                work.extend(reversed(self._put(body, token, hide)))
            else:
                out.append(token)
        return out

    def _put(self, body: list[Token], call: Token, hide: frozenset[str]) -> list[Token]:
        self.expanded += len(body)
        if self.expanded > MAX_EXPANDED:
            raise self.diags.fatal(call[2], f"macros make more than {MAX_EXPANDED} words; is {call[1]} doubled again and again?")
        return _place(body, call, hide)

    def _expand_text(self, text: str) -> str:
        tokens = lex(SourceFile("<string>", text, 0), self.diags)
        return spelled(self.expand(tokens)) if any(t[1] in self.macros for t in tokens) else text

    def _dynamic(self, token: Token) -> Token:
        file, line, _ = self.diags.where(token[2])
        numbers = {"__LINE__": line, "__COUNTER__": self.counter, "__INCLUDE_LEVEL__": self.depth}
        if token[1] in numbers:
            self.counter += token[1] == "__COUNTER__"
            return ("num", str(numbers[token[1]]), *token[2:])
        return ("str", f'"{file.name if file else ""}"', token[2], token[3], token[4])

    def _arguments(self, macro: Macro, call: Token, work: list[Token]) -> tuple[list[list[Token]], Token]:
        """Take `( a, b )` off the work list."""
        work.pop()
        args: list[list[Token]] = [[]]
        level = 0
        params = macro.params or ()
        while work:
            token = work.pop()
            text = token[1]
            if text == ")" and level == 0:
                if not params and len(args) == 1 and not args[0]:
                    args = []
                if len(args) != len(params) and not (macro.variadic and len(args) == len(params) - 1):
                    raise self.diags.fatal(
                        call[2], f"macro {macro.name} takes {len(params)} arguments, {len(args)} given")
                return args, token
            if text == "," and level == 0 and not (macro.variadic and len(args) == len(params)):
                args.append([])
                continue
            if text == "(":
                level += 1
            elif text == ")":
                level -= 1
            args[-1].append(token)
        raise self.diags.fatal(call[2], f"call of macro {macro.name} is never closed")


_CONDITIONALS = frozenset(["if", "ifdef", "ifndef", "elif", "elifdef", "elifndef", "else", "endif"])
_DYNAMIC = frozenset(["__LINE__", "__FILE__", "__COUNTER__", "__INCLUDE_LEVEL__"])


def _place(body: Iterable[Token], call: Token, hide: frozenset[str]) -> list[Token]:
    """A macro's tokens as they stand at the call: the first takes the call's spacing."""
    out = []
    for i, t in enumerate(body):
        flags = call[3] if i == 0 else t[3] & ~LINE_START | (SPACE if t[3] & LINE_START else 0)
        out.append((t[0], t[1], t[2], flags, t[4] | hide))
    return out


def read_source(path: str, diags: Diagnostics, pos: int = -1) -> SourceFile:
    """Read a file as UTF-8, or, where comments are in another encoding, byte by byte. Errors are reported at `pos`."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise diags.fatal(pos, f"cannot read {path}: {error.strerror}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    if "\0" in text:
        raise diags.fatal(pos, f"cannot read {path}: not text")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    system = os.path.realpath(path).startswith(os.path.realpath(BUILTIN_INCLUDE) + os.sep)
    return diags.add_file(path, text, system)


def without_markers(tokens: Sequence[Token], diags: Diagnostics) -> list[Token]:
    """The tokens of a preprocessed program without the lines that say where its text comes from."""
    out: list[Token] = []
    marker = False
    for at, token in enumerate(tokens):
        if token[3] & LINE_START:
            marker = token[1] == "#"
            kind, name = tokens[at + 1][:2] if marker and at + 1 < len(tokens) else ("num", "")
            if marker and kind != "num" and name not in ("line", "pragma"):
                diags.error(token[2], f"#{name} in a program that is said to be preprocessed (--nocpp)")
        if not marker:
            out.append(token)
    return out


def preprocess(path: str, diags: Diagnostics, include: Sequence[str | os.PathLike[str]] = (),
               defines: Sequence[str] = (), undefines: Sequence[str] = (), directives: bool = True) -> list[Token]:
    """Read a program and everything it includes; the tokens end with an "eof" token.

    directives: False for a program that another preprocessor has been through.
    """
    pre = Preprocessor(diags, include)
    for text in ("__P4C__=1", "__p4c__=1", "__p4c_major__=1", "__TARGET_BMV2__=1", *defines):
        pre.define_text(text)
    for name in undefines:
        pre.macros.pop(name, None)
    main = read_source(path, diags)
    tokens = pre.run_file(main) if directives else without_markers(lex(main, diags), diags)
    end = (main.number << 32) + len(main.text.rstrip())
    tokens = join(settle(tokens, diags), diags.files)
    tokens.append(("eof", "", end, LINE_START | SPACE, NO_HIDE))
    return tokens
