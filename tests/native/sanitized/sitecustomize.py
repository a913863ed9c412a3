"""First on PYTHONPATH, this gives a Python process and its children the sanitised copy of the C part that FPISA_SANITIZED names,
instead of the one in the package's folder (tests/native/test_sanitized.py)."""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec

MODULE = "emulator.native._native"


class Sanitized:
    """A finder for that one module."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != MODULE:
            return None
        return importlib.util.spec_from_file_location(name, os.environ["FPISA_SANITIZED"])


sys.meta_path.insert(0, Sanitized)
