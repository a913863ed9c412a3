"""Both forms of packet tests: what they accept, and that each kind of difference is found and shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.switch.stf import (
    CaseError,
    Result,
    difference,
    form_of,
    form_of_text,
    read_lines,
    report,
    run_file,
    run_text,
)
from emulator.switch.switch import Switch
from tests.switch.programs import Builder, assign, const, do, field, header, sm

GOLDEN = Path(__file__).parents[1] / "golden"
RUNTIME = {"type": "runtime_data", "value": 0}


def switch() -> Switch:
    """Forwards by an exact, a ternary and an lpm table, each of which may set the port; sends digests."""
    build = Builder()
    build.header("h", [("a", 8), ("b", 16), ("c", 8)])
    build.stack("s", [("x", 8)], 2)
    build.extract("h")
    build.register("Ig.r", 16, 4)
    build.doc["counter_arrays"].append({"name": "Ig.seen", "id": 0, "size": 4, "is_direct": False})
    build.doc["learn_lists"].append({"id": 1, "name": "learn", "elements": [field("h", "a")]})
    build.action("Ig.out", [assign(sm("egress_spec"), RUNTIME)], [("port", 9)])
    build.action("Ig.clone", [do("clone_ingress_pkt_to_egress", const(5), const(0))])
    build.action("Ig.drop", [do("mark_to_drop", header("standard_metadata"))])
    build.run("first", [
        do("count", {"type": "counter_array", "value": "Ig.seen"}, const(1)),
        do("generate_digest", const(1), const(1)),
    ])  # fmt: skip
    names = ["Ig.out", "Ig.clone", "Ig.drop"]
    build.table("Ig.exact", [("exact", "h", "a"), ("exact", "h", "$valid$")], names)
    build.table("Ig.tern", [("ternary", "h", "b")], names)
    build.table("Ig.lpm", [("lpm", "h", "c")], names)
    return Switch.load(build.json(), engine="interp")


def play(text: str, form: str = "auto") -> Result:
    return run_text(switch(), text, form)


REFERENCE_PASSES = {
    "prefix": "packet 1 01 0002 03 0405\nexpect 0 0100",
    "exact end": "packet 1 01000203\nexpect 0 01 00 02 03 $",
    "wildcards": "packet 1 01000203\nexpect 0 0* 00** 03 $",
    "any packet": "packet 1 01000203\nexpect 0",
    "port not named is not looked at": "packet 1 01000203",
    "half a byte is passed over": "packet 0 010\nwait",
    "suffix names": "add exact a:1 valid:1 out(port:7)\npacket 1 01000203\nexpect 7 01000203 $",
    "unset exact key is 0": "add exact a:1 drop()\npacket 1 01000203\nexpect 0 01000203",
    "hex wildcards": "add tern 1 b:0x01** out(port:7)\npacket 1 01012303\nexpect 7\npacket 1 01022303\nexpect 0",
    "binary wildcards": "add tern 1 h.b:0b*******1 out(port:7)\npacket 1 01000103\nexpect 7",
    "larger priority wins": "add tern 1 b:0x0*** out(port:7)\nadd tern 2 b:0x01** out(port:8)\npacket 0 01012303\nexpect 8",
    "lpm": "add lpm c:0x80/1 out(port:3)\nadd lpm c:0x00/0 out(port:4)\n"
    "packet 1 01000280\nexpect 3\npacket 1 01000270\nexpect 4",
    "tables are filled first": "packet 1 01000203\nexpect 7\nadd exact a:1 $valid$:1 out(port:7)",
    "mirror": "mirroring_add 5 6\nadd exact a:1 h.valid:1 clone()\npacket 1 01000203\nexpect 6 01000203 $\nexpect 0",
    "mirror to a group": "mc_mgrp_create 1\nmc_node_create 400 6 7\nmc_node_associate 1 0\nmirroring_add_mc 5 1\n"
    "add exact a:1 valid:1 clone()\npacket 1 01000203\nexpect 6\nexpect 7",
    "default": "setdefault exact out(port:9)\npacket 1 01000203\nexpect 9",
    "counter": "packet 1 01000203\nexpect 0\ncheck_counter seen[1] == 1\ncheck_counter Ig.seen 1 bytes == 4",
    "remove": "add exact a:1 h:1 drop() = $x\nremove $x\npacket 1 01000203\nexpect 0",
    "registers": "register_write r 1 5\nregister_read r 1\nregister_reset r",
    "tabs and trailing comments": "packet\t1\t0100 0203 # in\nexpect\t0\t01 00 02 03\t$ # out",
    "nothing but the end mark is an empty packet": "no_packet 3\npacket 1 01000203\nexpect 0 01000203 $",
    "no packet": "packet 1 01000203\nexpect 0 01\nno_packet",
    "any packets": "packet 1 01000203\npacket 1 01000203\nexpect 0",
    "spaces around colons": "add exact h.a : 1 valid: 1 out( port : 7 )\npacket 1 01000203\nexpect 7",
    "capital digits": "packet 1 0100020A\nexpect 0 0100020a$",
    "arguments without names": "add exact a:1 valid:1 out(7)\npacket 1 01000203\nexpect 7",
    "names in quotes": 'add "Ig.exact" "h.a":0x01 "h.$valid$":1 "Ig.out"("port":7)\npacket 1 01000203\nexpect 7',
    "a priority of no use": "add exact 5 a:1 valid:1 out(port:7)\npacket 1 01000203\nexpect 7",
    "mask": "add tern b:0x0100&&&0xff00 out(port:7)\npacket 1 01012303\nexpect 7 $*".replace("$*", "01012303$"),
    "prefix in a ternary key": "add tern b:0x0100/8 out(port:7)\npacket 1 01012303\nexpect 7",
    "counters compared": "packet 1 01000203\nexpect 0\ncheck_counter seen(1) packets >= 1\ncheck_counter seen 1 bytes < 5\n"
    "check_counter seen[1] != 3\ncheck_counter seen(0) = 0",
}


@pytest.mark.parametrize("text", REFERENCE_PASSES.values(), ids=REFERENCE_PASSES.keys())
def test_reference_form_holds(text: str) -> None:
    result = play(text)
    assert result.passed, "\n".join(report(result, "x"))
    assert result.form == "reference"


REFERENCE_FAILS = {
    "another byte": ("packet 1 01000203\nexpect 0 0101", "another packet left port 0"),
    "longer than expected": ("packet 1 0100020304\nexpect 0 01000203$", "another packet left port 0"),
    "shorter than expected": ("packet 1 01000203\nexpect 0 0100020304", "another packet left port 0"),
    "nothing came": ("packet 1 01000203\nexpect 5 01", "no packet left port 5"),
    "one too many": ("packet 1 01000203\npacket 1 01000203\nexpect 0 01", "not expected"),
    "extra on a named port": ("packet 0 01000203\n", "not expected"),
    "order": ("packet 1 01000203\npacket 1 02000203\nexpect 0 02\nexpect 0 01", "another packet"),
    "unknown table": ("add nix a:1 out(port:1)", "no table 'nix'"),
    "unknown key": ("add exact z:1 out(port:1)", "no key 'z'"),
    "unknown action": ("add exact a:1 nix()", "no action in table Ig.exact 'nix'"),
    "arguments": ("add exact a:1 out()", "takes (port)"),
    "unknown command": ("frob 1", "no command 'frob'"),
    "counter": ("packet 1 01000203\nexpect 0\ncheck_counter seen[1] == 2", "counted 1 packets, expected 2"),
    "no number": ("add exact a:x out(port:1)", "'x' is not a number"),
    "empty packet expected": ("packet 1 01000203\nexpect 0 $", "another packet left port 0"),
    "no packet": ("packet 1 01000203\nno_packet", "a packet left port 0 that is not expected"),
    "counter bound": ("check_counter seen(1) bytes >= 2", "counted 0 bytes, expected >= 2"),
    "counter of no entry": ("check_counter seen($x) == 2", "no entry was called $x"),
    "check_counter": ("check_counter", "is written NAME[INDEX]"),
    "too wide": ("add exact a:256 out(port:1)", "'256' does not fit key 'h.a' of 8 bits"),
    "argument too wide": ("add exact a:1 out(port:512)", "'512' does not fit parameter 'port' of 9 bits"),
    "prefix too long": ("add lpm c:1/9 out(port:1)", "a prefix of key 'h.c' has 0 to 8 bits"),
    "mask in an exact key": ("add exact a:0x** out(port:1)", "takes one number"),
    "two values": ("add exact a:1 h.a:2 out(port:1)", "has two values"),
    "no value": ("add exact 1 a out(port:1)", "'a' is not KEY:VALUE"),
    "add what": ("add out(port:1)", "'add' needs a table"),
    "expect where": ("expect", "'expect' needs a port"),
    "not hexadecimal": ("expect 0 0g", "is not hexadecimal"),
    "end mark inside": ("expect 0 01$02", "is not hexadecimal"),
    "words": ("mirroring_add 1", "'mirroring_add' is written mirroring_add SESSION PORT"),
    "rates": ("meter_set_rates m 0", "is written meter_set_rates METER INDEX"),
    "ambiguous": ("add t a:1 out(port:1)", "there is no table 't'"),
}


@pytest.mark.parametrize(("text", "words"), REFERENCE_FAILS.values(), ids=REFERENCE_FAILS.keys())
def test_reference_form_fails(text: str, words: str) -> None:
    result = play(text, "reference")
    assert not result.passed
    assert words in "\n".join(report(result, "x"))


GOLDEN_FAILS = {
    "another byte": ("packet 1 01000203\nexpect 0 01000204", "another packet left port 0"),
    "a prefix is not enough": ("packet 1 01000203\nexpect 0 0100", "another packet left port 0"),
    "not expected at all": ("packet 1 01000203\nexpect_none *", "a packet left port 0 that is not expected"),
    "nothing came": ("packet 1 01000203\nexpect 0 01000203\nexpect 1 01", "no packet left port 1"),
    "next packet": ("packet 1 01000203\npacket 1 02000203\nexpect 0 02000203", "not expected"),
    "digest": ("packet 1 01000203\nexpect 0 01000203\nexpect_digest learn 0x02", "the digests differ"),
    "no digest expected": ("packet 1 01000203\nexpect 0 01000203", "received learn 0x1"),
    "register": ("register_read Ig.r 0 5", "register Ig.r[0] is 0, expected 5"),
    "counter": ("counter_read Ig.seen 1 1 4", "is (0, 0), expected (1, 4)"),
    "unknown handle": ("remove Ig.exact $x", "$x was not made before"),
    "unknown key": ("add Ig.exact nix:1 Ig.drop()", "no key 'nix'"),
    "missing exact key": ("add Ig.exact h.a:1 Ig.drop()", "the exact key 'h.$valid$' needs a value"),
}


@pytest.mark.parametrize(("text", "words"), GOLDEN_FAILS.values(), ids=GOLDEN_FAILS.keys())
def test_golden_form_fails(text: str, words: str) -> None:
    result = play(text, "golden")
    assert not result.passed
    assert words in "\n".join(report(result, "x"))


def test_golden_form_holds() -> None:
    text = """
        add Ig.tern 2 h.b:0x0100&&&0xff00 Ig.out(port:7) = $t
        packet 1 01010203
        expect 7 01010203
        expect_digest learn 0x01
        modify Ig.tern $t Ig.drop()
        packet 1 01010203
        expect_none *
        expect_digest learn 0x01
        remove Ig.tern $t
        packet 1 01010203
        expect 0 01010203
        expect_digest learn 0x01
        counter_read Ig.seen 1 3 12
    """
    result = play(text)
    assert result.passed and result.form == "golden" and result.packets == 3


@pytest.mark.parametrize("case", sorted(GOLDEN.glob("*/case.stf")), ids=lambda p: p.parent.name)
def test_every_expectation_counts(case: Path) -> None:
    """One digit of the last expected packet changed: the case must fail."""
    lines = case.read_text().splitlines()
    at = max(
        i
        for i, line in enumerate(lines)
        if line.startswith("expect ") and len(line.split("#")[0].split()) == 3
    )
    words = lines[at].split("#")[0].split()
    digit = "1" if words[2][-1] == "0" else "0"
    lines[at] = f"expect {words[1]} {words[2][:-1]}{digit}"
    result = run_text(Switch.load(case.parent / "program.json", engine="interp"), "\n".join(lines), "golden")
    assert [failure.line for failure in result.failures] == [at + 1]


def test_forms_are_told_apart() -> None:
    assert form_of(read_lines("packet 1 00\nexpect_none *")) == "golden"
    assert form_of(read_lines("add t k:1->2 a()")) == "golden"
    assert form_of(read_lines("mirroring_add 1 2\npacket 1 00")) == "reference"
    assert form_of(read_lines("packet 1 00\nexpect 1 00")) == "reference"
    assert form_of(read_lines("add t 1 k:1&&&1 a()\nexpect 1 00 $")) == "reference"


def test_a_file_that_shows_neither_form() -> None:
    """A comment settles it, then the golden suite's names; every file of that suite is what it is."""
    plain = "packet 1 00\nexpect 1 00"
    assert form_of_text(plain, "mine.stf") == "reference" and form_of_text(plain, "case.stf") == "golden"
    assert form_of_text("# form: golden\n" + plain) == "golden"
    assert form_of_text("expect_none *\n  #form:reference\n" + plain, "case.stf") == "reference"
    for path in sorted(GOLDEN.glob("*/*.stf")):
        assert form_of_text(path.read_text(), path.name) == "golden", path
    assert form_of(read_lines("add t 1 k:1&&&1 a()\nexpect 1 00")) == "golden"
    assert form_of(read_lines("expect 1 0*\nexpect_none 2")) == "golden"


def test_difference_marks_digits() -> None:
    assert difference("01*2", "01f2") == ()
    assert difference("0102", "0112ff") == (
        "byte    0  expected 0102",
        "           received 0112ff",
        "                      ^ ^^",
    )


def test_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="cannot read"):
        run_file(switch(), tmp_path / "nix.stf")
    (tmp_path / "b.stf").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CaseError, match="not text"):
        run_file(switch(), tmp_path / "b.stf")
