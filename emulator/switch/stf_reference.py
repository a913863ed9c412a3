"""The reference compiler's packet tests (STF), read the way its runner for bmv2 reads them.

All set-up lines of a file take effect before its first packet. Ports that a file does not name are not
looked at; on the others the packets received must be those expected, in order and number. An `expect`
without `$` compares a prefix; `*` stands for any digit.
"""

from __future__ import annotations

import operator
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from emulator.switch.errors import ControlError
from emulator.switch.keys import full
from emulator.switch.model import ActionParam
from emulator.switch.stf import CaseError, Failure, Line, Result, difference, number, split_call
from emulator.switch.stf_values import Expected, matches, part, per_second, shown, unique
from emulator.switch.switch import Switch
from emulator.switch.table import Table

COMPARE: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq, "=": operator.eq, "!=": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
COUNTER = re.compile(
    r"(?P<name>[^\s\[(]+)\s*(?:[\[(]\s*(?P<index>[^\])]+?)\s*[\])]|(?P<bare>\$?\w+)(?=\s+\S))?"
    r"\s*(?P<unit>packets|bytes)?\s*(?P<op>==|!=|<=|>=|=|<|>)?\s*(?P<value>\w+)$"
)
IGNORED = frozenset(["wait", "mirroring_get", "register_read", "counter_read", "meter_get_rates"])
"""Commands that only print, or wait for a switch in another process."""


@dataclass(frozen=True, slots=True)
class CounterCheck:
    line: Line
    name: str
    index: str
    unit: str
    op: str
    value: int


class ReferenceCase:
    def __init__(self, switch: Switch, result: Result) -> None:
        self.switch, self.result = switch, result
        self.control = switch.control
        self._handles: dict[str, tuple[Table, int]] = {}
        self._packets: list[tuple[int, bytes]] = []
        self._expected: dict[int, list[Expected]] = defaultdict(list)
        self._ports: set[int] = set()
        self._all_ports = False
        self._nodes: list[tuple[int, list[int]]] = []
        self._groups: dict[int, list[tuple[int, int]]] = {}
        self._checks: list[CounterCheck] = []

    def play(self, line: Line) -> None:
        line = Line(line.number, line.command, line.rest.replace('"', ""))  # names may stand in quotes
        if line.command in IGNORED:
            return
        method = getattr(self, "_do_" + line.command, None)
        if method is None:
            raise CaseError(f"there is no command {line.command!r}")
        method(line)

    # --- Packets ---

    def _do_packet(self, line: Line) -> None:
        port, data = self._port(line)
        digits = "".join(data)
        if len(digits) % 2 == 0:  # the reference's runner passes over a packet of half a byte
            try:
                self._packets.append((port, bytes.fromhex(digits)))
            except ValueError:
                raise CaseError(f"{digits!r} is not hexadecimal") from None

    def _do_expect(self, line: Line) -> None:
        port, data = self._port(line)
        pattern = "".join(data).lower()
        exact = pattern.endswith("$")
        if not re.fullmatch(r"[0-9a-f*]*\$?", pattern):
            raise CaseError(f"{pattern!r} is not hexadecimal with '*' for digits and '$' at the end")
        self._expected[port].append(Expected(line, pattern.rstrip("$") if pattern else None, exact))

    def _do_no_packet(self, line: Line) -> None:
        """no_packet [PORT]: nothing leaves the port, or any port, but what is expected."""
        if line.words:
            self._port(line)
        else:
            self._all_ports = True

    def _port(self, line: Line) -> tuple[int, list[str]]:
        """The port a line names, and the words after it."""
        if not line.words:
            raise CaseError(f"'{line.command}' needs a port")
        port = number(line.words[0])
        self._ports.add(port)
        return port, line.words[1:]

    def finish(self) -> None:
        received: dict[int, list[bytes]] = defaultdict(list)
        for port, data in self._packets:
            self.result.packets += 1
            for out, packet in self.switch.send(port, data):
                received[out].append(packet)
        for port in sorted({*self._ports, *received} if self._all_ports else self._ports):
            self._compare(port, self._expected[port], received[port])
        for check in self._checks:
            self._check_counter(check)

    def _compare(self, port: int, expected: list[Expected], received: list[bytes]) -> None:
        self.result.checks += len(expected)
        for wanted, packet in zip(expected, received):
            if not matches(wanted, packet.hex()):
                rows = difference(wanted.pattern or "", shown(wanted, packet.hex()))
                self._fail(wanted.line, f"another packet left port {port}", rows)
        for wanted in expected[len(received) :]:
            self._fail(wanted.line, f"no packet left port {port}", (f"expected {wanted.pattern or 'any'}",))
        if any(wanted.pattern is None for wanted in expected):
            return  # the reference's runner does not count the packets of such a port
        for packet in received[len(expected) :]:
            last = expected[-1].line if expected else Line(0, "", "")
            self._fail(last, f"a packet left port {port} that is not expected", (f"received {packet.hex()}",))

    def _fail(self, line: Line, message: str, rows: tuple[str, ...] = ()) -> None:
        self.result.failures.append(Failure(line.number, message, rows))

    # --- Tables ---

    def _do_add(self, line: Line) -> None:
        words, action, args, handle = split_call(re.sub(r"\s*:\s*", ":", line.rest))
        if not words:
            raise CaseError("'add' needs a table: add TABLE [PRIORITY] KEY:VALUE ... ACTION(PARAMETER:VALUE, ...)")
        table = self._table(words[0])
        rest = words[1:]
        priority = number(rest.pop(0)) if rest and ":" not in rest[0] else 0
        values: dict[str, str] = {}
        for word in rest:
            name, colon, value = word.rpartition(":")
            if not colon:
                raise CaseError(f"{word!r} is not KEY:VALUE")
            key_name = self._key_name(table, name)
            if key_name in values:
                raise CaseError(f"the key {key_name!r} has two values")
            values[key_name] = value
        key = [part(values.get(key.name), key) for key in table.spec.keys]
        name, arguments = self._action(table, action, args)
        if not any(key.kind in ("ternary", "range", "optional") for key in table.spec.keys):
            priority = 0  # said, but of no use in a table where keys do not overlap
        made = table.insert(key, name, arguments, priority)
        if handle:
            self._handles[handle] = (table, made)

    def _do_setdefault(self, line: Line) -> None:
        words, action, args, _ = split_call(re.sub(r"\s*:\s*", ":", line.rest))
        if len(words) != 1:
            raise CaseError("'setdefault' needs a table and an action: setdefault TABLE ACTION(PARAMETER:VALUE, ...)")
        table = self._table(words[0])
        table.set_default(*self._action(table, action, args))

    def _do_remove(self, line: Line) -> None:
        if not line.words:
            raise CaseError("'remove' needs the name an entry was given ($name), or 'all'")
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
        if len(args) == len(action.params) and not any(given for given, _ in args):
            args = [(p.name, value) for p, (_, value) in zip(action.params, args)]
        given = dict(args)
        if len(args) != len(action.params) or set(given) != {p.name for p in action.params}:
            raise CaseError(f"action {action.name} takes ({', '.join(p.name for p in action.params)})")
        return action.name, [self._argument(given[p.name], p) for p in action.params]

    def _argument(self, text: str, param: ActionParam) -> int:
        value = number(text)
        if not -(1 << max(param.width - 1, 0)) <= value <= full(param.width):
            raise CaseError(f"{text!r} does not fit parameter {param.name!r} of {param.width} bits")
        return value & full(param.width)

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
        session, port = line.take("SESSION", "PORT")
        self.control.mirror.set_session(number(session), port=number(port))

    def _do_mirroring_add_mc(self, line: Line) -> None:
        session, group = line.take("SESSION", "GROUP")
        self.control.mirror.set_session(number(session), group=number(group))

    def _do_mirroring_delete(self, line: Line) -> None:
        self.control.mirror.delete_session(number(line.take("SESSION")[0]))

    def _do_mc_mgrp_create(self, line: Line) -> None:
        group = number(line.take("GROUP")[0])
        self._groups.setdefault(group, [])
        self.control.multicast.set_group(group, self._groups[group])

    def _do_mc_node_create(self, line: Line) -> None:
        rid, *ports = line.take("REPLICA", "[PORT ...]")
        self._nodes.append((number(rid), [number(port) for port in ports]))

    def _do_mc_node_associate(self, line: Line) -> None:
        group, node = (number(word) for word in line.take("GROUP", "NODE"))
        if group not in self._groups or not 0 <= node < len(self._nodes):
            raise CaseError(f"there is no multicast group {group} or no node {node}")
        rid, ports = self._nodes[node]
        self._groups[group] += [(port, rid) for port in ports]
        self.control.multicast.set_group(group, self._groups[group])

    def _do_register_write(self, line: Line) -> None:
        name, index, value = line.take("REGISTER", "INDEX", "VALUE")
        array = self.control.registers[unique(name, list(self.control.registers), "register")]
        array.write(number(index), number(value))

    def _do_register_reset(self, line: Line) -> None:
        self.control.registers[unique(line.take("REGISTER")[0], list(self.control.registers), "register")].reset()

    def _do_counter_write(self, line: Line) -> None:
        name, index, packets, octets = line.take("COUNTER", "INDEX", "PACKETS", "BYTES")
        array = self.control.counters[unique(name, list(self.control.counters), "counter")]
        array.write(number(index), number(packets), number(octets))

    def _do_counter_reset(self, line: Line) -> None:
        self.control.counters[unique(line.take("COUNTER")[0], list(self.control.counters), "counter")].reset()

    def _do_meter_set_rates(self, line: Line) -> None:
        """Rates are units per microsecond."""
        name, index, *rates = line.take("METER", "INDEX", "RATE:BURST", "RATE:BURST")
        array = self.control.meters[unique(name, list(self.control.meters), "meter")]
        array.set_rates(number(index), *per_second(rates))

    def _do_meter_array_set_rates(self, line: Line) -> None:
        name, *rates = line.take("METER", "RATE:BURST", "RATE:BURST")
        array = self.control.meters[unique(name, list(self.control.meters), "meter")]
        for index in range(array.size):
            array.set_rates(index, *per_second(rates))

    def _do_check_counter(self, line: Line) -> None:
        """check_counter NAME[INDEX] [packets|bytes] [OP] VALUE, looked at after the last packet.

        The index may stand in brackets, in parentheses or by itself; for a direct counter it is the entry's $name."""
        found = COUNTER.fullmatch(line.rest)
        if found is None:
            raise CaseError("'check_counter' is written NAME[INDEX] [packets|bytes] [OPERATOR] VALUE")
        index = found["index"] or found["bare"] or "0"
        self._checks.append(CounterCheck(
            line, found["name"], index, found["unit"] or "packets", found["op"] or "==", number(found["value"])
        ))  # fmt: skip

    def _check_counter(self, check: CounterCheck) -> None:
        self.result.checks += 1
        try:
            found = self._counted(check)[check.unit == "bytes"]
        except (CaseError, IndexError, ControlError) as error:
            self._fail(check.line, str(error))
            return
        if not COMPARE[check.op](found, check.value):
            wanted = f"{check.op + ' ' if check.op not in ('=', '==') else ''}{check.value}"
            self._fail(check.line, f"counter {check.name}[{check.index}] counted {found} {check.unit}, expected {wanted}")

    def _counted(self, check: CounterCheck) -> tuple[int, int]:
        if not check.index.startswith("$"):
            array = self.control.counters[unique(check.name, list(self.control.counters), "counter")]
            return array.read(number(check.index))
        if check.index not in self._handles:
            raise CaseError(f"no entry was called {check.index}")
        table, handle = self._handles[check.index]
        if table.direct_counter is None:
            raise CaseError(f"table {table.name} has no direct counter")
        return table.direct_counter.read(table.entry(handle).slot)
