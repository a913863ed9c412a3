"""Where the hosts are: the file that says which port, MAC and IP address each one has.

{"switch": {"mac": "02:00:00:00:00:fe", "ip": "10.0.0.254"},
 "hosts": [{"name": "h1", "ip": "10.0.0.1", "mac": "02:00:00:00:00:01", "port": 0}, ...]}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .session import Member, WireError


@dataclass(frozen=True)
class Host:
    name: str
    ip: str
    mac: str
    port: int
    switch: str = ""  # the one whose port it is, where there are several


@dataclass(frozen=True)
class Hosts:
    """The addresses that the switch answers with, and every host by its IP address."""

    switch_mac: str
    switch_ip: str
    by_ip: dict[str, Host]

    def find(self, ip: str) -> Host | None:
        return self.by_ip.get(ip)


def _host(raw: Any, where: str) -> Host:
    if not isinstance(raw, dict):
        raise ValueError(f"{where} is not an object")
    try:
        checked = Member.read({**raw, "host": raw.get("ip"), "rank": 0, "udp_port": 1})
    except WireError as error:
        raise ValueError(f"{where}: {error}") from None
    return Host(str(raw.get("name", checked.host)), checked.host, checked.mac, checked.port)


def from_dict(raw: Any, name: str = "hosts") -> Hosts:
    """Check the content of a hosts file; ValueError, one sentence, names the culprit."""
    if not isinstance(raw, dict) or not isinstance(raw.get("hosts"), list):
        raise ValueError(f"{name}: expected an object with 'switch' and a list 'hosts'")
    switch = raw.get("switch")
    if not isinstance(switch, dict):
        raise ValueError(f"{name}: 'switch' must be an object with 'mac' and 'ip'")
    own = _host({**switch, "port": 0}, f"{name}: switch")
    by_ip: dict[str, Host] = {}
    for index, item in enumerate(raw["hosts"]):
        host = _host(item, f"{name}: host {index}")
        if host.ip in by_ip:
            raise ValueError(f"{name}: host {index}: {host.ip} is also {by_ip[host.ip].name}")
        by_ip[host.ip] = host
    return Hosts(own.mac, own.ip, by_ip)


def read_json(path: str | Path) -> Any:
    """Raises OSError or ValueError, which names the file."""
    data = Path(path).read_bytes()
    try:
        return json.loads(data.decode())
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text in UTF-8") from None
    except RecursionError:
        raise ValueError(f"{path}: not JSON that can be read: nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from None


def read(path: str | Path) -> Hosts:
    """Raises OSError or ValueError."""
    return from_dict(read_json(path), str(path))
