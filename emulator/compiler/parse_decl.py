"""Declarations of types, functions, externs and packages, and the program as a whole."""
from __future__ import annotations

from . import ast
from .lexer import Token
from .parse_object import ObjectParser
from .source import CompileError, Diagnostics
from .tokens import SyntaxProblem

_STARTS = frozenset([
    "const", "typedef", "type", "header", "header_union", "struct", "enum", "error", "match_kind", "extern",
    "parser", "control", "package", "action", "table", "bit", "bool", "void",
])


_P4_14 = frozenset(["header_type", "field_list", "field_list_calculation", "calculated_field", "metadata", "counter",
                    "register", "meter", "primitive_action", "action_profile", "action_selector", "parser_exception"])
"""Words that begin a declaration of the older language; a name follows at once."""


class DeclParser(ObjectParser):
    def program(self) -> ast.Program:
        decls: list[ast.Node] = []
        while self.tokens[self.at][0] != "eof":
            start = self.at
            try:
                if not self.accept(";"):
                    decls.append(self._declaration())
            except SyntaxProblem:
                del self.scopes[1:]
                self.skip_to(_STARTS)
                if self.at == start:
                    self.next()
        return ast.Program(0, tuple(decls))

    def _declaration(self) -> ast.Node:
        notes = self.annotations()
        text = self.text()
        handler = _HANDLERS.get(text)
        if handler is not None and not (text == "type" and not self._at_newtype()) and \
                not (text == "error" and self.peek() != "{"):
            return handler(self, notes)
        if self.at_type() or text == "void" or self._generic_result():
            return self._function_or_instance(notes)
        if text in _P4_14 and self.is_name(1):
            raise self.problem(self.pos(), f"'{text}' is P4_14; only P4_16 can be compiled")
        if self.is_name() and self.peek() in ("(", "<"):
            raise self.problem(self.pos(), f"type '{text}' is not declared")
        raise self.unexpected("a declaration")

    def _at_newtype(self) -> bool:
        return self.peek() != "("

    def _generic_result(self) -> bool:
        """`T name<T>(`: the result type is a type parameter declared only afterwards."""
        return self.is_name() and self.is_name(1) and self.peek(2) in ("<", "(")

    # const, typedef, newtype
    def _const(self, notes: ast.Annotations) -> ast.Node:
        return self.constant(notes)

    def _typedef(self, notes: ast.Annotations) -> ast.Node:
        new = self.next()[1] == "type"
        inner = self.annotations()
        if self.text() in ("struct", "header", "header_union", "enum"):
            kind = self._declaration()
            self.declared_inline.append(kind)
            target: ast.TypeExpr = ast.NamedType(kind.pos, kind.name)  # type: ignore[attr-defined]
        else:
            target = self.type_ref()
        name, pos = self.name("the name of the type")
        self.expect(";")
        self.declare(name, "type")
        return ast.TypedefDecl(pos, name, notes + inner, new, target)

    # struct: kind name [ "<" params ">" ] "{" { annotations type name ";" } "}"
    def _struct(self, notes: ast.Annotations) -> ast.Node:
        kind = self.next()[1]
        name, pos = self.name(f"the name of the {kind}")
        self.declare(name, "generic" if self.text() == "<" else "type")
        self.push()
        tparams = self.type_params()
        self.expect("{")
        fields: list[ast.Field] = []
        while self.text() != "}":
            field_notes = self.annotations()
            field_type = self.type_ref()
            field_name, field_pos = self.name("the name of the field")
            self.expect(";")
            fields.append(ast.Field(field_pos, field_name, field_notes, field_type))
        self.expect("}")
        self.pop()
        return ast.StructDecl(pos, name, notes, kind, tparams, tuple(fields))

    def _enum(self, notes: ast.Annotations) -> ast.Node:
        self.next()
        under = self.type_ref() if self.at_type() and self.peek() != "{" else None
        name, pos = self.name("the name of the enum")
        self.declare(name, "type")
        self.expect("{")
        members: list[tuple[str, int, ast.Expr | None]] = []
        while self.text() != "}":
            self.annotations()
            member, member_pos = self.name("the name of the enum member")
            members.append((member, member_pos, self.expression() if self.accept("=") else None))
            if not self.accept(","):
                break
        self.expect("}")
        return ast.EnumDecl(pos, name, notes, under, tuple(members))

    def _member_names(self) -> tuple[tuple[str, int], ...]:
        self.expect("{")
        names: list[tuple[str, int]] = []
        while self.text() != "}":
            self.annotations()
            names.append(self.name())
            if not self.accept(","):
                break
        self.expect("}")
        return tuple(names)

    def _error(self, notes: ast.Annotations) -> ast.Node:
        pos = self.next()[2]
        return ast.ErrorDecl(pos, self._member_names())

    def _match_kind(self, notes: ast.Annotations) -> ast.Node:
        pos = self.next()[2]
        return ast.MatchKindDecl(pos, self._member_names())

    # extern: "extern" type name params ";" | "extern" name [ tparams ] "{" { method } "}"
    def _extern(self, notes: ast.Annotations) -> ast.Node:
        self.next()
        if self.is_name() and (self.peek() == "{" or self._angle_then_brace()):
            return self._extern_object(notes)
        result, name, pos, tparams, params = self._signature()
        self.expect(";")
        self.declare(name, "value")
        return ast.ExternFunction(pos, name, notes, result, tparams, params)

    def _angle_then_brace(self) -> bool:
        if self.peek() != "<":
            return False
        index = self.at + 1
        while self.tokens[index][1] not in (">", "eof", ";") and self.tokens[index][0] != "eof":
            index += 1
        return self.tokens[index + 1][1] == "{"

    def _extern_object(self, notes: ast.Annotations) -> ast.Node:
        name, pos = self.name()
        self.declare(name, "generic" if self.text() == "<" else "type")
        self.push()
        tparams = self.type_params()
        self.expect("{")
        methods: list[ast.Method] = []
        while self.text() != "}":
            method_notes = self.annotations()
            self.accept("abstract")
            if self.text() == name and self.peek() == "(":
                method_pos = self.next()[2]
                methods.append(ast.Method(method_pos, name, method_notes, None, (), self.params()))
            else:
                result, method, method_pos, mparams, params = self._signature()
                methods.append(ast.Method(method_pos, method, method_notes, result, mparams, params))
            self.expect(";")
        self.expect("}")
        self.pop()
        return ast.ExternObject(pos, name, notes, tparams, tuple(methods))

    def _signature(self) -> tuple[ast.TypeExpr, str, int, tuple[ast.TypeParam, ...], tuple[ast.Param, ...]]:
        """`result name<T>(params)`; the result may be a type parameter named only afterwards."""
        mark = self.mark()
        self.push()
        for name in self._coming_type_params():
            self.declare(name, "type")
        self.reset(mark)
        result = self.type_ref()
        name, pos = self.name("the name of the function")
        tparams = self.type_params()
        params = self.params()
        self.pop()
        return result, name, pos, tparams, params

    def _coming_type_params(self) -> list[str]:
        """Names between the angle brackets that follow `type name`, seen before they are parsed."""
        index = self.at
        depth = 0
        while self.tokens[index][0] != "eof" and self.tokens[index][1] not in ("(", ";", "{"):
            text = self.tokens[index][1]
            if text == "<":
                if (depth == 0 and index > self.at + 1) or (depth == 0 and self.tokens[index - 1][0] == "id" and \
                        index - 1 > self.at):
                    return self._names_until_close(index + 1)
                depth += 1
            elif text == ">":
                depth -= 1
            index += 1
        return []

    def _names_until_close(self, index: int) -> list[str]:
        names = []
        while self.tokens[index][1] not in (">", "(", ";") and self.tokens[index][0] != "eof":
            if self.tokens[index][0] == "id":
                names.append(self.tokens[index][1])
            index += 1
        return names

    # package: "package" name [ tparams ] params ";"
    def _package(self, notes: ast.Annotations) -> ast.Node:
        self.next()
        name, pos = self.name("the name of the package")
        self.declare(name, "generic" if self.text() == "<" else "type")
        self.push()
        tparams = self.type_params()
        params = self.params()
        self.pop()
        self.expect(";")
        return ast.TypeDecl(pos, name, notes, "package", tparams, params)

    def _function_or_instance(self, notes: ast.Annotations) -> ast.Node:
        """Type(args) name; or result name<T>(params) { body }."""
        pos = self.pos()
        if self.at_type() and self.text() != "void" and not self._function_ahead():
            kind = self.type_ref()
            if self.text() != "(":
                raise self.unexpected("'(' (only functions, constants and instances stand at the top level)")
            return self.instance(pos, notes, kind)
        result_mark = self.mark()
        self.push()
        for name in self._coming_type_params():
            self.declare(name, "type")
        self.reset(result_mark)
        result = self.type_ref()
        name, name_pos = self.name("the name of the function")
        self.scopes[0][name] = "value"
        tparams = self.type_params()
        params = self.params()
        body = self.block()
        self.pop()
        return ast.Function(name_pos, name, notes, result, tparams, params, body)

    def _function_ahead(self) -> bool:
        mark = self.mark()
        self.quiet += 1
        self.push()
        try:
            self.type_ref()
            return self.is_name() and self.peek() in ("(", "<")
        except SyntaxProblem:
            return False
        finally:
            self.pop()
            self.quiet -= 1
            self.reset(mark)


_HANDLERS = {
    "const": DeclParser._const, "typedef": DeclParser._typedef, "type": DeclParser._typedef,
    "struct": DeclParser._struct, "header": DeclParser._struct, "header_union": DeclParser._struct,
    "enum": DeclParser._enum, "error": DeclParser._error, "match_kind": DeclParser._match_kind,
    "extern": DeclParser._extern, "package": DeclParser._package, "control": DeclParser.control,
    "parser": DeclParser.parser, "action": DeclParser.action, "value_set": DeclParser.value_set,
}


def parse(tokens: list[Token], diags: Diagnostics, ignored: frozenset[str] = frozenset()) -> ast.Program:
    """Tokens to tree, without the annotations in `ignored`; raises CompileError after reporting every syntax error found."""
    reader = DeclParser(tokens, diags)
    reader.ignored = ignored
    program = reader.program()
    if diags.failed:
        raise CompileError("syntax errors")
    if reader.declared_inline:
        program = ast.Program(0, tuple(reader.declared_inline) + program.decls)
    return program
