"""Control-plane names."""
from __future__ import annotations

from typing import Any

from . import ast


def object_path(path: str, decl: Any) -> str:
    """The control-plane name of something declared at `path`; @name(".x") starts from the top."""
    given = ast.string_annotation(decl.annotations, "name")
    name = given if given is not None else decl.name
    if name.startswith("."):
        return name[1:]
    return f"{path}.{name}" if path else name
