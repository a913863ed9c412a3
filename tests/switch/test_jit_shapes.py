"""What the code generator does with many equal instances: the same results, whatever shape the code takes."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from emulator.compiler.api import compile_file
from emulator.switch import expr as x
from emulator.switch.jit.byte_order import swapped
from emulator.switch.jit.ir import Function
from emulator.switch.jit.placement import plan
from emulator.switch.jit.recall import FEW
from emulator.switch.model import Set
from emulator.switch.switch import Switch

COUNT = FEW + 8
SEED = 20261121

PROGRAM = """
#include <core.p4>
#include <v1model.p4>
header head_t { bit<8> read; bit<8> again; bit<8> keep; bit<8> row; }
header values_t { %(fields)s }
struct headers { head_t head; values_t values; }
struct meta { bit<32> any; }
parser P(packet_in p, out headers hdr, inout meta m, inout standard_metadata_t s) {
    state start { p.extract(hdr.head); p.extract(hdr.values); transition accept; }
}
control V(inout headers hdr, inout meta m) { apply { } }
control I(inout headers hdr, inout meta m, inout standard_metadata_t s) {
    %(registers)s
    apply {
        s.egress_spec = 1;
        m.any = 0;
        %(sums)s
        if (hdr.head.keep == 0) { %(clears)s }
        %(adds)s
        bool odd = m.any != 0;
        if (hdr.head.read != 0) {
            if (hdr.head.again != 0) { %(again)s }
            %(reads)s
            // Worth a branch of its own.
            hash(hdr.head.row, HashAlgorithm.crc32, 8w0, { hdr.head.row }, 8w255);
        }
        hdr.head.again = odd ? 8w1 : 0;
    }
}
control E(inout headers hdr, inout meta m, inout standard_metadata_t s) { apply { } }
control C(inout headers hdr, inout meta m) { apply { } }
control D(packet_out p, in headers hdr) { apply { p.emit(hdr.head); p.emit(hdr.values); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
"""


def source(sizes: str = "4") -> str:
    """sizes: of the registers; @ is the instance's number."""

    def each(text: str) -> str:
        return "\n".join(text.replace("@", str(i)) for i in range(COUNT))

    return PROGRAM % {
        "fields": each("bit<32> v@;"),
        "registers": each(f"register<bit<32>>({sizes}) total@; register<bit<8>>({sizes}) last@;"),
        "sums": each("bit<32> old@; bit<32> sum@; bit<8> prior@; bit<8> gap@; bit<32> swap@;"),
        "clears": each("hdr.values.v@ = 0;"),
        "adds": each(
            "swap@ = hdr.values.v@[7:0] ++ hdr.values.v@[15:8] ++ hdr.values.v@[23:16] ++ hdr.values.v@[31:24];"
            "total@.read(old@, (bit<32>)hdr.head.row); last@.read(prior@, (bit<32>)hdr.head.row);"
            "gap@ = swap@[7:0] > prior@ ? swap@[7:0] - prior@ : prior@ - swap@[7:0];"
            "sum@ = (bit<32>)((int<32>)old@ |+| (int<32>)swap@);"
            "m.any = m.any | (sum@ ^ (old@ + swap@));"
            "total@.write((bit<32>)hdr.head.row, sum@); last@.write((bit<32>)hdr.head.row, swap@[7:0]);"
        ),
        "again": each("total@.write((bit<32>)hdr.head.row, 32w@); sum@ = sum@ + 1;"),
        "reads": each("hdr.values.v@ = sum@ + (bit<32>)gap@;"),
    }


def compiled(folder: Path, sizes: str = "4") -> dict:
    """The program's JSON."""
    (folder / "many.p4").write_text(source(sizes))
    result = compile_file(folder / "many.p4")
    assert result.json is not None, result.text()
    return result.json


def packet(rng: random.Random) -> bytes:
    corners = (0, 1, 0x7F, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
    values = [rng.choice(corners) if rng.random() < 0.3 else rng.getrandbits(32) for _ in range(COUNT)]
    head = bytes([rng.getrandbits(1), rng.getrandbits(1), rng.random() < 0.8, rng.randrange(5)])
    return head + struct.pack(f"<{COUNT}I", *values)


def test_sums_read_back_from_registers_equal_sums_kept(tmp_path: Path) -> None:
    """Rows in range and out of it, cells overwritten before the sums are read, sums changed on one of two ways."""
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    program = compiled(tmp_path)
    slow, fast = Switch.load(program, engine="interp"), Switch.load(program, engine="jit")
    for _ in range(400):
        data = packet(rng)
        assert fast.send(0, data) == slow.send(0, data), data.hex()


def test_registers_that_have_no_neighbours_are_not_read_beyond_their_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each size has rows of its own, a few bytes long: a whole vector read there would end outside."""
    program = compiled(tmp_path, sizes="4 + @")
    texts: list[str] = []
    text = Function.text
    monkeypatch.setattr(Function, "text", lambda self: texts.append(text(self)) or texts[-1])
    slow, fast = Switch.load(program, engine="interp"), Switch.load(program, engine="jit")
    rng = random.Random(SEED)
    for _ in range(50):
        data = packet(rng)
        assert fast.send(0, data) == slow.send(0, data), data.hex()
    assert texts and not any('asm "", "=r,0"(ptr' in t for t in texts)


def test_such_sums_are_not_carried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program above would prove nothing if its sums stayed on the stack."""
    program = compiled(tmp_path)
    switch = Switch.load(program, engine="jit")
    switch.send(0, packet(random.Random(1)))
    texts: list[str] = []
    text = Function.text
    monkeypatch.setattr(Function, "text", lambda self: texts.append(text(self)) or texts[-1])
    Switch.load(program, engine="jit").send(0, packet(random.Random(1)))
    assert any('asm "", "=r,0"(ptr' in t for t in texts)


FIELD = x.FieldRead(0, 0)


def byte(low: int, to: int) -> x.Expr:
    taken = x.Binary("&", x.Binary(">>", FIELD, x.Const(low)), x.Const(0xFF))
    return x.Binary("<<", taken, x.Const(to))


def joined(*parts: x.Expr) -> x.Expr:
    whole = parts[0]
    for part in parts[1:]:
        whole = x.Binary("|", whole, part)
    return whole


def found(e: x.Expr, size: int) -> tuple[x.FieldRead, int] | None:
    return swapped(e, lambda field: size)


def test_byte_swaps_are_recognised() -> None:
    assert found(joined(byte(0, 8), byte(8, 0)), 2) == (FIELD, 2)
    assert found(joined(byte(24, 0), byte(16, 8), byte(8, 16), byte(0, 24)), 4) == (FIELD, 4)
    assert found(joined(*(byte(8 * i, 56 - 8 * i) for i in range(8))), 8) == (FIELD, 8)


def test_masks_may_come_late_or_be_left_out() -> None:
    up = x.Binary("&", x.Binary("<<", FIELD, x.Const(8)), x.Const(0xFF00))
    assert found(joined(up, x.Binary(">>", FIELD, x.Const(8))), 2) == (FIELD, 2)
    assert found(joined(up, x.Binary(">>", FIELD, x.Const(8))), 3) is None
    assert found(joined(x.Binary("<<", FIELD, x.Const(8)), byte(8, 0)), 2) is None


@pytest.mark.parametrize(
    "other",
    [
        joined(byte(0, 0), byte(8, 8)),
        joined(byte(0, 8), byte(8, 8)),
        joined(byte(0, 8), byte(0, 0)),
        joined(byte(0, 16), byte(8, 8), byte(16, 0)),
        joined(byte(4, 8), byte(8, 0)),
        joined(byte(0, 4), byte(8, 0)),
        x.Binary("|", byte(0, 8), x.Binary("&", x.Binary(">>", x.FieldRead(0, 1), x.Const(8)), x.Const(0xFF))),
        x.Binary("&", joined(byte(0, 8), byte(8, 0)), x.Const(0x0FFF)),
        x.Binary("<<", FIELD, x.Const(8)),
    ],
    ids=["in order", "two in one place", "one twice", "three", "nibble", "half a byte up", "two fields", "mask", "top lost"],
)
def test_what_is_no_byte_swap(other: x.Expr) -> None:
    assert found(other, 2) is None and found(other, 4) is None


@pytest.mark.parametrize("program", ["allreduce_fpisa", "allreduce_fpisa_approx"])
def test_registers_of_instances_lie_side_by_side(program: str) -> None:
    """Every element's, the first one's too: one array out of line costs a third of the speed."""
    source = Path(__file__).resolve().parents[2] / "p4src" / f"{program}.p4"
    model = Switch.load(compile_file(source, defines={"ELEMENTS": 32}).json, engine="interp").model
    places = plan(model).places
    for part in ("exponent", "mantissa", "special"):
        found = [p for r, p in zip(model.registers, places, strict=True) if ".add" in r.name and r.name.endswith(part)]
        assert len(found) == 32
        offsets = sorted(p.offset for p in found)
        assert offsets == list(range(offsets[0], offsets[0] + 128, 4)) and {p.cell for p in found} == {32}, part


def test_the_parser_swaps_each_value_by_one_instruction() -> None:
    """However the compiler writes the swap: as shifts and masks it costs a tenth of the speed."""
    source = Path(__file__).resolve().parents[2] / "p4src" / "allreduce_fpisa.p4"
    model = Switch.load(compile_file(source, defines={"ELEMENTS": 32}).json, engine="interp").model
    values = [op.value for state in model.parser.states for op in state.ops if isinstance(op, Set)]
    assert sum(swapped(value, lambda field: 4) is not None for value in values) == 32
