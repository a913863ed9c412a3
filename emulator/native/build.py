"""Builds the C part: `python -m emulator.native.build`, and `pip install -e .` through setup.py's
cffi_modules.

The headers are the one truth: cffi reads their declarations, the C files include them.
`--sanitize DIR` builds another copy below DIR with the address and undefined-behaviour sanitisers; the one in place stays as
it is. A process that loads the copy must have libasan preloaded (tests/native/test_sanitized.py).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MODULE = "emulator.native._native"
HEADERS = [
    "pipeline.h",
    "tables.h",
    "externs.h",
    "egress_queues.h",
    "ports.h",
    "traffic.h",
    "worker.h",
    "slot_model.h",
    "rows.h",
    "cells.h",
    "groups.h",
]
CALLBACKS = """
extern "Python" int32_t fpn_python_process(void *state, const struct fp_packet *in, int32_t n_in,
    struct fp_packet *out, int32_t out_capacity, int32_t *n_out, uint8_t *arena, int64_t arena_size,
    uint64_t now_us);
"""
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wvla"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"]


def declarations(text: str) -> str:
    """A header as cffi reads it: no directives but numeric `#define`s, no assertions, no attributes."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"_Static_assert\s*\(.*?\);", "", text, flags=re.DOTALL)
    kept = []
    for line in text.splitlines():
        number = re.match(r"#define\s+(\w+)\s+\(?(0x[0-9a-fA-F]+|\d+)\)?\s*$", line)
        if number:
            kept.append(f"#define {number[1]} {number[2]}")
        elif not line.startswith("#"):
            kept.append(line)
    return "\n".join(kept)


def make_builder(sanitize: bool = False) -> FFI:
    """The cffi builder. Source paths are relative to the project's root, as setuptools wants them; with sanitize they are
    absolute, for that copy is built elsewhere."""
    builder = FFI()
    builder.cdef("\n".join(declarations((HERE / h).read_text()) for h in HEADERS) + CALLBACKS)
    flags = ["-O3", "-g1", "-std=gnu11", "-fno-semantic-interposition", *WARNINGS]
    link = ["-pthread"]
    if sanitize:
        flags = [*flags, "-O1", *SANITIZERS]
        link += SANITIZERS
    if os.environ.get("FPISA_WERROR") == "1":
        flags.append("-Werror")
    here = HERE if sanitize else HERE.relative_to(ROOT)
    builder.set_source(
        MODULE,
        "".join(f'#include "{h}"\n' for h in HEADERS),
        sources=[str(here / p.name) for p in sorted(HERE.glob("*.c")) if not p.name.startswith("_")],
        include_dirs=[str(here)],
        depends=[str(here / p.name) for p in sorted(HERE.glob("*.h"))],
        extra_compile_args=flags,
        extra_link_args=link,
    )
    return builder


def has_compiler() -> bool:
    """Whether the C compiler that Python extensions are built with is installed."""
    command = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    return shutil.which(command) is not None


def build(verbose: bool = False, sanitized: Path | None = None) -> Path:
    """Compiles the extension, in place or with sanitisers below a folder, and returns its path. Raises RuntimeError with one
    sentence when it cannot."""
    if not has_compiler():
        raise RuntimeError("no C compiler found; install one (Debian: apt-get install gcc libc6-dev python3-dev)")
    if sanitized is not None:
        sanitized.mkdir(parents=True, exist_ok=True)
        return Path(make_builder(sanitize=True).compile(tmpdir=str(sanitized.resolve()), verbose=verbose))
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        return Path(ffibuilder.compile(tmpdir=".", verbose=verbose))
    finally:
        os.chdir(before)


def main(argv: list[str] | None = None) -> int:
    """Command line of the build; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m emulator.native.build",
        description="Compile the C part of the switch and the workers in place.",
        epilog="example: python -m emulator.native.build --strict",
    )
    parser.add_argument("--strict", action="store_true", help="treat compiler warnings as errors")
    parser.add_argument(
        "--sanitize",
        type=Path,
        metavar="DIR",
        help="build a copy below DIR with address and undefined-behaviour sanitisers",
    )
    parser.add_argument("--verbose", action="store_true", help="show the compiler's commands")
    options = parser.parse_args(argv)
    if options.strict and os.environ.get("FPISA_WERROR") != "1":
        again = [sys.executable, "-m", "emulator.native.build", *(sys.argv[1:] if argv is None else argv)]
        return subprocess.call(again, cwd=ROOT, env=dict(os.environ, FPISA_WERROR="1"))
    try:
        print(build(options.verbose, options.sanitize))
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        print(f"error: the C part did not compile: {error}", file=sys.stderr)
        return 1
    return 0


ffibuilder = make_builder()

if __name__ == "__main__":
    sys.exit(main())
