"""Real networks: namespaces, rates, and that nothing stays behind, not even after a crash."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emulator.topo import leftovers, quota
from emulator.topo.build import Network
from emulator.topo.shapes import star
from emulator.topo.spec import TopologyError
from emulator.topo.switches import start_switch

pytestmark = pytest.mark.root
RATE_MBIT = 100

# Sends datagrams as fast as the link takes them, and tells bytes and seconds between first and last arrival.
RECEIVER = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 9)); s.settimeout(5)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
print('bound', flush=True)
s.recv(2000); start = time.monotonic(); total = 0
while total < 500 * 1442:
    total += len(s.recv(2000)) + 42
print(total * 8 / (time.monotonic() - start) / 1e6, flush=True)
"""
SENDER = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(800):
    s.sendto(bytes(1400), ('10.0.0.2', 9))
"""


def run(network: Network, host: str, *command: str) -> list[str]:
    lines: list[str] = []
    child = network.start(f"in-{host}", command, host=host, on_line=lines.append)
    assert child.wait(20) == 0, lines
    return lines


def test_a_host_has_its_own_namespace_and_knows_the_others(tmp_path: Path) -> None:
    with Network(star(3), tmp_path) as network:
        devices = run(network, "h2", "ip", "-json", "address")
        eth0 = next(row for row in json.loads("".join(devices)) if row["ifname"] == "eth0")
        assert eth0["address"] == "02:00:00:00:00:02"
        assert [a["local"] for a in eth0["addr_info"]] == ["10.0.0.2"]
        neighbours = " ".join(run(network, "h2", "ip", "neighbour"))
        assert "10.0.0.1 dev eth0 lladdr 02:00:00:00:00:01 PERMANENT" in neighbours
        assert set(network.ports("s1").values()) <= {name for _, name in socket.if_nameindex()}
        assert network.counters("h1")["tcp_retransmissions"] == 0


def test_links_carry_frames_at_their_rate(tmp_path: Path) -> None:
    with Network(star(2, RATE_MBIT), tmp_path) as network:
        start_switch(network, network.topology.switches[0], "bridge")
        lines: list[str] = []
        receiver = network.start(
            "receiver", [sys.executable, "-c", RECEIVER], host="h2", ready=lambda line: "bound" in line,
            on_line=lines.append,
        )  # fmt: skip
        receiver.wait_ready()
        before = network.counters("h1")["tx_packets"]
        run(network, "h1", sys.executable, "-c", SENDER)
        assert receiver.wait(20) == 0, lines
        assert network.counters("h1")["tx_packets"] - before >= 500
    # HTB may pass a burst at once; far below or above the rate would be another mechanism or none.
    assert 0.5 * RATE_MBIT < float(lines[-1]) < 1.3 * RATE_MBIT, lines


BURN = """
import time
cpu, wall = time.process_time(), time.monotonic()
while time.monotonic() - wall < 0.5:
    pass
print((time.process_time() - cpu) / (time.monotonic() - wall), flush=True)
"""


@pytest.mark.parametrize("offloads", [True, False])
def test_offloads_are_as_asked(tmp_path: Path, offloads: bool) -> None:
    with Network(star(1), tmp_path, offloads=offloads) as network:
        lines = run(network, "h1", "ethtool", "-k", "eth0")
    assert ("tx-checksumming: on" in lines) is offloads
    assert ("tcp-segmentation-offload: on" in lines) is offloads


def test_a_cpu_share_limits_a_host(tmp_path: Path) -> None:
    share = 0.2 / (os.cpu_count() or 1)  # a fifth of one CPU
    with Network(star(1, cpu=share), tmp_path) as network:
        used = float(run(network, "h1", sys.executable, "-c", BURN)[-1])
        assert list(quota.root().glob(f"{network.tag}-*"))
    assert used < 0.4, used
    assert not list(quota.root().glob(f"{network.tag}-*"))


def test_nothing_stays_behind(tmp_path: Path) -> None:
    with Network(star(2), tmp_path) as network:
        tag = network.tag
        network.start("sleeper", ["sleep", "1000"], host="h1")
        assert leftovers.members(tag) and leftovers.interfaces(tag)
    assert not leftovers.members(tag) and not leftovers.interfaces(tag)
    assert not (leftovers.STATE / tag).exists()


CRASH = """
import sys
from pathlib import Path
from emulator.topo.build import Network
from emulator.topo.shapes import star
with Network(star(2), Path(sys.argv[1])) as network:
    network.start('sleeper', ['sleep', '1000'], host='h1')
    print(network.tag, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_crashed_network_is_cleaned_up_and_a_living_one_is_not(tmp_path: Path, number: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CRASH, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as crashing:  # fmt: skip
        assert crashing.stdout is not None
        tag = crashing.stdout.readline().strip()
        leftovers.clean_stale()
        assert leftovers.interfaces(tag), "a living network was removed"
        crashing.send_signal(number)
        crashing.wait(20)
    if number == signal.SIGKILL:
        assert leftovers.members(tag)
        with Network(star(1), tmp_path):
            pass
    assert not leftovers.members(tag) and not leftovers.interfaces(tag)


def topo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fpisa.cli", "topo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_command_runs_in_a_host_and_its_status_is_returned() -> None:
    done = topo("--hosts", "2", "--switch", "bridge", "--json", "--on", "h2", "--", "sh", "-c", "hostname -I; exit 7")
    network, said = done.stdout.splitlines()
    assert done.returncode == 7, done.stderr
    assert json.loads(network)["hosts"][1] == {
        "name": "h2", "ip": "10.0.0.2", "mac": "02:00:00:00:00:02", "switch": "s1", "port": 2
    }  # fmt: skip
    assert said.split() == ["10.0.0.2"]


def test_a_command_that_dies_or_is_not_read_ends_like_one_of_a_shell() -> None:
    assert topo("--hosts", "2", "--switch", "bridge", "--on", "h1", "--", "sh", "-c", "kill -9 $$").returncode == 137
    line = f'"{sys.executable}" -m fpisa.cli topo --hosts 2 --switch bridge --on h1 -- yes | head -2'
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("2 hosts on s1\ny\n", "")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--hosts", "199"], "1 to 128 hosts"),
        (["--switch", "bridge", "--impair", "in:loss=0.1"], "bridge cannot impair"),
        (["--switch", "bridge", "--on", "h5", "--", "true"], "no host h5"),
        (["--switch", "bridge", "--on", "h1", "--", "no-such-tool"], "no-such-tool"),
        (["--p4", "no-such.p4"], "no file no-such.p4"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], words: str) -> None:
    done = topo(*arguments)
    assert done.returncode != 0
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_without_root_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(TopologyError, match="not root"):
        Network(star(1), tmp_path)


def test_a_missing_tool_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda tool, path=None: None if tool == "tc" else f"/bin/{tool}")
    with pytest.raises(TopologyError, match=r"tc is missing \(Debian package iproute2\)"):
        Network(star(1), tmp_path)


def test_a_switch_that_stops_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with Network(star(1), tmp_path) as network:
        started = time.monotonic()
        child = network.start(
            "s1", ["sh", "-c", "echo error: no such program; exit 1"], ready=lambda line: "ready" in line
        )
        with pytest.raises(TopologyError, match="s1 stopped at once: error: no such program"):
            child.wait_ready(30)
        assert time.monotonic() - started < 20
