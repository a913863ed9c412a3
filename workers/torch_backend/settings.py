"""Where the controller is and how to take part: from the environment, or from a URL.

    FPISA_CONTROLLER=10.0.0.100:9100 FPISA_JOB=train FPISA_INTERFACE=eth0 torchrun ... script.py
    FPISA_CONTROLLER=/run/fpisa/c FPISA_MEMORY=/run/fpisa/m{rank} FPISA_IP=10.0.0.{number} torchrun --nproc-per-node 4 ...
    init_process_group("fpisa", init_method="fpisa://10.0.0.100:9100/train?interface=eth0&slots=256")

The worker reaches the switch through an interface, or on the switch's machine through a shared-memory port: then it also
says which IP address of the controller's hosts file it is. In these three {rank} stands for the rank and {number} for the rank
plus 1, so that workers started together differ.

FPISA_REGISTERED=0 has tensors copied into packets although the switch could read and write them where they lie.

A URL's parameters are the variables' names in lower case without FPISA_; they win over the environment. The
ranks still meet at MASTER_ADDR and MASTER_PORT, as torchrun sets them, for what gloo does.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from workers.allreduce import MemoryPort, Options
from workers.window import Timing

PREFIX = "FPISA_"
NUMBERS = {"elements": int, "slots": int, "queues": int, "udp_port": int, "deadline": float, "join_timeout": float}
TEXTS = ("controller", "job", "interface", "memory", "ip", "format", "engine", "registered")
TORCH_PARAMETERS = ("rank", "world_size")  # torch adds them to the URL


class SettingsError(ValueError):
    """A setting that is missing or not understood; the message is one sentence."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """controller: HOST:PORT, or a socket's path. job: its name. interface: the one to the switch; or memory: the path of
    its shared-memory port's socket, and ip: the worker's own address."""

    controller: str
    job: str
    interface: str
    options: Options
    memory: str = ""
    ip: str = ""

    def place(self, rank: int) -> str | MemoryPort:
        """How this rank reaches the switch. Raises SettingsError for placeholders that do not exist."""
        names = {"rank": rank, "number": rank + 1}
        try:
            if not self.memory:
                return self.interface.format(**names)
            return MemoryPort(self.memory.format(**names), None, self.ip.format(**names))
        except (KeyError, ValueError, IndexError, AttributeError):
            raise SettingsError("interface, memory and ip know the placeholders {rank} and {number} only") from None


_url_settings: dict[str, str] = {}


def known() -> tuple[str, ...]:
    return (*TEXTS, *NUMBERS)


def from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings among environment variables, by lower-case name."""
    return {name: environment[PREFIX + name.upper()] for name in known() if PREFIX + name.upper() in environment}


def from_url(url: str) -> dict[str, str]:
    """The settings in `fpisa://controller:port/job?name=value&...`. Raises SettingsError."""
    parts = urlsplit(url)
    found = {name: value for name, value in parse_qsl(parts.query) if name not in TORCH_PARAMETERS}
    unknown = sorted(set(found) - set(known()))
    if unknown:
        raise SettingsError(f"unknown setting {unknown[0]!r} in {url}; known are {', '.join(known())}")
    if parts.netloc:
        found["controller"] = parts.netloc
    if parts.path.strip("/"):
        found["job"] = parts.path.strip("/")
    return found


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings now in force. Raises SettingsError."""
    found = {**from_environment(os.environ if environment is None else environment), **_url_settings}
    way = ("memory", "ip") if found.get("memory") else ("interface",)
    for name in ("controller", *way):
        if not found.get(name):
            raise SettingsError(f'backend "fpisa" needs {PREFIX}{name.upper()}, or {name} in an fpisa:// URL')
    numbers = {name: number(name, found[name]) for name in NUMBERS if name in found}
    timing = Timing(deadline=numbers.pop("deadline", Timing.deadline))
    try:
        named: dict[str, Any] = {name: found[name] for name in ("format", "engine") if name in found}
        options = Options(timing=timing, registered=yes_or_no(found, "registered"), **named, **numbers)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    places = (found.get(name, "") for name in ("memory", "ip"))
    return Settings(found["controller"], found.get("job", "torch"), found.get("interface", ""), options, *places)


def number(name: str, text: str) -> Any:
    try:
        value = NUMBERS[name](text)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise SettingsError(f"setting {name} must be a number above 0, not {text!r}")
    return value


def yes_or_no(found: Mapping[str, str], name: str) -> bool:
    """1 or 0; 1 where it is not set."""
    text = found.get(name, "1")
    if text not in ("0", "1"):
        raise SettingsError(f"setting {name} must be 1 or 0, not {text!r}")
    return text == "1"


def rendezvous(url: str, **kwargs: Any) -> Iterator[Any]:
    """torch's handler of fpisa:// URLs: remembers the settings, then meets as env:// does."""
    from torch.distributed.rendezvous import rendezvous as meet

    _url_settings.clear()
    _url_settings.update(from_url(url))
    given = dict(parse_qsl(urlsplit(url).query))
    rank, size = (int(given.get(name, -1)) for name in TORCH_PARAMETERS)
    yield from meet("env://", rank, size, **kwargs)
