import io
import json
import subprocess
import sys

import numpy as np
import pytest

from fpisa import scalar
from fpisa.accuracy.inputs import random_words
from fpisa.formats import FORMATS, get_format
from fpisa.literals import parse_value, parse_word
from fpisa.sum_cli import main
from fpisa.sum_hex import sum_stream


def run_hex(monkeypatch, capsys, text, *options):
    stdin = io.TextIOWrapper(io.BytesIO(text.encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    status = main(["--hex", *options])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_values_words_and_specials_in_one_sum(capsys):
    assert main(["1.5", "-2.25", "0x7f800000"]) == 0
    out = capsys.readouterr().out
    assert "0xffd00000 (-3145728)" in out
    assert out.splitlines()[-1] == "result inf  word 0x7f800000  flags none"


def test_json_tells_every_step(capsys):
    assert main(["--json", "--shape", "approx", "1", "16777216", "-inf", "nan"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [step["events"] for step in told["steps"]][:2] == [[], ["inexact", "overwritten"]]
    assert (told["result"], told["value"], told["flag_names"]) == ("7fc00000", "nan", ["inexact", "invalid"])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("-1e5", 0xC7C35000), ("-.5", 0xBF000000), ("-inf", 0xFF800000), ("-nan", 0x7FC00000),
        ("1e999", 0x7F800000),
        ("-0", 0x80000000), ("1e-46", 0), ("-1e-400", 0x80000000), ("7.1e-46", 1), ("0x1p-149", 1),
        ("0.1", 0x3DCCCCCD), ("16777217", 0x4B800000), ("16777219", 0x4B800002), ("0X7F800001", 0x7F800001),
        ("1.00000005960464477539062500000000000001", 0x3F800001), ("1.000000059604644775390625", 0x3F800000),
        ("3.4028235677973367e38", 0x7F800000), ("3.4028235677973366e38", 0x7F7FFFFF),
    ],
)  # fmt: skip
def test_decimals_are_rounded_once(text, word, capsys):
    assert parse_value(get_format("fp32"), text) == word
    assert main([text]) == 0
    assert capsys.readouterr().out


def test_decimals_agree_with_the_machine(rng):
    fmt, half = get_format("fp32"), get_format("fp16")
    for value in (rng.standard_normal(2000) * 10.0 ** rng.uniform(-48, 40, 2000)).tolist():
        with np.errstate(over="ignore"):
            assert parse_value(fmt, repr(value)) == int(np.float32(value).view(np.uint32))
            assert parse_value(half, repr(value)) == int(np.float16(value).view(np.uint16))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("shape", ["exact", "approx"])
def test_hex_lines_are_the_scalar_sums(name, shape, rng, monkeypatch, capsys):
    fmt = get_format(name)
    lines = [random_words(rng, fmt, int(rng.integers(1, 9))).tolist() for _ in range(300)]
    text = "".join(" ".join(f"{word:x}" for word in line) + "\n" for line in lines)
    status, out, _ = run_hex(
        monkeypatch, capsys, text, "--format", name, "--shape", shape, "--rounding", "rtz"
    )
    expected = [scalar.sum_words(fmt, line, shape, "rtz") for line in lines]
    digits = fmt.width // 4
    assert status == 0
    assert out == "".join(f"{result.word:0{digits}x} {result.flags:x}\n" for result in expected)


def test_hex_registers_and_json(monkeypatch, capsys):
    options = ("--format", "fp16", "--register-bits", "16", "--guard-bits", "3", "--json")
    status, out, _ = run_hex(monkeypatch, capsys, "3c00 0x3C00\n7bff 7bff", *options)
    assert status == 0
    assert [json.loads(line) for line in out.splitlines()] == [
        {"result": "4000", "flags": 0},
        {"result": "7c00", "flags": 2},
    ]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("zz", "'zz' is not a hexadecimal word"),
        ("1 1ffffffff", "'1ffffffff' does not fit in the 32 bits of fp32"),
        ("", "there is no word to add"),
        ("-1", "'-1' is not a hexadecimal word"),
        ("1_0", "'1_0' is not a hexadecimal word"),
        ("1,2", "'1,2' is not a hexadecimal word"),
        ("\xe9", "is not a hexadecimal word"),
    ],
)
def test_a_bad_line_is_named_and_the_ones_before_it_answered(line, sentence, monkeypatch, capsys):
    status, out, err = run_hex(monkeypatch, capsys, f"3f800000\n{line}\n3f800000\n")
    assert (status, out) == (1, "3f800000 0\n")
    assert err.startswith("fpisa sum: error: line 2: ") and sentence in err and err.count("\n") == 1


def test_lines_split_over_reads_are_whole_again():
    class Trickle(io.BytesIO):
        def read1(self, size=-1):
            return self.read(3)

    sink = io.StringIO()
    status = sum_stream(get_format("fp32"), "exact", "rne", Trickle(b"3f800000 40000000\r\nbf800000"), sink)
    assert (status, sink.getvalue()) == (0, "40400000 0\nbf800000 0\n")


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ([], "give at least one value to add, or --hex"),
        (["--format", "fp99", "1"], "unknown format 'fp99'"),
        (["--guard-bits", "9", "1"], "headroom"),
        (["--hex", "1"], "takes no values"),
        (["--shape", "round", "1"], "invalid choice"),
        (["--colour", "1"], "unrecognized arguments: --colour"),
    ],
)
def test_bad_options_are_one_sentence(argv, sentence, capsys):
    with pytest.raises(SystemExit) as exit_status:
        main(argv)
    err = capsys.readouterr().err
    assert exit_status.value.code == 2 and sentence in err and err.count("\n") == 1


def test_a_bad_value_is_one_sentence(capsys):
    assert main(["1", "one"]) == 1
    assert "'one' is neither a number, inf, nan nor a word" in capsys.readouterr().err


def test_words_must_fit():
    with pytest.raises(ValueError, match="does not fit in the 8 bits"):
        parse_word(get_format("e4m3"), "100")


def test_as_a_process():
    ran = subprocess.run(
        [sys.executable, "-m", "fpisa.cli", "sum", "--hex"], input="3fc00000 c0100000\n",
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "bf400000 0\n", "")
