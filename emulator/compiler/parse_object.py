"""Parsers, controls, actions and tables."""
from __future__ import annotations

from . import ast
from .lexer import LINE_START
from .parse_stmt import StmtParser
from .tokens import SyntaxProblem

_RESUME_LOCAL = frozenset(["action", "table", "apply", "state", "const", "control", "parser", "header", "struct"])


class ObjectParser(StmtParser):
    declared_inline: list[ast.Node]

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.declared_inline = []

    # typeParams: [ "<" name { "," name } ">" ]
    def type_params(self) -> tuple[ast.TypeParam, ...]:
        if not self.accept("<"):
            return ()
        out: list[ast.TypeParam] = []
        while self.text() != ">":
            name, pos = self.name("a type parameter")
            self.declare(name, "type")
            out.append(ast.TypeParam(pos, name))
            if not self.accept(","):
                break
        self.expect(">")
        return tuple(out)

    # params: "(" [ annotations [ in | out | inout ] type name [ "=" expr ] { "," ... } ] ")"
    def params(self) -> tuple[ast.Param, ...]:
        self.expect("(")
        out: list[ast.Param] = []
        while self.text() != ")":
            notes = self.annotations()
            direction = self.next()[1] if self.text() in ("in", "out", "inout") else ""
            kind = self.type_ref()
            name, pos = self.name("the name of the parameter")
            default = self.expression() if self.accept("=") else None
            self.declare(name, "value")
            out.append(ast.Param(pos, name, notes, direction, kind, default))
            if not self.accept(","):
                break
        self.expect(")")
        return tuple(out)

    # action: "action" name params block
    def action(self, notes: ast.Annotations) -> ast.Action:
        self.expect("action")
        name, pos = self.name("the name of the action")
        self.declare(name, "value")
        self.push()
        params = self.params()
        body = self.block()
        self.pop()
        return ast.Action(pos, name, notes, params, body)

    # value_set: "value_set" "<" type ">" "(" expr ")" name ";"
    def value_set(self, notes: ast.Annotations) -> ast.ValueSet:
        self.expect("value_set")
        self.expect("<")
        kind = self.type_ref()
        self.expect(">")
        self.expect("(")
        size = self.expression()
        self.expect(")")
        name, pos = self.name("the name of the value set")
        self.expect(";")
        self.declare(name, "value")
        return ast.ValueSet(pos, name, notes, kind, size)

    # control: "control" name [ tparams ] params [ ctor params ] "{" locals "apply" block "}" | ... ";"
    def control(self, notes: ast.Annotations) -> ast.Node:
        self.expect("control")
        name, pos, tparams, params, ctor = self._head("control")
        if self.accept(";"):
            self.pop()
            return ast.TypeDecl(pos, name, notes, "control", tparams, params)
        self.expect("{")
        locals_: list[ast.Node] = []
        body: ast.Block | None = None
        while self.text() != "}":
            if body is not None:
                raise self.unexpected("'}' after the apply block")
            local_notes = self.annotations()
            if self.text() == "apply" and self.peek() == "{":
                self.next()
                body = self.block(local_notes)
            else:
                self._local(locals_, local_notes, self._control_local)
        self.expect("}")
        self.pop()
        if body is None:
            raise self.problem(pos, f"control {name} has no apply block")
        return ast.Control(pos, name, notes, tparams, params, ctor, tuple(locals_), body)

    def _head(self, what: str) -> tuple[str, int, tuple[ast.TypeParam, ...], tuple[ast.Param, ...],
                                        tuple[ast.Param, ...]]:
        """Name and parameters; leaves a scope open for the body."""
        name, pos = self.name(f"the name of the {what}")
        self.declare(name, "generic" if self.text() == "<" else "type")
        self.push()
        tparams = self.type_params()
        params = self.params()
        ctor = self.params() if self.text() == "(" else ()
        return name, pos, tparams, params, ctor

    def _local(self, into: list[ast.Node], notes: ast.Annotations, parse_one) -> None:  # type: ignore[no-untyped-def]
        """One local declaration, with recovery at the next one."""
        if self.tokens[self.at][0] == "eof":
            raise self.unexpected("'}'")
        if self.text() in ("control", "parser", "header", "struct", "package") and \
                self.tokens[self.at][3] & LINE_START:
            raise self.unexpected("a declaration or '}'")
        depth = len(self.scopes)
        try:
            into.append(parse_one(notes))
        except SyntaxProblem:
            if self.quiet:
                raise
            del self.scopes[depth:]
            before = self.at
            self.skip_to(_RESUME_LOCAL)
            if self.at == before and self.text() != "}":
                self.next()

    def _control_local(self, notes: ast.Annotations) -> ast.Node:
        text = self.text()
        if text == "action":
            return self.action(notes)
        if text == "table":
            return self.table(notes)
        if text == "const":
            return self.constant(notes)
        if text == "value_set":
            return self.value_set(notes)
        if not self.at_type():
            if (self.is_name() and self.peek() in ("(", "<")) or (self.is_name() and self.is_name(1)):
                raise self.problem(self.pos(), f"type '{text}' is not declared")
            raise self.unexpected("a declaration or the apply block")
        pos = self.pos()
        kind = self.type_ref()
        if self.text() == "(":
            return self.instance(pos, notes, kind)
        return self.variable(notes, kind)

    # parser: "parser" name [ tparams ] params [ ctor params ] "{" locals states "}" | ... ";"
    def parser(self, notes: ast.Annotations) -> ast.Node:
        self.expect("parser")
        name, pos, tparams, params, ctor = self._head("parser")
        if self.accept(";"):
            self.pop()
            return ast.TypeDecl(pos, name, notes, "parser", tparams, params)
        self.expect("{")
        locals_: list[ast.Node] = []
        states: list[ast.State] = []
        while self.text() != "}":
            local_notes = self.annotations()
            if self.text() == "state":
                states.append(self._state(local_notes))
            else:
                self._local(locals_, local_notes, self._control_local)
        self.expect("}")
        self.pop()
        if not states:
            raise self.problem(pos, f"parser {name} has no states")
        return ast.Parser(pos, name, notes, tparams, params, ctor, tuple(locals_), tuple(states))

    # state: "state" name "{" statements [ transition ] "}"
    def _state(self, notes: ast.Annotations) -> ast.State:
        self.expect("state")
        name, pos = self.name("the name of the state")
        self.expect("{")
        self.push()
        body: list[ast.Node] = []
        while self.text() not in ("transition", "}"):
            body.append(self.statement())
        transition = ast.Transition(pos, "reject")
        if self.text() == "transition":
            transition = self._transition()
        self.pop()
        self.expect("}")
        return ast.State(pos, name, notes, tuple(body), transition)

    # transition: "transition" name ";" | "transition" "select" "(" exprs ")" "{" { keyset ":" name ";" } "}"
    def _transition(self) -> ast.Transition:
        self.next()
        if not (self.text() == "select" and self.peek() == "("):
            name, pos = self.name("a state")
            self.expect(";")
            return ast.Transition(pos, name)
        pos = self.next()[2]
        self.expect("(")
        keys = [self.expression()]
        while self.accept(","):
            if self.text() == ")":
                break
            keys.append(self.expression())
        self.expect(")")
        self.expect("{")
        cases: list[ast.SelectCase] = []
        while self.text() != "}":
            label = self.keyset()
            self.expect(":")
            state, state_pos = self.name("a state")
            self.expect(";")
            cases.append(ast.SelectCase(state_pos, label, state))
        self.expect("}")
        return ast.Transition(pos, "", tuple(keys), tuple(cases))

    # table: "table" name "{" { property } "}"
    def table(self, notes: ast.Annotations) -> ast.Table:
        self.expect("table")
        name, pos = self.name("the name of the table")
        self.declare(name, "value")
        self.expect("{")
        parts = _TableParts()
        while self.text() != "}":
            self._property(parts)
        self.expect("}")
        return ast.Table(pos, name, notes, tuple(parts.keys), None if parts.actions is None else tuple(parts.actions),
                         parts.default, parts.default_const, None if parts.entries is None else tuple(parts.entries),
                         parts.entries_const, tuple(parts.properties))

    def _property(self, parts: _TableParts) -> None:
        notes = self.annotations()
        const = self.accept("const")
        name, pos = self.name("a property of the table")
        if name == "key" and not const:
            self.expect("=")
            self.expect("{")
            while self.text() != "}":
                parts.keys.append(self._key())
            self.expect("}")
            self.accept(";")
        elif name == "actions":
            self.expect("=")
            self.expect("{")
            parts.actions = []
            while self.text() != "}":
                parts.actions.append(self._action_ref())
                self.expect(";")
            self.expect("}")
            self.accept(";")
        elif name == "default_action":
            self.expect("=")
            parts.default = self._action_ref()
            parts.default_const = const
            self.expect(";")
        elif name == "entries":
            self._entries(parts, const)
        else:
            self.expect("=")
            value: object = self.expression()
            self.expect(";")
            parts.properties.append(ast.Property(pos, name, value, const, notes))

    # key: expression ":" name annotations ";"
    def _key(self) -> ast.KeyElement:
        expr = self.expression()
        self.expect(":")
        match, match_pos = self.name("a match kind")
        notes = self.annotations()
        self.expect(";")
        return ast.KeyElement(match_pos, expr, match, notes)

    def _action_ref(self) -> ast.ActionRef:
        notes = self.annotations()
        pos = self.pos()
        dotted = self.accept(".")
        name, _ = self.name("an action")
        args = self.arguments() if self.text() == "(" else None
        return ast.ActionRef(pos, name, notes, args, dotted)

    # entries: "entries" "=" "{" { [ const ] [ "priority" "=" expr ":" ] keyset ":" action ";" } "}"
    def _entries(self, parts: _TableParts, const: bool) -> None:
        self.expect("=")
        self.expect("{")
        parts.entries = []
        parts.entries_const = const
        while self.text() != "}":
            front = self.annotations()
            entry_const = self.accept("const")
            priority = None
            if self.text() == "priority" and self.peek() == "=":
                self.next()
                self.next()
                priority = self.expression()
                self.expect(":")
            keys = self.keyset()
            self.expect(":")
            action = self._action_ref()
            notes = self.annotations()
            self.expect(";")
            parts.entries.append(ast.Entry(keys.pos, keys, action, front + notes, priority, entry_const))
        self.expect("}")
        self.accept(";")


class _TableParts:
    """What has been read of a table so far."""

    def __init__(self) -> None:
        self.keys: list[ast.KeyElement] = []
        self.actions: list[ast.ActionRef] | None = None
        self.default: ast.ActionRef | None = None
        self.default_const = False
        self.entries: list[ast.Entry] | None = None
        self.entries_const = False
        self.properties: list[ast.Property] = []
