"""Meters and counters on the wire: what may be set, setting and reading it."""

from __future__ import annotations

from typing import Any

from emulator.switch.meters import MAX_BURST, MAX_RATE

from .errors import invalid, unimplemented


def check_rates(config: Any) -> None:
    """Refuse rates that no meter can have."""
    if config.eburst:
        raise unimplemented("eburst belongs to single-rate meters, which v1model does not have", "use pburst")
    limits = (("cir", MAX_RATE), ("cburst", MAX_BURST), ("pir", MAX_RATE), ("pburst", MAX_BURST))
    for name, limit in limits:
        value = getattr(config, name)
        if not 0 <= value <= limit:
            raise invalid(f"meter: {name} {value} is not in 0..{limit}", "rates are per second, bursts in units")
    if config.cir > config.pir:
        raise invalid(
            f"meter: the committed rate {config.cir} is above the peak rate {config.pir}",
            "raise pir or lower cir",
        )


def set_rates(meter: Any, index: int, message: Any) -> None:
    """Set cell `index` from a message that may have a `config` or `meter_config`; without one it is green."""
    name = "config" if "config" in message.DESCRIPTOR.fields_by_name else "meter_config"
    if not message.HasField(name):
        meter.unset(index)
        return
    config = getattr(message, name)
    meter.set_rates(index, config.cir, config.cburst, config.pir, config.pburst)


def fill_rates(meter: Any, index: int, config: Any) -> bool:
    """Fill a p4.v1.MeterConfig; False where the cell is not configured."""
    rates = meter.get_rates(index)
    if rates is None:
        return False
    config.cir, config.cburst, config.pir, config.pburst = rates
    config.SetInParent()
    return True


def fill_counts(data: Any, packets: int, octets: int) -> None:
    """CounterData is signed 64-bit on the wire; a counter beyond that shows the largest value."""
    limit = (1 << 63) - 1
    data.packet_count, data.byte_count = min(packets, limit), min(octets, limit)
    data.SetInParent()
