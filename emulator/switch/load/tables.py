"""Section pipelines: tables, conditionals, action calls, action profiles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from emulator.switch import expr as x
from emulator.switch.hashes import ALGORITHMS, known_algorithm
from emulator.switch.keys import Exact, KeyPart, Lpm, Range, Ternary, full
from emulator.switch.load.calculations import load_inputs
from emulator.switch.load.checked import (
    describe,
    fail,
    index_by_id,
    index_by_name,
    natural,
    need,
    number,
    objects,
)
from emulator.switch.load.exprs import Scope, bool_expr, lookup
from emulator.switch.model import (
    Action,
    ActionCall,
    ActionNode,
    ActionProfile,
    ConditionalNode,
    ConstEntry,
    Key,
    Node,
    Pipeline,
    TableNode,
    successors,
)

KINDS = ("exact", "lpm", "ternary", "range", "optional", "valid")
MAX_PRIORITY = 0x7FFFFFFF
MAX_TABLE_SIZE = 1 << 31

SHARES = "shares_entries_with"
"""Member of a table's JSON object that our compiler writes where a table is applied at several places."""
ENTRIES_CONST, ENTRY_CONST = "entries_const", "const"
"""Of a table, false where its `entries` are initial ones, which may be changed; of such an entry, true where it may not."""


@dataclass
class Context:
    """What tables refer to; `profiles` and `tables` grow as the pipelines are read."""

    scope: Scope
    actions: tuple[Action, ...]
    action_ids: dict[int, int]
    profiles: list[ActionProfile]
    tables: int = 0


def load_pipelines(doc: dict, scope: Scope, actions: tuple[Action, ...]) -> tuple[dict[str, Pipeline], list]:
    """(name -> pipeline, action profiles)"""
    action_ids = index_by_id(need(doc, "actions", list, "the file", []), "actions")
    ctx = Context(scope, actions, action_ids, [])
    found: dict[str, Pipeline] = {}
    for i, (item, where) in enumerate(objects(doc, "pipelines", "the file")):
        name = need(item, "name", str, where)
        if name in found:
            fail(where, "there are two pipelines of this name")
        found[name] = _pipeline(item, where, i, ctx)
    index_by_name([p.name for p in ctx.profiles], "action_profiles")
    return found, ctx.profiles


def _pipeline(item: dict, where: str, number_: int, ctx: Context) -> Pipeline:
    for raw, at in objects(item, "action_profiles", where):
        ctx.profiles.append(_profile(raw, at, ctx))
    tables = objects(item, "tables", where)
    conditionals = objects(item, "conditionals", where)
    calls = objects(item, "action_calls", where)
    names = [need(raw, "name", str, at) for raw, at in tables + conditionals + calls]
    nodes = index_by_name(names, where)
    built: list[Node] = []
    mains: dict[str, TableNode] = {}
    for raw, at in tables:
        if SHARES not in raw:
            mains[raw["name"]] = _Table(raw, at, nodes, ctx).build(number_, ctx.tables)
            ctx.tables += 1
    for raw, at in tables:
        built.append(mains[raw["name"]] if SHARES not in raw else _again(raw, at, nodes, ctx, mains))
    for raw, at in conditionals:
        cond = bool_expr(raw.get("expression"), ctx.scope, at)
        built.append(
            ConditionalNode(
                raw["name"], cond, _node(raw, "true_next", nodes, at), _node(raw, "false_next", nodes, at)
            )
        )
    for raw, at in calls:
        call = ActionCall(_action_id(raw, ctx, at), ())
        built.append(ActionNode(raw["name"], call, _node(raw, "next_node", nodes, at)))
    pipeline = Pipeline(item["name"], tuple(built), _node(item, "init_table", nodes, where))
    _check_acyclic(pipeline, where)
    return pipeline


def _again(raw: dict, where: str, nodes: dict[str, int], ctx: Context, mains: dict[str, TableNode]) -> TableNode:
    """A node that applies one of the pipeline's tables once more."""
    name = need(raw, SHARES, str, where)
    main = mains.get(name)
    if main is None:
        fail(where, f"{SHARES!r} names {name!r}, which is no table of this pipeline")
    node = _Table(raw, where, nodes, ctx).build(main.pipeline, main.table)
    if (node.keys, node.actions, node.profile, node.selector) != (main.keys, main.actions, main.profile, main.selector):
        fail(where, f"the keys, actions and implementation must be those of {name!r}, whose entries are shared")
    return replace(node, again=True, kind=main.kind, max_size=main.max_size)


def _check_acyclic(pipeline: Pipeline, where: str) -> None:
    """A packet passes each node once at most, or it might never leave."""
    finished: set[int] = set()
    path: dict[int, None] = {}
    stack: list[tuple[int, bool]] = [(i, False) for i in range(len(pipeline.nodes))]
    while stack:
        index, done = stack.pop()
        if done:
            finished.add(index)
            del path[index]
        elif index in path:
            fail(where, f"the tables and conditionals form a loop through {pipeline.nodes[index].name!r}")
        elif index not in finished:
            path[index] = None
            stack.append((index, True))
            stack += [(following, False) for following in successors(pipeline.nodes[index])]


def _node(item: dict, key: str, nodes: dict[str, int], where: str) -> int | None:
    name = need(item, key, str, where, None)
    return None if name is None else lookup(nodes, name, "table or conditional", f"{where}, {key!r}")


def _action_id(item: Any, ctx: Context, where: str) -> int:
    found = natural(item, "action_id", where)
    if found not in ctx.action_ids:
        fail(where, f"there is no action with id {found}")
    return ctx.action_ids[found]


def _profile(item: dict, where: str, ctx: Context) -> ActionProfile:
    name = need(item, "name", str, where)
    size = natural(item, "max_size", where, 1024)
    selector = need(item, "selector", dict, where, None)
    if selector is None:
        return ActionProfile(name, size)
    algo = need(selector, "algo", str, where)
    if not known_algorithm(algo):
        fail(where, f"there is no hash algorithm {algo!r} (there are {', '.join(sorted(ALGORITHMS))})")
    return ActionProfile(name, size, algo, load_inputs(selector, where, ctx.scope))


class _Table:
    """Reads one table; kept together because most parts need the keys and actions read before."""

    def __init__(self, item: dict, where: str, nodes: dict[str, int], ctx: Context):
        self.item, self.where, self.nodes, self.ctx = item, where, nodes, ctx
        self.keys = tuple(self._key(raw, i) for i, raw in enumerate(need(item, "key", list, where, [])))
        self.actions = self._actions()

    def build(self, pipeline: int, table: int) -> TableNode:
        item, where = self.item, self.where
        kind = need(item, "match_type", str, where, "exact")
        if kind not in KINDS:
            fail(where, f"{kind!r} is no match kind")
        next_, branches, hit, miss = self._next()
        default, const, args_const = self._default()
        profile, selector = self._profile()
        entries = self._entries()
        if profile is not None and entries:
            fail(where, "a table with an action profile has its entries from the control plane only")
        return TableNode(
            name=item["name"],
            id=natural(item, "id", where, 0),
            kind=self._kind(),
            keys=self.keys,
            actions=self.actions,
            next=next_,
            max_size=natural(item, "max_size", where, 1024, MAX_TABLE_SIZE),
            base_next=_node(item, "base_default_next", self.nodes, where),
            branches=branches,
            hit_next=hit,
            miss_next=miss,
            default=default,
            default_const=const,
            default_args_const=args_const,
            entries=entries,
            const_entries=self._const_entries(),
            with_counters=need(item, "with_counters", bool, where, False),
            support_timeout=need(item, "support_timeout", bool, where, False),
            profile=profile,
            selector=selector,
            pipeline=pipeline,
            table=table,
        )

    def _kind(self) -> str:
        """The kind follows from the keys, whatever is declared."""
        kinds = {key.kind for key in self.keys}
        if "range" in kinds:
            return "range"
        if kinds & {"ternary", "optional"}:
            return "ternary"
        lpms = sum(key.kind == "lpm" for key in self.keys)
        if lpms > 1:
            return "ternary"
        return "lpm" if lpms else ("exact")

    def _key(self, raw: Any, i: int) -> Key:
        where = f"{self.where}, key {i}"
        kind = need(raw, "match_type", str, where)
        if kind not in KINDS:
            fail(where, f"{kind!r} is no match kind")
        target = raw.get("target")
        if kind == "valid":
            header = lookup(self.ctx.scope.data.header_index, target, "header", where)
            ref, kind = x.FieldRead(header, x.VALID), "exact"
        else:
            ref = self.ctx.scope.data.field_ref(target, where)
        width = self.ctx.scope.data.width(ref)
        if not width:
            fail(where, "a field of 0 bits cannot be matched")
        mask = None if raw.get("mask") is None else number(raw["mask"], where) & full(width)
        name = need(raw, "name", str, where, None)
        return Key(name or (target if isinstance(target, str) else ".".join(target)), kind, ref, width, mask)

    def _actions(self) -> tuple[int, ...]:
        found = []
        if "action_ids" in self.item:
            for raw in need(self.item, "action_ids", list, self.where):
                found.append(_action_id({"action_id": raw}, self.ctx, self.where))
        else:
            by_name = {a.name: i for i, a in enumerate(self.ctx.actions)}
            for name in need(self.item, "actions", list, self.where, []):
                found.append(lookup(by_name, name, "action", self.where))
        return tuple(found)

    def _next(self) -> tuple[tuple[int | None, ...], bool, int | None, int | None]:
        """next_tables by action name, or by __HIT__ / __MISS__."""
        raw = need(self.item, "next_tables", dict, self.where, {})
        if "__HIT__" in raw or "__MISS__" in raw:
            hit = _node(raw, "__HIT__", self.nodes, f"{self.where}, next_tables")
            miss = _node(raw, "__MISS__", self.nodes, f"{self.where}, next_tables")
            return tuple(hit for _ in self.actions), True, hit, miss
        names = [self.ctx.actions[a].name for a in self.actions]
        found = tuple(_node(raw, name, self.nodes, f"{self.where}, next_tables") for name in names)
        return found, False, None, None

    def _call(self, raw: Any, where: str) -> ActionCall:
        """{action_id, action_data} with the arguments checked against the action's parameters."""
        action = _action_id(raw, self.ctx, where)
        args = [number(value, where) for value in need(raw, "action_data", list, where, [])]
        params = self.ctx.actions[action].params
        if len(args) != len(params):
            fail(
                where,
                f"action {self.ctx.actions[action].name!r} takes {len(params)} arguments, not {len(args)}",
            )
        if action not in self.actions:
            fail(where, f"the table does not have the action {self.ctx.actions[action].name!r}")
        return ActionCall(action, tuple(v & full(p.width) for v, p in zip(args, params)))

    def _default(self) -> tuple[ActionCall | None, bool, bool]:
        raw = need(self.item, "default_entry", dict, self.where, None)
        if raw is None:
            return None, False, False
        where = f"{self.where}, default_entry"
        if raw.get("action_data") is None:
            action = _action_id(raw, self.ctx, where)
            raw = {**raw, "action_data": ["0x0"] * len(self.ctx.actions[action].params)}
        const = need(raw, "action_const", bool, where, False)
        return self._call(raw, where), const, need(raw, "action_entry_const", bool, where, False)

    def _profile(self) -> tuple[int | None, bool]:
        kind = need(self.item, "type", str, self.where, "simple")
        if kind == "simple":
            return None, False
        if kind not in ("indirect", "indirect_ws"):
            fail(self.where, f"{kind!r} is no kind of table")
        name = need(self.item, "action_profile", str, self.where)
        profiles = {p.name: i for i, p in enumerate(self.ctx.profiles)}
        found = lookup(profiles, name, "action profile", self.where)
        selector = kind == "indirect_ws"
        if selector and self.ctx.profiles[found].selector_algo is None:
            fail(self.where, f"action profile {name!r} has no selector")
        return found, selector

    def _entries(self) -> tuple[ConstEntry, ...]:
        entries = []
        for i, raw in enumerate(need(self.item, "entries", list, self.where, [])):
            where = f"{self.where}, entry {i}"
            parts = need(raw, "match_key", list, where)
            if len(parts) != len(self.keys):
                fail(where, f"it has {len(parts)} key parts, the table {len(self.keys)}")
            key = tuple(_entry_part(p, k, where) for p, k in zip(parts, self.keys))
            call = self._call(need(raw, "action_entry", dict, where), where)
            priority = natural(raw, "priority", where, i + 1, MAX_PRIORITY)
            const = self._const_entries() or need(raw, ENTRY_CONST, bool, where, False)
            entries.append(ConstEntry(key, priority, call, const))
        last = max((e.priority for e in entries), default=0)
        return tuple(replace(e, priority=last + 1 - e.priority) for e in entries)

    def _const_entries(self) -> bool:
        """Whether nothing but the program's own entries may be there: bmv2 says so of every table with entries."""
        return need(self.item, ENTRIES_CONST, bool, self.where, bool(self.item.get("entries")))


def _entry_part(raw: Any, key: Key, where: str) -> KeyPart:
    """One part of a constant entry's key, brought to the key's own kind and width."""
    kind = need(raw, "match_type", str, where)
    ones = full(key.width)

    def value(name: str) -> int:
        found = number(raw.get(name), f"{where}, key {key.name!r}, {name!r}")
        return found & ones

    if kind == "range" and key.kind == "range":
        low, high = value("start"), value("end")
        if low > high:
            fail(where, f"the range {low}..{high} of key {key.name!r} is empty")
        return Range(low, high)
    if kind in ("ternary", "optional") and key.kind in ("ternary", "optional"):
        mask = value("mask") if raw.get("mask") is not None else ones
        return Ternary(value("key") & mask, mask)
    if kind == "lpm" and key.kind == "lpm":
        length = natural(raw, "prefix_length", where, limit=key.width)
        return Lpm(value("key") & (full(length) << (key.width - length)), length)
    if kind in ("exact", "valid") and key.kind == "exact":
        flag = raw.get("key")
        return Exact(int(flag) & ones if isinstance(flag, bool) else value("key"))
    fail(where, f"the part for key {key.name!r} is {describe(kind)}, the key {key.kind!r}")
