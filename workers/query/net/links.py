"""What an interface has carried, from the kernel's own counts."""

from __future__ import annotations

from pathlib import Path


def link_bytes(interface: str) -> dict[str, int]:
    """Bytes out and in since the interface was made, in this process's network namespace."""
    for line in Path("/proc/self/net/dev").read_text().splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == interface:
            numbers = [int(word) for word in counts.split()]
            return {"out": numbers[8], "in": numbers[0]}
    return {"out": 0, "in": 0}
