"""Compile a program from Python: compile_file(path) -> Result."""
from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .context import Options
from .source import CompileError, Diagnostic, Diagnostics


@dataclass(frozen=True, slots=True)
class Result:
    """json: the bmv2 document, None when there were errors. diagnostics: errors and warnings, in order found."""

    json: dict[str, Any] | None
    program: Any
    tree: Any
    diagnostics: list[Diagnostic]
    diags: Diagnostics

    @property
    def ok(self) -> bool:
        return self.json is not None

    @property
    def p4info(self) -> Any:
        """The P4Info message (p4.config.v1.p4info_pb2.P4Info); made on first use, for it loads protobuf."""
        from .emit_p4info import emit_p4info

        return emit_p4info(self.program)

    def text(self) -> str:
        """All diagnostics as a compiler prints them."""
        return self.diags.render()


def compile_file(path: str | os.PathLike[str], *, include: Sequence[str | os.PathLike[str]] = (),
                 defines: Mapping[str, Any] | Sequence[str] = (), undefines: Sequence[str] = (),
                 options: Options | None = None, diags: Diagnostics | None = None,
                 watch: Callable[[str, Any], None] | None = None, directives: bool = True) -> Result:
    """Compile one P4_16 program for v1model.

    defines: {"NAME": value} or ["NAME=value"]. watch(name, subject) is called after each pass. directives: False for a
    program that is preprocessed already.
    Never raises for a bad program: the reasons are in `diagnostics`.
    """
    from .p4info_check import check_p4info
    from .pipeline import run_passes
    from .preprocess import preprocess

    diags = diags or Diagnostics()
    texts = [f"{k}={v}" for k, v in defines.items()] if isinstance(defines, Mapping) else list(defines)
    program = tree = json = None
    try:
        tokens = preprocess(os.fspath(path), diags, include, texts, undefines, directives)
        if watch is not None:
            watch("preprocess", tokens)
        name = os.path.basename(os.fspath(path))
        tree, program, json = run_passes(tokens, name, diags, options or Options(), watch)
        if program is not None and not diags.failed:
            check_p4info(program, diags)
    except CompileError:
        pass
    except RecursionError:
        diags.error(-1, "the program nests too deeply")
    if diags.failed:
        json = None
    return Result(json, program, tree, diags.items, diags)
