"""Tensors' memory, as torch allocated it, becomes memory that the switch reads and writes itself (emulator.native.pool).

Only storages of torch's own host allocator are taken: nobody pinned them for a GPU or mapped a file there. The pages change
in place, so pointers into them stay good; before torch frees them (or resizes them away) they are private memory again.
What torch's Python cannot do for that is a few lines of C++, compiled on first use; where there is no C++ compiler tensors are
copied.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from emulator.native.pool import Pool, PoolError

SOURCE = Path(__file__).with_name("storage.cpp")
COMPILE_LIMIT = 120.0
LEAST_BYTES = 1 << 16  # below this, changing pages costs more than copying saves


class NoStorage(Exception):
    """Storages cannot be taken over; one sentence."""


def build() -> Path:
    """The compiled part for the installed torch, made if it is not there. Raises NoStorage."""
    try:
        source = SOURCE.read_text()
    except OSError as error:
        raise NoStorage(f"the C++ part is not installed: {error}") from None
    text = f"{torch.__version__} {torch._C._GLIBCXX_USE_CXX11_ABI} {source}"
    name = f"_storage_{hashlib.sha256(text.encode()).hexdigest()[:16]}.so"
    folders = (SOURCE.parent, Path(os.path.expanduser("~")) / ".cache" / "fpisa")
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    for folder in folders:
        try:
            return build_in(folder, name)
        except OSError:
            continue
    raise NoStorage("no folder to keep the compiled part in")


def build_in(folder: Path, name: str) -> Path:
    """Raises NoStorage; OSError where the folder cannot be written to."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = Path(scratch) / name
        compile_to(made, Path(torch.__file__).parent)
        os.replace(made, folder / name)  # several ranks may do this at once
    return folder / name


def compile_to(target: Path, torch_folder: Path) -> None:
    """Raises NoStorage; OSError where `target` cannot be written."""
    command = [
        os.environ.get("CXX", "g++"), "-std=c++20", "-O2", "-shared", "-fPIC",
        f"-D_GLIBCXX_USE_CXX11_ABI={int(torch._C._GLIBCXX_USE_CXX11_ABI)}",
        "-isystem", str(torch_folder / "include"), str(SOURCE), "-o", str(target),
        "-L", str(torch_folder / "lib"), "-lc10",
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMPILE_LIMIT)
    except FileNotFoundError:
        raise NoStorage("no C++ compiler found; install one (Debian: apt-get install g++)") from None
    except subprocess.TimeoutExpired:
        raise NoStorage("the C++ compiler does not come to an end") from None
    except subprocess.CalledProcessError as error:
        first = error.stderr.strip().splitlines()[:1]
        raise NoStorage(f"the C++ part did not compile: {' '.join(first)}") from None


@cache
def library() -> ctypes.CDLL:
    """Raises NoStorage."""
    try:
        found = ctypes.CDLL(str(build()))
    except OSError as error:
        raise NoStorage(str(error)) from None
    for name in ("fpisa_storage_free", "fpisa_storage_own"):
        getattr(found, name).restype = ctypes.c_void_p
    found.fpisa_storage_own.argtypes = [ctypes.c_void_p]
    found.fpisa_storage_watch.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    return found


class Adopter:
    """Takes over storages that are summed again and again: each on its second all-reduce, so that a tensor of one use costs
    nothing. Used by one thread."""

    def __init__(self, pool: Pool) -> None:
        """Raises NoStorage."""
        self.pool, self.library = pool, library()
        self.seen: dict[int, StorageWeakRef] = {}  # by the storage's address, which the reference keeps from being used again
        self.adopted = 0  # storages so far

    def see(self, tensor: torch.Tensor) -> None:
        """Before the tensor's all-reduce, when nobody writes to it."""
        storage = tensor.untyped_storage()
        if tensor.nbytes < LEAST_BYTES or tensor.nbytes != storage.nbytes():  # others may write to the rest of it
            return
        known = self.seen.get(storage._cdata)
        if known is None:
            self.forget()
            self.seen[storage._cdata] = StorageWeakRef(storage)
        else:
            self.adopt(storage)

    def forget(self) -> None:
        """Storages that are gone."""
        self.seen = {key: known for key, known in self.seen.items() if not known.expired()}

    def adopt(self, storage: torch.UntypedStorage) -> None:
        address = self.library.fpisa_storage_own(storage._cdata)
        if not address or storage.data_ptr() != address:
            return  # adopted already, or somebody else's
        if torch.cuda.is_initialized() and storage.is_pinned():
            return  # registered with a GPU afterwards, which knows the pages
        try:
            self.pool.adopt(address, storage.nbytes(), self.library.fpisa_storage_free())
        except PoolError:
            return  # full, or memory is short: it is copied
        self.library.fpisa_storage_watch(storage._cdata, Pool.release_function())
        self.adopted += 1
