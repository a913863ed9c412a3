"""A model as the text of an LLVM module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emulator.switch.jit import machine
from emulator.switch.jit.baked import Content
from emulator.switch.jit.gen import Shared, Site
from emulator.switch.jit.helpers import HELPERS
from emulator.switch.jit.ir import Function
from emulator.switch.jit.phv import Phv
from emulator.switch.jit.placement import plan
from emulator.switch.model import Model

MAX_LENGTH = 1 << 17
"""Bytes of the longest packet that is handled."""


def new_shared(
    model: Model,
    drop_port: int,
    baked: Mapping[int, Content] | None = None,
    sites: list[Site] | None = None,
    queued: bool = False,
) -> Shared:
    """sites: shared by all programs whose callbacks one engine answers. queued: with the way into native queues."""
    found = [] if sites is None else sites
    return Shared(model, Phv(model), plan(model), drop_port, MAX_LENGTH, baked or {}, sites=found, queued=queued)


@dataclass(frozen=True, slots=True)
class Text:
    """IR and what Python needs to run it."""

    ir: str
    shared: Shared


def module_text(shared: Shared, functions: list[Function]) -> str:
    """Functions, the helpers and intrinsics they use, and the metadata of alias classes."""
    texts = [f.text() for f in functions]
    declared = sorted({d for f in functions for d in f.declared})
    helpers = [HELPERS[name] for name in sorted(shared.helpers)]
    loose = [d for d in declared if not any(d in h for h in helpers)]
    return "\n".join(
        [*loose, *texts, *helpers, f"attributes #0 = {{ {machine.vector_attributes()} }}", *_metadata(shared)]
    )


def _metadata(shared: Shared) -> list[str]:
    lines = [
        '!1 = !{!"branch_weights", i32 2000, i32 1}',
        '!2 = !{!"branch_weights", i32 1, i32 2000}',
        '!3 = !{!"fpisa"}',
    ]
    for name, number in shared.tags.items():
        lines.append(f'!{number + 1} = !{{!"{name}", !3, i64 0}}')
        lines.append(f"!{number} = !{{!{number + 1}, !{number + 1}, i64 0}}")
    return lines
