"""The syntax tree: what the source says, nothing more.

Nodes are frozen and compared by identity, so later passes can hang facts on them in dictionaries.
`pos` is the place a diagnostic about the node points at.
"""
from __future__ import annotations

from .ast_decl import *  # noqa: F403
from .ast_decl import __all__ as _decls
from .ast_expr import *  # noqa: F403
from .ast_expr import Annotation, Annotations, String
from .ast_expr import __all__ as _exprs

__all__ = [*_decls, *_exprs, "annotation", "string_annotation"]


def annotation(annotations: Annotations, name: str) -> Annotation | None:
    """The last annotation of that name, or None."""
    for item in reversed(annotations):
        if item.name == name:
            return item
    return None


def string_annotation(annotations: Annotations, name: str) -> str | None:
    """The string argument of an annotation such as @name("x"), or None."""
    found = annotation(annotations, name)
    if found and found.args and isinstance(found.args[0], String):
        return found.args[0].value
    return None
