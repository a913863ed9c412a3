"""Adds ports and impairments to the loop in C."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emulator.switch.ports import Impairment, Interface, Memory, Pcap, PortSpec, Queue


def add_port(lib: Any, ffi: Any, runner: Any, number: int, spec: PortSpec, error: Any) -> Iterator[int]:
    """Statuses of the calls that add a port, as they are made; what follows one that is not 0 is not to be asked for."""

    def path(found: Any) -> Any:
        return ffi.NULL if found is None else str(found).encode()

    if isinstance(spec, Interface):
        options = {
            "ring_frames": spec.ring_frames,
            "queue_bytes": spec.queue_bytes,
            "bypass_qdisc": int(spec.bypass_qdisc),
            "trains": int(spec.trains),
            "pipeline": spec.pipeline,
            "pipelines": spec.pipelines,
        }
        described = ffi.new("struct fpn_interface_options *", options)
        name = spec.name.encode(errors="replace")
        yield lib.fpn_add_interface(runner, number, name, described, error)
        yield lib.fpn_log_pcap(runner, number, path(spec.pcap_in), path(spec.pcap_out), error)
    elif isinstance(spec, Queue):
        yield lib.fpn_add_queue(runner, number, spec.packets, error)
    elif isinstance(spec, Pcap):
        yield lib.fpn_add_pcap(runner, number, path(spec.read), path(spec.write), error)
    elif isinstance(spec, Memory):
        yield lib.fpn_add_memory(runner, number, str(spec.path).encode(), spec.slots, spec.slot_bytes, error)
    else:
        raise TypeError(f"not a port: {spec!r}")


def add_impairment(
    lib: Any, ffi: Any, runner: Any, number: int, outward: int, impair: Impairment, seed: int, error: Any
) -> int:
    """The status of the call."""
    settings = {
        "loss": impair.loss,
        "duplicate": impair.dup,
        "reorder": impair.reorder,
        "reorder_gap": impair.gap,
        "reorder_us": impair.wait,
        "delay_us": impair.delay,
        "seed": seed,
    }
    described = ffi.new("struct fpn_impairment *", settings)
    return int(lib.fpn_set_impairment(runner, number, outward, described, error))
