"""A worker's groups by the first characters of a column of text, in C: DuckDB takes twice as long for it.

DuckDB reads the rows, and its own grouping (`plans_combined`) takes over where C is not built, where the groups need more
memory than they may take, and for columns of other types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from emulator.native import lib_and_ffi_if_built

MOST_CHARACTERS = 8
_TEXT_OUTSIDE = -2


def by_prefix(reader: pa.RecordBatchReader, characters: int, room: int) -> pa.Table | None:
    """Columns name, visits, numbers, total and size: of each group the first characters of its rows' text, its rows, its
    values that are not NULL, their sum and that of their magnitudes, the last two NULL where there are none.

    reader: batches with columns name (text) and v (binary32 or binary64). room: bytes that the groups may take. None where
    that is not enough, or the columns are of other types, or C is not built."""
    library = lib_and_ffi_if_built()
    kinds = [reader.schema.field(name).type for name in ("name", "v")]
    if library is None or kinds[0] != pa.string() or kinds[1] not in (pa.float32(), pa.float64()):
        return None
    if not 0 < characters <= MOST_CHARACTERS:
        return None
    lib, ffi = library
    groups = lib.fpg_open(characters, room)
    if groups == ffi.NULL:
        return None
    try:
        for batch in reader:
            status = lib.fpg_add(groups, _batch(ffi, batch)[0]) if len(batch) else 0
            if status == _TEXT_OUTSIDE:
                raise pa.ArrowInvalid("a column of text has offsets outside its text")
            if status:
                return None
        return _read(lib, ffi, groups)
    finally:
        lib.fpg_close(groups)


def _batch(ffi: Any, batch: pa.RecordBatch) -> tuple[Any, ...]:
    """The C struct, and what it points into."""
    names, values = batch["name"], batch["v"]
    text_valid, offsets, text = names.buffers()
    value_valid, numbers = values.buffers()
    wide = values.type == pa.float64()
    empty = ffi.new("uint8_t[8]")
    raw = ffi.new("struct fpg_batch *", {
        "text": ffi.cast("uint8_t *", text.address) if text is not None and text.size else empty,
        "text_bytes": text.size if text is not None else 0,
        "offsets": ffi.cast("int32_t *", offsets.address) + names.offset,
        "values": ffi.cast("uint8_t *", numbers.address) + values.offset * (8 if wide else 4),
        "text_valid": _bitmap(ffi, text_valid), "text_first": names.offset,
        "value_valid": _bitmap(ffi, value_valid), "value_first": values.offset,
        "count": len(batch), "wide": wide,
    })  # fmt: skip
    return raw, empty, names, values


def _bitmap(ffi: Any, buffer: pa.Buffer | None) -> Any:
    return ffi.NULL if buffer is None else ffi.cast("uint8_t *", buffer.address)


def _read(lib: Any, ffi: Any, groups: Any) -> pa.Table:
    size = ffi.new("int64_t *")
    count = lib.fpg_count(groups, size)
    text, offsets = np.empty(size[0], np.uint8), np.empty(count + 1, np.int32)
    rows, numbers = (np.empty(count, np.int64) for _ in range(2))
    totals, sizes = (np.empty(count, np.float64) for _ in range(2))
    kinds = ("uint8_t", "int32_t", "int64_t", "int64_t", "double", "double")
    columns = (text, offsets, rows, numbers, totals, sizes)
    nameless = lib.fpg_read(groups, *(ffi.cast(f"{k} *", c.ctypes.data) for k, c in zip(kinds, columns, strict=True)))
    names = pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(text))
    if nameless >= 0:
        present = np.ones(count, bool)
        present[nameless] = False
        bits = pa.py_buffer(np.packbits(present, bitorder="little"))
        names = pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(text), bits)
    none = numbers == 0
    return pa.table({"name": names, "visits": rows, "numbers": numbers, "total": pa.array(totals, mask=none),
                     "size": pa.array(sizes, mask=none)})  # fmt: skip
