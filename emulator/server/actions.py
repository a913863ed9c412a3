"""Actions: p4.v1.Action messages to (name, arguments), and back, with the table's rules on who may use which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from controller.p4rt.schema import Action, Schema, Scope, Table

from .errors import Refused, denied, invalid
from .numbers import canonical, unsigned
from .translation import Translations, Translator


class ActionCodec:
    """All actions of a program."""

    def __init__(self, schema: Schema, translations: Translations, widths: dict[str, tuple[int, ...]]) -> None:
        """widths: of the data plane's parameters, by action."""
        self._schema = schema
        self._by_id = {
            a.id: (a, tuple(_params(a, translations, widths.get(a.name, ())))) for a in schema.actions
        }
        self._ids = {a.name: a.id for a in schema.actions}

    def decode(self, message: Any) -> tuple[str, tuple[int, ...]]:
        """(action name, arguments in order) of a p4.v1.Action."""
        found = self._by_id.get(message.action_id)
        if found is None:
            raise invalid(f"there is no action with id 0x{message.action_id:08x}", "use the program's P4Info")
        action, params = found
        given = message.params
        if len(given) != len(params):
            raise _wrong_params(action, given)
        args = []
        for (number, width, name, translator), one in zip(params, given):
            if one.param_id != number:
                return action.name, self._in_any_order(action, params, given)
            if translator is not None:
                args.append(translator.number(one.value, f"parameter {name} of {action.name}"))
                continue
            value = int.from_bytes(one.value, "big")
            if value >> width or not one.value:
                unsigned(one.value, width, f"parameter {name} of {action.name}")
            args.append(value)
        return action.name, tuple(args)

    def _in_any_order(self, action: Action, params: Any, given: Any) -> tuple[int, ...]:
        by_id = {one.param_id: one.value for one in given}
        if by_id.keys() != {p.id for p in action.params}:
            raise _wrong_params(action, given)
        args = []
        for number, width, name, translator in params:
            where = f"parameter {name} of {action.name}"
            data = by_id[number]
            args.append(unsigned(data, width, where) if translator is None else translator.number(data, where))
        return tuple(args)

    def encode(self, name: str, args: tuple[int, ...], into: Any) -> None:
        """Fill a p4.v1.Action; an action that the P4Info does not name stays empty."""
        number = self._ids.get(name)
        if number is None:
            return
        into.action_id = number
        for (param_id, _, _, translator), value in zip(self._by_id[number][1], args):
            into.params.add(
                param_id=param_id, value=canonical(value) if translator is None else translator.data(value)
            )

    def known(self, name: str) -> bool:
        return name in self._ids

    def _scope(self, table: Table, action_id: int) -> tuple[Action, Scope]:
        """The action and its scope in the table, whose it must be."""
        scope = table.scopes.get(action_id)
        found = self._by_id.get(action_id)
        if found is None:
            raise invalid(f"there is no action with id 0x{action_id:08x}", "use the program's P4Info")
        if scope is None:
            own = ", ".join(self._by_id[i][0].name for i in table.scopes)
            raise invalid(f"action {found[0].name} is not one of table {table.name}", f"use one of {own}")
        return found[0], scope

    def check_group_action(self, table: Table, action_id: int) -> None:
        """Refuse an action that one-shots of this table cannot have as their group's."""
        action, scope = self._scope(table, action_id)
        if scope is not Scope.GROUP:
            raise denied(f"action {action.name} is no @groupaction in {table.name}", "it cannot be a group's action")

    def check_scope(self, table: Table, action_id: int, *, default: bool) -> None:
        """Refuse an action that is not the table's, or not for this use."""
        action, scope = self._scope(table, action_id)
        if scope is Scope.GROUP:
            raise denied(f"action {action.name} is @groupaction in {table.name}", "only a one-shot's group can use it")
        if default and scope is Scope.TABLE_ONLY:
            raise denied(f"action {action.name} is @tableonly in {table.name}", "it cannot be the default")
        if not default and scope is Scope.DEFAULT_ONLY:
            raise denied(f"action {action.name} is @defaultonly in {table.name}", "entries cannot use it")


def _params(
    action: Action, translations: Translations, widths: tuple[int, ...]
) -> Iterator[tuple[int, int, str, Translator | None]]:
    """(id, bits, name, translation) of each parameter."""
    for place, param in enumerate(action.params):
        inner = widths[place] if place < len(widths) else param.bitwidth or None
        yield param.id, inner or 32, param.name, translations.of(param, inner)


def _wrong_params(action: Action, given: Any) -> Refused:
    known = ", ".join(f"{p.id} ({p.name})" for p in action.params) or "none"
    ids = ", ".join(str(one.param_id) for one in given) or "none"
    return invalid(f"action {action.name} got parameters {ids}", f"it takes {known}, each once")
