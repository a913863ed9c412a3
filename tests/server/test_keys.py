"""Keys of every shape through P4Runtime, and reads that no write comes into."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from controller.p4rt.entities import ActionCall, RegisterEntry, TableEntry


@pytest.mark.parametrize("engine", ["interp", "jit"])
def test_keys_without_names_are_called_as_they_are_written(live: Any, engine: str) -> None:
    found = live("keys.p4", engine=engine)
    (table,) = found.client.schema.tables
    assert len({field.name for field in table.fields}) == 6
    sum_, valid, nibble, more, both, wide = (field.name for field in table.fields)
    match = {sum_: 6, valid: 1, nibble: 3, both: (0x0500, 0x05FF), wide: 0x73}
    entry = TableEntry("Ig.wild", match, ActionCall("Ig.to", {"port": 9}), 1)
    found.client.insert(entry)
    assert list(found.client.read(entry)) == [entry]
    assert [port for port, _ in found.device.switch.send(0, b"\x05\x73")] == [9]
    for other in (b"\x05\x63", b"\x06\x73", b"\x05\x74"):
        assert [port for port, _ in found.device.switch.send(0, other)] == [0]
    found.client.delete(entry)
    assert more and list(found.client.read(TableEntry("Ig.wild"))) == []


def test_a_read_sees_a_write_whole_or_not_at_all(live: Any) -> None:
    """Longer than one response, and than one piece of a batch."""
    client = live("keys.p4").client
    (table,) = client.schema.tables
    names = [field.name for field in table.fields]
    count = table.size
    assert count > 1000
    rows = [
        TableEntry(table.name, {names[0]: i & 255, names[1]: 1, names[2]: i >> 8}, ActionCall("NoAction"), 1)
        for i in range(count)
    ]
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(sum(1 for _ in client.read(TableEntry(table.name))))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(6):
        client.insert(*rows)
        client.delete(*rows)
    done.set()
    reader.join(30)
    assert set(seen) <= {0, count} and seen
    client.insert(*rows)
    assert len(list(client.read(TableEntry(table.name), TableEntry()))) == 2 * count


def test_arrays_longer_than_a_response(live: Any) -> None:
    found = live("keys.p4")
    client = found.client
    found.device.switch.send(0, b"\x01\x02")
    client.modify(RegisterEntry("large", 16384, 5), RegisterEntry("large", 0, 9))
    cells = list(client.read(RegisterEntry("large")))
    assert [cell.index for cell in cells] == list(range(40000))
    assert {cell.index: cell.value for cell in cells if cell.value} == {0: 9, 16384: 5, 39999: 7}
