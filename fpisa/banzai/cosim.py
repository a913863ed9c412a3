"""The Verilog units against the Python model, by cocotb on Icarus Verilog.

A harness holds `LANES` instances of the unit side by side with all ports packed into one word each way, so that one
step of the simulator checks many vectors.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from fpisa.banzai.netlist import ToolError
from fpisa.banzai.vectors import VERILOG, Unit, pack, unpack, vectors

LANES = 64


@dataclass(frozen=True)
class Verdict:
    """What a comparison found; `mismatch` describes the first difference, None where every vector agreed."""

    unit: str
    vectors: int
    mismatch: str | None


def width(ports: tuple[tuple[str, int], ...]) -> int:
    return sum(bits for _, bits in ports)


def harness(unit: Unit) -> str:
    """Verilog of LANES instances between one packed input and one packed output."""
    wide_in, wide_out = width(unit.inputs), width(unit.outputs)

    def slices(ports: tuple[tuple[str, int], ...], bus: str, lane_width: int) -> list[str]:
        texts, at = [], lane_width
        for name, bits in ports:
            at -= bits
            texts.append(f".{name}({bus}[lane*{lane_width}+{at} +: {bits}])")
        return texts

    connections = ", ".join(slices(unit.inputs, "stimulus", wide_in) + slices(unit.outputs, "response", wide_out))
    return (
        f"module harness(input wire [{LANES * wide_in - 1}:0] stimulus, output wire [{LANES * wide_out - 1}:0] response);\n"
        f"  genvar lane;\n  generate for (lane = 0; lane < {LANES}; lane = lane + 1) begin : lanes\n"
        f"    {unit.name} unit({connections});\n  end endgenerate\nendmodule\n"
    )


def compare(name: str, count: int, seed: int, source: Path | None = None) -> Verdict:
    """Run `count` vectors (rounded up to whole lanes) through the unit's Verilog, or through `source` in its place.

    Raises ToolError when cocotb or Icarus is missing or the Verilog does not compile.
    """
    if shutil.which("iverilog") is None:
        raise ToolError("iverilog is not installed; on Debian: apt-get install iverilog")
    try:
        from cocotb_tools.runner import get_runner
    except ModuleNotFoundError:
        raise ToolError("cocotb is not installed; install the extra: pip install 'fpisa[hw]'") from None
    with tempfile.TemporaryDirectory() as folder, as_file(files("fpisa.banzai") / "rtl" / f"{name}.v") as own:
        work = Path(folder)
        (work / "harness.v").write_text(harness(VERILOG[name]))
        task = {"unit": name, "count": -(-count // LANES) * LANES, "seed": seed, "verdict": str(work / "verdict.json")}
        with quiet(work / "log"):
            try:
                runner = get_runner("icarus")
                sources = [source or own, work / "harness.v"]
                runner.build(sources=sources, hdl_toplevel="harness", build_dir=work / "sim", always=True)
                runner.test(
                    hdl_toplevel="harness",
                    test_module="fpisa.banzai.cosim_bench",
                    build_dir=work / "sim",
                    test_dir=work,
                    extra_env={"FPISA_COSIM": json.dumps(task)},
                    results_xml=str(work / "results.xml"),
                )
            except (Exception, SystemExit) as problem:
                raise ToolError(f"the simulation of {name} did not run: {problem}") from problem
        if not (work / "verdict.json").exists():
            raise ToolError(f"the simulation of {name} ended early: {(work / 'log').read_text()[-4000:]}")
        return Verdict(name, task["count"], json.loads((work / "verdict.json").read_text())["mismatch"])  # type: ignore[arg-type]


class quiet:
    """The simulator's and the compiler's chatter to a file, also what child processes print."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def __enter__(self) -> None:
        self.file = self.log.open("w")
        self.saved = [os.dup(1), os.dup(2)]
        self.python = (redirect_stdout(self.file), redirect_stderr(self.file))
        for redirect in self.python:
            redirect.__enter__()
        os.dup2(self.file.fileno(), 1)
        os.dup2(self.file.fileno(), 2)

    def __exit__(self, *problem: object) -> None:
        for redirect in reversed(self.python):
            redirect.__exit__(None, None, None)
        for number, kept in enumerate(self.saved, 1):
            os.dup2(kept, number)
            os.close(kept)
        self.file.close()


def batches(unit: Unit, count: int, seed: int) -> list[tuple[int, list[tuple[dict[str, int], dict[str, int]]]]]:
    """Packed stimulus words of LANES vectors each, with the vectors."""
    wide, rows, out = width(unit.inputs), list(vectors(unit, count, seed)), []
    for start in range(0, len(rows), LANES):
        lanes = rows[start : start + LANES]
        packed = sum(pack(unit.inputs, drawn) << wide * lane for lane, (drawn, _) in enumerate(lanes))
        out.append((packed, lanes))
    return out


def first_difference(unit: Unit, response: str, lanes: list[tuple[dict[str, int], dict[str, int]]]) -> str | None:
    """`response` is the bus as text, most significant bit first; an undefined bit is a difference."""
    wide = width(unit.outputs)
    for lane, (drawn, expected) in enumerate(lanes):
        end = len(response) - lane * wide
        bits = response[end - wide : end]
        if bits != format(pack(unit.outputs, expected), f"0{wide}b"):
            got = (
                {k: hex(v) for k, v in unpack(unit.outputs, int(bits, 2)).items()} if set(bits) <= {"0", "1"} else bits
            )
            inputs = {k: hex(v) for k, v in drawn.items()}
            return f"{unit.name} of {inputs}: the model gives { {k: hex(v) for k, v in expected.items()} }, the Verilog {got}"
    return None
