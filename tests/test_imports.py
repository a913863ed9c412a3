"""The import arrows of docs/ARCHITECTURE.md, read from the source without running it.

A row says which project modules a part of the tree may import; the longest matching prefix decides, and a
part may always import itself. Third-party packages that would pull a room out of its purpose have rows too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("fpisa", "emulator", "controller", "workers", "benchmarks")
EVERYTHING = ROOMS

# module prefix -> project modules it may import besides itself
ARROWS: dict[str, tuple[str, ...]] = {
    "fpisa": (),
    "fpisa.cli": EVERYTHING,  # the table of commands; nobody imports it
    "fpisa.spark": ("workers.query",),  # a name for users; nobody imports it
    "emulator": (),
    "emulator.compiler": (),
    "emulator.switch": ("emulator.native",),
    "emulator.native": (),
    "emulator.server": ("emulator.switch", "emulator.native", "controller.p4rt"),
    "emulator.server.p4_cli": ("emulator.switch", "emulator.native", "controller.p4rt", "emulator.compiler"),
    "emulator.topo": ("emulator.server",),
    "controller": (),
    "workers": ("fpisa", "controller.session", "emulator.native"),
    "workers.main_job": ("workers", "fpisa", "emulator", "controller"),
    "workers.query.rack": ("workers", "emulator"),
    "workers.query.net.launch": ("workers", "emulator"),
    "workers.compare": ("workers", "fpisa", "emulator", "controller"),
    "benchmarks": EVERYTHING,
}
# third-party package -> the only module prefixes that may import it
ONLY: dict[str, tuple[str, ...]] = {
    "torch": (
        "workers.torch_backend",
        "workers.comm_hook",
        "workers.training",
        "fpisa.torch_twin",
        "fpisa.accuracy",
        "benchmarks",
    ),
    "sklearn": ("workers.training", "fpisa.accuracy"),
    "mininet": ("emulator.topo",),
    "llvmlite": ("emulator.switch.jit", "benchmarks"),
    "grpc": ("controller", "emulator.server", "benchmarks"),
    "p4": ("controller.p4rt",),
    "matplotlib": (
        "workers.report",
        "workers.compare",
        "fpisa.accuracy",
        "fpisa.banzai",
        "workers.query",
        "benchmarks.table_plot",
    ),
    "scapy": ("workers.wire_scapy", "emulator.server.p4_cli"),
}


def within(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")


def modules() -> Iterator[tuple[str, Path]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imported(module: str, path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import; `from a import b` is a.b where that is a module."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")
                above = above[: len(above) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}" if is_module(f"{base}.{alias.name}") else base


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def faults(module: str, path: Path) -> Iterator[str]:
    room = max((prefix for prefix in ARROWS if within(module, prefix)), key=len)
    for line, name in imported(module, path):
        place = f"{path.relative_to(ROOT)}:{line}"
        if name.partition(".")[0] in ROOMS:
            allowed = any(within(name, prefix) for prefix in (room, *ARROWS[room]))
            if not allowed or (within(name, "fpisa.cli") and module != "fpisa.cli"):
                yield f"{place}: {module} may not import {name}"
        for package, places in ONLY.items():
            if within(name, package) and not any(within(module, prefix) for prefix in places):
                yield f"{place}: {package} belongs in {', '.join(places)} only"


ALL = list(modules())


def test_every_room_is_seen() -> None:
    seen = {name.partition(".")[0] for name, _ in ALL}
    assert {"fpisa", "emulator", "controller", "workers"} <= seen


@pytest.mark.parametrize("module, path", ALL, ids=[name for name, _ in ALL])
def test_arrows(module: str, path: Path) -> None:
    found = list(faults(module, path))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "module, source, fault",
    [
        ("emulator.compiler.zz", "import emulator.switch.model", "emulator.switch"),
        ("emulator.switch.zz", "from emulator.compiler import ast", "emulator.compiler"),
        ("emulator.switch.zz", "from ..compiler import ast", "emulator.compiler"),
        ("fpisa.zz", "import torch", "torch"),
        ("fpisa.zz", "def f():\n    from workers import wire", "workers"),
        ("workers.zz", "import controller.jobs", "controller"),
        ("workers.zz", "from controller import session, jobs", "controller"),
        ("emulator.topo.zz", "import workers.bench", "workers.bench"),
        ("controller.zz", "import emulator", "emulator"),
        ("workers.zz", "from fpisa import cli", "fpisa.cli"),
    ],
)
def test_a_forbidden_import_is_found(
    monkeypatch: pytest.MonkeyPatch, module: str, source: str, fault: str
) -> None:
    """The checker itself: each line breaks one arrow and must be named."""
    found = list(faults(module, pretend(monkeypatch, module, source)))
    assert any(fault in text for text in found), found


def test_allowed_imports_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import controller.session\nimport emulator.native.x\nimport fpisa.batch\nimport os\n"
    assert not list(faults("workers.zz", pretend(monkeypatch, "workers.zz", source)))


def pretend(monkeypatch: pytest.MonkeyPatch, module: str, source: str) -> Path:
    """A module that is not on disk but reads as `source`."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    assert not path.exists()
    real = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self: source if self == path else real(self))
    return path
