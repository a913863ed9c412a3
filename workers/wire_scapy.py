"""The FPISA header as a scapy layer, made from the same field table as the NumPy dtype."""

from __future__ import annotations

from scapy.fields import BitField, SignedByteField
from scapy.layers.inet import UDP
from scapy.packet import Packet, bind_layers

from workers import wire

DEFAULTS = {"version": wire.VERSION}


class FPISA(Packet):
    """Follows UDP from or to port 18000; the values are its payload."""

    name = "FPISA"
    fields_desc = [
        SignedByteField(field.name, 0)
        if field.signed
        else BitField(field.name, DEFAULTS.get(field.name, 0), field.bits)
        for field in wire.HEADERS["fpisa"]
    ]


bind_layers(UDP, FPISA, dport=wire.PORT)
bind_layers(UDP, FPISA, sport=wire.PORT)
