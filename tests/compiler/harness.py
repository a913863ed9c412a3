"""Small programs for one language feature each: compile, load, send one packet, look at what comes out."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from emulator.compiler.api import Result, compile_file
from emulator.compiler.context import Options
from emulator.switch.switch import Switch

TEMPLATE = """
#include <core.p4>
#include <v1model.p4>
header h_t {{ bit<8> a; bit<8> b; bit<8> c; bit<8> d; bit<16> w; bit<16> x; }}
header s_t {{ bit<8> v; }}
header u1_t {{ bit<8> p; }}
header u2_t {{ bit<16> q; }}
header_union u_t {{ u1_t u1; u2_t u2; }}
struct in_t {{ bit<8> m; bit<16> n; }}
struct headers_t {{ h_t h; h_t g; s_t[3] s; u_t u; }}
struct meta_t {{ bit<8> m; bit<16> n; in_t i; bool f; }}
{top}
parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {{
    {parser}
}}
control Vf(inout headers_t hdr, inout meta_t meta) {{ apply {{ }} }}
control Ig(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {{
    {locals}
    apply {{
        sm.egress_spec = 1;
        {body}
    }}
}}
control Eg(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {{ apply {{ {egress} }} }}
control Ck(inout headers_t hdr, inout meta_t meta) {{ apply {{ }} }}
control Dp(packet_out pkt, in headers_t hdr) {{ apply {{ pkt.emit(hdr); }} }}
V1Switch(P(), Vf(), Ig(), Eg(), Ck(), Dp()) main;
"""
STATES = "state start { pkt.extract(hdr.h); transition accept; }"


def source(body: str, *, top: str = "", locals: str = "", parser: str = STATES, egress: str = "") -> str:
    return TEMPLATE.format(body=body, top=top, locals=locals, parser=parser, egress=egress)


def compile_text(text: str, folder: Path, **options: Any) -> Result:
    path = folder / "prog.p4"
    path.write_text(text)
    return compile_file(path, options=Options(**options))


def run(text: str, packet: str, folder: Path, engine: str = "interp", **options: Any) -> list[tuple[int, str]]:
    """Packets that leave when `packet` (hex) comes in at port 0, as (port, hex)."""
    result = compile_text(text, folder, **options)
    assert result.ok, result.text()
    switch = Switch.load(result.json, engine=engine)
    return [(port, data.hex()) for port, data in switch.send(0, bytes.fromhex(packet))]
