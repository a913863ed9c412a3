"""Where the switch's log lines go."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TextIO

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


class StandardError(logging.StreamHandler[TextIO]):
    """Writes to what standard error is when it writes: in a process that replaces it, the first may be closed."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def set_up(level: str, file: Path | None) -> None:
    """Log to standard error and, if given, to FILE.txt. Raises OSError where the file cannot be made."""
    root = logging.getLogger("fpisa")
    root.setLevel(LEVELS[level])
    root.propagate = False
    handlers: list[logging.Handler] = [StandardError()]
    if file is not None:
        handlers.append(logging.FileHandler(file.with_name(file.name + ".txt") if not file.suffix else file))
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root.handlers = handlers
