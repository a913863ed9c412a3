"""The cocotb side of `cosim`: drives the harness and writes the verdict. Imported by the simulator only."""

import json
import os
from pathlib import Path

import cocotb
from cocotb.triggers import Timer

from fpisa.banzai.cosim import batches, first_difference
from fpisa.banzai.vectors import VERILOG


@cocotb.test()
async def every_vector_agrees(dut):
    task = json.loads(os.environ["FPISA_COSIM"])
    unit, mismatch = VERILOG[task["unit"]], None
    for packed, lanes in batches(unit, task["count"], task["seed"]):
        dut.stimulus.value = packed
        await Timer(1, "step")
        mismatch = first_difference(unit, str(dut.response.value), lanes)
        if mismatch:
            break
    Path(task["verdict"]).write_text(json.dumps({"mismatch": mismatch}))
