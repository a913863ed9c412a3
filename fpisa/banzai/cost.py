"""What the extensions add to a whole switch: ratios of units times how many units a pipeline has.

Every constant names its source. The areas of the units are those measured from our own Verilog, so only their ratios
count; the share of the action units in a chip is the published one.
"""

from __future__ import annotations

from dataclasses import dataclass

from fpisa.banzai.machine import Machine
from fpisa.banzai.netlist import Cost

# Bosshart et al., "Forwarding Metamorphosis" (SIGCOMM 2013), table of the chip's area profile.
ACTION_ENGINE_SHARE = 0.074
# The same paper: 224 containers of 64 x 8, 96 x 16 and 64 x 32 bits, a unit for each.
UNIT_BITS = 64 * 8 + 96 * 16 + 64 * 32
# A parser hands over one 32-bit word for each container of that width.
PARSER_WORDS = 64

# Yuan et al. (NSDI 2022), section 4: overhead of each changed unit and the price of a floating-point unit, as the
# project's brief of the paper states them.
PAPER_OVERHEAD = 0.35
PAPER_FPU_OVER_RSAW = 8.0


@dataclass(frozen=True)
class Ratios:
    """Areas, one over the other; `added_*` compare what is added to the unit that is extended."""

    alu_shift_over_alu: float
    rsaw_over_raw: float
    fpu_over_rsaw: float
    fpu_over_added_shift: float
    fpu_over_added_rsaw: float
    fpu_over_rsaw_area_delay: float | None


def ratios(cost: dict[str, Cost]) -> Ratios:
    area = {unit: one.area for unit, one in cost.items()}
    products = [cost[u].area_delay for u in ("fp32_add", "rsaw_atom")]
    return Ratios(
        area["alu_shift"] / area["alu"],
        area["rsaw_atom"] / area["raw_atom"],
        area["fp32_add"] / area["rsaw_atom"],
        area["fp32_add"] / (area["alu_shift"] - area["alu"]),
        area["fp32_add"] / (area["rsaw_atom"] - area["raw_atom"]),
        products[0] / products[1] if products[0] and products[1] else None,
    )


@dataclass(frozen=True)
class SwitchShare:
    """Parts of the whole chip's area that the extensions add, each as a fraction."""

    shift: float
    rsaw: float
    shuffle: float
    floating_point: float  # an fp32 adder beside every stateful unit instead

    @property
    def total(self) -> float:
        return self.shift + self.rsaw + self.shuffle


def switch_share(cost: dict[str, Cost], machine: Machine) -> SwitchShare:
    """Scales by the action engine: its units, at our areas, are its published share of the chip."""
    alu_bits = cost["alu"].area / 32
    chip = alu_bits * UNIT_BITS * machine.stages / ACTION_ENGINE_SHARE
    added_bits = (cost["alu_shift"].area - cost["alu"].area) / 32
    stateful = machine.stateful * machine.stages
    return SwitchShare(
        added_bits * UNIT_BITS * machine.stages / chip,
        (cost["rsaw_atom"].area - cost["raw_atom"].area) * stateful / chip,
        cost["byte_shuffle"].area * PARSER_WORDS / chip,
        cost["fp32_add"].area * stateful / chip,
    )
