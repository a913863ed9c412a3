"""What the control plane is told when it asks for something that cannot be."""

from __future__ import annotations

from typing import Literal

Kind = Literal["exists", "not_found", "full", "const", "invalid", "unsupported"]


class ControlError(Exception):
    """A refused change; nothing was changed. `kind` says why, `message` says it in one sentence."""

    def __init__(self, kind: Kind, message: str):
        super().__init__(message)
        self.kind = kind
        self.message = message
