"""Native match tables from Python: filled by the switch's control plane, searched by compiled pipelines.

`emulator/native/tables.h` is the contract: key words, order of entries, life of an entry's pointer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emulator.native import lib_and_ffi

EXACT, LPM, TERNARY, RANGE = 0, 1, 2, 3
ENTRY_HEADER = 32
"""Bytes from an entry's start to its action data; fields before it: see struct fpt_entry."""
MISS = 0xFFFFFFFF
"""Handle of the default entry."""
AHEAD = 512
"""Rows of what was looked up ahead; packet i has row i % AHEAD."""
CHUNK = 64
"""Packets that are looked up ahead together."""

_REASONS = {
    -1: "an equal entry or the handle exists already",
    -2: "there is no such entry",
    -3: "a value does not fit its field, its mask or its range",
    -4: "memory is short",
}


class TableError(Exception):
    """A refused write. `status` is the enum fpt_status value; the table is as it was before the refused
    entry."""

    def __init__(self, status: int) -> None:
        super().__init__(f"table entry refused: {_REASONS.get(status, 'unknown reason')}")
        self.status = status


def key_words(values: Sequence[int], widths: Sequence[int]) -> list[int]:
    """The 64-bit words of a key: each field from a fresh word, least significant word first."""
    words: list[int] = []
    for value, width in zip(values, widths, strict=True):
        words += [(value >> (64 * i)) & 0xFFFFFFFFFFFFFFFF for i in range((width + 63) // 64)]
    return words


def lookup_address() -> int:
    """Address of fpt_lookup(table, key) -> entry, for generated code."""
    lib, ffi = lib_and_ffi()
    return int(ffi.cast("intptr_t", ffi.addressof(lib, "fpt_lookup")))


def look_ahead_address() -> int:
    """Address of fpt_look_ahead(guesses, packets, number, at), for generated code."""
    lib, ffi = lib_and_ffi()
    return int(ffi.cast("intptr_t", ffi.addressof(lib, "fpt_look_ahead")))


def use_plain(on: bool) -> None:
    """For tests: whether ternary tables filled from now on do without what only some processors have."""
    lib_and_ffi()[0].fpt_plain(int(on))


@dataclass(frozen=True, slots=True)
class GuessedWord:
    """A key word as a packet usually holds it: big-endian 8 bytes from `byte`, shifted right, masked, `constant` or'ed in."""

    byte: int
    shift: int
    mask: int
    constant: int = 0


MAX_GUESS_WORDS = 8


class Guesses:
    """Memory of `struct fpt_guesses`: (address of the table, its key's words) each."""

    def __init__(self, tables: Sequence[tuple[int, Sequence[GuessedWord]]]) -> None:
        _, ffi = lib_and_ffi()
        self._list = ffi.new("struct fpt_guess[]", max(1, len(tables)))
        self._memory = ffi.new("struct fpt_guesses *", {"list": self._list, "n": len(tables)})
        self.address = int(ffi.cast("intptr_t", self._memory))
        for guess, (table, words) in zip(self._list, tables, strict=False):
            guess.table = ffi.cast("struct fpt_table *", table)
            guess.n_words = len(words)
            guess.least = max(w.byte + 8 for w in words)
            for place, word in zip(guess.words, words, strict=False):
                place.byte, place.shift, place.mask, place.constant = word.byte, word.shift, word.mask, word.constant


class NativeTable:
    """One table. fields: (width in bits, EXACT | LPM | TERNARY | RANGE) each. args_words: 64-bit words of
    action data in every entry. Raises ValueError on malformed fields. Keep the object alive as long as code
    uses `address`."""

    def __init__(self, fields: Sequence[tuple[int, int]], args_words: int = 0) -> None:
        self._lib, self._ffi = lib_and_ffi()
        self.fields = tuple(fields)
        self.widths = [width for width, _ in fields]
        self.args_words = args_words
        described = self._ffi.new("struct fpt_field[]", [{"width": w, "kind": k} for w, k in fields] or 1)
        raw = self._lib.fpt_new(described, len(fields), args_words)
        if raw == self._ffi.NULL:
            raise ValueError(f"malformed table fields {fields!r}")
        self._table = self._ffi.gc(raw, self._lib.fpt_free)
        self.key_words: int = self._lib.fpt_key_words(self._table)
        self._arrays: list[Any] = []  # counters whose memory entries point to

    @property
    def address(self) -> int:
        """Pointer to the table, the first argument of fpt_lookup."""
        return int(self._ffi.cast("intptr_t", self._table))

    def ahead_rows(self) -> int:
        """Address of the rows that fpt_look_ahead fills for this table; 0 when memory is short. Stays good."""
        return int(self._ffi.cast("intptr_t", self._lib.fpt_ahead_rows(self._table)))

    def __len__(self) -> int:
        return int(self._lib.fpt_count(self._table))

    def _words(self, words: Sequence[int] | None, n: int) -> Any:
        if words is None:
            return self._ffi.NULL
        if len(words) != n:
            raise ValueError(f"expected {n} words, got {len(words)}")
        return self._ffi.new("uint64_t[]", list(words) or 1)

    def _check(self, status: int) -> None:
        if status:
            raise TableError(status)

    def insert(
        self,
        value: Sequence[int],
        mask: Sequence[int] | None = None,
        *,
        priority: int = 0,
        handle: int,
        action: int = 0,
        args: Sequence[int] | None = None,
        counter: int = 0,
    ) -> None:
        """Adds one entry. value, mask: key words (range: low and high words). counter: address of a uint64
        pair (packets, bytes), or 0. Raises TableError."""
        v, m = self._words(value, self.key_words), self._words(mask, self.key_words)
        a = self._words(args, self.args_words)
        pair = self._ffi.cast("uint64_t *", counter)
        self._check(self._lib.fpt_insert(self._table, v, m, priority, handle, action, a, pair))

    def insert_many(
        self,
        value: np.ndarray,
        mask: np.ndarray | None,
        priority: np.ndarray | None,
        handle: np.ndarray,
        action: np.ndarray,
        args: np.ndarray | None = None,
        counter: np.ndarray | None = None,
    ) -> int:
        """Adds len(handle) entries; value, mask (n, key_words) uint64, args (n, args_words) uint64, counter
        (handles, 2) uint64 indexed by handle. Returns n; raises TableError at the first refusal (earlier
        rows stay)."""
        n = len(handle)
        done = self._ffi.new("int64_t *")
        if counter is not None:
            if counter.dtype != np.uint64 or not counter.flags.c_contiguous:
                raise ValueError("counter must be a contiguous uint64 array: entries point into it")
            self._arrays.append(counter)
        columns = [
            (value, np.uint64, "uint64_t *", n * self.key_words),
            (mask, np.uint64, "uint64_t *", n * self.key_words),
            (priority, np.int32, "int32_t *", n),
            (handle, np.uint32, "uint32_t *", n),
            (action, np.uint32, "uint32_t *", n),
            (args, np.uint64, "uint64_t *", n * self.args_words),
            (counter, np.uint64, "uint64_t *", None),
        ]
        held = [None if c is None else np.ascontiguousarray(c, dtype=t) for c, t, _, _ in columns]
        for array, (_, _, _, size) in zip(held, columns, strict=True):
            if array is not None and size is not None and array.size != size:
                raise ValueError(f"expected {size} values, got an array of {array.size}")
        pointers = [
            self._ffi.NULL if a is None else self._ffi.cast(c, a.ctypes.data)
            for a, (_, _, c, _) in zip(held, columns, strict=True)
        ]
        self._check(self._lib.fpt_insert_many(self._table, n, *pointers, done))
        return int(done[0])

    def modify(self, handle: int, action: int, args: Sequence[int] | None = None) -> None:
        """Replaces an entry's action. Raises TableError."""
        self._check(self._lib.fpt_modify(self._table, handle, action, self._words(args, self.args_words)))

    def delete(self, handle: int) -> None:
        """Removes an entry. Raises TableError."""
        self._check(self._lib.fpt_delete(self._table, handle))

    def delete_many(self, handles: np.ndarray) -> None:
        """Removes entries in order, up to the first unknown handle, which raises TableError."""
        held = np.ascontiguousarray(handles, dtype=np.uint32)
        done = self._ffi.new("int64_t *")
        pointer = self._ffi.cast("uint32_t *", held.ctypes.data)
        self._check(self._lib.fpt_delete_many(self._table, len(held), pointer, done))

    def clear(self) -> None:
        """Removes all entries; the default stays."""
        self._lib.fpt_clear(self._table)

    def set_default(self, action: int, args: Sequence[int] | None = None, counter: int = 0) -> None:
        """Sets what a miss returns."""
        pair = self._ffi.cast("uint64_t *", counter)
        self._lib.fpt_set_default(self._table, action, self._words(args, self.args_words), pair)

    def lookup(self, key: Sequence[int]) -> tuple[bool, int, int, list[int]]:
        """(hit, handle, action, args) for one key of key_words words."""
        entry = self._lib.fpt_lookup(self._table, self._words(key, self.key_words))
        args = self._ffi.cast("uint64_t *", self._ffi.cast("char *", entry) + ENTRY_HEADER)
        return bool(entry.hit), entry.handle, entry.action, [args[i] for i in range(self.args_words)]

    def last_hit(self, handle: int) -> int:
        """When an entry was last hit, in the pipeline's microseconds; 0 if never, or if there is no such
        entry."""
        entry = self._lib.fpt_find(self._table, handle)
        return int(entry.last_hit) if entry != self._ffi.NULL else 0

    def lookup_many(self, keys: np.ndarray) -> np.ndarray:
        """Handles (uint32, MISS where none) for keys (n, key_words) uint64."""
        held = np.ascontiguousarray(keys, dtype=np.uint64).reshape(-1, self.key_words or 1)
        out = np.empty(len(held), dtype=np.uint32)
        self._lib.fpt_lookup_many(
            self._table,
            len(held),
            self._ffi.cast("uint64_t *", held.ctypes.data),
            self._ffi.cast("uint32_t *", out.ctypes.data),
        )
        return out
