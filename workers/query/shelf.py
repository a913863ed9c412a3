"""A scan's columns until they are sent: in memory, or in files without a name where they are more than a worker may hold."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from workers.query.errors import QueryError

PART = 1 << 20
"""Rows that are looked at together, and read from a file at a time."""


@dataclass(frozen=True)
class FileColumn:
    """(count,) numbers in a file of their own. Slices are read from it; with a step, PART numbers at a time."""

    file: BinaryIO
    dtype: np.dtype
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: slice) -> np.ndarray:
        start, stop, step = place.indices(self.count)
        if step < 1:
            raise IndexError("columns in files are read forwards")
        if step == 1:
            return self._read(start, max(start, stop))
        width = max(1, PART // step) * step
        parts = [self._read(at, min(at + width, stop))[::step] for at in range(start, stop, width)]
        return np.concatenate([np.zeros(0, self.dtype), *parts])

    def _read(self, start: int, stop: int) -> np.ndarray:
        found = np.empty(stop - start, self.dtype)
        view, at = _bytes(found), start * self.dtype.itemsize
        while len(view):
            got = os.preadv(self.file.fileno(), [view], at)
            if not got:
                raise QueryError("a column's file is shorter than it was written")
            view, at = view[got:], at + got
        return found


Column = np.ndarray | FileColumn


@dataclass
class Shelf:
    """Columns of equal length, put in batch by batch. room: bytes that may stay in memory; folder: of the files."""

    dtypes: Sequence[np.dtype]
    room: int
    folder: Path | None = None
    count: int = 0
    _batches: list[Sequence[np.ndarray]] = field(default_factory=list)
    _held: int = 0
    _files: list[BinaryIO] = field(default_factory=list)

    def add(self, *arrays: np.ndarray) -> None:
        """One array for each column, equally long. Raises QueryError where a file cannot be written."""
        self._batches.append([np.ascontiguousarray(a, d) for a, d in zip(arrays, self.dtypes, strict=True)])
        self.count += len(arrays[0])
        self._held += sum(column.nbytes for column in self._batches[-1])
        if self._held > self.room:
            self._put_away()

    def columns(self) -> list[Column]:
        """All that was put in. Raises QueryError."""
        if self._files:
            self._put_away()
            return [FileColumn(f, np.dtype(d), self.count) for f, d in zip(self._files, self.dtypes, strict=True)]
        if len(self._batches) == 1:
            return list(self._batches[0])
        return [np.concatenate([np.zeros(0, d), *(batch[n] for batch in self._batches)]) for n, d in enumerate(self.dtypes)]

    def _put_away(self) -> None:
        try:
            if not self._files:
                self._files = [_file(self.folder) for _ in self.dtypes]
            for batch in self._batches:
                for file, column in zip(self._files, batch, strict=True):
                    view = _bytes(column)
                    while len(view):
                        view = view[file.write(view) :]
        except OSError as error:
            raise QueryError(f"a worker's columns do not fit into memory, nor into a file: {error.strerror}") from None
        self._batches, self._held = [], 0


def _bytes(array: np.ndarray) -> memoryview:
    return array.data.cast("B") if array.nbytes else memoryview(b"")


def _file(folder: Path | None) -> BinaryIO:
    """Gone with the last who holds it."""
    return cast(BinaryIO, tempfile.TemporaryFile(dir=folder, buffering=0))


def parts(count: int) -> list[slice]:
    """Slices of PART rows that cover a column of `count`."""
    return [slice(start, min(start + PART, count)) for start in range(0, count, PART)]
