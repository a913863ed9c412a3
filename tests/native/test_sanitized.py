"""The C part's tests once more over a copy built with the address and undefined-behaviour sanitisers: a byte read or written
out of its place, or an operation that C does not define, ends the process.
Python's own memory comes from malloc, so that reads past
a buffer of Python's are seen too. Compiled pipelines are no C of ours; what they call is."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from emulator.native.build import ROOT, build, has_compiler

HERE = Path(__file__).resolve().parent
LIMIT_S = 540
GROUPS = {
    "queues, cells, rows, trains": """tests/switch/test_native_queues.py tests/server/test_register_read.py
        tests/query/test_pack.py tests/query/test_net_native.py
        tests/native/test_offload.py
        tests/native/test_train.py tests/native/test_convert.py""",
    "ports": "tests/native/test_ports.py tests/native/test_packet_ring.py tests/native/test_runner_switch.py",
    "tables and externs": "tests/native/test_tables.py tests/native/test_ternary_tree.py tests/native/test_externs.py",
    "windows": "tests/native/test_window_size.py tests/native/test_window_link.py",
    "workers": """tests/native/test_worker.py tests/native/test_memory_ring.py tests/native/test_pool.py
        tests/native/test_adopt.py tests/native/test_undo.py""",
    "sums": "tests/workers/test_allreduce.py tests/workers/test_pipelines.py tests/workers/test_resume.py",
    "pipelines": """tests/switch/test_jit_differential.py tests/switch/test_jit_externs.py tests/switch/test_jit_specialise.py
        tests/switch/test_hash_inputs.py tests/switch/test_fuzz_packets.py""",
}
OVERRUN = """
from emulator.native import lib_and_ffi
lib, ffi = lib_and_ffi()
lib.fpx_append(ffi.new("uint8_t[]", 40), 0, ffi.from_buffer("uint8_t[]", bytes(50)), 8 * 5000)
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(LIMIT_S + 60), pytest.mark.xdist_group("network")]


@cache
def runtime(name: str) -> Path | None:
    """A sanitiser's library, or None where the compiler has none."""
    found = Path(subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True).strip())
    return found if found.is_absolute() and found.exists() else None


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a process over the sanitised copy; its reports are the files `report.*` beside that."""
    try:
        libraries = [runtime(name) for name in ("libasan.so", "libubsan.so")] if has_compiler() else [None]
    except FileNotFoundError:
        libraries = [None]
    if None in libraries:
        pytest.skip("needs gcc with libasan and libubsan (Debian: apt-get install gcc)")
    folder = tmp_path_factory.mktemp("sanitized")
    report = f"log_path={folder / 'report'}"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "FPISA_SANITIZED": str(build(sanitized=folder)),
        "PYTHONPATH": str(HERE / "sanitized"),
        "PYTHONMALLOC": "malloc",
        "LD_PRELOAD": " ".join(map(str, libraries)),
        "ASAN_OPTIONS": f"detect_leaks=0:{report}",
        "UBSAN_OPTIONS": f"print_stacktrace=1:{report}",
    }


def reports(environment: dict[str, str]) -> str:
    """What the sanitisers wrote so far; taken away."""
    folder = Path(environment["FPISA_SANITIZED"]).parents[2]
    text = ""
    for path in sorted(folder.glob("report.*")):
        text += path.read_text(errors="replace")
        path.unlink()
    return text


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT_S)


def test_a_byte_out_of_place_is_seen(environment: dict[str, str]) -> None:
    """Else the tests below would pass over any build."""
    assert run(environment, "-c", OVERRUN).returncode != 0
    assert "heap-buffer-overflow" in reports(environment)


@pytest.mark.parametrize("group", GROUPS)
def test_nothing_is_found(environment: dict[str, str], group: str) -> None:
    selection = "" if "queues" in group else "not slow"
    done = run(environment, "-m", "pytest", "-p", "no:cacheprovider", "-m", selection, *GROUPS[group].split())
    found = reports(environment)
    assert not found, found[:8000]
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
