"""What Prometheus is told of a switch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .metrics import Metric

if TYPE_CHECKING:
    from .device import Device


def collect_all(devices: Sequence[Device]) -> list[Metric]:
    """As `collect`; where there are several, each sample says whose it is."""
    if len(devices) == 1:
        return collect(devices[0])
    found: dict[str, Metric] = {}
    for device in devices:
        for metric in collect(device):
            samples = tuple(({"device": str(device.device_id), **labels}, value) for labels, value in metric.samples)
            before = found[metric.name].samples if metric.name in found else ()
            found[metric.name] = replace(metric, samples=before + samples)
    return list(found.values())


def collect(device: Device) -> list[Metric]:
    """Ports, tables, quiet errors and clients, as they are now."""
    flat = _ports(device) if device.runner is not None else []
    bound = device.bound
    if bound is not None:
        entries = tuple(({"table": t.info.name}, float(len(t.control))) for t in bound.tables.values())
        flat.append(Metric("fpisa_table_entries", "Entries in a table.", "gauge", entries))
    if device.switch is not None:
        events = tuple(({"event": name}, float(n)) for name, n in sorted(device.switch.events.items()))
        flat.append(Metric("fpisa_events_total", "Drops and errors by reason.", "counter", events))
        flat.append(_queues(device))
    clients = float(len(device.streams.elections))
    flat.append(Metric("fpisa_p4runtime_clients", "Clients that take part in an election.", "gauge", (({}, clients),)))
    loaded = float(device.switch is not None)
    flat.append(Metric("fpisa_program_loaded", "Whether a program runs.", "gauge", (({}, loaded),)))
    return flat


def _queues(device: Device) -> Metric:
    """Of ports that have a rate of their own or are the runner's."""
    queues = device.switch.control.queues
    ports = set(queues.numbers()[2]) | (set(device.runner.ports) if device.runner is not None else set())
    samples = tuple(({"port": str(port)}, float(queues.waiting(port))) for port in sorted(ports))
    return Metric("fpisa_queue_packets", "Packets that wait for a port.", "gauge", samples)


def _ports(device: Device) -> list[Metric]:
    """A counter per statistic that the ports keep; names are those of the runner's."""
    by_name: dict[str, list[tuple[dict[str, str], float]]] = {}
    drops: list[tuple[dict[str, str], float]] = []
    for port, stats in sorted(device.runner.stats().items()):
        for name, value in _numbers(stats):
            by_name.setdefault(name, []).append(({"port": str(port)}, float(value)))
        for reason, count in sorted(stats.get("drops", {}).items()):
            drops.append(({"port": str(port), "reason": reason}, float(count)))
    counted = [
        Metric(f"fpisa_port_{name}_total", f"{name.replace('_', ' ')} of a port.", "counter", tuple(samples))
        for name, samples in by_name.items()
    ]
    return [*counted, Metric("fpisa_port_drops_total", "Packets dropped at a port, by reason.", "counter", tuple(drops))]


def _numbers(stats: object) -> list[tuple[str, float]]:
    fields = stats if isinstance(stats, dict) else vars(stats) if hasattr(stats, "__dict__") else {}
    if not fields and hasattr(stats, "__slots__"):
        fields = {name: getattr(stats, name) for name in stats.__slots__}
    return [(name, value) for name, value in fields.items() if isinstance(value, (int, float))]
