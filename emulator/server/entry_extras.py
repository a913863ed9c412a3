"""What hangs on an entry beside its key and action: metadata, idle timeout, direct counter and meter.

Ordinary entries and default entries have the same rules for direct resources; a default entry has no timeout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from controller.p4rt.schema import Meter, Table

from .errors import invalid
from .meters import check_cleared, check_rates, set_rates
from .state_write import check_counts


@dataclass(frozen=True)
class Extra:
    """What the switch does not need to know of an entry but a controller wants back; kept in Entry.metadata."""

    metadata: bytes = b""
    controller_metadata: int = 0
    idle_timeout_ns: int = 0


NO_EXTRA = Extra()


def extra_of(entry: Any) -> Extra:
    """The Extra of a switch entry."""
    return entry.metadata or NO_EXTRA


@dataclass(frozen=True)
class Direct:
    """A direct counter's and a direct meter's cell, for an undo; None where the table has none."""

    counter: tuple[int, int] | None
    meter: Any

    @classmethod
    def of(cls, control: Any, slot: int) -> Direct:
        counter, meter = control.direct_counter, control.direct_meter
        return cls(
            counter.read(slot) if counter is not None else None, meter.data[slot].copy() if meter is not None else None
        )

    def put(self, control: Any, slot: int) -> None:
        if self.counter is not None:
            control.direct_counter.write(slot, *self.counter)
        if self.meter is not None:
            control.direct_meter.data[slot] = self.meter


class DirectResources:
    """The direct counter and meter of one table. meter: P4Info's description of the latter."""

    def __init__(self, info: Table, control: Any, meter: Meter | None) -> None:
        self.info, self.control, self.meter = info, control, meter

    def check(self, message: Any) -> None:
        """Refuse what a TableEntry cannot have here."""
        info = self.info
        for field in ("meter_config", "meter_counter_data"):
            if message.HasField(field) and not info.direct_meter_id:
                raise invalid(f"table {info.name} has no direct meter", f"leave {field} out")
        if message.HasField("counter_data"):
            if not info.direct_counter_id:
                raise invalid(f"table {info.name} has no direct counter", "leave counter_data out")
            check_counts(message.counter_data, f"direct counter of {info.name}")
        if message.HasField("meter_config"):
            check_rates(message.meter_config, self.meter)
        if message.HasField("meter_counter_data"):
            check_cleared(message.meter_counter_data)

    def write(self, slot: int, message: Any) -> None:
        """Set the cells from a TableEntry that was checked. Without a config the meter is unset; without the data a
        counter stays as it is."""
        if self.info.direct_meter_id:
            set_rates(self.control.direct_meter, slot, message, self.meter)
            if message.HasField("meter_counter_data"):
                self.control.direct_meter.clear_counts(slot)
        if self.info.direct_counter_id and message.HasField("counter_data"):
            data = message.counter_data
            self.control.direct_counter.write(slot, data.packet_count, data.byte_count)

    def reset(self, slot: int) -> None:
        """As they were at first."""
        if self.control.direct_meter is not None:
            self.control.direct_meter.data[slot] = 0
        if self.control.direct_counter is not None:
            self.control.direct_counter.write(slot, 0, 0)
