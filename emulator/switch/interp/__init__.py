"""The plain executor of a loaded program: slow, obvious, the judge of the compiled engine."""

from emulator.switch.interp.engine import Interpreter

__all__ = ["Interpreter"]
