"""Types, expressions and annotations. The grammar rule stands above each function."""
from __future__ import annotations

from . import ast
from .lexer import LINE_START, parse_number
from .tokens import SyntaxProblem, TokenReader

_LEVELS: dict[str, int] = {
    "||": 1, "&&": 2, "|": 5, "^": 6, "&": 7, "==": 3, "!=": 3, "<": 4, ">": 4, "<=": 4, ">=": 4,
    "<<": 8, ">>": 8, "++": 9, "+": 9, "-": 9, "|+|": 9, "|-|": 9, "*": 10, "/": 10, "%": 10,
}
"""Binding strength, weakest first. & | ^ bind tighter than comparisons in P4, unlike in C."""

_UNARY = frozenset(["!", "~", "-", "+"])


class ExprParser(TokenReader):
    # annotation: "@" name [ "(" tokens ")" | "[" ... "]" ]
    def annotations(self) -> ast.Annotations:
        out: list[ast.Annotation] = []
        while self.text() == "@":
            pos = self.next()[2]
            token = self.next()
            if token[1] == "pragma":
                out.append(self._pragma(pos))
                continue
            if self.text() == "(":
                out.append(self._annotation_body(pos, token[1], "(", ")"))
            elif self.text() == "[":
                out.append(self._annotation_body(pos, token[1], "[", "]"))
            else:
                out.append(ast.Annotation(pos, token[1]))
        return tuple(note for note in out if note.name not in self.ignored)

    def _pragma(self, pos: int) -> ast.Annotation:
        name = self.next()[1]
        words = []
        while not self.tokens[self.at][3] & LINE_START and self.tokens[self.at][0] != "eof":
            words.append(self.next())
        return ast.Annotation(pos, name, (), " ".join(w[1] for w in words))

    def _annotation_body(self, pos: int, name: str, opening: str, closing: str) -> ast.Annotation:
        self.expect(opening)
        start, depth = self.at, 1
        while depth:
            kind, text = self.tokens[self.at][:2]
            if kind == "eof":
                raise self.problem(pos, f"annotation @{name} is never closed")
            if kind != "str":
                depth += (text == opening) - (text == closing)
            self.at += 1
        body = self.tokens[start:self.at - 1]
        if any(t[:2] == ("bad", '"') for t in body):
            first = next(t for t in body if t[:2] == ("bad", '"') or (t[0] == "str" and "\n" in t[1]))
            self.problem(first[2], "this string is not closed where it should be")
        text = " ".join(t[1] for t in body)
        args, keys = self._annotation_args(start, self.at - 1)
        return ast.Annotation(pos, name, args, text, opening == "[", keys)

    def _annotation_args(self, start: int, end: int) -> tuple[tuple[ast.Expr, ...], tuple[str, ...]]:
        """The body as expressions, and their names in `k = v, ...`; () where it is something else (it may be any tokens)."""
        resume = self.at
        if start == end:
            return (), ()
        self.at = start
        self.quiet += 1
        args: list[ast.Expr] = []
        keys: list[str] = []
        try:
            while True:
                if self.peek() == "=" and self.at + 1 < end:
                    keys.append(self.next()[1])
                    self.next()
                args.append(self.expression())
                if self.at >= end or not self.accept(",") or self.at >= end:
                    break
            whole = self.at == end and len(keys) in (0, len(args))
            return (tuple(args), tuple(keys)) if whole else ((), ())
        except SyntaxProblem:
            return (), ()
        finally:
            self.quiet -= 1
            self.at = resume

    # typeRef: baseType | name | name "<" typeArgs ">" | typeRef "[" expr "]"
    def type_ref(self, allow_stack: bool = True) -> ast.TypeExpr:
        pos = self.pos()
        base = self._simple_type(pos)
        while allow_stack and self.text() == "[":
            self.next()
            size = self.expression()
            self.expect("]")
            base = ast.StackType(pos, base, size)
        return base

    def _simple_type(self, pos: int) -> ast.TypeExpr:
        dotted = self.accept(".")
        text = self.text()
        if text in ("bit", "int", "varbit"):
            self.next()
            return self._sized_type(pos, text)
        if text in ("tuple", "list") and self.peek() == "<":
            self.next()
            return ast.TupleType(pos, text, self.type_args())
        if text in ("bool", "error", "string", "void", "match_kind"):
            self.next()
            return ast.NamedType(pos, text)
        if not self.is_name():
            raise self.unexpected("a type")
        name = self.next()[1]
        if self.kind_of(name) not in ("type", "generic"):
            found = "does not name a type" if self.kind_of(name) else "is not declared"
            raise self.problem(pos, f"type '{name}' {found}")
        if self.text() == "<" and self.kind_of(name) == "generic":
            return ast.GenericType(pos, name, self.type_args())
        return ast.NamedType(pos, name, dotted)

    def _sized_type(self, pos: int, kind: str) -> ast.TypeExpr:
        if not self.accept("<"):
            if kind == "bit":
                return ast.SizedType(pos, "bit", ast.Number(pos, 1))
            if kind == "int":
                return ast.NamedType(pos, "int")
            raise self.unexpected("'<' after varbit")
        if self.accept("("):
            width = self.expression()
            self.expect(")")
        else:
            width = self._binary(9)
        self.expect(">")
        return ast.SizedType(pos, kind, width)

    # typeArgs: "<" typeArg { "," typeArg } ">"; typeArg: type | "_"
    def type_args(self) -> tuple[ast.TypeExpr, ...]:
        self.expect("<")
        args: list[ast.TypeExpr] = []
        while self.text() != ">":
            pos = self.pos()
            args.append(ast.NamedType(pos, "_") if self.accept("_") else self.type_ref())
            if not self.accept(","):
                break
        self.expect(">")
        return tuple(args)

    # expression: binary [ "?" expression ":" expression ]
    def expression(self) -> ast.Expr:
        pos = self.pos()
        cond = self._binary(1)
        if not self.accept("?"):
            return cond
        yes = self.expression()
        self.expect(":")
        return ast.Ternary(pos, cond, yes, self.expression())

    def _binary(self, level: int) -> ast.Expr:
        """Precedence climbing over _LEVELS."""
        pos = self.pos()
        left = self._unary()
        while True:
            op = self._operator()
            strength = _LEVELS.get(op, 0)
            if strength < level or strength == 0:
                return left
            op_pos = self.pos()
            self.at += 2 if op == ">>" else 1
            right = self._binary(strength + 1)
            left = ast.Binary(pos, op, left, right, op_pos)

    def _operator(self) -> str:
        kind, text = self.tokens[self.at][:2]
        if kind != "op":
            return ""
        if text == ">" and self.adjacent(1):
            if self.peek() == ">":
                return ">>"
            if self.peek() == ">=":
                return ">>="
        if text == "+" and self.adjacent(1) and self.peek() == ":":
            return "+:"
        return text

    def _unary(self) -> ast.Expr:
        pos = self.pos()
        kind, text = self.tokens[self.at][:2]
        if kind == "op":
            if text in _UNARY:
                self.next()
                return ast.Unary(pos, text, self._unary())
            if text == "(" and self._is_cast():
                self.next()
                target = self.type_ref()
                self.expect(")")
                return ast.Cast(pos, target, self._unary())
        return self._postfix(self._primary())

    def _is_cast(self) -> bool:
        """`(` type `)` followed by something that begins an operand."""
        mark = self.mark()
        self.next()
        if not self.at_type():
            self.reset(mark)
            return False
        self.quiet += 1
        try:
            self.type_ref()
            if self.text() != ")":
                return False
            kind, text = self.tokens[self.at + 1][:2]
            return kind in ("id", "num", "str") or text in ("(", "{", "!", "~", "-", "+", ".", "...", "_")
        except SyntaxProblem:
            return False
        finally:
            self.quiet -= 1
            self.reset(mark)

    # primary: number | true | false | string | name | "(" expr ")" | "{" list "}" | type "." name | type "(" args ")"
    def _primary(self) -> ast.Expr:
        kind, text, pos, _, _ = self.tokens[self.at]
        if kind == "num":
            self.at += 1
            value, width, signed = parse_number(text)
            return ast.Number(pos, value, width, signed)
        if kind == "str":
            self.at += 1
            return ast.String(pos, _unescape(text[1:-1]))
        if text in ("true", "false") and kind == "id":
            self.at += 1
            return ast.Bool(pos, text == "true")
        if text == "(":
            self.next()
            inner = self.expression()
            self.expect(")")
            return inner
        if text == "{":
            return self._braces()
        if text == "...":
            self.next()
            return ast.Dots(pos)
        if text == "this" and kind == "id":
            self.next()
            return ast.Name(pos, "this")
        return self._name_or_type(text, pos)

    def _name_or_type(self, text: str, pos: int) -> ast.Expr:
        if self.at_type():
            target = self.type_ref(allow_stack=False)
            if self.text() == "(":
                return ast.Construct(pos, target, self.arguments())
            return ast.TypeName(pos, target)
        if text == ".":
            self.next()
            name, _ = self.name()
            return ast.Name(pos, name, True)
        if self.is_name():
            self.next()
            return ast.Name(pos, text)
        raise self.unexpected("an expression")

    def _postfix(self, expr: ast.Expr) -> ast.Expr:
        while True:
            text = self.tokens[self.at][1]
            pos = self.tokens[self.at][2]
            if text == ".":
                self.next()
                if self.tokens[self.at][0] != "id":
                    raise self.unexpected("a field or method name")
                token = self.next()
                expr = ast.Member(expr.pos, expr, token[1], token[2])
            elif text == "[":
                self.next()
                first = self.expression()
                if self._operator() == "+:":
                    self.at += 2
                    expr = ast.PlusSlice(expr.pos, expr, first, self.expression())
                elif self.accept(":"):
                    expr = ast.Slice(expr.pos, expr, first, self.expression())
                else:
                    expr = ast.Index(expr.pos, expr, first)
                self.expect("]")
            elif text == "(" and self.tokens[self.at][0] == "op":
                expr = ast.Call(expr.pos, expr, (), self.arguments())
            elif text == "<" and isinstance(expr, (ast.Name, ast.Member)):
                call = self._generic_call(expr, pos)
                if call is None:
                    return expr
                expr = call
            else:
                return expr

    def _generic_call(self, func: ast.Expr, pos: int) -> ast.Call | None:
        """f<T>(x), told from a comparison by trying it."""
        mark = self.mark()
        self.quiet += 1
        try:
            targs = self.type_args()
            if self.text() != "(":
                raise SyntaxProblem
        except SyntaxProblem:
            self.reset(mark)
            return None
        finally:
            self.quiet -= 1
        return ast.Call(func.pos, func, targs, self.arguments())

    # arguments: "(" [ argument { "," argument } ] ")"
    def arguments(self) -> tuple[ast.Argument, ...]:
        self.expect("(")
        args: list[ast.Argument] = []
        while self.text() != ")":
            pos = self.pos()
            if self.text() == "_" and self.peek() in (",", ")"):
                self.next()
                args.append(ast.Argument(pos, None, None))
            elif self.is_name() and self.peek() == "=":
                name, _ = self.name()
                self.expect("=")
                if self.text() == "_" and self.peek() in (",", ")"):
                    self.next()
                    args.append(ast.Argument(pos, name, None))
                else:
                    args.append(ast.Argument(pos, name, self.expression()))
            else:
                args.append(ast.Argument(pos, None, self.expression()))
            if not self.accept(","):
                break
        self.expect(")")
        return tuple(args)

    # braces: "{" [ expr { "," expr } ] "}" | "{" name "=" expr { ... } "}" | "{#}"
    def _braces(self) -> ast.Expr:
        pos = self.expect("{")
        if self.text() == "#":
            self.next()
            self.expect("}")
            return ast.InvalidHeader(pos)
        names: list[str] = []
        values: list[ast.Expr] = []
        rest = False
        while self.text() != "}":
            if self.text() == "..." and self.peek() in ("}", ","):
                self.next()
                rest = True
                self.accept(",")
                break
            if self.tokens[self.at][0] == "id" and self.peek() == "=":
                names.append(self.next()[1])
                self.next()
            values.append(self.expression())
            if not self.accept(","):
                break
        self.expect("}")
        if names:
            if len(names) != len(values):
                raise self.problem(pos, "fields with and without names are mixed in one initializer")
            return ast.StructExpr(pos, tuple(names), tuple(values), rest)
        return ast.ListExpr(pos, tuple(values), rest)

    # keyset: "(" simple { "," simple } ")" | simple ;  simple: expr [ "&&&" expr | ".." expr ] | default | _
    def keyset(self) -> ast.Expr:
        pos = self.pos()
        if self.text() == "(":
            mark = self.mark()
            tuple_label = self._tuple_keyset(pos)
            if tuple_label is not None and self.text() in (":", "="):
                return tuple_label
            self.reset(mark)
        return self.simple_keyset()

    def _tuple_keyset(self, pos: int) -> ast.Expr | None:
        self.quiet += 1
        try:
            self.expect("(")
            items = [self.simple_keyset()]
            while self.accept(","):
                if self.text() == ")":
                    break
                items.append(self.simple_keyset())
            self.expect(")")
        except SyntaxProblem:
            return None
        finally:
            self.quiet -= 1
        return ast.ListExpr(pos, tuple(items))

    def simple_keyset(self) -> ast.Expr:
        pos = self.pos()
        if self.text() in ("default", "_"):
            self.next()
            return ast.Default(pos)
        first = self.expression()
        if self.accept("&&&"):
            return ast.Mask(pos, first, self.expression())
        if self.accept(".."):
            return ast.Range(pos, first, self.expression())
        return first


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    text = text.replace("\\\r\n", "").replace("\\\n", "")
    return (text.replace("\\\\", "\0").replace('\\"', '"').replace("\\n", "\n").replace("\\t", "\t")
            .replace("\0", "\\"))
