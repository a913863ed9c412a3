"""Joins a compiled engine's fused form to the traffic manager of its switch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.switch.engine import Arrival

if TYPE_CHECKING:
    from emulator.switch.jit.engine import Packet
    from emulator.switch.switch import Switch


def attach(switch: Switch) -> None:
    """Packets that leave the fast path are finished by the switch's traffic manager."""
    traffic = switch.traffic

    def finish(after_egress: bool, packet: Packet, port: int, out_port: int) -> list[tuple[int, bytes]]:
        if after_egress:
            return traffic.after_egress(packet, out_port)
        return traffic.after_ingress(packet.data, Arrival(port, packet.now), packet)

    switch.engine.slow_path = finish  # type: ignore[attr-defined]
