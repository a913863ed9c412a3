"""`python -m emulator.topo.cleanup`: remove what crashed networks left behind, as `make clean` does."""

from __future__ import annotations

import os
import sys

from emulator.topo import leftovers


def main() -> int:
    if os.geteuid() != 0:
        return 0  # without root there were no networks
    tags = leftovers.clean_stale()
    if tags:
        print(f"removed {len(tags)} network{'s' * (len(tags) > 1)} left behind by a crash: {', '.join(tags)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
