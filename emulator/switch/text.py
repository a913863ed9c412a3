"""Expressions, headers and keys as text a person can read, for traces and drawings."""

from __future__ import annotations

from typing import Any

from emulator.switch import expr as x
from emulator.switch.model import Model
from emulator.switch.widths import any_header

LOGIC = {"and": "&&", "or": "||", "==": "==", "!=": "!="}


def expr_text(model: Model, node: Any) -> str:
    """P4-like text of an expression."""
    if isinstance(node, x.Const):
        return str(node.value) if -10 < node.value < 10 else hex(node.value)
    if isinstance(node, x.BoolConst):
        return "true" if node.value else "false"
    if isinstance(node, x.FieldRead):
        return model.field_name(node)
    if isinstance(node, x.DynamicField):
        fields = model.header_type(any_header(model, node.header)).fields
        return f"{header_text(model, node.header)}.{'$valid$' if node.field < 0 else fields[node.field].name}"
    if isinstance(node, x.Param):
        return f"arg{node.index}"
    if isinstance(node, x.RegisterRead):
        return f"{model.registers[node.register].name}[{expr_text(model, node.index)}]"
    if isinstance(node, x.Lookahead):
        return f"lookahead<{node.width}>" + (f" + {node.offset}" if node.offset else "")
    if isinstance(node, x.LastStackIndex):
        stacks = model.union_stacks if node.is_union else model.stacks
        return f"{stacks[node.stack].name}.lastIndex"
    return _operation(model, node)


def _operation(model: Model, node: Any) -> str:
    def text(child: Any) -> str:
        return expr_text(model, child)

    if isinstance(node, x.Unary):
        if node.op == "b2d":
            return text(node.operand)
        return f"{'-' if node.op == 'neg' else '~'}{text(node.operand)}"
    if isinstance(node, x.Binary):
        if node.op in ("two_comp_mod", "usat_cast", "sat_cast"):
            return f"{node.op}<{text(node.right)}>({text(node.left)})"
        return f"({text(node.left)} {node.op} {text(node.right)})"
    if isinstance(node, x.Ternary):
        return f"({text(node.cond)} ? {text(node.left)} : {text(node.right)})"
    if isinstance(node, x.Compare):
        return f"{text(node.left)} {node.op} {text(node.right)}"
    if isinstance(node, x.Logic):
        return f"({text(node.left)} {LOGIC[node.op]} {text(node.right)})"
    if isinstance(node, x.Not):
        return f"!{text(node.operand)}"
    if isinstance(node, x.NonZero):
        inner = node.operand
        if isinstance(inner, x.FieldRead) and inner.field == x.VALID:
            return f"{model.headers[inner.header].name}.isValid()"
        return f"{text(inner)} != 0"
    if isinstance(node, x.HeaderValid):
        return f"{header_text(model, node.header)}.isValid()"
    if isinstance(node, x.UnionValid):
        return f"{union_text(model, node.union)}.isValid()"
    if isinstance(node, x.HeaderEqual):
        sides = header_text(model, node.left), header_text(model, node.right)
    elif isinstance(node, x.UnionEqual):
        sides = union_text(model, node.left), union_text(model, node.right)
    else:
        return type(node).__name__
    return f"{sides[0]} {'!=' if node.negated else '=='} {sides[1]}"


def header_text(model: Model, header: x.HeaderExpr) -> str:
    if isinstance(header, x.HeaderRef):
        return model.headers[header.header].name
    if isinstance(header, x.StackElement):
        return f"{model.stacks[header.stack].name}[{expr_text(model, header.index)}]"
    if isinstance(header, x.StackLast):
        return f"{model.stacks[header.stack].name}.last"
    unions = model.union_stacks[header.union.union_stack].unions
    return f"{union_text(model, header.union)}.{model.unions[unions[0]].members[header.member]}"


def union_text(model: Model, union: x.UnionExpr) -> str:
    if isinstance(union, x.UnionRef):
        return model.unions[union.union].name
    name = model.union_stacks[union.union_stack].name
    if isinstance(union, x.UnionStackElement):
        return f"{name}[{expr_text(model, union.index)}]"
    return f"{name}.last"


def bits_text(value: int, width: int) -> str:
    """Hex with the digits of the width; signed values as their two's-complement bits."""
    return f"0x{value & ((1 << width) - 1):0{max(1, -(-width // 4))}x}"
