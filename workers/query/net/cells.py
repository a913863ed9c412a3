"""Register cells as the switch wrote them, decoded in C. What that does not take, and where C is not built, the controller
decodes them itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from emulator.native import lib_and_ffi_if_built


def can_decode() -> bool:
    return lib_and_ffi_if_built() is not None


def decoded(answer: dict[str, Any], body: bytes) -> np.ndarray | None:
    """(registers, cells) uint64: the query's own cells, from the controller's answer to a raw request and what came with it.
    None where something else came than every cell of every register once."""
    library = lib_and_ffi_if_built()
    if library is None:
        return None
    lib, ffi = library
    ids = np.array(answer["ids"], np.uint32)
    values, seen = np.zeros((len(ids), answer["size"]), np.uint64), np.zeros((len(ids), answer["size"]), np.uint8)
    arrays = ffi.new("struct fpc_arrays *", {
        "ids": ffi.cast("uint32_t *", ids.ctypes.data), "count": len(ids), "size": answer["size"],
        "values": ffi.cast("uint64_t *", values.ctypes.data), "seen": ffi.cast("uint8_t *", seen.ctypes.data),
    })  # fmt: skip
    tags = ffi.new("struct fpc_tags *", _tags(answer["tags"]))
    at = found = 0
    whole = ffi.from_buffer(body)
    for length in answer["parts"]:
        count = lib.fpc_read(tags, ffi.cast("uint8_t *", whole) + at, length, arrays)
        if count < 0:
            return None
        at, found = at + length, found + count
    first = answer["first"]
    return values[:, first : first + answer["cells"]] if found == values.size else None


def _tags(tags: dict[str, int]) -> dict[str, Any]:
    """As the struct has them: an id's tag is all of an entity's head."""
    return {**{name: tag for name, tag in tags.items() if name != "id"}, "head": [tags["id"]], "head_size": 1}
