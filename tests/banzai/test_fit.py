"""The fit checker: what it refuses and why, and what it counts."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fpisa.banzai import fit_cli, hw_cli
from fpisa.banzai.fit.expression import NotMappable
from fpisa.banzai.fit.verdict import fit
from fpisa.banzai.machine import named

GOLDEN = Path(__file__).parents[1] / "golden"


def golden(case):
    return json.loads((GOLDEN / case / "program.json").read_text())


# bmv2 JSON of small register programs ------------------------------------------------------------------------------


def const(value):
    return {"type": "hexstr", "value": hex(value)}


def fld(name):
    return {"type": "field", "value": ["h", name]}


def expr(op, left, right):
    return {"type": "expression", "value": {"op": op, "left": left, "right": right}}


def masked(value, bits=32):
    return expr("&", value, const((1 << bits) - 1))


def read(array, index, into):
    register = {"type": "register_array", "value": array}
    return {"op": "register_read", "parameters": [fld(into), register, index]}


def write(array, index, value):
    register = {"type": "register_array", "value": array}
    return {"op": "register_write", "parameters": [register, index, value]}


def assign(into, value):
    return {"op": "assign", "parameters": [fld(into), value]}


def program(primitives, arrays, fields=("slot", "x", "d", "a", "b")):
    action = {"name": "act", "id": 0, "runtime_data": [], "primitives": primitives}
    table = {
        "name": "tbl_act", "key": [], "match_type": "exact", "type": "simple", "max_size": 1, "action_ids": [0],
        "actions": ["act"], "base_default_next": None, "next_tables": {"act": None},
        "default_entry": {"action_id": 0, "action_data": []},
    }  # fmt: skip
    return {
        "header_types": [{"name": "t", "fields": [[name, 32, False] for name in fields]}],
        "headers": [{"name": "h", "header_type": "t"}], "deparsers": [{"order": ["h"]}], "actions": [action],
        "register_arrays": [{"name": name, "bitwidth": 32, "size": 16} for name in arrays],
        "pipelines": [
            {"name": "ingress", "init_table": "tbl_act", "tables": [table], "conditionals": []},
            {"name": "egress", "init_table": None, "tables": [], "conditionals": []},
        ],
    }  # fmt: skip


SLOT = fld("slot")
ACCUMULATE = [read("sum", SLOT, "a"), write("sum", SLOT, masked(expr("+", fld("a"), fld("x"))))]
SHIFTED = [
    read("sum", SLOT, "a"),
    write("sum", SLOT, masked(expr("+", expr(">>", fld("a"), masked(fld("d"), 5)), fld("x")))),
]


def test_an_accumulator_fits_every_machine():
    result = fit(program(ACCUMULATE, ["sum"]), named("default"))
    assert result.fits and result.stateful_units == 1 and result.bottleneck == ""


def test_a_shift_of_the_stored_word_needs_the_new_unit():
    without = fit(program(SHIFTED, ["sum"]), named("+shift"))
    assert not without.fits and "register sum" in without.bottleneck and "RSAW" in without.bottleneck
    assert fit(program(SHIFTED, ["sum"]), named("+rsaw")).fits


def test_two_indices_of_one_array_are_refused_by_name():
    twice = [read("sum", SLOT, "a"), read("sum", expr("^", SLOT, const(1)), "b")]
    with pytest.raises(NotMappable, match="register sum is accessed at two different indices"):
        fit(program(twice, ["sum"]), named("fpisa"))
    with pytest.raises(NotMappable, match=r"register Ig\.seen is accessed at two different indices"):
        fit(golden("28_fp32_aggregate"), named("fpisa"))


def test_a_circle_through_state_is_refused_with_both_names():
    circle = [
        read("one", SLOT, "a"), read("two", SLOT, "b"), write("one", SLOT, masked(expr("+", fld("a"), fld("b")))),
        write("two", SLOT, masked(expr("+", fld("b"), fld("a")))),
    ]  # fmt: skip
    with pytest.raises(NotMappable, match="registers one, two depend on each other within one packet"):
        fit(program(circle, ["one", "two"]), named("fpisa"))


def test_an_update_no_unit_computes_is_refused():
    square = [read("sum", SLOT, "a"), write("sum", SLOT, masked(expr("+", fld("a"), expr("<<", fld("a"), const(3)))))]
    with pytest.raises(NotMappable, match="register sum is updated by"):
        fit(program(square, ["sum"]), named("fpisa"))


def test_a_shift_by_a_word_costs_an_instruction_for_each_distance():
    shift = [assign("a", masked(expr("<<", fld("x"), masked(fld("d"), 5))))]
    plain, extended = (fit(program(shift, []), named(name)) for name in ("default", "+shift"))
    words = [max(stage.instruction_words() for stage in one.placement.stages) for one in (plain, extended)]
    assert words == [31, 1] and plain.fits and extended.fits  # 31 of a stage's 32 instruction words for one shift


def test_elements_are_counted_and_limited_by_stateful_units():
    arrays = [f"add_{k}.sum" for k in range(40)]
    primitives = []
    for name in arrays:
        primitives += [read(name, SLOT, "a"), write(name, SLOT, masked(expr("+", fld("a"), fld("x"))))]
    document = program(primitives, arrays)
    result = fit(document, replace(named("default"), stages=5))
    assert (result.elements, result.fitting, result.passes) == (40, 20, 2)
    assert "stateful units" in result.bottleneck
    assert fit(document, named("default")).fits


def test_exclusive_branches_count_as_one_access():
    result = fit(golden("30_topn_prune"), named("default"))
    assert result.fits and result.elements == 4


def test_command_says_what_fits_and_draws_it(tmp_path, capsys):
    path = tmp_path / "program.json"
    path.write_text(json.dumps(program(SHIFTED, ["sum"])))
    picture = tmp_path / "pipeline.svg"
    assert fit_cli.main([str(path), "--machine", "all", "--json", "--picture", str(picture)]) == 1
    answers = {one["machine"]: one for one in json.loads(capsys.readouterr().out)}
    assert answers["fpisa"]["fits"] and not answers["default"]["fits"]
    assert picture.read_text().startswith("<svg")
    assert fit_cli.main([str(path), "--machine", "fpisa"]) == 0
    assert "none: it fits" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("content", "arguments", "sentence"),
    [
        (None, [], "cannot read"),
        ("{", [], "is not JSON"),
        ("[" * 100_000, [], "nested too deeply"),
        ("{}", [], "no pipelines"),
        ('{"pipelines": [3]}', [], "is not bmv2 JSON"),
        (json.dumps(program(ACCUMULATE, ["sum"])), ["--machine", "asic"], "no machine is called 'asic'"),
        (json.dumps(program(ACCUMULATE, ["sum"])), ["--stages", "0"], "at least one stage"),
        (json.dumps(program(ACCUMULATE, ["sum"])), ["--picture", "/nonexistent/x.svg"], "cannot write /nonexistent/x.svg"),
    ],
)
def test_wrong_use_is_one_sentence(tmp_path, capsys, content, arguments, sentence):
    path = tmp_path / "program.json"
    if content is not None:
        path.write_text(content)
    assert fit_cli.main([str(path), *arguments]) == 2
    err = capsys.readouterr().err
    assert sentence in err and err.count("\n") == 1


def test_hw_says_what_it_cannot_use_before_the_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(hw_cli, "tell", lambda args: pytest.fail("worked all the same"))
    (tmp_path / "file").touch()
    assert hw_cli.main(["--out", str(tmp_path / "file" / "x")]) == 1
    assert hw_cli.main(["--liberty", str(tmp_path / "none"), "--json"]) == 1
    with pytest.raises(SystemExit):
        hw_cli.main(["--verify", "-1"])
    err = capsys.readouterr().err
    assert f"fpisa hw: cannot use {tmp_path}/none: No such file" in err and "--verify takes 0 or more" in err
