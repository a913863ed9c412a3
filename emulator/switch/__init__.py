"""bmv2 JSON in, a running switch out: model, interpreter, compiled engine, tables, traffic manager, ports.

from emulator.switch import Switch
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.switch.control import ControlError
    from emulator.switch.model import ModelError
    from emulator.switch.switch import Switch

__all__ = ["ControlError", "ModelError", "Switch"]
_HOME = {"ControlError": "control", "ModelError": "model", "Switch": "switch"}


def __getattr__(name: str) -> Any:
    """Loaded when asked for, so that a part of the package can be used without all of it."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
