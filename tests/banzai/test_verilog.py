"""The Verilog units against the Python model, and deliberate faults that must not slip through."""

import os
import shutil
from importlib.resources import files

import pytest

from fpisa.banzai import netlist
from fpisa.banzai.cosim import compare
from fpisa.banzai.netlist import UNITS, ToolError, synthesise

SEED = 3141
RTL = files("fpisa.banzai") / "rtl"

# (unit, the line as it is, the line with a fault)
FAULTS = [
    ("alu", "wire        less = sum[31] ^ overflow;", "wire        less = sum[31];"),
    ("alu", "{{8{fill}}, shifted[31:8]}", "{{8{1'b0}}, shifted[31:8]}"),
    ("alu", "4'd7: y = c ? a : second;", "4'd7: y = c ? second : a;"),
    ("alu_shift", "wire        beyond = |second[31:5];", "wire        beyond = second[5];"),
    ("alu_shift", "beyond ? {32{fill}} : unmirrored", "beyond ? 32'd0 : unmirrored"),
    ("raw_atom", "wire [32:0] bound = {1'b0, state} + {1'b0, offset};", "wire [31:0] bound = state + offset;"),
    ("raw_atom", "{1'b0, operand} > bound", "{1'b0, operand} >= bound"),
    ("raw_atom", "assign out = give_new ? next : state;", "assign out = next;"),
    ("rsaw_atom", "wire        sign = state[31];", "wire        sign = 1'b0;"),
    ("rsaw_atom", "{|distance[7:5], distance[4:0]}", "{distance[5], distance[4:0]}"),
    ("rsaw_atom", "wire        taken = force_true | (compare & above);", "wire        taken = force_true | compare;"),
    ("byte_shuffle", "2'd2: shuffled[8 * i +: 8] = word[23:16];", "2'd2: shuffled[8 * i +: 8] = word[15:8];"),
    ("fp32_add", "normal[2] & (normal[3] | normal[1] | normal[0])", "normal[2] & (normal[1] | normal[0])"),
    ("fp32_add", "sticky = sticky | (|aligned[15:0]);", "sticky = sticky;"),
    ("fp32_add", "zero ? (a[31] & b[31]) : greater[31]", "zero ? 1'b0 : greater[31]"),
    ("fp32_add", "(a_inf & b_inf & subtract)", "(a_inf & b_inf)"),
]


@pytest.fixture(autouse=True)
def tools():
    missing = [tool for tool in ("iverilog", "yosys") if shutil.which(tool) is None]
    if missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{' and '.join(missing)} must be installed in continuous integration")
        pytest.skip(f"{' and '.join(missing)} not installed; on Debian: apt-get install yosys iverilog")


@pytest.mark.parametrize("unit", UNITS)
def test_verilog_equals_model(unit):
    print("seed", SEED)
    verdict = compare(unit, 100_000, SEED)
    assert verdict.vectors >= 100_000
    assert verdict.mismatch is None


@pytest.mark.parametrize(("unit", "line", "fault"), FAULTS, ids=[f"{u}-{n}" for n, (u, _, _) in enumerate(FAULTS)])
def test_a_fault_in_the_verilog_is_caught(tmp_path, unit, line, fault):
    text = (RTL / f"{unit}.v").read_text()
    assert text.count(line) == 1, "the fault must change exactly one place"
    broken = tmp_path / f"{unit}.v"
    broken.write_text(text.replace(line, fault))
    verdict = compare(unit, 20_000, SEED, broken)
    assert verdict.mismatch is not None and unit in verdict.mismatch


def test_costs_order_as_the_hardware_does():
    cost = {unit: synthesise(unit) for unit in UNITS}
    assert cost["alu"].area < cost["alu_shift"].area < 1.35 * cost["alu"].area
    assert cost["raw_atom"].area < cost["rsaw_atom"].area < cost["fp32_add"].area
    for one in cost.values():
        assert one.transistors == round(4 * one.area) and one.depth > 0


def tiny_library(scale=1.0):
    """A small Liberty library: a few cells with areas and constant delays."""
    cells = "\n".join(liberty_cell(name, function, area * scale) for name, (function, area) in CELLS.items())
    template = (
        "lu_table_template (load) { variable_1 : input_net_transition; "
        'variable_2 : total_output_net_capacitance; index_1 ("1, 100"); index_2 ("0, 16"); }'
    )
    return f'library (tiny) {{\n  time_unit : "1ps"; capacitive_load_unit (1, ff);\n  {template}\n{cells}\n}}\n'


CELLS = {"IV": ("!A", 1.0), "BF": ("A", 1.5), "NA2": ("!(A & B)", 2.0), "NO2": ("!(A | B)", 2.0), "AN2": ("A & B", 3.0),
         "OR2": ("A | B", 3.0), "XO2": ("A ^ B", 5.0), "AOI": ("!((A & B) | C)", 3.0)}  # fmt: skip


def liberty_cell(name, function, area):
    pins = [pin for pin in "ABC" if pin in function]
    inputs = " ".join(f"pin ({pin}) {{ direction : input; capacitance : 1; }}" for pin in pins)
    kinds = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
    tables = " ".join(f'{kind} (load) {{ values ("1, 2", "1, 2"); }}' for kind in kinds)
    timing = " ".join(f'timing () {{ related_pin : "{pin}"; {tables} }}' for pin in pins)
    output = f'pin (Y) {{ direction : output; function : "{function}"; {timing} }}'
    return f"  cell ({name}) {{ area : {area}; {inputs} {output} }}"


def test_a_cell_library_measures_area_by_its_own_nand(tmp_path):
    library = tmp_path / "tiny.lib"
    library.write_text(tiny_library())
    cost = synthesise("byte_shuffle", library)
    assert cost.transistors is None and cost.area > 100
    library.write_text(tiny_library(10.0))
    netlist.library_text.cache_clear()
    assert synthesise("byte_shuffle", library).area == pytest.approx(cost.area, rel=0.01)


def test_unusable_libraries_are_one_sentence(tmp_path):
    with pytest.raises(ToolError, match="cannot read the cell library"):
        synthesise("alu", tmp_path / "none.lib")
    empty = tmp_path / "empty.lib"
    empty.write_text("library (x) { }")
    with pytest.raises(ToolError):
        synthesise("alu", empty)
