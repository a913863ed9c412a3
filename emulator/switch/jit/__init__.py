"""The compiled engine: a loaded program becomes LLVM IR and then machine code."""

from emulator.switch.jit.engine import JitEngine, make_engine
from emulator.switch.jit.placement import layout

__all__ = ["JitEngine", "layout", "make_engine"]
