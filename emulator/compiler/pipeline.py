"""THE list of passes and the one loop that runs them."""
from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from . import ast, ir
from .check_decl import check_program
from .context import Options
from .emit_json import emit_json
from .inline_program import inline_program
from .parse_decl import parse
from .passes.dead_code import remove_dead_code
from .passes.dead_stores import remove_dead_stores
from .passes.deep import cut_deep_expressions
from .passes.propagate import propagate
from .source import CompileError, Diagnostics

Watch = Callable[[str, Any], None]
Pass = tuple[str, Callable[[ir.Program], ir.Program]]

CORE_PASSES: list[Pass] = [
    ("propagate", propagate),
    ("dead-stores", remove_dead_stores),
    ("dead-code", remove_dead_code),    # behind the others, which make more of it
    ("deep", cut_deep_expressions),
]
"""Run in this order on the core program; each is (name, function)."""

sys.setrecursionlimit(max(sys.getrecursionlimit(), 20_000))


def run_passes(tokens: list[Any], name: str, diags: Diagnostics,
               options: Options, watch: Watch | None = None) -> tuple[ast.Program, ir.Program, dict[str, Any]]:
    """Tokens to (tree, core program, JSON); raises CompileError when there are errors."""
    seen = watch or (lambda name, subject: None)
    tree = parse(tokens, diags, options.ignored)
    stop_if_failed(diags)
    seen("parse", tree)
    types = check_program(tree, diags, options)
    stop_if_failed(diags)
    seen("check", tree)
    program = inline_program(tree, name, diags, options, types)
    stop_if_failed(diags)
    seen("inline", program)
    for pass_name, step in CORE_PASSES:
        program = step(program)
        seen(pass_name, program)
    json = emit_json(program, diags, options)
    stop_if_failed(diags)
    seen("emit", json)
    return tree, program, json


def stop_if_failed(diags: Diagnostics) -> None:
    if diags.failed:
        raise CompileError("errors")
