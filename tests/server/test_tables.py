"""Table entries through a live server: every match kind, default entries, const entries, priorities, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from controller.p4rt.entities import ActionCall, TableEntry
from controller.p4rt.protos import p4r
from controller.p4rt.status import Code, P4RuntimeError


def refusal(call: Any, *args: Any) -> P4RuntimeError:
    with pytest.raises(P4RuntimeError) as caught:
        call(*args)
    return caught.value


def first_entry(client: Any) -> TableEntry:
    """An entry with made-up values that fits the L2 program, whatever its names are."""
    table = client.schema.tables["Ig.dmac"]
    action = next(a for a in (client.schema.actions[i] for i in table.scopes) if len(a.params) == 1)
    return TableEntry(table.name, {table.fields[0].name: 0x0200_0000_0001},
                      ActionCall(action.name, {action.params[0].name: 3}))  # fmt: skip


def test_insert_read_modify_delete(live: Any) -> None:
    client = live("01_l2_forward").client
    entry = first_entry(client)
    client.insert(entry)
    assert list(client.read(TableEntry("Ig.dmac"))) == [entry]
    assert list(client.read(entry)) == [entry]
    other = TableEntry(entry.table, entry.match, ActionCall(entry.action.name, dict.fromkeys(entry.action.args, 9)))
    client.modify(other)
    assert list(client.read(TableEntry())) == [other]
    client.delete(entry)
    assert list(client.read(TableEntry())) == []


def test_codes_and_words(live: Any) -> None:
    client = live("01_l2_forward").client
    entry = first_entry(client)
    missing = refusal(client.modify, entry)
    assert missing.is_not_found_only
    assert "table Ig.dmac has no entry with this key; use INSERT to create it" in str(missing)
    assert missing.failures[0].remedy == "use INSERT to create it"
    client.insert(entry)
    again = refusal(client.insert, entry)
    assert again.is_already_exists_only
    assert "use MODIFY" in str(again)
    assert refusal(client.delete, TableEntry(entry.table, {next(iter(entry.match)): 77})).is_not_found_only


def raw(client: Any, kind: str, fill: Any) -> P4RuntimeError | None:
    """Send one hand-made TableEntry update; the refusal, if any."""
    update = p4r.Update(type=p4r.Update.Type.Value(kind))
    fill(update.entity.table_entry)
    try:
        client.client.write([update], client.election)
    except P4RuntimeError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: e.ClearField("match"), "exact match field .* is missing"),
        (lambda e: e.match.add().CopyFrom(e.match[0]), "is given twice"),
        (lambda e: setattr(e.match[0].exact, "value", b""), "empty byte string"),
        (lambda e: setattr(e.match[0].exact, "value", b"\x01" * 7), "does not fit in 48 bits"),
        (lambda e: setattr(e.match[0], "field_id", 9), "has no match field with id 9; its fields are 1"),
        (lambda e: setattr(e.match[0].lpm, "prefix_len", 3), "is given as lpm; it is matched as exact"),
        (lambda e: setattr(e, "priority", 1), "takes no priority"),
        (lambda e: setattr(e, "table_id", 0x02FFFFFF), "no table with id 0x02ffffff"),
        (lambda e: setattr(e, "table_id", 0), "the table id is not set"),
        (lambda e: e.ClearField("action"), "has no action"),
        (lambda e: setattr(e.action.action, "action_id", 1), "no action with id 0x00000001"),
        (lambda e: e.action.action.ClearField("params"), "got parameters none; it takes 1"),
        (lambda e: setattr(e.action.action.params[0], "value", b"\x02\x00"), "0x200 does not fit in 9 bits"),
        (lambda e: setattr(e.action.action.params[0], "param_id", 5), "got parameters 5"),
        (lambda e: setattr(e.action, "action_profile_member_id", 1), "has no action profile"),
        (lambda e: setattr(e, "idle_timeout_ns", 1), "has no idle timeout"),
        (lambda e: setattr(e.meter_config, "cir", 1), "has no direct meter"),
        (lambda e: setattr(e.counter_data, "packet_count", 1), "has no direct counter"),
        (lambda e: e.time_since_last_hit.SetInParent(), "cannot be written"),
        (lambda e: setattr(e, "is_const", True), "is_const"),
        (lambda e: setattr(e, "is_default_action", True), "cannot be inserted"),
    ],
)  # fmt: skip
def test_what_is_refused_and_how(live: Any, change: Any, words: str) -> None:
    found = live("01_l2_forward")
    good = first_entry(found.client).encode(found.client.schema).table_entry

    def fill(entry: Any) -> None:
        entry.CopyFrom(good)
        change(entry)

    error = raw(found.client, "INSERT", fill)
    assert error is not None
    assert error.code == Code.UNKNOWN and len(error.failures) == 1
    assert error.failures[0].space == "fpisa"
    import re

    assert re.search(words, error.failures[0].message), error.failures[0].message
    assert list(found.client.read(TableEntry())) == []


def test_long_byte_strings_are_taken_and_canonical_ones_returned(live: Any) -> None:
    found = live("01_l2_forward")
    good = first_entry(found.client).encode(found.client.schema).table_entry

    def fill(entry: Any) -> None:
        entry.CopyFrom(good)
        entry.match[0].exact.value = b"\x00\x00\x00" + entry.match[0].exact.value
        entry.action.action.params[0].value = b"\x00\x03"

    assert raw(found.client, "INSERT", fill) is None
    pattern = TableEntry().encode(found.client.schema)
    (read,) = found.client.client.read([pattern])
    assert read.table_entry == good


def test_default_entries(live: Any) -> None:
    client = live("01_l2_forward").client
    entry = first_entry(client)
    before = client.read_one(TableEntry("Ig.dmac", is_default=True))
    client.modify(TableEntry("Ig.dmac", action=entry.action, is_default=True))
    assert client.read_one(TableEntry("Ig.dmac", is_default=True)).action == entry.action
    assert list(client.read(TableEntry("Ig.dmac"))) == [], "the default is not among the entries"
    client.modify(TableEntry("Ig.dmac", is_default=True))
    assert client.read_one(TableEntry("Ig.dmac", is_default=True)) == before
    assert "use MODIFY" in str(refusal(client.insert, TableEntry("Ig.dmac", action=entry.action, is_default=True)))
    assert len(list(client.read(TableEntry(is_default=True)))) == len(client.schema.tables)


def test_constant_default_and_scopes(live: Any) -> None:
    client = live("34_cpu_names").client
    table = client.schema.tables["root_table"]
    drop = ActionCall("global_drop")
    constant = refusal(client.modify, TableEntry(table.name, action=ActionCall("NoAction"), is_default=True))
    assert constant.failures[0].code == Code.PERMISSION_DENIED
    assert "constant" in str(constant)
    only_default = TableEntry(table.name, {table.fields[0].name: 1}, ActionCall("NoAction"))
    assert "@defaultonly" in str(refusal(client.insert, only_default))
    client.insert(TableEntry(table.name, {table.fields[0].name: 1}, drop))
    only_entry = TableEntry("exact_table", action=ActionCall("NoAction"), is_default=True)
    assert "@tableonly" in str(refusal(client.modify, only_entry))


@pytest.mark.parametrize("case", ["02_ipv4_lpm", "03_acl_ternary", "04_range_optional", "32_table_keys"])
def test_every_key_kind_comes_back_as_written(live: Any, case: str) -> None:
    client = live(case).client
    schema = client.schema
    for table in schema.tables:
        if table.is_const or table.has_initial_entries or not table.fields or list(client.read(TableEntry(table.name))):
            continue
        action = next(a for a in (schema.actions[i] for i, s in table.scopes.items() if s.name != "DEFAULT_ONLY"))
        call = ActionCall(action.name, {p.name: 1 for p in action.params})
        rows = []
        for number in range(3):
            match: dict[str, Any] = {}
            for field in table.fields:
                full = (1 << field.bitwidth) - 1
                value = (number + 1) & full
                match[field.name] = {
                    "exact": value,
                    "optional": value,
                    "lpm": ((value << max(0, field.bitwidth - 2)) & full & ~(full >> 2 if field.bitwidth > 2 else 0),
                            min(2, field.bitwidth)),
                    "ternary": (value & 0x3 & full, 0x3 & full),
                    "range": (0, value) if value < full else (1, full),
                }[field.kind]  # fmt: skip
            rows.append(TableEntry(table.name, match, call, priority=number + 1 if table.needs_priority else 0))
        unique = {str(sorted(r.match.items())): r for r in rows}
        client.insert(*unique.values())
        assert list(client.read(TableEntry(table.name))) == list(unique.values())
        if table.needs_priority:
            assert list(client.read(TableEntry(table.name, priority=2))) == [
                r for r in unique.values() if r.priority == 2
            ]
            row = next(iter(unique.values()))
            assert list(client.read(TableEntry(table.name, row.match))) == [row], "priority 0 matches any"
            none = TableEntry(table.name, row.match, row.action)
            assert "needs a priority above 0" in str(refusal(client.insert, none))


def test_constant_entries_can_be_read_and_not_written(live: Any) -> None:
    client = live("04_range_optional").client
    constant = [e for e in client.read(TableEntry()) if e.is_const]
    assert constant
    error = refusal(client.delete, TableEntry(constant[0].table, constant[0].match, priority=constant[0].priority))
    assert error.failures[0].code == Code.PERMISSION_DENIED
    assert list(client.read(TableEntry(is_const=True))) == constant


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (lambda m: (setattr(m.ternary, "value", b"\x01"), setattr(m.ternary, "mask", b"\x00")), "mask is zero"),
        (lambda m: (setattr(m.ternary, "value", b"\x03"), setattr(m.ternary, "mask", b"\x01")), "outside its mask"),
    ],
)  # fmt: skip
def test_ternary_must_be_canonical(live: Any, fill: Any, words: str) -> None:
    client = live("03_acl_ternary").client
    table = next(t for t in client.schema.tables if any(f.kind == "ternary" for f in t.fields))
    field = next(f for f in table.fields if f.kind == "ternary")

    def entry(e: Any) -> None:
        e.table_id, e.priority = table.id, 1
        fill(e.match.add(field_id=field.id))

    assert words in str(raw(client, "INSERT", entry))


def test_metadata_and_filters(live: Any) -> None:
    client = live("01_l2_forward").client
    one = first_entry(client)
    tagged = TableEntry(one.table, {next(iter(one.match)): 2}, one.action, metadata=b"tag")
    client.insert(one, tagged)
    assert list(client.read(TableEntry("Ig.dmac", metadata=b"tag"))) == [tagged]
    assert len(list(client.read(TableEntry("Ig.dmac", action=one.action)))) == 2


def test_a_full_table_says_so(live: Any) -> None:
    found = live("01_l2_forward")
    client = found.client
    entry = first_entry(client)
    size = found.control.tables["Ig.dmac"].spec.max_size
    name = next(iter(entry.match))
    client.insert(*(TableEntry(entry.table, {name: i}, entry.action) for i in range(size)))
    error = refusal(client.insert, TableEntry(entry.table, {name: size}, entry.action))
    assert error.failures[0].code == Code.RESOURCE_EXHAUSTED
    assert f"is full: it holds {size} entries; delete something" in str(error)
