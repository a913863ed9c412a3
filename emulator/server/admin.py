"""Control of a running switch beside P4Runtime, which has no words for queues: HTTP on a Unix socket, for its owner alone.

    curl --unix-socket SOCKET http://switch/queues
    curl --unix-socket SOCKET http://switch/queues -d '{"port": 1, "rate_pps": 1000, "depth": 64}'
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import socketserver
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.switch.errors import ControlError

if TYPE_CHECKING:
    from .device import Device

KEYS = ("device", "port", "priority", "rate_pps", "depth")
MAX_BODY = 1 << 16


class BadRequest(Exception):
    """What was asked for cannot be; the message is one sentence."""


def queues_of(device: Device) -> dict[str, Any]:
    """A device's queues: the settings of ports without their own, and ports with a rate, a depth, or packets that wait."""
    queues = None if device.switch is None else device.switch.control.queues
    if queues is None:
        return {"program": False}
    rate, depth, rates, depths = queues.numbers()
    own = {place[0] if isinstance(place, tuple) else place for place in depths}
    named = set(device.runner.ports) if device.runner is not None else set()
    ports = {
        str(port): {
            "rate_pps": queues.rate(port),
            "depth": [queues.depth(port, priority) for priority in range(queues.priorities)],
            "waiting": queues.waiting(port),
        }
        for port in sorted(own | set(rates) | named)
    }
    return {"program": True, "priorities": queues.priorities, "rate_pps": rate, "depth": depth, "ports": ports}


def set_queues(devices: Sequence[Device], request: Any) -> None:
    """Set what a request names, on one device or on all. Raises BadRequest or ControlError."""
    if not isinstance(request, dict) or not set(request) <= set(KEYS):
        raise BadRequest(f"send a JSON object with some of {', '.join(KEYS)}")
    wrong = [name for name, value in request.items() if isinstance(value, bool) or not isinstance(value, int)]
    if wrong:
        raise BadRequest(f"{wrong[0]} is not a whole number")
    if request.keys().isdisjoint(("rate_pps", "depth")):
        raise BadRequest("nothing to set: give rate_pps, depth or both")
    wanted = request.pop("device", None)
    chosen = [device for device in devices if wanted in (None, device.device_id)]
    if not chosen:
        raise BadRequest(f"there is no device {wanted} here")
    for device in chosen:
        with device.lock:
            if device.switch is None:
                raise BadRequest(f"device {device.device_id} has no program yet")
            device.switch.control.queues.set(**request)


class _Handler(BaseHTTPRequestHandler):
    devices: Sequence[Device] = ()
    timeout = 10

    def do_GET(self) -> None:
        if self.path == "/queues":
            self._answer(200, {str(device.device_id): queues_of(device) for device in self.devices})
        else:
            self._answer(404, {"error": "there is /queues and nothing else"})

    def do_POST(self) -> None:
        try:
            size = int(self.headers.get("Content-Length", "0"))
            if not 0 <= size <= MAX_BODY:
                raise BadRequest(f"the request has {size} bytes; {MAX_BODY} is the most")
            body = self.rfile.read(size)  # also where nothing is done with it: an unread body would reset the connection
            if self.path == "/queues":
                set_queues(self.devices, json.loads(body or b"null"))
        except (BadRequest, ControlError) as error:
            self._answer(400, {"error": str(error)})
        except (ValueError, RecursionError):  # what is nested too deeply is not read either
            self._answer(400, {"error": "the request is not JSON"})
        else:
            self.do_GET()

    def _answer(self, status: int, facts: Any) -> None:
        body = (json.dumps(facts) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return "unix"


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class AdminServer:
    """Serves until stop(). A socket that a switch left behind is replaced; OSError, one sentence, where it cannot be."""

    def __init__(self, path: Path, devices: Sequence[Device]) -> None:
        self.path = path
        handler = type("Handler", (_Handler,), {"devices": tuple(devices)})
        self._clear()
        mask = os.umask(0o177)
        try:
            self._server = _Server(str(path), handler)
        except OSError as error:
            raise OSError(f"cannot listen on {path}: {error.strerror or error}") from None
        finally:
            os.umask(mask)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True, name="admin")
        self._thread.start()

    def _clear(self) -> None:
        """Remove a socket on which nobody listens."""
        if not self.path.is_socket():
            if self.path.exists():
                raise OSError(f"cannot listen on {self.path}: it exists and is not a socket")
            return
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.path))
            except OSError:
                self.path.unlink(missing_ok=True)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)
        with contextlib.suppress(OSError):
            self.path.unlink()
