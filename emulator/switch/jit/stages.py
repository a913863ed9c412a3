"""The functions of a compiled program that work on a packet's state in memory: parse, ingress, egress, deparse.

    void fp_parse(ptr state, ptr phv, ptr data, i64 length)        likewise fp_ingress, fp_egress
    i64 fp_deparse(ptr state, ptr phv, ptr data, i64 length, ptr out)

The traffic manager runs them one by one; the fused form in `fused.py` does without memory.
"""

from __future__ import annotations

from collections.abc import Callable

from emulator.switch.jit import deparsing, flow, notes
from emulator.switch.jit.gen import Frame, Gen, Shared
from emulator.switch.jit.ir import Function
from emulator.switch.jit.parsing import ParserGen
from emulator.switch.jit.phv import Var

ARGS = "ptr noalias %state, ptr noalias %phv, ptr noalias %data, i64 %length"


def _from_memory(frame: Frame, var: Var, slot: str) -> list[str]:
    at, value = frame.fn.fresh(), frame.fn.fresh()
    return [
        f"  {at} = getelementptr i8, ptr %phv, i64 {var.offset}",
        f"  {value} = load i{var.bits}, ptr {at}, align 4",
        f"  store i{var.bits} {value}, ptr {slot}, align 8",
    ]


def store_frame(frame: Frame, variables: set[Var], phv: str = "%phv") -> list[str]:
    """Lines that write variables from their slots to memory."""
    lines = []
    for var in sorted(variables, key=lambda v: v.offset):
        at, value = frame.fn.fresh(), frame.fn.fresh()
        lines += [
            f"  {value} = load i{var.bits}, ptr {frame.slot(var)}, align 8",
            f"  {at} = getelementptr i8, ptr {phv}, i64 {var.offset}",
            f"  store i{var.bits} {value}, ptr {at}, align 4",
        ]
    return lines


def stage(shared: Shared, name: str, body: Callable[[Gen], None]) -> Function:
    fn = Function(name, f"void @{name}({ARGS})")
    g = _begin(shared, fn)
    body(g)
    notes.report(g)
    g.flush()
    fn.defer().extend(store_frame(g.frame, g.frame.written))
    fn.end("ret void")
    return fn


def _begin(shared: Shared, fn: Function) -> Gen:
    frame = Frame(fn, _from_memory)
    frame.begin()
    return Gen(fn, shared, frame, "%data", "%length")


def parse(shared: Shared) -> Function:
    def body(g: Gen) -> None:
        ParserGen(g, "%data", "%length").run()
        deparsing.verify_checksums(g)

    return stage(shared, "fp_parse", body)


def ingress(shared: Shared) -> Function:
    return stage(shared, "fp_ingress", lambda g: flow.run_pipeline(g, shared.model.ingress))


def egress(shared: Shared) -> Function:
    return stage(shared, "fp_egress", lambda g: flow.run_pipeline(g, shared.model.egress))


def deparse(shared: Shared) -> Function:
    fn = Function("fp_deparse", f"i64 @fp_deparse({ARGS}, ptr noalias %out)")
    g = _begin(shared, fn)
    size = deparse_body(g, "%out")
    notes.report(g)
    g.flush()
    fn.defer().extend(store_frame(g.frame, g.frame.written))
    fn.end(f"ret i64 {fn.ref(size, 64)}")
    return fn


def deparse_body(g: Gen, out: str):
    """The deparser's own statements, update checksums, the bytes."""
    from emulator.switch.jit import primitives

    if g.model.deparser.body:
        primitives.run_body(g, g.model.deparser.body)
    deparsing.update_checksums(g)
    return deparsing.emit(g, out)
