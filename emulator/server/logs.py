"""Where the switch's log lines go."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "off": logging.CRITICAL + 10,
}


def set_up(level: str, file: Path | None) -> None:
    """Log to standard error and, if given, to FILE.txt. Raises OSError where the file cannot be made."""
    root = logging.getLogger("fpisa")
    root.setLevel(LEVELS[level])
    root.propagate = False
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if file is not None:
        handlers.append(logging.FileHandler(file.with_name(file.name + ".txt") if not file.suffix else file))
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root.handlers = handlers
