"""From the checked tree to the core program: find main, lay out headers and metadata, inline the six blocks."""
from __future__ import annotations

from typing import Any

from . import ast, fold, inline_call, inline_control, inline_parser, ir
from .context import Context, Options
from .inline_blocks import checksums, deparser
from .inline_expr import expression
from .source import Diagnostics
from .types import BOOL, ERROR, Bits, Object, Stack, Struct, Type, Varbit, is_header, is_union, strip, width_of
from .values import Env, ExternV, InstanceV, StringV, StructV

BLOCKS = ["parser", "verify", "ingress", "egress", "compute", "deparser"]


def inline_program(tree: ast.Program, name: str, diags: Diagnostics, options: Options,
                   types: dict[ast.Expr, Type]) -> ir.Program:
    """The whole program as core; raises CompileError after reporting what stands in the way."""
    program = ir.Program(name)
    cx = Context(program, diags, options)
    cx.types = types
    _declare(cx, tree)
    blocks = _main(cx, tree)
    head = blocks[0].type.decl
    assert isinstance(head, ast.Parser)
    headers, meta = _layout(cx, blocks[0], head)
    standard = _standard(cx)
    packet_in = ExternV(cx.interner.object(cx.globals.get("packet_in"), "extern", ()), "packet_in")
    packet_out = ExternV(cx.interner.object(cx.globals.get("packet_out"), "extern", ()), "packet_out")
    inline_parser.run_top(cx, blocks[0], [packet_in, headers, meta, standard])
    verify = inline_control.run_top(cx, blocks[1], [headers, meta], "verify")
    program.ingress = inline_control.run_top(cx, blocks[2], [headers, meta, standard], "ingress")
    program.egress = inline_control.run_top(cx, blocks[3], [headers, meta, standard], "egress")
    compute = inline_control.run_top(cx, blocks[4], [headers, meta], "compute")
    emits = inline_control.run_top(cx, blocks[5], [packet_out, headers], "deparser")
    checksums(cx, compute, verify, emits)
    deparser(cx, emits)
    inline_parser.run_at_end(cx, program.verify_body)
    _reject(cx)
    _whole_bytes(cx)
    _controller_headers(cx, tree)
    _report_unused(cx, tree)
    return program


def _declare(cx: Context, tree: ast.Program) -> None:
    """Enter the top-level declarations in order."""
    errors = cx.program.errors
    cx.globals.set("$errors", ERROR)
    for decl in tree.decls:
        cx.pos = decl.pos
        if isinstance(decl, ast.ErrorDecl):
            for name, _ in decl.members:
                errors.setdefault(name, len(errors))
        elif isinstance(decl, (ast.TypedefDecl, ast.EnumDecl)):
            cx.declare_type(decl)
        elif isinstance(decl, (ast.Function, ast.ExternFunction)):
            known = cx.globals.names.setdefault(decl.name, [])
            known.append(decl)
        elif isinstance(decl, ast.Const):
            value = expression(cx, decl.value, cx.type_of(decl.type))
            cx.globals.set(decl.name, value)
            if isinstance(value, (ir.Const, StringV)):
                known = value.value
                cx.program.constants[decl.name] = bool(known) if getattr(value, "type", None) is BOOL else known
        elif isinstance(decl, ast.Instance):
            if decl.name != "main":
                inline_control.declare_instance(cx, decl, "")
        elif isinstance(decl, ast.ValueSet):
            inline_control._value_set(cx, decl, "")
        elif isinstance(decl, ast.Decl):
            cx.globals.set(decl.name, decl)


def _main(cx: Context, tree: ast.Program) -> list[InstanceV]:
    main = next((d for d in tree.decls if isinstance(d, ast.Instance) and d.name == "main"), None)
    if main is None:
        raise cx.fail(-1, "the program has no package named main")
    cx.program.notes = main.annotations
    kind = cx.type_of(main.type)
    if not isinstance(kind, Object) or kind.kind != "package" or kind.name != "V1Switch":
        raise cx.fail(main.pos, f"main must be a V1Switch (the v1model architecture), not {kind}")
    assert isinstance(kind.decl, ast.TypeDecl)
    blocks: dict[str, InstanceV] = {}
    for param, arg in inline_call.match_args(kind.decl.params, main.args):
        if arg is None:
            raise cx.fail(main.pos, f"main lacks its argument {param.name}")
        value = expression(cx, arg)
        if not isinstance(value, InstanceV):
            raise cx.fail(arg.pos, f"argument {param.name} of main must be a parser or control")
        if isinstance(arg, ast.Construct) or not value.path:
            value.path = value.type.name
            given = ast.string_annotation(value.type.decl.annotations, "name")
            value.path = given.lstrip(".") if given else value.path
        if value in blocks.values() and _has_objects(value):
            raise cx.fail(arg.pos, f"{value.path} has tables or objects, and this target has them in one place each; "
                                   "make a second instance")
        if any(value.path == other.path for other in blocks.values() if other is not value):
            value.path = f"{value.path}_{param.name}"
        blocks[param.name] = value
    for value in blocks.values():
        _bind_missing(cx, value)
    result = [blocks[p.name] for p in kind.decl.params]
    for role, block in zip(BLOCKS, result):
        cx.program.parser_names[role] = block.path
    return result


def _has_objects(value: InstanceV) -> bool:
    """Does a control have tables or instances of its own?"""
    return any(isinstance(item, (ast.Table, ast.Instance)) for item in value.type.decl.locals)  # type: ignore[union-attr]


def _bind_missing(cx: Context, value: InstanceV) -> None:
    decl = value.type.decl
    if getattr(decl, "type_params", ()) and not value.type.args:
        raise cx.fail(decl.pos, f"{decl.name} needs type arguments")


def _layout(cx: Context, parser: InstanceV, decl: ast.Parser) -> tuple[Any, Any]:
    """Storage of the headers and of the user's metadata."""
    kinds = [cx.type_of(p.type, parser.env) for p in decl.params]
    header_kind, meta_kind = strip(kinds[1]), strip(kinds[2])
    if isinstance(meta_kind, Struct) and meta_kind.kind == "struct":
        fields = {n: cx.storage.make(f"{meta_kind.name}.{n}", t) for n, t in meta_kind.fields.items()}
        meta: Any = StructV(meta_kind, fields)
        _field_lists(cx, meta_kind, meta)
    else:
        meta = cx.storage.make(str(meta_kind), meta_kind)
    if isinstance(header_kind, Struct) and header_kind.kind == "struct":
        headers: Any = _header_struct(cx, header_kind, "")
    else:
        headers = cx.storage.make(decl.params[1].name, header_kind)
    cx.program.user_scalars = set(cx.program.scalars)
    return headers, meta


def _header_struct(cx: Context, kind: Struct, prefix: str) -> StructV:
    fields: dict[str, Any] = {}
    for name, t in kind.fields.items():
        real = strip(t)
        full = prefix + name
        if isinstance(real, Struct) and real.kind == "struct":
            fields[name] = _header_struct(cx, real, f"{full}.")
        elif is_header(real) or is_union(real) or isinstance(real, Stack):
            fields[name] = cx.storage.make(full, t)
        else:
            fields[name] = cx.storage.make(f"{kind.name}.{full}", t)
    return StructV(kind, fields)


def _field_lists(cx: Context, kind: Struct, value: StructV) -> None:
    """@field_list(n) on metadata fields: what clones and the like preserve."""
    for item in kind.decl.fields:
        place = value.fields[item.name]
        note = ast.annotation(item.annotations, "field_list")
        if note is not None:
            for arg in note.args:
                number = cx.constant(arg)
                into = cx.program.field_lists.setdefault(number, [])
                into.extend(p for p in _flat(place) if p not in into)
        elif isinstance(place, StructV):
            _field_lists(cx, place.type, place)


def _flat(value: Any) -> list[ir.Expr]:
    from .convert import fields_of

    if isinstance(value, ir.Expr):
        return [value]
    return [p for part in fields_of(None, value).values() for p in _flat(part)]  # type: ignore[arg-type]


def _standard(cx: Context) -> StructV:
    decl = cx.globals.get("standard_metadata_t")
    kind = cx.interner.struct(decl, ())
    fields: dict[str, Any] = {}
    parts: list[tuple[str, Type]] = []
    for name, t in kind.fields.items():
        real = strip(t)
        real = Bits(32) if real is ERROR else real
        parts.append((name, real))
        fields[name] = ir.Field("standard_metadata", name, real)
    cx.program.header_types["standard_metadata"] = ir.HeaderType("standard_metadata", parts, decl)
    cx.program.headers["standard_metadata"] = ir.Header("standard_metadata", "standard_metadata", True)
    return StructV(kind, fields)


def _reject(cx: Context) -> None:
    """`transition reject` as asked for: the flag tells ingress to drop the packet."""
    if not cx.rejects:
        return
    if cx.options.reject == "drop":
        flag = cx.temp(Bits(1), "parser_rejected")
        zero, one = fold.const(0, flag.type), fold.const(1, flag.type)
        cx.program.states.append(ir.State(
            inline_parser.state_name(cx, "reject"), (ir.Assign(flag, one, -1),), [], [(None, "accept")], -1))
        cond = fold.equal(flag, zero)
        drop = (ir.Prim("mark_to_drop", (ir.HeaderArg("standard_metadata"),), -1),)
        cx.program.ingress = (ir.If(cond, cx.program.ingress, drop, -1),)


def _whole_bytes(cx: Context) -> None:
    """The target's headers are made of bytes; a type that no header has may be otherwise."""
    for made in cx.program.header_types.values():
        bits = sum(width_of(t) for _, t in made.fields if not isinstance(strip(t), Varbit))
        if bits % 8 and isinstance(made.decl, ast.StructDecl) and made.decl.kind == "header":
            cx.diags.error(made.decl.pos, f"header {made.name} has {bits} bits, which is not a whole number of bytes")


def _controller_headers(cx: Context, tree: ast.Program) -> None:
    for decl in tree.decls:
        if isinstance(decl, ast.StructDecl) and decl.kind == "header" and not decl.type_params and \
                ast.annotation(decl.annotations, "controller_header"):
            cx.program.controller_headers.append(cx.interner.struct(decl, ()))


def _report_unused(cx: Context, tree: ast.Program) -> None:
    """Tables that no reachable statement applies."""
    applied = {id(t.decl) for t in cx.program.tables.values()}
    for decl in tree.decls:
        if isinstance(decl, ast.Control):
            for item in decl.locals:
                if isinstance(item, ast.Table) and id(item) not in applied:
                    cx.diags.warn(item.pos, f"table {item.name} is never applied", "unused")


__all__ = ["Env", "inline_program"]
