"""The reference compiler's packet tests (STF), read the way its runner for bmv2 reads them.

All set-up lines of a file take effect before its first packet. Ports that a file does not name are not
looked at; on the others the packets received must be those expected, in order and number. An `expect`
without `$` compares a prefix; `*` stands for any digit.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from emulator.switch.keys import Exact, KeyPart, Lpm, Range, Ternary, full
from emulator.switch.model import Key
from emulator.switch.stf import CaseError, Failure, Line, Result, difference, number, split_call
from emulator.switch.switch import Switch
from emulator.switch.table import Table

MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Expected:
    """pattern: hex digits and `*`, or None for any packet. exact: nothing may follow."""

    line: Line
    pattern: str | None
    exact: bool


class ReferenceCase:
    def __init__(self, switch: Switch, result: Result) -> None:
        self.switch, self.result = switch, result
        self.control = switch.control
        self._handles: dict[str, tuple[Table, int]] = {}
        self._packets: list[tuple[int, bytes]] = []
        self._expected: dict[int, list[Expected]] = defaultdict(list)
        self._ports: set[int] = set()
        self._nodes: list[tuple[int, list[int]]] = []
        self._groups: dict[int, list[tuple[int, int]]] = {}
        self._checks: list[tuple[Line, str, int, str, int]] = []

    def play(self, line: Line) -> None:
        line = Line(line.number, line.command, line.rest.replace('"', ""))  # names may stand in quotes
        method = getattr(self, "_do_" + line.command, None)
        if method is None:
            raise CaseError(f"there is no command {line.command!r}")
        method(line)

    # --- Packets ---

    def _do_packet(self, line: Line) -> None:
        port, _, data = line.rest.partition(" ")
        self._ports.add(number(port))
        digits = "".join(data.split())
        if len(digits) % 2 == 0:  # the reference's runner passes over a packet of half a byte
            try:
                self._packets.append((number(port), bytes.fromhex(digits)))
            except ValueError:
                raise CaseError(f"{digits!r} is not hexadecimal") from None

    def _do_expect(self, line: Line) -> None:
        port, _, data = line.rest.partition(" ")
        pattern = "".join(data.split()).lower()
        exact = pattern.endswith("$")
        pattern = pattern.rstrip("$")
        if not re.fullmatch(r"[0-9a-f*]*", pattern):
            raise CaseError(f"{pattern!r} is not hexadecimal with '*'")
        self._ports.add(number(port))
        self._expected[number(port)].append(Expected(line, pattern or None, exact))

    def finish(self) -> None:
        received: dict[int, list[bytes]] = defaultdict(list)
        for port, data in self._packets:
            self.result.packets += 1
            for out, packet in self.switch.send(port, data):
                received[out].append(packet)
        for port in sorted(self._ports):
            self._compare(port, self._expected[port], received[port])
        for line, name, index, unit, value in self._checks:
            self._check_counter(line, name, index, unit, value)

    def _compare(self, port: int, expected: list[Expected], received: list[bytes]) -> None:
        self.result.checks += len(expected)
        for wanted, packet in zip(expected, received):
            if not matches(wanted, packet.hex()):
                rows = difference(wanted.pattern or "", shown(wanted, packet.hex()))
                self._fail(wanted.line, f"another packet left port {port}", rows)
        for wanted in expected[len(received) :]:
            self._fail(wanted.line, f"no packet left port {port}", (f"expected {wanted.pattern or 'any'}",))
        for packet in received[len(expected) :]:
            last = expected[-1].line if expected else Line(0, "", "")
            self._fail(last, f"a packet left port {port} that is not expected", (f"received {packet.hex()}",))

    def _fail(self, line: Line, message: str, rows: tuple[str, ...] = ()) -> None:
        self.result.failures.append(Failure(line.number, message, rows))

    # --- Tables ---

    def _do_add(self, line: Line) -> None:
        words, action, args, handle = split_call(line.rest)
        table = self._table(words[0])
        rest = words[1:]
        priority = number(rest.pop(0)) if rest and ":" not in rest[0] else 0
        values = {}
        for word in rest:
            name, _, value = word.rpartition(":")
            values[self._key_name(table, name)] = value
        key = [part(values.get(key.name), key) for key in table.spec.keys]
        name, arguments = self._action(table, action, args)
        made = table.insert(key, name, arguments, priority)
        if handle:
            self._handles[handle] = (table, made)

    def _do_setdefault(self, line: Line) -> None:
        words, action, args, _ = split_call(line.rest)
        table = self._table(words[0])
        table.set_default(*self._action(table, action, args))

    def _do_remove(self, line: Line) -> None:
        handle = line.words[-1]
        if line.words[0] == "all":
            for table in self.control.table_list:
                if not table.spec.const_entries:
                    table.clear()
            return
        if handle not in self._handles:
            raise CaseError(f"no entry was called {handle}")
        table, number_ = self._handles.pop(handle)
        table.delete(number_)

    def _table(self, name: str) -> Table:
        return self.control.tables[unique(name, list(self.control.tables), "table")]

    def _action(self, table: Table, name: str, args: list[tuple[str, str]]) -> tuple[str, list[int]]:
        model = self.switch.model
        actions = {model.actions[a].name: model.actions[a] for a in table.spec.actions}
        action = actions[unique(name, list(actions), f"action in table {table.name}")]
        given = dict(args)
        if "" in given and len(args) == len(action.params):
            return action.name, [number(v) & full(p.width) for (_, v), p in zip(args, action.params)]
        missing = [p.name for p in action.params if p.name not in given]
        if missing or len(args) != len(action.params):
            raise CaseError(f"action {action.name} takes ({', '.join(p.name for p in action.params)})")
        return action.name, [number(given[p.name]) & full(p.width) for p in action.params]

    def _key_name(self, table: Table, name: str) -> str:
        """By the key's name or its field: exact, as validity, or as a unique end of the name."""
        name = re.sub(r"\$(\d+)", r"[\1]", name)
        names: dict[str, str] = {}
        for key in table.spec.keys:
            names[key.name] = key.name
            names.setdefault(self.switch.model.field_name(key.field), key.name)
        spelled = re.sub(r"(^|\.)(valid|isValid\(\))$", r"\1$valid$", name)
        for candidate in (name, name + "$", name + ".$valid$", name + ".valid", name + ".isValid()", spelled):
            if candidate in names:
                return names[candidate]
        ends = {key for full_name, key in names.items() if full_name.endswith(("." + name, "." + spelled))}
        if len(ends) != 1:
            known = ", ".join(key.name for key in table.spec.keys)
            raise CaseError(f"table {table.name} has no key {name!r}; it has {known or 'none'}")
        return ends.pop()

    # --- Commands of the reference switch's command line ---

    def _do_mirroring_add(self, line: Line) -> None:
        session, port = line.words
        self.control.mirror.set_session(number(session), port=number(port))

    def _do_mirroring_add_mc(self, line: Line) -> None:
        session, group = line.words
        self.control.mirror.set_session(number(session), group=number(group))

    def _do_mirroring_delete(self, line: Line) -> None:
        self.control.mirror.delete_session(number(line.words[0]))

    def _do_mc_mgrp_create(self, line: Line) -> None:
        group = number(line.words[0])
        self._groups.setdefault(group, [])
        self.control.multicast.set_group(group, self._groups[group])

    def _do_mc_node_create(self, line: Line) -> None:
        rid, *ports = line.words
        self._nodes.append((number(rid), [number(port) for port in ports]))

    def _do_mc_node_associate(self, line: Line) -> None:
        group, node = (number(word) for word in line.words)
        if group not in self._groups or not 0 <= node < len(self._nodes):
            raise CaseError(f"there is no multicast group {group} or no node {node}")
        rid, ports = self._nodes[node]
        self._groups[group] += [(port, rid) for port in ports]
        self.control.multicast.set_group(group, self._groups[group])

    def _do_register_write(self, line: Line) -> None:
        name, index, value = line.words
        array = self.control.registers[unique(name, list(self.control.registers), "register")]
        array.write(number(index), number(value))

    def _do_register_reset(self, line: Line) -> None:
        self.control.registers[unique(line.words[0], list(self.control.registers), "register")].reset()

    def _do_counter_write(self, line: Line) -> None:
        name, index, packets, octets = line.words
        array = self.control.counters[unique(name, list(self.control.counters), "counter")]
        array.write(number(index), number(packets), number(octets))

    def _do_counter_reset(self, line: Line) -> None:
        self.control.counters[unique(line.words[0], list(self.control.counters), "counter")].reset()

    def _do_meter_set_rates(self, line: Line) -> None:
        """Rates are units per microsecond."""
        name, index, *rates = line.words
        array = self.control.meters[unique(name, list(self.control.meters), "meter")]
        array.set_rates(number(index), *per_second(rates))

    def _do_meter_array_set_rates(self, line: Line) -> None:
        name, *rates = line.words
        array = self.control.meters[unique(name, list(self.control.meters), "meter")]
        for index in range(array.size):
            array.set_rates(index, *per_second(rates))

    def _do_check_counter(self, line: Line) -> None:
        """check_counter NAME [INDEX] [packets|bytes] [==] VALUE, looked at after the last packet."""
        words = [word for word in line.words if word != "=="]
        unit = next((word for word in words if word in ("packets", "bytes")), "packets")
        numbers = [number(word) for word in words[1:] if word not in ("packets", "bytes")]
        name, _, bracket = words[0].partition("[")
        if bracket:
            numbers.insert(0, number(bracket.rstrip("]")))
        index, value = numbers if len(numbers) == 2 else (0, numbers[0])
        self._checks.append((line, name, index, unit, value))

    def _check_counter(self, line: Line, name: str, index: int, unit: str, value: int) -> None:
        self.result.checks += 1
        try:
            array = self.control.counters[unique(name, list(self.control.counters), "counter")]
            found = array.read(index)[unit == "bytes"]
        except (CaseError, IndexError) as error:
            self._fail(line, str(error))
            return
        if found != value:
            self._fail(line, f"counter {name}[{index}] counted {found} {unit}, expected {value}")

    def _look(self, line: Line) -> None:
        """Commands that only print, or wait for a switch in another process."""

    _do_wait = _do_mirroring_get = _do_register_read = _do_counter_read = _do_meter_get_rates = _look


def unique(name: str, names: Sequence[str], what: str) -> str:
    """The full name that `name` is, or the only one that ends in `.name`."""
    if name in names:
        return name
    ends = [full_name for full_name in names if full_name.endswith("." + name)]
    if len(ends) != 1:
        raise CaseError(f"there is no {what} {name!r}" if not ends else f"{what} {name!r} could be {ends}")
    return ends[0]


def matches(wanted: Expected, digits: str) -> bool:
    pattern = wanted.pattern or ""
    if len(digits) < len(pattern) or (wanted.exact and len(digits) != len(pattern)):
        return False
    return all(p in ("*", d) for p, d in zip(pattern, digits))


def shown(wanted: Expected, digits: str) -> str:
    """What to hold against the pattern: a prefix when only a prefix is compared."""
    return digits if wanted.exact else digits[: len(wanted.pattern or "")]


def part(text: str | None, key: Key) -> KeyPart:
    """A key value as the reference's runner reads it; keys not named are 0, or match anything."""
    if text is None:
        unset: dict[str, KeyPart] = {"lpm": Lpm(0, 0), "exact": Exact(0), "range": Range(0, full(key.width))}
        return unset.get(key.kind, Ternary(0, 0))
    if key.kind == "range":
        low, arrow, high = text.partition("->")
        return Range(number(low), number(high if arrow else low))
    if key.kind == "lpm":
        text, slash, length = text.partition("/")
        return Lpm(number(text), number(length) if slash else key.width)
    if key.kind in ("ternary", "optional"):
        return masked(text, key)
    return Exact(number(text))


DIGIT_BITS = {"0x": 4, "0b": 1, "0o": 3}


def masked(text: str, key: Key) -> Ternary:
    """A number whose `*` digits match anything; also value&&&mask and value/length."""
    if "&&&" in text:
        value, mask = (number(v) for v in text.split("&&&"))
        return Ternary(value & mask, mask)
    if "/" in text:
        value_text, length_text = text.split("/")
        length = number(length_text)
        mask = full(length) << (key.width - length) if 0 <= length <= key.width else 0
        return Ternary(number(value_text) & mask, mask)
    if "*" not in text:
        return Ternary(number(text), full(key.width))
    bits = DIGIT_BITS.get(text[:2].lower())
    if bits is None:
        if text.strip("*") == "":
            return Ternary(0, 0)
        raise CaseError(f"{text!r}: wildcard digits need 0x, 0b or 0o in front")
    mask = 0
    for digit in text[2:]:
        mask = mask << bits | (0 if digit == "*" else full(bits))
    mask &= full(key.width)
    return Ternary(number(text.replace("*", "0")) & mask, mask)


def per_second(rates: Sequence[str]) -> tuple[int, int, int, int]:
    """Two `rate:burst` words with rates per microsecond."""
    pairs = [word.split(":") for word in rates]
    (cir, cburst), (pir, pburst) = [(round(float(rate) * MICRO), number(burst)) for rate, burst in pairs]
    return cir, cburst, pir, pburst
