"""Builds the C part: `python -m emulator.native.build`, and `pip install -e .` through setup.py's
cffi_modules.

The headers are the one truth: cffi reads their declarations, the C files include them.
FPISA_SANITIZE=1 adds the address and undefined-behaviour sanitisers (tests preload libasan).
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
HEADERS = ["pipeline.h", "tables.h", "externs.h", "egress_queues.h", "ports.h", "traffic.h", "worker.h", "slot_model.h", "rows.h", "cells.h"]
CALLBACKS = """
extern "Python" int32_t fpn_python_process(void *state, const struct fp_packet *in, int32_t n_in,
    struct fp_packet *out, int32_t out_capacity, int32_t *n_out, uint8_t *arena, int64_t arena_size,
    uint64_t now_us);
"""
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wvla"]


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


def make_builder() -> FFI:
    """The cffi builder; source paths are relative to the project's root, as setuptools wants them."""
    builder = FFI()
    builder.cdef("\n".join(declarations((HERE / h).read_text()) for h in HEADERS) + CALLBACKS)
    flags = ["-O3", "-g1", "-std=gnu11", "-fno-semantic-interposition", *WARNINGS]
    link = ["-pthread"]
    if os.environ.get("FPISA_SANITIZE") == "1":
        sanitize = [
            "-fsanitize=address,undefined",
            "-fno-sanitize-recover=undefined",
            "-fno-omit-frame-pointer",
        ]
        flags = [*flags, "-O1", *sanitize]
        link += sanitize
    if os.environ.get("FPISA_WERROR") == "1":
        flags.append("-Werror")
    builder.set_source(
        MODULE,
        "".join(f'#include "{h}"\n' for h in HEADERS),
        sources=[f"emulator/native/{p.name}" for p in sorted(HERE.glob("*.c")) if not p.name.startswith("_")],
        include_dirs=["emulator/native"],
        depends=[f"emulator/native/{p.name}" for p in sorted(HERE.glob("*.h"))],
        extra_compile_args=flags,
        extra_link_args=link,
    )
    return builder


def has_compiler() -> bool:
    """Whether the C compiler that Python extensions are built with is installed."""
    command = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    return shutil.which(command) is not None


def build(verbose: bool = False) -> Path:
    """Compiles the extension in place and returns its path. Raises RuntimeError with one sentence when it
    cannot."""
    if not has_compiler():
        raise RuntimeError("no C compiler found; install one (Debian: apt-get install gcc libc6-dev python3-dev)")
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
    parser.add_argument("--sanitize", action="store_true", help="address and undefined-behaviour sanitisers")
    parser.add_argument("--verbose", action="store_true", help="show the compiler's commands")
    options = parser.parse_args(argv)
    if options.strict or options.sanitize:
        env = dict(os.environ, FPISA_WERROR="1" if options.strict else "0")
        env["FPISA_SANITIZE"] = "1" if options.sanitize else "0"
        again = [sys.executable, "-m", "emulator.native.build"] + (["--verbose"] if options.verbose else [])
        return subprocess.call(again, cwd=ROOT, env=env)
    try:
        print(build(options.verbose))
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
