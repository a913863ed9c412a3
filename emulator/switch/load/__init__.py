"""bmv2 JSON -> model.Model. The only place that reads JSON; every input check lives here."""

from emulator.switch.load.top import load_model

__all__ = ["load_model"]
