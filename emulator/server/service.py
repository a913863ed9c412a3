"""The gRPC methods, thin: unpack, ask the device, pack, and turn refusals into statuses."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from controller.p4rt.arbitration import from_uint128
from controller.p4rt.client import DETAILS_KEY
from controller.p4rt.protos import METHODS, SERVICE, p4r
from emulator.switch.runner import RunnerError

from .device import Device
from .devices import Devices, Route
from .errors import Refused, batch_status
from .roles import check_pusher, reader_view, writer_check
from .stream import Session

log = logging.getLogger("fpisa.p4rt")

API_VERSION = "1.5.0"
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_THREADS = 32  # for calls; a stream holds one of its own for as long as it is open
_STREAMS = 64  # that a device takes
_DETAILS = 7000  # of the 8 KiB of metadata that a gRPC client accepts
_MAX_MESSAGE = 256 << 20  # as simple_switch_grpc


@dataclass(frozen=True)
class ServerTls:
    """PEM files. `cacert` verifies clients; `client_auth` demands that they show a certificate."""

    cert: Path
    key: Path
    cacert: Path | None = None
    client_auth: bool = False

    def credentials(self) -> grpc.ServerCredentials:
        pair = (self.key.read_bytes(), self.cert.read_bytes())
        roots = self.cacert.read_bytes() if self.cacert is not None else None
        return grpc.ssl_server_credentials([pair], roots, self.client_auth)


class P4RuntimeService:
    """The handlers, one method per RPC, named as in the service."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices

    def Write(self, request: Any, context: Any) -> Any:
        with _refusals(context):
            device = self._devices.find(request.device_id)
            results = device.write(request, lambda: _writer(device, request))
        if any(result is not None for result in results):
            self._fail(context, results)
        return p4r.WriteResponse()

    def Read(self, request: Any, context: Any) -> Iterator[Any]:
        with _refusals(context):
            device = self._devices.find(request.device_id)
            answer = device.read(request, reader_view(device.streams.config_of(request.role)))
        yield from answer.responses
        if any(result is not None for result in answer.results):
            self._fail(context, answer.results, "requests")

    def _fail(self, context: Any, results: Sequence[Refused | None], what: str = "updates") -> None:
        """End a call of which some parts were refused."""
        status = batch_status(results, _details_limit(context), what)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.UNKNOWN, status.message)

    def SetForwardingPipelineConfig(self, request: Any, context: Any) -> Any:
        with _refusals(context):
            device = self._devices.find(request.device_id)
            _check(device, request)
            check_pusher(_role(request), device.streams.config_of(_role(request)))
            device.set_pipeline(request)
        return p4r.SetForwardingPipelineConfigResponse()

    def GetForwardingPipelineConfig(self, request: Any, context: Any) -> Any:
        with _refusals(context):
            return self._devices.find(request.device_id).get_pipeline(request)

    def Capabilities(self, request: Any, context: Any) -> Any:
        return p4r.CapabilitiesResponse(p4runtime_api_version=API_VERSION)

    def StreamChannel(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        session = Session(context.peer())
        with _refusals(context):
            route = Route(self._devices, session)
        context.add_callback(session.end)
        pump = threading.Thread(target=self._pump, args=(route, requests), daemon=True)
        pump.start()
        try:
            yield from session.messages()
        finally:
            route.closed()
        if session.failure is not None:
            context.abort(_CODES[int(session.failure.code)], str(session.failure))

    def _pump(self, route: Route, requests: Iterator[Any]) -> None:
        session = route.session
        try:
            for message in requests:
                route.received(message)
        except grpc.RpcError:
            pass
        except Refused as refused:
            session.end(refused)
        except Exception as error:  # the client's stream is cancelled: gRPC raises a bare Exception
            log.debug("stream of %s ended: %r", session.peer, error)
        finally:
            session.end()


def _check(device: Device, request: Any) -> None:
    """Raises Refused where the client is not primary."""
    election_id = from_uint128(request.election_id) if request.HasField("election_id") else None
    device.streams.check_writer(_role(request), election_id)


def _writer(device: Device, request: Any) -> Callable[[Any], None] | None:
    """Raises Refused where the client may not write; what it may write, None for everything."""
    _check(device, request)
    return writer_check(_role(request), device.streams.config_of(_role(request)))


def _role(request: Any) -> str:
    return str(request.role or request.role_id or "")


def _details_limit(context: Any) -> int:
    """Bytes of error details that this client takes: gRPC's default, unless it says more."""
    for key, value in context.invocation_metadata():
        if key == DETAILS_KEY and value.isdecimal():
            return int(value)
    return _DETAILS


class _refusals:
    """Ends the call with the status of a Refused; anything else is our fault and is logged, not shown."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Refused):
            self._context.abort(_CODES[int(error.code)], str(error))
        elif isinstance(error, RunnerError):  # a call that outlives the ports
            self._context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        elif isinstance(error, Exception) and not isinstance(error, grpc.RpcError):
            log.error("internal error", exc_info=error)
            self._context.abort(grpc.StatusCode.INTERNAL, f"internal error of the switch: {error!r}")


def _handler(service: P4RuntimeService, name: str) -> grpc.RpcMethodHandler:
    method = METHODS[name]
    makers: dict[tuple[bool, bool], Callable[..., grpc.RpcMethodHandler]] = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    make = makers[method.client_streaming, method.server_streaming]
    return make(
        getattr(service, name),
        request_deserializer=method.request.FromString,
        response_serializer=_serialized,
    )


def _serialized(message: Any) -> bytes:
    """Reads are serialised while their state is held."""
    return message if isinstance(message, bytes) else message.SerializeToString()


class Server:
    """The service on a TCP address or `unix:PATH`. `port` is the one bound, also where 0 was asked for."""

    def __init__(self, devices: Device | Sequence[Device], address: str, tls: ServerTls | None = None) -> None:
        """Raises OSError, one sentence, when the address cannot be bound or a certificate is unusable."""
        self._devices = Devices([devices] if isinstance(devices, Device) else devices)
        threads = _THREADS + _STREAMS * len(self._devices)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="p4rt")
        options = [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", _MAX_MESSAGE),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_metadata_size", 64 << 20),
            ("grpc.absolute_max_metadata_size", 64 << 20),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 1000),
            ("grpc.http2.max_ping_strikes", 0),
        ]
        self._server = grpc.server(self._pool, options=options)
        service = P4RuntimeService(self._devices)
        handlers = {name: _handler(service, name) for name in METHODS}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.port = self._bind(address, tls)
        host = address.rsplit(":", 1)[0]
        self.address = address if address.startswith("unix:") else f"{host}:{self.port}"

    def _bind(self, address: str, tls: ServerTls | None) -> int:
        if not address.startswith("unix:") and not _is_host_port(address):
            raise OSError(f"cannot listen on {address}: write it as HOST:PORT with a port from 0 to 65535")
        try:
            if tls is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, tls.credentials())
        except RuntimeError:
            port = 0
        if not port:
            raise OSError(f"cannot listen on {address}: {why_not(address)}")
        return port

    def start(self) -> None:
        self._server.start()

    def stop(self, grace: float = 0.5) -> None:
        """End all streams and calls; returns when they have ended."""
        for device in self._devices:
            device.streams.close_all()
        self._server.stop(grace).wait()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _is_host_port(address: str) -> bool:
    host, colon, port = address.rpartition(":")
    return bool(host and colon) and port.isdecimal() and int(port) <= 65535


def why_not(address: str) -> str:
    """Why an address cannot be bound: gRPC does not say."""
    if address.startswith("unix:"):
        return "the socket's directory does not exist or is not writable"
    host, _, port = address.rpartition(":")
    try:
        targets = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        for family, kind, _, _, target in targets:
            with socket.socket(family, kind) as probe:
                probe.bind(target)
    except socket.gaierror:
        return f"the host name {host!r} is not known"
    except OSError as error:
        return {
            errno.EACCES: "no permission for that port; use one above 1023 or run as root",
            errno.EADDRINUSE: "the port is in use",
            errno.EADDRNOTAVAIL: "this machine does not have that address",
        }.get(error.errno or 0, error.strerror or str(error))
    return "the certificate or its key cannot be used"
