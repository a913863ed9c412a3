"""Statements and the declarations that can stand among them."""
from __future__ import annotations

from . import ast
from .lexer import LINE_START
from .parse_expr import ExprParser
from .tokens import SyntaxProblem

_ASSIGN_OPS = frozenset(["=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "|+|=", "|-|="])
_RESUME = frozenset([
    "if", "return", "exit", "switch", "for", "const", "break", "continue", "transition", "state", "action",
    "table", "apply", "control", "parser", "header", "struct",
])
_ENDS_BODY = frozenset([
    "control", "parser", "header", "struct", "typedef", "package", "enum", "extern", "state", "table",
    "action",
])


class StmtParser(ExprParser):
    # block: annotations "{" { statement | declaration } "}"
    def block(self, annotations: ast.Annotations = ()) -> ast.Block:
        pos = self.expect("{")
        self.push()
        body: list[ast.Node] = []
        while self.text() != "}":
            if self.tokens[self.at][0] == "eof":
                raise self.unexpected("'}'")
            if self.text() in _ENDS_BODY and self.tokens[self.at][3] & LINE_START:
                raise self.unexpected("a statement or '}'")
            try:
                body.append(self.statement())
            except SyntaxProblem:
                if self.quiet:
                    raise
                before = self.at
                self.skip_to(_RESUME)
                if self.at == before and self.text() != "}":
                    self.next()
        self.pop()
        self.expect("}")
        return ast.Block(pos, tuple(body), annotations)

    def statement(self) -> ast.Node:
        notes = self.annotations()
        pos, text = self.pos(), self.text()
        handler = _HANDLERS.get(text)
        if handler is not None and self.tokens[self.at][0] != "str":
            return handler(self, pos, notes)
        if text == "const":
            return self.constant(notes)
        if self.at_type():
            return self._typed(pos, notes)
        return self._assign_or_call(pos)

    # typed: type name [ "=" expr ] ";" | type "(" args ")" name ";" | type "." apply "(" args ")" ";"
    def _typed(self, pos: int, notes: ast.Annotations) -> ast.Node:
        mark = self.mark()
        kind = self.type_ref()
        if self.text() == ".":
            if self.peek() == "apply":
                self.next()
                self.next()
                args = self.arguments()
                self.expect(";")
                return ast.DirectApply(pos, kind, args)
            self.reset(mark)
            return self._assign_or_call(pos)
        if self.text() == "(":
            return self.instance(pos, notes, kind)
        return self.variable(notes, kind)

    def instance(self, pos: int, notes: ast.Annotations, kind: ast.TypeExpr) -> ast.Instance:
        args = self.arguments()
        name, name_pos = self.name("the name of the instance")
        body: tuple[ast.Node, ...] = ()
        if self.accept("="):
            body = self.block().body
        self.expect(";")
        self.declare(name, "value")
        return ast.Instance(name_pos, name, notes, kind, args, body)

    def variable(self, notes: ast.Annotations, kind: ast.TypeExpr, end: bool = True) -> ast.Var:
        name, pos = self.name("the name of the variable")
        value = self.expression() if self.accept("=") else None
        if end:
            self.expect(";")
        self.declare(name, "value")
        return ast.Var(pos, name, notes, kind, value)

    def constant(self, notes: ast.Annotations) -> ast.Const:
        self.expect("const")
        kind = self.type_ref()
        name, pos = self.name("the name of the constant")
        self.expect("=")
        value = self.expression()
        self.expect(";")
        self.declare(name, "value")
        return ast.Const(pos, name, notes, kind, value)

    # assignment: lvalue "=" expr ";" | call ";"
    def _assign_or_call(self, pos: int, end: bool = True) -> ast.Stmt:
        target = self._postfix(self._primary())
        op = self._operator()
        stmt: ast.Stmt
        if op in _ASSIGN_OPS:
            op_pos = self.pos()
            self.at += 2 if op == ">>=" else 1
            value = self.expression()
            stmt = ast.Assign(op_pos if op == "=" else pos, target, value, op[:-1])
        elif isinstance(target, ast.Call):
            stmt = ast.CallStmt(pos, target)
        elif isinstance(target, ast.Construct):
            stmt = ast.CallStmt(pos, ast.Call(target.pos, ast.Name(pos, "?"), (), target.args))
        elif isinstance(target, ast.Name) and self.is_name():
            raise self.problem(target.pos, f"type '{target.name}' is not declared")
        else:
            raise self.unexpected("'=' or a call")
        if end:
            self.expect(";")
        return stmt

    def _if(self, pos: int, notes: ast.Annotations) -> ast.Stmt:
        self.next()
        self.expect("(")
        cond = self.expression()
        self.expect(")")
        then = self._body()
        orelse = self._body() if self.accept("else") else None
        return ast.If(pos, cond, then, orelse)

    def _body(self) -> ast.Stmt:
        """One statement in a scope of its own."""
        self.push()
        try:
            stmt = self.statement()
        finally:
            self.pop()
        return stmt  # type: ignore[return-value]

    def _return(self, pos: int, notes: ast.Annotations) -> ast.Stmt:
        self.next()
        value = None if self.text() == ";" else self.expression()
        self.expect(";")
        return ast.Return(pos, value)

    def _simple(self, pos: int, notes: ast.Annotations) -> ast.Stmt:
        word = self.next()[1]
        self.expect(";")
        return {"exit": ast.Exit, "break": ast.Break, "continue": ast.Continue}[word](pos)

    def _empty(self, pos: int, notes: ast.Annotations) -> ast.Stmt:
        self.next()
        return ast.Empty(pos)

    def _block(self, pos: int, notes: ast.Annotations) -> ast.Stmt:
        return self.block(notes)

    # switch: "switch" "(" expr ")" "{" { label ":" [ block ] } "}"
    def _switch(self, pos: int, notes: ast.Annotations) -> ast.Stmt:
        self.next()
        self.expect("(")
        subject = self.expression()
        self.expect(")")
        self.expect("{")
        cases: list[ast.SwitchCase] = []
        while self.text() != "}":
            label_pos = self.pos()
            label = None if self.accept("default") else self._switch_label()
            self.expect(":")
            body = self.block() if self.text() == "{" else None
            cases.append(ast.SwitchCase(label_pos, label, body))
        self.expect("}")
        return ast.Switch(pos, subject, tuple(cases))

    def _switch_label(self) -> ast.Expr:
        return self.expression()

    # for: "for" "(" [ init ] ";" expr ";" [ update ] ")" statement | "for" "(" type name "in" expr ")" statement
    def _for(self, pos: int, notes: ast.Annotations) -> ast.Stmt:
        self.next()
        self.expect("(")
        self.push()
        try:
            found = self._for_in(pos, notes)
            return found if found is not None else self._for_c(pos, notes)
        finally:
            self.pop()

    def _for_in(self, pos: int, notes: ast.Annotations) -> ast.Stmt | None:
        mark = self.mark()
        self.quiet += 1
        kind: ast.TypeExpr | None = None
        try:
            self.annotations()
            kind = self.type_ref() if self.at_type() else None
            name, _ = self.name()
            if not self.accept("in"):
                raise SyntaxProblem
        except SyntaxProblem:
            self.reset(mark)
            return None
        finally:
            self.quiet -= 1
        self.declare(name, "value")
        collection = self.expression()
        if self.accept(".."):
            collection = ast.Range(collection.pos, collection, self.expression())
        self.expect(")")
        return ast.ForIn(pos, kind, name, collection, self._body(), notes)

    def _for_c(self, pos: int, notes: ast.Annotations) -> ast.Stmt:
        init: list[ast.Node] = []
        while self.text() != ";":
            init.append(self._for_init())
            if not self.accept(","):
                break
        self.expect(";")
        cond = self.expression()
        self.expect(";")
        update: list[ast.Stmt] = []
        while self.text() != ")":
            update.append(self._assign_or_call(self.pos(), end=False))
            if not self.accept(","):
                break
        self.expect(")")
        return ast.For(pos, tuple(init), cond, tuple(update), self._body(), notes)

    def _for_init(self) -> ast.Node:
        notes = self.annotations()
        if self.at_type():
            return self.variable(notes, self.type_ref(), end=False)
        return self._assign_or_call(self.pos(), end=False)


_HANDLERS = {
    "if": StmtParser._if, "return": StmtParser._return, "exit": StmtParser._simple, "break": StmtParser._simple,
    "continue": StmtParser._simple, ";": StmtParser._empty, "{": StmtParser._block, "switch": StmtParser._switch,
    "for": StmtParser._for,
}
