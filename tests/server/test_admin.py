"""Queues read and set while the switch runs, over its Unix socket."""

from __future__ import annotations

import http.client
import json
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from emulator.server.admin import AdminServer
from emulator.switch.ports import Queue
from emulator.switch.runner import Runner
from emulator.switch.switch import Switch
from tests.switch.test_queues import frame, program


class Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("switch", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def ask(path: Path, body: Any = None, where: str = "/queues") -> tuple[int, Any]:
    connection = Connection(path)
    data = body if isinstance(body, (str, type(None))) else json.dumps(body)
    connection.request("GET" if body is None else "POST", where, data)
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read())
    connection.close()
    return found


def test_settings_reach_the_switch(live: Any, tmp_path: Path) -> None:
    found = live("resources.p4")
    path = tmp_path / "admin"
    server = AdminServer(path, [found.device])
    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        status, facts = ask(path)
        assert (status, facts["0"]["rate_pps"], facts["0"]["ports"]) == (200, 0, {})
        status, facts = ask(path, {"port": 3, "rate_pps": 1000, "depth": 7})
        assert facts["0"]["ports"] == {"3": {"rate_pps": 1000, "depth": [7], "waiting": 0}}
        assert ask(path, {"rate_pps": 5, "device": 0})[1]["0"]["rate_pps"] == 5
        assert found.control.queues.rate(3) == 1000 and found.control.queues.rate(4) == 5
        found.client.set_pipeline(found.p4info, found.json)
        assert found.control.queues.rate(3) == 1000, "a new program keeps them"
        for bad, words in (
            ({"port": 3}, "nothing to set"),
            ({"port": 3, "rate_pps": -1}, "0 to"),
            ({"port": "3", "rate_pps": 1}, "port is not a whole number"),
            ({"rate_pps": True}, "rate_pps is not a whole number"),
            ({"device": 4, "rate_pps": 1}, "no device 4"),
            ({"speed": 4}, "some of device"),
            ([1], "some of device"),
            ("{", "not JSON"),
            ("[" * 60_000, "not JSON"),
        ):
            status, facts = ask(path, bad)
            assert status == 400 and words in facts["error"], (bad, facts)
        assert ask(path, where="/tables")[0] == ask(path, {}, "/tables")[0] == 404
        with pytest.raises(OSError, match="cannot listen"):
            AdminServer(path, [found.device])
    finally:
        server.stop()
    assert not path.exists()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    AdminServer(path, [found.device]).stop()


@pytest.mark.parametrize("engine", ["interp", "jit"])
def test_a_rate_changes_while_packets_wait(engine: str) -> None:
    """A port that would need hours is made quick: what waits leaves, in order."""
    switch = Switch.load(program().json(), engine=engine)  # type: ignore[arg-type]
    with Runner({0: Queue(), 1: Queue()}, clock=switch.clock) as runner:
        runner.set_pipeline(switch)
        queues = switch.control.queues
        queues.set(1, rate_pps=1, depth=100)
        for mark in range(30):
            runner.inject(0, frame(1, 0, mark))
        while queues.waiting(1) < 29:
            pass
        queues.set(1, rate_pps=100_000)
        packets = [runner.take(1, 10) for _ in range(30)]
        assert [packet[2] for packet in packets if packet] == list(range(30))
        queues.set(1, rate_pps=0)
        runner.inject(0, frame(1, 0, 77))
        packet = runner.take(1, 10)
        assert packet is not None and packet[2] == 77 and queues.waiting(1) == 0
