"""Verilog unit -> gate-level netlist (Yosys) -> cells, area, transistors, depth and delay.

Without a cell library the netlist is made of the textbook static-CMOS gates below: transistor counts of complementary
CMOS (Weste and Harris, "CMOS VLSI Design"), area as transistors / 4 (a NAND2 is 1), delay by the method of logical
effort (Sutherland, Sproull and Harris): parasitic delay plus the logical effort of every input the gate drives, in units
of tau, five of which are the delay of an inverter with a fan-out of four.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path

UNITS = ("alu", "alu_shift", "raw_atom", "rsaw_atom", "byte_shuffle", "fp32_add")
TOOL_SECONDS = 100


class ToolError(RuntimeError):
    """Yosys is missing, or refused its input; the message says what to do."""


@dataclass(frozen=True)
class Gate:
    """Transistors; logical effort of an input; parasitic delay in tau."""

    transistors: int
    effort: float
    parasitic: float


GATES = {
    "$_NOT_": Gate(2, 1.0, 1.0),
    "$_NAND_": Gate(4, 4 / 3, 2.0),
    "$_NOR_": Gate(4, 5 / 3, 2.0),
    "$_AOI3_": Gate(6, 2.0, 7 / 3),
    "$_OAI3_": Gate(6, 2.0, 7 / 3),
    "$_AOI4_": Gate(8, 2.0, 4.0),
    "$_OAI4_": Gate(8, 2.0, 4.0),
    "$_XOR_": Gate(10, 4.0, 4.0),
    "$_XNOR_": Gate(10, 4.0, 4.0),
    "$_MUX_": Gate(10, 2.0, 4.0),
}
GENERIC = "NAND,NOR,AOI3,OAI3,AOI4,OAI4,XOR,XNOR,MUX"


@dataclass(frozen=True)
class Cost:
    """Of one unit. `area` in NAND2 equivalents; `delay` in tau, None where a cell library was given (see its own timing)."""

    unit: str
    cells: int
    area: float
    transistors: int | None
    depth: int
    delay: float | None

    @property
    def area_delay(self) -> float | None:
        return None if self.delay is None else self.area * self.delay


def synthesise(unit: str, liberty: Path | None = None, source: Path | None = None) -> Cost:
    """Synthesise one unit of `rtl/` (or the same module in `source`). Raises ToolError."""
    if shutil.which("yosys") is None:
        raise ToolError("yosys is not installed; on Debian: apt-get install yosys")
    if liberty:
        smallest_nand2(str(liberty))  # refuses what is not a usable library before the tools do so less clearly
    with tempfile.TemporaryDirectory() as folder, as_file(files("fpisa.banzai") / "rtl" / f"{unit}.v") as own:
        output = Path(folder) / "netlist.json"
        mapping = f'-liberty "{liberty}"' if liberty else f"-g {GENERIC}"
        pins = f'read_liberty -lib "{liberty}"; ' if liberty else ""
        script = (
            f'{pins}read_verilog "{source or own}"; synth -flatten -top {unit}; '
            f'abc {mapping}; opt_clean; write_json "{output}"'
        )
        run = subprocess.run(
            ["yosys", "-q", "-p", script], capture_output=True, text=True, timeout=TOOL_SECONDS, check=False
        )
        if run.returncode:
            raise ToolError(f"yosys could not synthesise {unit}: {last_line(run.stderr)}")
        module = json.loads(output.read_text())["modules"][unit]
    cells = list(module["cells"].values())
    return library_cost(unit, cells, liberty) if liberty else generic_cost(unit, cells)


def last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def generic_cost(unit: str, cells: list[dict]) -> Cost:
    transistors = sum(GATES[cell["type"]].transistors for cell in cells)
    depth, delay = longest_path(cells)
    return Cost(unit, len(cells), transistors / 4, transistors, depth, delay)


def library_cost(unit: str, cells: list[dict], liberty: Path) -> Cost:
    areas = cell_areas(str(liberty))
    unknown = {cell["type"] for cell in cells} - set(areas)
    if unknown:
        raise ToolError(f"{liberty} gives no area for {', '.join(sorted(unknown))}")
    nand = smallest_nand2(str(liberty))
    return Cost(unit, len(cells), sum(areas[c["type"]] for c in cells) / nand, None, longest_path(cells)[0], None)


CELL = re.compile(r'\bcell\s*\(\s*"?([\w$]+)"?\s*\)\s*\{')


@lru_cache
def library_text(path: str) -> dict[str, str]:
    """Cell name -> the text of its group."""
    try:
        text = Path(path).read_text(errors="replace")
    except OSError as problem:
        raise ToolError(f"cannot read the cell library {path}: {problem.strerror}") from None
    starts = [(m.group(1), m.end()) for m in CELL.finditer(text)]
    ends = [start for _, start in starts[1:]] + [len(text)]
    found = {name: text[start:end] for (name, start), end in zip(starts, ends)}
    if not found:
        raise ToolError(f"{path} holds no cells; is it a Liberty file?")
    return found


def cell_areas(path: str) -> dict[str, float]:
    areas = {}
    for name, body in library_text(path).items():
        area = re.search(r"\barea\s*:\s*([\d.eE+-]+)", body)
        if area:
            areas[name] = float(area.group(1))
    return areas


def smallest_nand2(path: str) -> float:
    """Area of the smallest cell whose only function is a two-input NAND."""
    nand = re.compile(
        r'function\s*:\s*"\s*(?:!\s*\(\s*\w+\s*[*& ]\s*\w+\s*\)|\(?\s*\(\s*\w+\s*[*& ]\s*\w+\s*\)\s*\'\s*\)?)\s*"'
    )
    areas = cell_areas(path)
    found = [areas[n] for n, body in library_text(path).items() if n in areas and nand.search(body)]
    if not found:
        raise ToolError(f"{path} has no two-input NAND to measure areas by")
    return min(found)


def longest_path(cells: list[dict]) -> tuple[int, float]:
    """(gates on the longest path, delay in tau of the slowest path) through a combinational netlist."""
    driver: dict[int | str, int] = {}
    load: Counter[int | str] = Counter()
    effort: dict[int | str, float] = {}
    for number, cell in enumerate(cells):
        for pin, bits in cell["connections"].items():
            for bit in bits:
                if cell["port_directions"][pin] == "output":
                    driver[bit] = number
                elif isinstance(bit, int):
                    load[bit] += 1
                    gate = GATES.get(cell["type"])
                    effort[bit] = effort.get(bit, 0.0) + (gate.effort if gate else 1.0)
    depth: dict[int, int] = {}
    delay: dict[int, float] = {}
    for number in topological(cells, driver):
        cell = cells[number]
        sources: list[int | str] = []
        outputs: list[int | str] = []
        for pin, bits in cell["connections"].items():
            (outputs if cell["port_directions"][pin] == "output" else sources).extend(bits)
        before = [driver[b] for b in sources if b in driver]
        gate = GATES.get(cell["type"])
        own = (gate.parasitic if gate else 1.0) + max((effort.get(b, 1.0) for b in outputs), default=1.0)
        depth[number] = 1 + max((depth[b] for b in before), default=0)
        delay[number] = own + max((delay[b] for b in before), default=0.0)
    return max(depth.values(), default=0), round(max(delay.values(), default=0.0), 1)


def topological(cells: list[dict], driver: dict[int | str, int]) -> list[int]:
    """Cells, drivers before loads; iterative, because a ripple carry is longer than Python's stack."""
    order: list[int] = []
    state: dict[int, int] = {}
    for root in range(len(cells)):
        stack = [root]
        while stack:
            number = stack[-1]
            if state.get(number, 0) == 0:
                state[number] = 1
                cell = cells[number]
                for pin, bits in cell["connections"].items():
                    if cell["port_directions"][pin] == "input":
                        stack += [driver[b] for b in bits if b in driver and state.get(driver[b], 0) == 0]
            else:
                stack.pop()
                if state[number] == 1:
                    state[number] = 2
                    order.append(number)
    return order
