"""How much of each stage a configuration, or a placed program, takes."""

from __future__ import annotations

from fpisa.banzai.configuration import Configuration, gateways, instruction_words
from fpisa.banzai.fit.place import Placement
from fpisa.banzai.machine import Machine


def limits(machine: Machine) -> dict[str, int]:
    return {
        "stateless units": machine.words + machine.narrow_words,
        "stateful units": machine.stateful,
        "instruction words": machine.instructions,
        "gateways": machine.gateways,
        "SRAM blocks": machine.sram_blocks,
        "TCAM blocks": machine.tcam_blocks,
    }


def of_configuration(configuration: Configuration) -> list[dict[str, int]]:
    return [
        {
            "stateless units": len(stage.stateless) + sum(len(table.default) for table in stage.lookups),
            "stateful units": len(stage.stateful),
            "instruction words": instruction_words(stage),
            "gateways": gateways(stage),
            "SRAM blocks": len(stage.stateful) + len(stage.lookups),
            "TCAM blocks": len(stage.lookups),
        }
        for stage in configuration.stages
    ]


def of_placement(placement: Placement) -> list[dict[str, int]]:
    return [
        {
            "stateless units": stage.used["32-bit units"] + stage.used["narrow units"],
            "stateful units": stage.used["stateful units"],
            "instruction words": stage.instruction_words(),
            "gateways": stage.used["gateways"],
            "SRAM blocks": stage.used["SRAM blocks"],
            "TCAM blocks": stage.used["TCAM blocks"],
        }
        for stage in placement.stages
    ]
