"""LLVM IR to machine code, with a cache of objects on disk.

The key of an object is the hash of the IR's text, LLVM's version, the processor and its features, and the options, so
a cached object is what compiling would give.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

_OPTIONS = ("-slp-schedule-budget=10000000",)
"""LLVM's limit is made for code of usual size; 256 instances in one block are beyond it."""
_lock = threading.Lock()
_ready = False


@dataclass(frozen=True, slots=True)
class Report:
    """seconds: processor time of optimising and generating code, or of reading it from the cache. size: of the object, bytes."""

    seconds: float
    size: int
    cached: bool


def _start() -> None:
    global _ready
    with _lock:
        if not _ready:
            llvm.initialize_native_target()
            llvm.initialize_native_asmprinter()
            try:  # divisions of 128 bits are calls into it; nothing else needs it
                llvm.load_library_permanently("libgcc_s.so.1")
            except RuntimeError:
                pass
            for option in _OPTIONS:
                llvm.set_option("fpisa", option)
            _ready = True


def processor() -> tuple[str, str]:
    """(name, features) as LLVM calls them."""
    _start()
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def vector_attributes() -> str:
    """Function attributes: full vector width where the machine has it."""
    wide = "+avx512f," in processor()[1] + ","
    return 'nounwind alignstack=64 "prefer-vector-width"="512"' if wide else "nounwind"


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "fpisa" / "jit"


def _target(level: int) -> llvm.TargetMachine:
    name, features = processor()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=name, features=features, opt=level, reloc="pic", codemodel="small"
    )


def _key(text: str, level: int) -> str:
    parts = (text, str(level), llvmlite.__version__, str(llvm.llvm_version_info), *processor(), *_OPTIONS)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def optimised(text: str, level: int) -> tuple[llvm.ModuleRef, llvm.TargetMachine]:
    """The module after LLVM's passes. level 1 is for code that runs rarely, 3 for the data plane."""
    _start()
    module = llvm.parse_assembly(text)
    machine = _target(level)
    options = llvm.create_pipeline_tuning_options(level)
    options.slp_vectorization = level > 2
    options.loop_vectorization = level > 2
    llvm.create_pass_builder(machine, options).getModulePassManager().run(
        module, llvm.create_pass_builder(machine, options)
    )
    return module, machine


SUM = 32
"""Bytes of the checksum behind a cached object."""


def _checked(stored: bytes) -> bytes | None:
    """The object in a file of the cache, None when the file is damaged."""
    found = stored[:-SUM]
    return found if hashlib.sha256(found).digest() == stored[-SUM:] else None


def build_object(text: str, level: int) -> tuple[bytes, bool]:
    """Machine code for IR: (object file, whether it came from the cache). A cache that cannot be used is left alone."""
    path = cache_folder() / f"{_key(text, level)}.o"
    try:
        stored = _checked(path.read_bytes())
        if stored is not None:
            return stored, True
    except OSError:
        pass
    module, machine = optimised(text, level)
    found = machine.emit_object(module)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(found + hashlib.sha256(found).digest())
        os.replace(file.name, path)
    except OSError:
        pass
    return found, False


class Code:
    """Loaded machine code. Keep it alive while its functions may run."""

    _count = 0

    def __init__(self, text: str, names: tuple[str, ...], level: int):
        began = time.thread_time()
        found, cached = build_object(text, level)
        Code._count += 1
        builder = llvm.JITLibraryBuilder().add_object_img(found).add_current_process()
        for name in names:
            builder.export_symbol(name)
        self._jit = llvm.create_lljit_compiler(_target(level), use_jit_link=False)
        self._library = builder.link(self._jit, f"fpisa{Code._count}")
        self.addresses = {name: self._library[name] for name in names}
        self.report = Report(time.thread_time() - began, len(found), cached)

    def function(self, name: str, result, *args):
        """A callable for a function; ctypes types."""
        return ctypes.CFUNCTYPE(result, *args)(self.addresses[name])
