"""What happens to one member of a header union happens to all: only one of them is ever valid."""
from __future__ import annotations

from pathlib import Path

import pytest

from .harness import run, source

H = "0102030400050006"
PARSER = """state start { pkt.extract(hdr.h); transition select(hdr.h.a) { 1: x; 2: y; default: accept; } }
            state x { pkt.extract(hdr.u.u1); transition accept; }
            state y { pkt.extract(hdr.u.u2); transition accept; }"""


@pytest.mark.parametrize(("body", "wanted"), [
    # u.u1 holds 07 and is valid; 08 is payload
    ("hdr.u.u2.setInvalid();", H + "08"),
    ("hdr.u.u1.setInvalid();", H + "08"),
    ("u2_t z; z.setInvalid(); hdr.u.u2 = z;", H + "08"),
    ("hdr.u.u2 = hdr.u.u2;", H + "08"),
    ("hdr.u.u1 = hdr.u.u1;", H + "0708"),
    ("hdr.u.u2 = {#};", H + "08"),
    ("u2_t z; z.setValid(); z.q = 0x1122; hdr.u.u2 = z;", H + "112208"),
    ("hdr.u.u2 = {0x5566};", H + "556608"),
    ("hdr.u.u2.setValid();", H + "000008"),
    ("if (hdr.u.isValid()) hdr.h.b = 8; hdr.u.u2.setInvalid(); if (hdr.u.isValid()) hdr.h.c = 8;", "0108030400050006" + "08"),
    # an out parameter that stays invalid
    ("nothing(hdr.u.u2);", H + "08"),
    ("u_t v = hdr.u; hdr.u.u1.setInvalid(); hdr.u = v;", H + "0708"),
])
@pytest.mark.parametrize("engine", ["interp", "jit"])
def test_members_of_a_union(body: str, wanted: str, engine: str, tmp_path: Path) -> None:
    text = source(body, parser=PARSER, top="void nothing(out u2_t v) { }")
    assert run(text, H + "0708", tmp_path, engine) == [(1, wanted)]


@pytest.mark.parametrize("engine", ["interp", "jit"])
def test_members_in_a_stack_of_unions(engine: str, tmp_path: Path) -> None:
    """The element is chosen at run time."""
    parser = "state start { pkt.extract(hdr.h); pkt.extract(hdr.v.next.u1); pkt.extract(hdr.v.next.u1); transition accept; }"
    text = source("hdr.v[hdr.h.a].u2.setInvalid();", parser=parser).replace("s_t[3] s;", "s_t[3] s; u_t[2] v;")
    assert run(text, H + "0708", tmp_path, engine) == [(1, H + "07")]
    text = text.replace("u2.setInvalid()", "u2 = {#}").replace("hdr.v[hdr.h.a]", "hdr.v[hdr.h.a - 1]")
    assert run(text, H + "0708", tmp_path, engine) == [(1, H + "08")]
