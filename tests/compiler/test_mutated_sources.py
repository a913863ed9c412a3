"""Sources with something broken in them: the compiler says what is wrong, or compiles what the switch then loads.

Mutations work on the text: names, numbers and operators are replaced by others of the same program, statements are
left out, doubled or put elsewhere, and bytes are damaged. Most sources are small, so that many fit into a run.
"""
from __future__ import annotations

import os
import random
import re
from pathlib import Path

import pytest

from emulator.compiler.api import compile_file
from emulator.switch.load import load_model

from .harness import source

GOLDEN = sorted((Path(__file__).resolve().parents[1] / "golden").glob("*/program.p4"))
FIRST = int(os.environ.get("FPISA_FUZZ_SEED", "20261121"))
NUMBERS = ("0", "1", "2", "255", "8w3", "-1", "4w15", "16w7", "1000", "32s1", "true", "(hdr.h.a)", "0x", "9w")
OPERATORS = (
    "+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "==", "!=", "<", ">", "&&", "||", "++", "|+|", "|-|", "&&&", "..", "?",
)
NAME, NUMBER = re.compile(r"\b[A-Za-z_]\w*"), re.compile(r"\b\d\w*")
OPERATOR = re.compile(r"(?<= )(?:" + "|".join(re.escape(o) for o in OPERATORS) + r")(?= )")
STATEMENT = re.compile(r"[^;{}]+;")
SMALL = (
    source("hdr.h.a = hdr.h.b + 1; if (hdr.h.c > 3) { hdr.h.w[7:0] = hdr.h.d; } else { hdr.h.x = hdr.h.w; }"),
    source(
        "if (t.apply().hit) { hdr.h.b = 2; }",
        locals="action set(bit<8> v) { hdr.h.a = v; } action none() { } table t { key = { hdr.h.b : exact; hdr.h.c : ternary; }"
        " actions = { set; none; } default_action = none(); const entries = { (1, 2 &&& 3) : set(4); (5, _) : none(); } }",
    ),
    source(
        "switch (t.apply().action_run) { one: { hdr.h.a = 1; } default: { exit; } }",
        locals="action one() { hdr.h.c = 7; } table t { key = { hdr.h.w : lpm; } actions = { one; NoAction; } size = 16; }",
    ),
    source("bit<8> n; r.read(n, 3); n = n |+| 9; r.write(3, n); c.count(1); hdr.h.d = n;",
           locals="register<bit<8>>(8) r; counter(4, CounterType.packets) c;"),
    source("bit<16> s = f(hdr.h.w, hdr.h.a); hdr.h.x = s; for (bit<8> i in 1 .. 3) { hdr.h.b = hdr.h.b + i; }",
           top="bit<16> f(in bit<16> a, inout bit<8> b) { b = b + 1; if (b == 3) { return a; } return a << 2; }"),
    source("hdr.s.push_front(1); hdr.s[0].setValid(); hdr.s[0].v = 5; hdr.u.u1.setValid(); hdr.u.u1.p = 1; meta.i = { 1, 2 };",
           parser="state start { pkt.extract(hdr.h); transition select(hdr.h.a, hdr.h.b) { "
           "(1, _) : more; (2 .. 4, 5) : accept; default : last; } }"
           " state more { pkt.extract(hdr.s.next); transition select(hdr.s.last.v) { 0 &&& 1 : more; _ : accept; } }"
           " state last { verify(hdr.h.c != 0, error.NoMatch); transition accept; }"),
)


def mutated(seed: int) -> str:
    rng = random.Random(seed)
    text = rng.choice(GOLDEN).read_text() if rng.random() < 0.03 else rng.choice(SMALL)
    for _ in range(rng.choice((1, 1, 2, 3))):
        text = mutate(rng, text, text.rfind("#include"))
    return text


def mutate(rng: random.Random, text: str, start: int) -> str:
    """One change behind `start`, where the program's own text begins."""

    def places(pattern: re.Pattern[str]) -> list[re.Match[str]]:
        return list(pattern.finditer(text, max(0, start)))

    def swap(found: re.Match[str], new: str) -> str:
        return text[: found.start()] + new + text[found.end() :]

    kind = rng.randrange(7)
    pattern = (NAME, NAME, NUMBER, OPERATOR, STATEMENT, STATEMENT, NAME)[kind]
    found = places(pattern)
    if not found:
        return text
    one, other = rng.choice(found), rng.choice(found)
    if kind < 2:
        return swap(one, other.group())
    if kind == 2:
        return swap(one, rng.choice(NUMBERS))
    if kind == 3:
        return swap(one, rng.choice(OPERATORS))
    if kind == 4:
        return swap(one, rng.choice(("", one.group() * 2)))
    if kind == 5:
        return text[: one.end()] + other.group() + text[one.end() :]
    at = rng.randrange(one.start(), len(text))
    return text[:at] + rng.choice(("", "{", "}", ";", "(", ")", '"', "\\", "\0", "\u00e9", "#", "/*")) + text[at + 1 :]


def check(seed: int, folder: Path) -> bool:
    """Whether the source of that seed still compiled."""
    path = folder / "broken.p4"
    path.write_text(mutated(seed))
    result = compile_file(path)
    if result.json is None:
        errors = [d for d in result.diagnostics if d.kind == "error"]
        assert errors and all(d.message for d in errors), "refused without a word"
        return False
    load_model(result.json)
    return True


def run(seeds: range, folder: Path) -> int:
    compiled = 0
    for seed in seeds:
        try:
            compiled += check(seed, folder)
        except (Exception, RecursionError) as error:
            raise AssertionError(f"seed {seed}: {error!r}\n{mutated(seed)}") from error
    return compiled


def test_broken_sources_are_refused_with_a_word_or_run(tmp_path: Path) -> None:
    print(f"seed {FIRST}")
    compiled = run(range(FIRST, FIRST + 150), tmp_path)
    assert 10 < compiled < 140, "mutations that change nothing, or everything, find nothing"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (SMALL[2].replace("bit<16> w", "bit<0> w"), "a key needs at least one bit"),
        (SMALL[2].replace("size = 16", "size = -1"), "a table has 0 to 2147483648 entries, not -1"),
        (SMALL[5].replace("push_front(1)", "push_front(-1)"), "push_front takes a number of elements, not -1"),
        (SMALL[0].replace("hdr.h.a =", "verify(hdr.h.a == 1, error.NoMatch); hdr.h.a ="), "can only be called in a parser"),
    ],
    ids=["key of no bits", "negative size", "negative push", "verify in a control"],
)
def test_what_only_the_switch_had_refused(program: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "broken.p4").write_text(program)
    assert message in compile_file(tmp_path / "broken.p4").text()


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_broken_sources_at_length(tmp_path: Path) -> None:
    first = random.SystemRandom().randrange(1 << 40)
    print(f"seed {first}")
    run(range(first, first + 50_000), tmp_path)
