"""The project's own programs on the machines: what today's pipeline holds of them, and what the extended one does."""

from pathlib import Path

import pytest

from emulator.compiler.api import compile_file
from fpisa.banzai.fit.program import read_program
from fpisa.banzai.fit.state import state_units
from fpisa.banzai.fit.verdict import fit_program
from fpisa.banzai.machine import named

P4SRC = Path(__file__).parents[2] / "p4src"


@pytest.fixture(scope="module")
def programs():
    read = {}
    names = ("allreduce_fpisa", "allreduce_fpisa_approx", "allreduce_int", "allreduce_tree", "allreduce_tree_int")
    for name in (*names, "raw"):
        uplink = {"UPLINK": "raw"} if name == "raw" else {}
        source = P4SRC / f"{'allreduce_tree' if uplink else name}.p4"
        program = read_program(compile_file(source, defines={"ELEMENTS": "32", **uplink}).json)
        read[name] = program, state_units(program)
    return read


def test_the_slot_protocol_asks_no_circle_of_a_pipeline(programs):
    for _, units in programs.values():
        order = [unit.array for unit in units]
        assert {"ingress.slot.round_0", "ingress.slot.round_1", "ingress.slot.seen", "ingress.slot.missing"} <= set(order)


def test_todays_pipeline_holds_one_approximate_float_and_no_exact_one(programs):
    assert fit_program(*programs["allreduce_fpisa_approx"], named("default")).fitting == 1
    exact = fit_program(*programs["allreduce_fpisa"], named("default"))
    assert exact.fitting == 0 and "shifted by a distance known at run time" in exact.bottleneck


def test_the_extended_pipeline_holds_several(programs):
    for name in ("allreduce_fpisa", "allreduce_fpisa_approx", "allreduce_tree", "raw"):
        result = fit_program(*programs[name], named("fpisa"))
        assert result.fitting >= 4 and result.elements == 32
        assert result.passes == -(-32 // result.fitting) * result.rounds


def test_integers_fit_todays_pipeline_in_one_round(programs):
    result = fit_program(*programs["allreduce_int"], named("default"))
    assert result.rounds == 1 and result.fitting >= 8


def test_a_tree_of_integers_fits_todays_pipeline(programs):
    assert fit_program(*programs["allreduce_tree_int"], named("default")).fitting >= 8
