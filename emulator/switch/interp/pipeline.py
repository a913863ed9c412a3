"""Tables, conditionals and the walk through a pipeline, as closures."""

from __future__ import annotations

from collections.abc import Callable

from emulator.switch import expr as x
from emulator.switch.interp.actions import Actions, uniform
from emulator.switch.interp.calculations import input_bytes
from emulator.switch.interp.exprs import Args
from emulator.switch.interp.phv import Phv
from emulator.switch.meters import SET
from emulator.switch.model import ActionNode, ConditionalNode, Key, Node, Pipeline, TableNode
from emulator.switch.table import DEFAULT_SLOT, Entry

Run = Callable[[Phv], int | None]
"""Runs a node and gives the next one's index, None at the end."""


class PipelineProgram:
    def __init__(self, pipeline: Pipeline, actions: Actions, bodies: list[Callable[[Phv, Args], None]]):
        self.pipeline, self.actions, self.bodies = pipeline, actions, bodies
        self._nodes = [self._node(node) for node in pipeline.nodes]

    def run(self, p: Phv) -> None:
        node = self.pipeline.first
        while node is not None and not p.exited:
            node = self._nodes[node](p)
        p.exited = False

    def _node(self, node: Node) -> Run:
        if isinstance(node, ConditionalNode):
            return self._conditional(node)
        if isinstance(node, ActionNode):
            return self._action(node)
        return self._table(node)

    def _conditional(self, node: ConditionalNode) -> Run:
        cond, yes, no = self.actions.compiler.value(node.cond), node.true_next, node.false_next

        def decide(p: Phv) -> int | None:
            taken = cond(p, ())
            if p.trace is not None:
                p.trace.condition(node, bool(taken))
            return yes if taken else no

        return decide

    def _action(self, node: ActionNode) -> Run:
        body, args, following = self.bodies[node.call.action], node.call.args, node.next

        def call(p: Phv) -> int | None:
            body(p, args)
            if p.trace is not None:
                p.trace.action(node.call.action, args, p)
            return following

        return call

    def _table(self, node: TableNode) -> Run:
        table = self.actions.control.table_list[node.table]
        keys = [key_reader(self.actions, key) for key in node.keys]
        following = dict(zip(node.actions, node.next))
        lookup, bodies = table.lookup, self.bodies
        resolve, hit_effects = self._resolver(node), self._hit_effects(node)
        miss_effects = self._miss_effects(node)

        def apply(p: Phv) -> int | None:
            values = tuple([read(p) for read in keys])
            entry = lookup(values) if keys else None
            found = None if entry is None else resolve(p, entry)
            action: int | None
            if found is not None and entry is not None:
                hit_effects(p, entry)
                action, args = found
            else:
                miss_effects(p)
                entry, action, args = None, table.default_id, table.default_args
            if p.trace is not None:
                p.trace.table(node, values, entry, action, args)
            if action is not None:
                bodies[action](p, args)
                if p.trace is not None:
                    p.trace.action(action, args, p)
            if node.branches:
                return node.miss_next if entry is None else node.hit_next
            return node.base_next if action is None else following.get(action, node.base_next)

        return apply

    def _resolver(self, node: TableNode) -> Callable[[Phv, Entry], tuple[int, Args] | None]:
        """The action of an entry; None (as for a miss) when its group has no active member."""
        if node.profile is None:
            return lambda p, entry: (entry.action_id, entry.args)
        profile = self.actions.control.profile_list[node.profile]
        spec = profile.spec
        actions = self.actions.model.actions
        rng = self.actions.rng
        own = {actions[a].name: a for a in node.actions}  # a profile's tables have copies of an action each
        if spec.selector_algo is not None:
            gather, call = (
                input_bytes(self.actions.model, spec.inputs),
                self.actions.control.hashes.call(spec.name),
            )

        def resolve(p: Phv, entry: Entry) -> tuple[int, Args] | None:
            if entry.member is not None:
                member = profile.member(entry.member)
            else:
                assert entry.group is not None
                group = profile.group(entry.group)
                number = uniform(rng, max(1, len(group.active)) - 1) if group.random else call(gather(p))
                chosen = profile.choose(entry.group, number)
                if chosen is None:
                    p.odd.add("empty_group")
                    return None
                member = chosen
            return own.get(actions[member.action_id].name, member.action_id), member.args

        return resolve

    def _hit_effects(self, node: TableNode) -> Callable[[Phv, Entry], None]:
        """Direct counter, direct meter (its colour is there before the action runs), time of the last hit."""
        state = self.actions.control.state
        counter = None if node.counter is None else state.counters[node.counter]
        meter = None if node.meter is None else state.meters[node.meter]
        target = None if node.meter is None else self.actions.model.meters[node.meter].target
        store = None if target is None else self.actions.compiler.store(target)
        timed, clock = node.support_timeout, self.actions.control.clock

        def effects(p: Phv, entry: Entry) -> None:
            if counter is not None:
                counter.count(entry.slot, p.ingress_length)
            if meter is not None and store is not None:
                store(p, (), meter.execute(entry.slot, p.ingress_length, p.now))
            if timed:
                entry.last_hit_us = clock()

        return effects

    def _miss_effects(self, node: TableNode) -> Callable[[Phv], None]:
        """Direct counter and meter of the default entry; its meter does nothing until it is configured."""
        state = self.actions.control.state
        counter = None if node.counter is None else state.counters[node.counter]
        meter = None if node.meter is None else state.meters[node.meter]
        target = None if node.meter is None else self.actions.model.meters[node.meter].target
        store = None if target is None else self.actions.compiler.store(target)

        def effects(p: Phv) -> None:
            if counter is not None:
                counter.count(DEFAULT_SLOT, p.ingress_length)
            if meter is not None and store is not None and meter.data[DEFAULT_SLOT, SET]:
                store(p, (), meter.execute(DEFAULT_SLOT, p.ingress_length, p.now))

        return effects


def key_reader(actions: Actions, key: Key) -> Callable[[Phv], int]:
    """The key's value: 0 for a field of an invalid header, unsigned bits, under the key's mask."""
    h, f = key.field.header, key.field.field
    if f == x.VALID:
        return lambda p: p.valid[h]
    mask = (1 << key.width) - 1
    if key.mask is not None:
        mask &= key.mask
    if actions.model.headers[h].metadata:
        return lambda p: p.values[h][f] & mask
    return lambda p: p.values[h][f] & mask if p.valid[h] else 0
