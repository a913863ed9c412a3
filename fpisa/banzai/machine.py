"""What a pipeline offers: the limits of one switch, as data.

The counts of `default` are those of a first-generation Tofino as published: 12 match-action stages in each of ingress
and egress, 4 stateful units, 80 SRAM blocks of 128 Kbit and 24 TCAM blocks of 512 x 44 bit a stage, a header vector of
64 x 8 + 96 x 16 + 64 x 32 bits with a unit for every container, 16 gateways and 32 instruction words a stage
(Bosshart et al., SIGCOMM 2013, for the architecture; the Tofino native-architecture application note and the
resource tables of papers that report a share of these totals for the numbers).
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Machine:
    """One pipeline. Counts are per stage unless the name says otherwise."""

    name: str
    stages: int = 24  # 12 of ingress, 12 of egress: one pass of a packet
    header_bits: int = 4096  # of the whole header vector
    words: int = 64  # 32-bit containers, each with a stateless unit
    narrow_words: int = 160  # 8- and 16-bit containers, likewise
    stateful: int = 4
    gateways: int = 16
    instructions: int = 32  # VLIW instruction words
    sram_blocks: int = 80
    sram_block_bits: int = 128 * 1024
    tcam_blocks: int = 24
    tcam_block_entries: int = 512
    tcam_block_bits: int = 44
    crossbar_exact_bytes: int = 128
    crossbar_ternary_bytes: int = 66
    operand_shift: bool = False
    rsaw: bool = False
    parser_swap: bool = False


DEFAULT = Machine("default")
MACHINES: dict[str, Machine] = {
    machine.name: machine
    for machine in (
        DEFAULT,
        replace(DEFAULT, name="+shift", operand_shift=True),
        replace(DEFAULT, name="+rsaw", rsaw=True),
        replace(DEFAULT, name="+parser-swap", parser_swap=True),
        replace(DEFAULT, name="fpisa", operand_shift=True, rsaw=True, parser_swap=True),
    )
}


def named(name: str) -> Machine:
    """The machine of that name. Raises ValueError naming those there are."""
    if name not in MACHINES:
        raise ValueError(f"no machine is called {name!r}; there are {', '.join(MACHINES)}")
    return MACHINES[name]
