"""Random macros and conditions: our preprocessor and the C preprocessor of the build must agree.

The first works on tokens with hide sets, the second on characters and contexts; nothing is shared. The seed is printed.
No word has a dot: in C 1..N is one word, in which no macro is seen; here it is a range.
"""
from __future__ import annotations

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from emulator.compiler.preprocess import preprocess
from emulator.compiler.source import CompileError, Diagnostics

NAMES = ("A", "B", "C", "D", "E")
WORDS = ("x", "y", "1", "8w", "+", ",", "foo", '"s"', "<", ">", "w", "0x", "7", *NAMES)
BINARY = ("||", "&&", "|", "^", "&", "==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%", "<<", ">>")
ATOMS = ("0", "1", "2", "7", "0x1F", "010", "3L", "defined(A)", "defined B", "A", "B", "F(2)", "'a'", "HAVE", "100000")
BLANKS = re.compile(r"\s+")


def reference(path: Path) -> tuple[str, bool]:
    """What the C preprocessor makes of a file, without white space, and whether it has errors."""
    if shutil.which("cpp") is None:
        pytest.skip("there is no C preprocessor on this machine")
    command = ["cpp", "-undef", "-nostdinc", "-x", "assembler-with-cpp", "-P", str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return BLANKS.sub("", found.stdout), found.returncode != 0


def ours(path: Path) -> tuple[str, bool]:
    diags = Diagnostics()
    diags.max_errors = 1 << 20
    try:
        return BLANKS.sub("", "".join(t[1] for t in preprocess(str(path), diags)[:-1])), diags.failed
    except CompileError:
        return "", True


def body(rng: random.Random, params: list[str]) -> str:
    """A macro's text: words, parameters, # and ##, parentheses in pairs."""
    out: list[str] = []
    depth = 0
    for _ in range(rng.randrange(7)):
        word = rng.choice([*WORDS, *params * 3, "(", ")"])
        if word == ")" and not depth:
            continue
        depth += (word == "(") - (word == ")")
        joined = bool(out) and rng.random() < 0.2
        if joined:
            out.append("##")
        elif word in params and rng.random() < 0.15:
            out.append("#")
        out.append(word)
    return " ".join(out + [")"] * depth)


def call(rng: random.Random, arity: dict[str, int | None], depth: int = 0) -> str:
    name = rng.choice([*NAMES, "x", "1", "q"])
    if name not in arity or depth > 2 or rng.random() < 0.2:
        return name
    count = arity[name]
    given = count if count is not None and rng.random() < 0.9 else rng.randrange(1, 3)
    args = (" ".join(call(rng, arity, depth + 1) for _ in range(rng.randrange(3))) for _ in range(given))
    return f"{name}({','.join(args)})"


def macros(rng: random.Random) -> str:
    lines: list[str] = []
    arity: dict[str, int | None] = {}
    for name in NAMES:
        params = ["a", "b", "c"][:rng.randrange(3)]
        kind = rng.choice(("object", "function", "variadic", "named"))
        tail = {"variadic": ["..."], "named": ["r..."]}.get(kind, [])
        extra = {"variadic": ["__VA_ARGS__"], "named": ["r"]}.get(kind, [])
        head = "" if kind == "object" else f"({','.join(params + tail)})"
        arity[name] = None if kind == "object" else len(params) + len(tail)
        lines.append(f"#define {name}{head} {body(rng, [] if kind == 'object' else params + extra)}")
    return "\n".join([*lines, " ".join(call(rng, arity) for _ in range(3)), ""])


def condition(rng: random.Random, depth: int = 0) -> str:
    kind = rng.randrange(4) if depth < 4 and rng.random() > 0.25 else -1
    if kind < 0:
        return rng.choice(ATOMS)
    if kind == 0:
        return f"{rng.choice('!-+~')} {condition(rng, depth + 1)}"
    if kind == 1:
        return f"({condition(rng, depth + 1)})"
    if kind == 2 and rng.random() < 0.3:
        return f"({condition(rng, depth + 1)} ? {condition(rng, depth + 1)} : {condition(rng, depth + 1)})"
    op = rng.choice(BINARY)
    right = rng.choice("123") if op in ("<<", ">>") else condition(rng, depth + 1)
    return f"{condition(rng, depth + 1)} {op} {right}"


def compare_macros(seed: int, count: int, folder: Path) -> None:
    path = folder / "macros.p4"
    for number in range(seed, seed + count):
        path.write_text(macros(random.Random(number)))
        found, wanted = ours(path), reference(path)
        assert found[1] == wanted[1] and (wanted[1] or found == wanted), f"seed {number}:\n{path.read_text()}"


def compare_conditions(seed: int, count: int, folder: Path) -> None:
    rng = random.Random(seed)
    text = "#define A 3\n#define F(x) ((x)*2-A)\n#define HAVE defined(A) && !defined(Q)\n"
    path = folder / "conditions.p4"
    for number in range(count):
        wanted = condition(rng)
        path.write_text(f"{text}#if {wanted}\nyes\n#else\nno\n#endif\n")
        found, other = ours(path), reference(path)
        assert found[1] == other[1] and (other[1] or found == other), f"seed {seed}, number {number}: {wanted}"


def test_macros_as_the_c_preprocessor(tmp_path: Path) -> None:
    compare_macros(100, 40, tmp_path)


def test_conditions_as_the_c_preprocessor(tmp_path: Path) -> None:
    compare_conditions(100, 40, tmp_path)


@pytest.mark.slow
def test_many_macros_and_conditions(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}")
    compare_macros(seed, 2000, tmp_path)
    compare_conditions(seed, 2000, tmp_path)
