"""Meters and counters on the wire: what may be set, setting and reading it."""

from __future__ import annotations

from typing import Any

from controller.p4rt.schema import Meter
from emulator.switch.meters import MAX_BURST, MAX_RATE

from .errors import invalid

_EXCESS = "SINGLE_RATE_THREE_COLOR"
_MAX_COUNT = (1 << 63) - 1


def check_rates(config: Any, info: Meter | None = None) -> None:
    """Refuse rates that no meter can have, or that a meter of this kind cannot (RFC 2697 and 2698)."""
    bursts = [(name, MAX_BURST) for name in ("cburst", "pburst", "eburst")]
    limits = (("cir", MAX_RATE), ("pir", MAX_RATE), *bursts)
    for name, limit in limits:
        value = getattr(config, name)
        if not 0 <= value <= limit:
            raise invalid(f"meter: {name} {value} is not in 0..{limit}", "rates are per second, bursts in units")
    kind = info.type if info is not None else "TWO_RATE_THREE_COLOR"
    if config.eburst and kind != _EXCESS:
        raise invalid("meter: eburst is set", "only a meter of one rate and three colours has it; use pburst")
    if kind != "TWO_RATE_THREE_COLOR" and (config.pir, config.pburst) != (config.cir, config.cburst):
        raise invalid(
            "meter: it has one rate, and pir or pburst differ from cir and cburst", "give the same numbers in both"
        )
    if config.cir > config.pir:
        raise invalid(
            f"meter: the committed rate {config.cir} is above the peak rate {config.pir}",
            "raise pir or lower cir",
        )


def check_cleared(data: Any) -> None:
    """Colour counters can be set to zero, and to nothing else."""
    for colour in ("green", "yellow", "red"):
        counts = getattr(data, colour)
        if counts.packet_count or counts.byte_count:
            raise invalid(f"meter: the {colour} counter cannot be set", "send zeros to clear all three")


def set_rates(meter: Any, index: int, message: Any, info: Meter | None = None) -> None:
    """Set cell `index` from a message that may have a `config` or `meter_config`; without one it is green. info: P4Info's,
    which says how the rates are meant."""
    name = "config" if "config" in message.DESCRIPTOR.fields_by_name else "meter_config"
    if not message.HasField(name):
        meter.unset(index)
        return
    config = getattr(message, name)
    if info is not None and info.type == _EXCESS:
        meter.set_single_rate(index, config.cir, config.cburst, config.eburst)
    else:
        meter.set_rates(index, config.cir, config.cburst, config.pir, config.pburst)


def fill_rates(meter: Any, index: int, config: Any) -> bool:
    """Fill a p4.v1.MeterConfig; False where the cell is not configured."""
    rates = meter.get_rates(index)
    if rates is None:
        return False
    config.cir, config.cburst, config.pir, config.pburst = rates
    config.eburst = meter.excess_burst(index)
    config.SetInParent()
    return True


def fill_colours(meter: Any, index: int, data: Any) -> None:
    """Fill a p4.v1.MeterCounterData."""
    for colour, counts in zip((data.green, data.yellow, data.red), meter.counts(index), strict=True):
        fill_counts(colour, *counts)


def fill_counts(data: Any, packets: int, octets: int) -> None:
    """CounterData is signed 64-bit on the wire; a counter beyond that shows the largest value."""
    data.packet_count, data.byte_count = min(packets, _MAX_COUNT), min(octets, _MAX_COUNT)
    data.SetInParent()
