"""A parser of many headers: its variables stay in memory, and both compiled forms do as the interpreter."""

from __future__ import annotations

import random

import pytest

from emulator.compiler.api import compile_file
from emulator.switch.jit import effort, fused, program, stages
from emulator.switch.jit.ir import Function
from emulator.switch.load import load_model
from emulator.switch.switch import Switch

SEED = 20261124
HEADERS, PACKETS = 40, 60


def source() -> str:
    """Any header may follow any before it; the ingress changes some and takes one away."""
    heads = range(HEADERS)

    def states(first: int) -> str:
        return " ".join(f"{k}: s{k};" for k in range(first, HEADERS))

    parser = " ".join(
        f"state s{k} {{ p.extract(hdr.h{k}); transition select(hdr.h{k}.next) {{ {states(k + 1)} default: accept; }} }}"
        for k in heads
    )
    change = " ".join(
        f"if (hdr.h{k}.isValid()) {{ hdr.h{k}.a = hdr.h{k}.a + {k}; hdr.h{k}.b = -hdr.h{k}.b; }}" for k in heads[::3]
    )
    return f"""
    #include <core.p4>
    #include <v1model.p4>
    header first_t {{ bit<8> next; }}
    {" ".join(f"header h{k}_t {{ bit<8> next; bit<13> a; int<19> b; bit<32> c; }}" for k in heads)}
    struct headers {{ first_t first; {" ".join(f"h{k}_t h{k};" for k in heads)} }}
    struct meta {{ }}
    parser P(packet_in p, out headers hdr, inout meta m, inout standard_metadata_t s) {{
        state start {{ p.extract(hdr.first); transition select(hdr.first.next) {{ {states(0)} default: accept; }} }}
        {parser}
    }}
    control V(inout headers hdr, inout meta m) {{ apply {{ }} }}
    control I(inout headers hdr, inout meta m, inout standard_metadata_t s) {{
        apply {{
            s.egress_spec = 1;
            {change}
            if (hdr.h1.isValid() && hdr.h2.isValid()) {{ hdr.h2.c = hdr.h1.c ^ 5; hdr.h1.setInvalid(); s.mcast_grp = 1; }}
        }}
    }}
    control E(inout headers hdr, inout meta m, inout standard_metadata_t s) {{
        apply {{ if (s.egress_rid == 2) {{ hdr.h2.c = 7; }} }}
    }}
    control C(inout headers hdr, inout meta m) {{ apply {{ }} }}
    control D(packet_out p, in headers hdr) {{ apply {{ p.emit(hdr); }} }}
    V1Switch(P(), V(), I(), E(), C(), D()) main;
    """


def packet(rng: random.Random) -> bytes:
    chosen = [k for k in range(HEADERS) if (k in (1, 2) and rng.random() < 0.5) or rng.random() < 0.1]
    parts = [bytes([k]) + (b"" if i == 0 else rng.randbytes(8)) for i, k in enumerate(chosen)]
    whole = b"".join(parts) + b"\xff" + rng.randbytes(8) + b"payload"
    return whole if rng.random() < 0.8 else whole[: rng.randrange(len(whole))]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("many") / "many.p4"
    path.write_text(source())
    result = compile_file(path)
    assert result.json is not None, result.text()
    return result.json


def functions(compiled: str) -> list[Function]:
    shared = program.new_shared(load_model(compiled), 511)
    return [effort.settle(fused.build(shared)), effort.settle(stages.parse(shared))]


def test_variables_stay_in_memory(compiled: str) -> None:
    for function in functions(compiled):
        assert function.in_memory
        assert function.text().count("alloca i32") < function.variables // 10


def test_all_forms_agree(compiled: str) -> None:
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    slow, staged, batch = (Switch.load(compiled, engine=engine, clock=lambda: 5) for engine in ("interp", "jit", "jit"))
    for switch in (slow, staged, batch):
        switch.control.multicast.set_group(1, [(2, 1), (3, 2)])
    for _ in range(PACKETS):
        data = packet(rng)
        expected = slow.send(0, data)
        assert staged.send(0, data) == expected, data.hex()
        assert batch.send_batch([(0, data)]) == expected, data.hex()
