"""Prometheus metrics over HTTP: the text format, written here because it is three lines of rules."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Metric:
    """One metric family: name, help, kind ("counter" or "gauge") and its samples as (labels, value)."""

    name: str
    help: str
    kind: str
    samples: tuple[tuple[dict[str, str], float], ...]


def render(metrics: Iterable[Metric]) -> str:
    lines = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        for labels, value in metric.samples:
            text = ",".join(f'{key}="{_escape(label)}"' for key, label in labels.items())
            number = str(int(value)) if value == int(value) else repr(value)
            lines.append(f"{metric.name}{{{text}}} {number}" if text else f"{metric.name} {number}")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


class MetricsServer:
    """Answers GET /metrics with what `collect` returns; `port` is the one bound. OSError where it cannot be."""

    def __init__(self, address: str, collect: Callable[[], Iterable[Metric]]) -> None:
        host, _, port = address.rpartition(":")

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                if self.path.split("?")[0] not in ("/", "/metrics"):
                    self.send_error(404)
                    return
                body = render(collect()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        try:
            self._server = ThreadingHTTPServer((host.strip("[]"), int(port)), Handler)
        except (ValueError, OverflowError):
            raise OSError(f"cannot serve metrics on {address}: write it as HOST:PORT") from None
        except OSError as error:
            raise OSError(f"cannot serve metrics on {address}: {error.strerror or error}") from None
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)
