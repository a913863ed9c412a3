"""What a benchmark's own command prints: its rows as lines or as JSON, or why there are none."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any


def show(measure: Callable[[], dict[str, dict[str, Any]]], as_json: bool) -> int:
    """Prints what `measure` returns and returns the exit status; a RuntimeError becomes a sentence."""
    try:
        rows = measure()
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps(rows))
        return 0
    for name, found in rows.items():
        if found["value"] is None:
            print(f"{name}: none ({found['against']})")
            continue
        goal = "" if found["goal"] is None else f"goal {found['goal']:,}; "
        print(f"{name}: {found['value']:,.3f} {found['unit']} ({goal}{found['against']})")
    return 0


def tell(text: str) -> None:
    """Progress for a person; results go to standard output."""
    print(text, file=sys.stderr)
