"""Where a switch's packets come from and go to; every kind of port is opened in C
(`emulator/native/ports.h`)."""

from emulator.switch.ports.impair import Impairment, Impairments, parse_impairments
from emulator.switch.ports.spec import Interface, Memory, Pcap, PortSpec, Queue

__all__ = ["Impairment", "Impairments", "Interface", "Memory", "Pcap", "PortSpec", "Queue", "parse_impairments"]
