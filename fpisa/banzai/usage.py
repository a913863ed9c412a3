"""How much of each stage a configuration, or a placed program, takes."""

from __future__ import annotations

from fpisa.banzai.configuration import Configuration, Stage, gateways, instruction_words
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
        "crossbar bytes": machine.crossbar_exact_bytes + machine.crossbar_ternary_bytes,
    }


def crossbar(stage: Stage) -> int:
    """Bytes of the words that tables and gateways look at, four for each."""
    looked_at = {table.key for table in stage.lookups}
    looked_at |= {
        word
        for unit in stage.stateless
        for instruction in unit.instructions
        for gate in instruction.when
        for word in (gate.a, gate.b)
        if isinstance(word, str)
    }
    return 4 * len(looked_at)


def of_configuration(configuration: Configuration) -> list[dict[str, int]]:
    return [
        {
            "stateless units": len(stage.stateless) + sum(len(table.default) for table in stage.lookups),
            "stateful units": len(stage.stateful),
            "instruction words": instruction_words(stage),
            "gateways": gateways(stage),
            "SRAM blocks": len(stage.stateful) + len(stage.lookups),
            "TCAM blocks": len(stage.lookups),
            "crossbar bytes": crossbar(stage),
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
            "crossbar bytes": stage.used["exact crossbar bytes"] + stage.used["ternary crossbar bytes"],
        }
        for stage in placement.stages
    ]
