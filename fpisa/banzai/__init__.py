"""A bit-accurate model of the switch hardware FPISA runs on and of the changes it asks for.

`units` are the arithmetic units, one Python function each, with the same units in Verilog under `rtl/`. A `Machine`
says how many of them a pipeline has, a `Configuration` says which does what in which stage, `Pipeline` runs a
configuration clock by clock. `fit` asks whether a compiled P4 program can be laid onto a machine.

The pipeline follows Sivaraman et al., "Packet Transactions" (SIGCOMM 2016): no back edges, a packet a clock, one
access to a state word per packet, in one stage. The extensions follow section 4 of Yuan et al. (NSDI 2022).
"""
