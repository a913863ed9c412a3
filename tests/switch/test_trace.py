"""Trace, drawings, captures and the `fpisa p4` command."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from emulator.server.p4_cli import main
from emulator.switch.draw import as_svg
from emulator.switch.graph import as_dot, as_text, graphs
from emulator.switch.load import load_model
from emulator.switch.model import ModelError
from emulator.switch.pcap import Captured, PcapError, read_pcap, write_pcap
from emulator.switch.stf import run_file
from emulator.switch.switch import Switch
from emulator.switch.trace import trace_packet
from emulator.switch.trace_text import WORDING, trace_text
from tests.switch.programs import Builder, assign, const, do, field, sm

GOLDEN = Path(__file__).parents[1] / "golden"
L2 = GOLDEN / "01_l2_forward" / "program.json"
PROGRAMS = sorted(GOLDEN.glob("*/program.json"))
FRAME = bytes.fromhex("0200000000010200000000020800aabb")


def test_trace_tells_states_keys_hits_and_values() -> None:
    switch = Switch.load(L2, engine="interp")
    switch.control.tables["Ig.dmac"].insert((0x020000000001,), "Ig.forward", (5,))
    events = trace_packet(switch, 3, FRAME)
    kinds = [event["kind"] for event in events]
    assert kinds[:3] == ["packet", "state", "extract"]
    assert events[2]["fields"]["dst"] == "0x020000000001"
    table = next(e for e in events if e["kind"] == "table" and e["name"] == "Ig.dmac")
    assert table["hit"] and table["action"] == "Ig.forward" and table["args"] == {"port": "0x005"}
    assert table["key"] == {"hdr.eth.dst": "0x020000000001"}
    writes = [e for e in events if e["kind"] == "writes"]
    assert any(e["fields"].get("standard_metadata.egress_spec") == ["0x000", "0x005"] for e in writes)
    assert events[-1] == {"kind": "output", "port": 5, "data": FRAME.hex()}
    text = "\n".join(trace_text(events))
    assert "table Ig.dmac (hdr.eth.dst=0x020000000001): hit entry" in text
    assert switch.send(3, FRAME) == [(5, FRAME)], "tracing leaves nothing behind"
    json.dumps(events)


def test_trace_of_a_short_packet_and_a_drop() -> None:
    events = trace_packet(Switch.load(L2, engine="interp"), 0, b"\x01")
    assert {"kind": "parser_error", "error": "PacketTooShort"} in events
    assert events[-1] == {"kind": "drop", "reason": "drop_ingress"}


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.parent.name)
def test_traces_of_recorded_packets_are_complete(path: Path) -> None:
    """Every packet of every case: what leaves is what send() gives, everything named is the program's, changes change."""
    model = load_model(path)
    switch, twin = (Switch(model, engine="interp", seed=1, clock=lambda: 5) for _ in range(2))
    for one in (switch, twin):
        run_file(one, path.parent / "case.stf", "golden")
    lines = [line.split() for line in (path.parent / "case.stf").read_text().splitlines() if line.startswith("packet ")]
    states, tables = {s.name for s in model.parser.states}, {t.name for t in model.tables}
    actions = {a.name for a in model.actions}
    seen = set()
    for words in lines[:12]:
        port, data = int(words[1]), bytes.fromhex("".join(words[2:]))
        events = trace_packet(switch, port, data)
        seen |= {event["kind"] for event in events}
        out = [(e["port"], bytes.fromhex(e["data"])) for e in events if e["kind"] == "output"]
        assert out == twin.send(port, data)
        assert {e["name"] for e in events if e["kind"] == "state"} <= states
        found = [e for e in events if e["kind"] == "table"]
        assert {e["name"] for e in found} <= tables | {n.name for n in (*model.ingress.nodes, *model.egress.nodes)}
        assert {e["action"] for e in found if "action" in e} <= actions
        assert all(old != new for e in events if e["kind"] == "writes" for old, new in e["fields"].values())
        assert json.loads(json.dumps(events)) == events
        assert len(list(trace_text(events))) >= len(events) - sum(e["kind"] == "writes" for e in events)
    assert {"packet", "state", "parsed", "pipeline"} <= seen and seen <= set(WORDING) | TRAFFIC
    assert [r.read_all() for r in switch.state.registers] == [r.read_all() for r in twin.state.registers]


TRAFFIC = {"unicast", "multicast", "clone", "digest", "resubmit", "recirculate", "drop", "enqueue", "dequeue"}


def test_trace_tells_of_registers_counters_groups_and_oddities() -> None:
    build = Builder()
    build.header("h", [("a", 8)])
    build.extract("h")
    build.register("r", 16, 4)
    build.action("out", [assign(sm("egress_spec"), const(1)),
                         do("register_write", {"type": "register_array", "value": "r"}, field("h", "a"), const(0x1234)),
                         do("log_msg", "a is {}", {"type": "parameters_vector", "value": [field("h", "a")]})])  # fmt: skip
    build.table("t", [("exact", "h", "$valid$")], ["out"], type="indirect_ws", action_profile="p", with_counters=True)
    build.pipelines["ingress"]["action_profiles"].append(
        {"name": "p", "id": 0, "max_size": 4, "selector": {"algo": "identity", "input": [field("h", "a")]}}
    )
    switch = Switch.load(build.json(), engine="interp")
    profile, table = switch.control.action_profiles["p"], switch.control.tables["t"]
    table.insert_group((1,), profile.add_group([profile.add_member("out")]))
    events = trace_packet(switch, 0, b"\x02!")
    assert {"kind": "register", "name": "r", "index": 2, "value": "0x1234"} in events
    assert {"kind": "counter", "name": "t$counter", "entry": 0, "value": [1, 2]} in events
    assert {"kind": "deparse", "headers": ["h"], "payload": 1} in events
    text = "\n".join(trace_text(events))
    assert "table t (h.$valid$=0x1): hit entry 0, group 0 -> out()" in text
    assert "r[2] = 0x1234" in text and "t$counter of entry 0: 1 packets, 2 bytes" in text and "emit h, payload" in text
    assert "log: a is 2" in text
    table.delete(0)
    assert "t$counter of the default entry: 1 packets" in "\n".join(trace_text(trace_packet(switch, 0, b"\x02")))
    table.insert_group((1,), 0)
    text = "\n".join(trace_text(trace_packet(switch, 0, b"\x09")))
    assert "note: register index out of range" in text


def test_only_the_interpreter_traces() -> None:
    with pytest.raises(ModelError, match="only be traced on the interpreter"):
        trace_packet(Switch.load(L2, engine="jit"), 0, FRAME)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.parent.name)
def test_drawings_name_everything(path: Path) -> None:
    model = load_model(path)
    text, dot, svg = as_text(model), as_dot(model), as_svg(model)
    names = {v.id for g in graphs(model) for v in g.vertices}
    for state in model.parser.states:
        assert state.name in names and f"  {state.name}\n" in text
    for table in model.tables:
        if any(table.name == v.id for g in graphs(model) for v in g.vertices):
            assert f"  {table.name}\n" in text and table.name in dot
    root = ElementTree.fromstring(svg)
    boxes = [e for e in root.iter() if e.tag.endswith("rect")]
    assert len(boxes) == sum(len(g.vertices) for g in graphs(model))
    width = float(root.get("width", "0"))
    assert all(
        float(b.get("x", "-1")) >= 0 and float(b.get("x", "0")) + float(b.get("width", "0")) <= width
        for b in boxes
    )
    assert dot.count("{") == dot.count("}") or '"' in dot


def test_edges_follow_the_program() -> None:
    model = load_model(GOLDEN / "02_ipv4_lpm" / "program.json")
    parser = graphs(model)[0]
    assert ("start", "ipv4", "0x800") in {(e.source, e.target, e.label) for e in parser.edges}
    assert ("ipv4", "accept", "") in {(e.source, e.target, e.label) for e in parser.edges}


# --- Captures ---


def test_captures_come_back(tmp_path: Path) -> None:
    packets = [Captured(1_500_000, FRAME), Captured(2_000_001, b""), Captured(2_000_002, bytes(9000))]
    write_pcap(tmp_path / "a.pcap", packets)
    assert list(read_pcap(tmp_path / "a.pcap")) == packets


def test_other_byte_order_and_nanoseconds(tmp_path: Path) -> None:
    import struct

    head = struct.pack(">IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
    (tmp_path / "b.pcap").write_bytes(head + struct.pack(">IIII", 7, 5_000, 3, 3) + b"abc")
    assert list(read_pcap(tmp_path / "b.pcap")) == [Captured(7_000_005, b"abc")]


@pytest.mark.parametrize(
    ("cut", "words"), [(10, "not a pcap"), (30, "packet's header"), (45, "within a packet")]
)
def test_damaged_captures(tmp_path: Path, cut: int, words: str) -> None:
    write_pcap(tmp_path / "c.pcap", [FRAME])
    (tmp_path / "c.pcap").write_bytes((tmp_path / "c.pcap").read_bytes()[:cut])
    with pytest.raises(PcapError, match=words):
        list(read_pcap(tmp_path / "c.pcap"))


def test_scapy_reads_our_captures(tmp_path: Path) -> None:
    from scapy.utils import rdpcap, wrpcap

    write_pcap(tmp_path / "d.pcap", [Captured(3_000_000, FRAME)])
    (found,) = rdpcap(str(tmp_path / "d.pcap"))
    assert bytes(found) == FRAME and float(found.time) == 3.0
    wrpcap(str(tmp_path / "e.pcap"), [found])
    assert [p.data for p in read_pcap(tmp_path / "e.pcap")] == [FRAME]


# --- The command ---


def test_command_test(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    case = L2.parent / "case.stf"
    assert main(["test", str(L2), str(case)]) == 0
    assert "passed" in capsys.readouterr().out
    assert main(["test", str(L2.parent / "program.p4"), str(case), "--engine", "interp"]) == 0
    broken = tmp_path / "broken.stf"
    broken.write_text("packet 1 00\nexpect 1 00\nexpect_none 2\n")
    capsys.readouterr()
    assert main(["test", str(L2), str(case), str(broken)]) == 1
    out = capsys.readouterr().out
    assert f"{broken}:2: no packet left port 1" in out and "FAILED" in out
    assert main(["test", str(L2), str(broken), "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert row["passed"] is False and row["failures"][0]["line"] == 2


def test_command_trace_and_graph(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["trace", str(L2), "--packet", FRAME.hex(), "--port", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["port"] == 2
    setup = tmp_path / "setup.stf"
    setup.write_text("add Ig.dmac hdr.eth.dst:0x020000000001 Ig.forward(port:6)\n")
    assert main(["trace", str(L2), "--packet", FRAME.hex(), "--setup", str(setup)]) == 0
    assert "leaves port 6" in capsys.readouterr().out
    assert main(["graph", str(L2)]) == 0
    assert "Ig.dmac" in capsys.readouterr().out
    for name, start in (("a.svg", "<svg"), ("a.dot", "digraph"), ("a.txt", "parser")):
        assert main(["graph", str(L2), "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_text().startswith(start)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["test", "nix.json", "a.stf"], "there is no file nix.json"),
        (["test", str(L2), "nix.stf"], "cannot read nix.stf"),
        (["trace", str(L2), "--packet", "0g"], "whole bytes in hexadecimal"),
        (["graph", str(L2), "-o", "x.png"], "ends in none of"),
        (["graph", str(GOLDEN / "README.md")], "not JSON"),
        (["run", "nix.p4", "-i", "0@veth0"], "there is no file nix.p4"),
    ],
)
def test_command_errors(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) != 0
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1 and "Traceback" not in err


def test_a_program_with_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    bad = next(iter(sorted((GOLDEN / "bad").glob("*.p4"))))
    assert main(["graph", str(bad)]) != 0
    assert f"{bad}:" in capsys.readouterr().err
