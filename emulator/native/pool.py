"""Memory that a switch on this machine reads contributions from and writes results to.

    pool = Pool(64 << 20)
    engine.register(pool)
    gradients = pool.empty(1_000_000)
    engine.allreduce(gradients)        # no byte of it passes through this process's processor

`emulator/native/worker.h` is the contract, docs/PROTOCOL.md ("Registered memory") what it rests on.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from emulator.native import lib_and_ffi

PAGE = 4096
DISCARDED = 1 << 20  # bytes: what is as large goes back to the machine when it is freed


class PoolError(Exception):
    """No such memory, or not enough of it; one sentence."""


class _Block:
    """An array's memory; the pool lives as long as any of them."""

    def __init__(self, pool: Pool, address: int, bytes_: int) -> None:
        self.pool = pool
        self.__array_interface__ = {"data": (address, False), "shape": (bytes_,), "typestr": "|u1", "version": 3}


class Pool:
    """`bytes_` of memory, in whole pages, which exist from their first use on. Arrays begin at pages of their own. Raises
    PoolError."""

    def __init__(self, bytes_: int) -> None:
        try:
            self._lib, self._ffi = lib_and_ffi()
        except RuntimeError as error:
            raise PoolError(str(error)) from None
        self._error = self._ffi.new("char[256]")
        raw = self._lib.fpw_pool_new(bytes_, self._error)
        if raw == self._ffi.NULL:
            raise PoolError(self._sentence())
        self.raw = self._ffi.gc(raw, self._lib.fpw_pool_free)
        self.address = int(self._ffi.cast("uintptr_t", self._lib.fpw_pool_memory(raw)))
        self.bytes = int(self._lib.fpw_pool_bytes(raw))
        self._free = {0: self.bytes}  # offset: length; no two touch
        self._lock = threading.Lock()
        self._ended: deque[tuple[int, int]] = deque()  # offset and length; arrays end at any moment, of any thread

    def _sentence(self) -> str:
        return str(self._ffi.string(self._error).decode(errors="replace"))

    @property
    def shared(self) -> bool:
        """Whether the switch may use it. Not any more once an all-reduce in it has failed: its arrays are then private
        memory with the same values, and copied. Nor in a forked child."""
        return bool(self._lib.fpw_pool_shared(self.raw))

    def holds(self, array: NDArray[Any]) -> bool:
        """Whether a contiguous array lies in it."""
        offset = int(array.ctypes.data) - self.address
        return offset >= 0 and offset + array.nbytes <= self.bytes

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """An array with what lay there before; its memory returns when it and its views are gone. Raises PoolError."""
        kind = np.dtype(dtype)
        wanted = math.prod(shape if isinstance(shape, tuple) else (shape,)) * kind.itemsize
        room = max(-(-wanted // PAGE) * PAGE, PAGE)
        offset = self._take(room)
        block = _Block(self, self.address + offset, room)
        weakref.finalize(block, self._end, offset, room).atexit = False
        return np.asarray(block)[:wanted].view(kind).reshape(shape)

    def adopt(self, address: int, bytes_: int, free: int = 0) -> None:
        """Memory of another allocator lies in the pool from now on, at its address and with its values, but for what shares a
        page with something else. Nobody may write to it meanwhile.

        free: address of the allocator's `void free(void *)`. Whoever would call it must call fpw_pool_release instead. Raises
        PoolError, and all is as before, where there is no whole page or no memory."""
        room = int(self._lib.fpw_pool_room(self._ffi.cast("void *", address), bytes_))
        if not room:
            raise PoolError(f"{bytes_} bytes hold no whole page")
        offset = self._take(room)
        pointers = [self._ffi.cast("void *", number) for number in (address, free)]
        if self._lib.fpw_pool_adopt(self.raw, pointers[0], bytes_, offset, pointers[1], self._error):
            self._ended.append((offset, room))
            raise PoolError(self._sentence())

    @staticmethod
    def release_function() -> int:
        """The address of `void fpw_pool_release(void *)`. Raises PoolError."""
        try:
            lib, ffi = lib_and_ffi()
        except RuntimeError as error:
            raise PoolError(str(error)) from None
        return int(ffi.cast("uintptr_t", ffi.addressof(lib, "fpw_pool_release")))

    def _take(self, room: int) -> int:
        with self._lock:
            self._collect()
            for offset, length in self._free.items():
                if length >= room:
                    del self._free[offset]
                    if length > room:
                        self._free[offset + room] = length - room
                    return offset
        raise PoolError(f"a pool of {self.bytes} bytes has no {room} in a row left")

    def _collect(self) -> None:
        """What arrays and adopted memory have given back."""
        while self._ended:
            self._give_back(*self._ended.popleft())
        offset = self._ffi.new("int64_t *")
        while bytes_ := int(self._lib.fpw_pool_returned(self.raw, offset)):
            self._give_back(int(offset[0]), bytes_)

    def _end(self, offset: int, room: int) -> None:
        if room >= DISCARDED:
            self._lib.fpw_pool_discard(self.raw, offset, room)
        self._ended.append((offset, room))

    def _give_back(self, offset: int, room: int) -> None:
        parts = sorted([*self._free.items(), (offset, room)])
        joined: dict[int, int] = {}
        last = -1
        for at, length in parts:
            if last >= 0 and at == last + joined[last]:
                joined[last] += length
            else:
                joined[at] = length
                last = at
        self._free = joined
