"""`select` by numbers without width, and without a label that fits, in the top parser and in sub-parsers."""
from __future__ import annotations

from pathlib import Path

import pytest

from .harness import compile_text, run, source

IN = "0102030400050006"
TOP = "const int K = 5; enum bit<8> E { A = 1 }"


@pytest.mark.parametrize(("cases", "taken"), [
    ("select(1) { 1: a; default: accept; }", True),
    ("select(1) { 2: a; default: accept; }", False),
    ("select(K + 1) { 5: accept; 6: a; }", True),
    ("select(-3) { 3: accept; -3: a; }", True),
    ("select(6) { 2 &&& 2: a; default: accept; }", True),
    ("select(6) { 1 &&& 1: a; default: accept; }", False),
    ("select(K) { 2 .. 4: accept; 5 .. 5: a; }", True),
    ("select(K) { _: a; }", True),
    # together with what only the packet tells: h.a is 1
    ("select(K, hdr.h.a) { (4, 1): accept; (5, 2): accept; (5, 1): a; default: accept; }", True),
    ("select(hdr.h.a, K) { (1 .. 3, 5 &&& 4): a; (_, _): accept; }", True),
    ("select({hdr.h.a, 1}, K) { ({1, 2}, 5): accept; ({1, 1}, 5): a; }", True),
    ("select((E)hdr.h.a, 7) { (E.A, 7): a; default: accept; }", True),
])
def test_numbers_without_width(cases: str, taken: bool, tmp_path: Path) -> None:
    parser = f"state start {{ pkt.extract(hdr.h); transition {cases} }} state a {{ hdr.h.b = 0xbb; transition accept; }}"
    wanted = "01bb030400050006" if taken else IN
    for engine in ("interp", "jit"):
        assert run(source("", parser=parser, top=TOP), IN, tmp_path, engine) == [(1, wanted)]


def test_labels_of_a_number_are_numbers(tmp_path: Path) -> None:
    for cases, words in (("select(1) { hdr.h.a: accept; }", "expected int, found bit<8>"),
                         ("select(1) { 8w1: accept; }", "expected int, found bit<8>")):
        result = compile_text(source("", parser=f"state start {{ pkt.extract(hdr.h); transition {cases} }}"), tmp_path)
        assert words in result.text()


SUB = """parser Q(packet_in p, out h_t h) {
    state start { p.extract(h); h.d = 9; transition select(h.a) { 7: accept; 8: reject; } }
}"""
INNER = "Q() q; state start { q.apply(pkt, hdr.h); hdr.h.c = 0xcc; transition accept; }"
OUTER = "state start { pkt.extract(hdr.h); hdr.h.d = 9; transition select(hdr.h.a) { 7: on; 8: reject; } } " \
        "state on { hdr.h.c = 0xcc; transition accept; }"
BODY = "if (sm.parser_error == error.NoMatch) hdr.h.b = 0xee; else if (sm.parser_error == error.NoError) hdr.h.b = 0;"


@pytest.mark.parametrize("parser", [INNER, OUTER], ids=["sub-parser", "parser"])
@pytest.mark.parametrize(("mode", "unmatched", "rejected"), [
    ("accept", "01000309", "08000309"), ("error", "01ee0309", "08000309"), ("drop", "", "")])
def test_no_label_fits(parser: str, mode: str, unmatched: str, rejected: str, tmp_path: Path) -> None:
    """Parsing ends as a whole: what the caller does after the sub-parser does not happen."""
    for engine in ("interp", "jit"):
        for first, wanted in (("01", unmatched), ("08", rejected), ("07", "0700cc09")):
            found = run(source(BODY, top=SUB, parser=parser), first + IN[2:], tmp_path, engine, reject=mode)
            assert found == ([(1, wanted + IN[8:])] if wanted else [])
