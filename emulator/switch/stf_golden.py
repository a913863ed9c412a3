"""The golden suite's form of packet tests."""

from __future__ import annotations

from collections import defaultdict

from emulator.switch.digests import DigestList
from emulator.switch.keys import Exact, KeyPart, Lpm, Range, Ternary, full
from emulator.switch.model import ActionParam, Key
from emulator.switch.stf import CaseError, Failure, Line, Result, difference, hex_bytes, number, split_call
from emulator.switch.switch import Switch
from emulator.switch.table import Table


class GoldenCase:
    """Plays one case. What leaves is compared when the next packet (or the end) comes."""

    def __init__(self, switch: Switch, result: Result) -> None:
        self.switch, self.result = switch, result
        self.control = switch.control
        self.handles: dict[tuple[str, str], int] = {}
        self._packet: Line | None = None
        self._expected: dict[int, list[tuple[Line, bytes]]] = defaultdict(list)
        self._received: dict[int, list[bytes]] = defaultdict(list)
        self._expected_digests: list[tuple[Line, str, tuple[int, ...]]] = []
        self._digests: list[tuple[str, tuple[int, ...]]] = []
        switch.on_digest = self._take_digest

    def play(self, line: Line) -> None:
        method = getattr(self, "_do_" + line.command, None)
        if method is None:
            raise CaseError(f"there is no command {line.command!r}")
        method(line)

    def finish(self) -> None:
        self._compare()

    # --- Packets ---

    def _do_packet(self, line: Line) -> None:
        self._compare()
        port, _, data = line.rest.partition(" ")
        self._packet = line
        self.result.packets += 1
        for out, packet in self.switch.send(number(port), hex_bytes(data)):
            self._received[out].append(packet)

    def _do_expect(self, line: Line) -> None:
        port, _, data = line.rest.partition(" ")
        self._expected[number(port)].append((line, hex_bytes(data)))

    def _do_expect_none(self, line: Line) -> None:
        """Said for the reader: whatever is not expected must not leave."""
        self.result.checks += 1
        if self._packet is None:
            raise CaseError("there is no packet before it")

    def _do_expect_digest(self, line: Line) -> None:
        name, _, values = line.rest.partition(" ")
        self._expected_digests.append((line, name, tuple(int(v, 16) for v in values.strip().split(","))))

    def _take_digest(self, message: DigestList) -> None:
        self._digests += [(message.name, sample) for sample in message.samples]
        self.control.digests[message.name].ack(message.list_id)

    def _compare(self) -> None:
        if self._packet is None:
            if self._expected or self._expected_digests:
                raise CaseError("something is expected before any packet")
            return
        for port in sorted({*self._expected, *self._received}):
            self._compare_port(port)
        expected = [(name, values) for _, name, values in self._expected_digests]
        self.result.checks += len(expected)
        if expected != self._digests:
            words = [f"expected {_samples(expected)}", f"received {_samples(self._digests)}"]
            self._fail(self._packet, "the digests differ", tuple(words))
        self._expected.clear()
        self._received.clear()
        self._expected_digests, self._digests = [], []

    def _compare_port(self, port: int) -> None:
        assert self._packet is not None
        expected, received = self._expected[port], self._received[port]
        self.result.checks += len(expected)
        for (line, wanted), got in zip(expected, received):
            if wanted != got:
                self._fail(line, f"another packet left port {port}", difference(wanted.hex(), got.hex()))
        for line, wanted in expected[len(received) :]:
            self._fail(line, f"no packet left port {port}", (f"expected {wanted.hex()}",))
        for got in received[len(expected) :]:
            self._fail(
                self._packet, f"a packet left port {port} that is not expected", (f"received {got.hex()}",)
            )

    def _fail(self, line: Line, message: str, rows: tuple[str, ...] = ()) -> None:
        self.result.failures.append(Failure(line.number, message, rows))

    # --- Tables ---

    def _table(self, name: str) -> Table:
        if name not in self.control.tables:
            raise CaseError(f"there is no table {name!r}")
        return self.control.tables[name]

    def _do_add(self, line: Line) -> None:
        words, action, args, handle = split_call(line.rest)
        table = self._table(words[0])
        priority = 0
        rest = words[1:]
        if rest and ":" not in rest[0]:
            priority, rest = number(rest[0]), rest[1:]
        key = self._key(table, rest)
        if action == "member" or action == "group":
            profile = table.spec.profile
            if profile is None or len(args) != 1:
                raise CaseError(f"table {table.name} has no action profile")
            target = self._handle(self.control.profile_list[profile].name, args[0][1])
            insert = table.insert_member if action == "member" else table.insert_group
            made = insert(key, target, priority)
        else:
            made = table.insert(key, action, self._args(action, args), priority)
        if handle:
            self.handles[table.name, handle] = made

    def _key(self, table: Table, words: list[str]) -> list[KeyPart | None]:
        values = dict(word.rsplit(":", 1) for word in words)
        names = [key.name for key in table.spec.keys]
        for name in values:
            if name not in names:
                raise CaseError(f"table {table.name} has no key {name!r}; it has {', '.join(names)}")
        return [_part(values.get(key.name), key) for key in table.spec.keys]

    def _args(self, action: str, args: list[tuple[str, str]]) -> list[int]:
        params = self._params(action)
        if [p.name for p in params] != [name for name, _ in args]:
            raise CaseError(f"action {action} takes ({', '.join(p.name for p in params)})")
        return [number(value) & full(p.width) for (_, value), p in zip(args, params)]

    def _params(self, action: str) -> tuple[ActionParam, ...]:
        for item in self.switch.model.actions:
            if item.name == action:
                return item.params
        raise CaseError(f"there is no action {action!r}")

    def _handle(self, owner: str, name: str) -> int:
        if (owner, name) not in self.handles:
            raise CaseError(f"{name} was not made before in {owner}")
        return self.handles[owner, name]

    def _do_modify(self, line: Line) -> None:
        words, action, args, _ = split_call(line.rest)
        table = self._table(words[0])
        handle = self._handle(table.name, words[1])
        if action in ("member", "group"):
            profile = self.control.profile_list[table.spec.profile or 0].name
            change = table.modify_member if action == "member" else table.modify_group
            change(handle, self._handle(profile, args[0][1]))
        else:
            table.modify(handle, action, self._args(action, args))

    def _do_remove(self, line: Line) -> None:
        table = self._table(line.words[0])
        table.delete(self._handle(table.name, line.words[1]))

    def _do_setdefault(self, line: Line) -> None:
        words, action, args, _ = split_call(line.rest)
        self._table(words[0]).set_default(action, self._args(action, args))

    # --- Action profiles, groups, sessions, value sets ---

    def _do_member(self, line: Line) -> None:
        words, action, args, _ = split_call(line.rest)
        profile = self._named(self.control.action_profiles, words[0], "action profile")
        self.handles[words[0], words[1]] = profile.add_member(action, self._args(action, args))

    def _do_group(self, line: Line) -> None:
        name, handle, *members = line.words
        profile = self._named(self.control.action_profiles, name, "action profile")
        self.handles[name, handle] = profile.add_group([self._handle(name, m) for m in members])

    def _do_mc_group(self, line: Line) -> None:
        gid, *replicas = line.words
        pairs = [tuple(number(v) for v in word.split(":")) for word in replicas]
        self.control.multicast.set_group(number(gid), [(p, r) for p, r in pairs])

    def _do_mirror(self, line: Line) -> None:
        session, port = line.words
        self.control.mirror.set_session(number(session), port=number(port))

    def _do_mirror_mc(self, line: Line) -> None:
        session, group = line.words
        self.control.mirror.set_session(number(session), group=number(group))

    def _do_value_set_add(self, line: Line) -> None:
        name, value = line.words
        self._named(self.control.value_sets, name, "value set").add(number(value))

    def _do_value_set_clear(self, line: Line) -> None:
        self._named(self.control.value_sets, line.words[0], "value set").clear()

    # --- State ---

    def _do_register_write(self, line: Line) -> None:
        name, index, value = line.words
        self._named(self.control.registers, name, "register").write(number(index), number(value))

    def _do_register_read(self, line: Line) -> None:
        name, index, value = line.words
        found = self._named(self.control.registers, name, "register").read(number(index))
        self._check(line, f"register {name}[{index}]", number(value), found)

    def _do_counter_read(self, line: Line) -> None:
        name, index, packets, octets = line.words
        found = self._named(self.control.counters, name, "counter").read(number(index))
        self._check(line, f"counter {name}[{index}]", (number(packets), number(octets)), found)

    def _do_direct_counter_read(self, line: Line) -> None:
        name, handle, packets, octets = line.words
        table = self._table(name)
        if table.direct_counter is None:
            raise CaseError(f"table {name} has no direct counter")
        slot = table.entry(self._handle(name, handle)).slot
        found = table.direct_counter.read(slot)
        self._check(line, f"the counter of {name} {handle}", (number(packets), number(octets)), found)

    def _do_meter_rates(self, line: Line) -> None:
        name, index, *rates = line.words
        self._named(self.control.meters, name, "meter").set_rates(number(index), *_rates(rates))

    def _do_direct_meter_rates(self, line: Line) -> None:
        name, handle, *rates = line.words
        table = self._table(name)
        if table.direct_meter is None:
            raise CaseError(f"table {name} has no direct meter")
        table.direct_meter.set_rates(table.entry(self._handle(name, handle)).slot, *_rates(rates))

    def _check(self, line: Line, what: str, expected: object, found: object) -> None:
        self._compare()
        self._packet = None
        self.result.checks += 1
        if expected != found:
            self._fail(line, f"{what} is {found}, expected {expected}")

    def _named(self, items: dict, name: str, what: str):  # type: ignore[no-untyped-def, type-arg]
        if name not in items:
            raise CaseError(f"there is no {what} {name!r}")
        return items[name]


def _part(text: str | None, key: Key) -> KeyPart | None:
    """One key value in the notation of the key's match kind; None matches anything."""
    if text is None:
        if key.kind == "exact":
            raise CaseError(f"the exact key {key.name!r} needs a value")
        return None
    if "->" in text:
        low, high = text.split("->")
        return Range(number(low), number(high))
    if "&&&" in text:
        value, mask = (number(v) for v in text.split("&&&"))
        return Ternary(value & mask, mask)
    if "/" in text:
        value, length = (number(v) for v in text.split("/"))
        return Lpm(value, length)
    return Exact(number(text))


def _rates(words: list[str]) -> tuple[int, int, int, int]:
    (cir, cburst), (pir, pburst) = (tuple(number(v) for v in word.split(":")) for word in words)
    return cir, cburst, pir, pburst


def _samples(samples: list[tuple[str, tuple[int, ...]]]) -> str:
    return "; ".join(f"{name} {','.join(map(hex, values))}" for name, values in samples) or "none"
