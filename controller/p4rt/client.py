"""One gRPC connection to a P4Runtime server: calls, and the stream with its reader thread.

Everything here speaks protobuf; `switch.py` speaks names and numbers. Any thread may call.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from .arbitration import Election, uint128
from .protos import METHODS, p4r
from .status import Code, P4RuntimeError, from_rpc_error

# How many bytes of error details this client takes. gRPC's own limit of 8 KiB is a hundred updates' worth, and a
# server that knows no better has to shorten them.
DETAILS_LIMIT = 64 << 20
DETAILS_KEY = "p4rt-error-details-limit"
_METADATA = ((DETAILS_KEY, str(DETAILS_LIMIT)),)

_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_metadata_size", DETAILS_LIMIT),  # the errors of a batch travel in trailing metadata
    ("grpc.absolute_max_metadata_size", DETAILS_LIMIT),
    ("grpc.use_local_subchannel_pool", 1),  # a new client never inherits another's broken connection
]


@dataclass(frozen=True)
class Tls:
    """PEM files: the CA to trust, and a certificate with its key where the server asks for one."""

    cacert: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    server_name: str = ""  # the name in the server's certificate, where it is not the address

    def credentials(self) -> grpc.ChannelCredentials:
        def read(path: Path | None) -> bytes | None:
            return path.read_bytes() if path is not None else None

        return grpc.ssl_channel_credentials(read(self.cacert), read(self.key), read(self.cert))


class Client:
    """A connection. Raises P4RuntimeError from every call; `close` may be called any number of times."""

    def __init__(self, address: str, *, device_id: int = 0, tls: Tls | None = None, timeout: float = 10.0) -> None:
        self.address = address
        self.device_id = device_id
        self.timeout = timeout
        options = list(_OPTIONS)
        if tls is not None:
            if tls.server_name:
                options.append(("grpc.ssl_target_name_override", tls.server_name))  # type: ignore[arg-type]
            self._channel = grpc.secure_channel(address, tls.credentials(), options)
        else:
            self._channel = grpc.insecure_channel(address, options)
        self._calls = {
            name: self._call(m.path, m.request, m.response, m.client_streaming, m.server_streaming)
            for name, m in METHODS.items()
        }

    def _call(self, path: str, request: Any, response: Any, up: bool, down: bool) -> Any:
        kinds = {
            (False, False): self._channel.unary_unary,
            (False, True): self._channel.unary_stream,
            (True, True): self._channel.stream_stream,
        }
        return kinds[up, down](
            path, request_serializer=request.SerializeToString, response_deserializer=response.FromString
        )

    def wait_ready(self, timeout: float | None = None) -> None:
        """Return when the server answers; UNAVAILABLE, naming the address, when it does not in time."""
        limit = self.timeout if timeout is None else timeout
        try:
            grpc.channel_ready_future(self._channel).result(limit)
        except grpc.FutureTimeoutError:
            message = f"no P4Runtime server answers there (waited {limit:g} s)"
            raise P4RuntimeError(Code.UNAVAILABLE, message, where=self.address) from None

    def close(self) -> None:
        self._channel.close()

    def _unary(self, name: str, request: Any, timeout: float | None = None) -> Any:
        try:
            return self._calls[name](request, timeout=timeout or self.timeout)
        except grpc.RpcError as error:
            raise from_rpc_error(error, self.address) from None

    def write(self, updates: Iterable[Any], election: Election | None, atomicity: int = 0) -> None:
        """Send p4.v1.Update messages as one request, in order."""
        self.begin_write(updates, election, atomicity)()

    def begin_write(self, updates: Iterable[Any], election: Election | None, atomicity: int = 0) -> Callable[[], None]:
        """Send a request without waiting; the function returned waits, and raises what `write` would."""
        request = p4r.WriteRequest(device_id=self.device_id, atomicity=atomicity)
        request.updates.extend(updates)
        _sign(request, election)
        limit = max(self.timeout, len(request.updates) / 200)
        call = self._calls["Write"].future(request, timeout=limit, metadata=_METADATA)

        def wait() -> None:
            try:
                call.result()
            except grpc.RpcError as error:
                raise from_rpc_error(error, self.address) from None

        return wait

    def read(self, entities: Iterable[Any], role: str = "") -> Iterator[Any]:
        """Every p4.v1.Entity that matches one of `entities`, as they arrive."""
        request = p4r.ReadRequest(device_id=self.device_id, role=role)
        request.entities.extend(entities)
        try:
            for response in self._calls["Read"](request, timeout=max(self.timeout, 60.0)):
                yield from response.entities
        except grpc.RpcError as error:
            raise from_rpc_error(error, self.address) from None

    def read_bytes(self, entities: Iterable[Any], role: str = "") -> Iterator[bytes]:
        """The responses of `read` as they came, for who decodes them in bulk."""
        request = p4r.ReadRequest(device_id=self.device_id, role=role)
        request.entities.extend(entities)
        call = self._channel.unary_stream(METHODS["Read"].path, request_serializer=p4r.ReadRequest.SerializeToString)
        try:
            yield from call(request, timeout=max(self.timeout, 60.0))
        except grpc.RpcError as error:
            raise from_rpc_error(error, self.address) from None

    def set_pipeline(
        self, p4info: Any, config: bytes, election: Election | None, *, action: int, cookie: int = 0
    ) -> None:
        request = p4r.SetForwardingPipelineConfigRequest(device_id=self.device_id, action=action)
        if p4info is not None:
            request.config.p4info.CopyFrom(p4info)
            request.config.p4_device_config = config
            request.config.cookie.cookie = cookie
        _sign(request, election)
        self._unary("SetForwardingPipelineConfig", request, timeout=max(self.timeout, 120.0))

    def get_pipeline(self, response_type: int = 0) -> Any:
        """The p4.v1.ForwardingPipelineConfig; parts not asked for are empty. FAILED_PRECONDITION where there is none."""
        request = p4r.GetForwardingPipelineConfigRequest(device_id=self.device_id, response_type=response_type)
        response = self._unary("GetForwardingPipelineConfig", request)
        if not response.HasField("config"):
            raise P4RuntimeError(Code.FAILED_PRECONDITION, "the switch has no program", where=self.address)
        return response.config

    def capabilities(self) -> str:
        """The P4Runtime version of the server."""
        return self._unary("Capabilities", p4r.CapabilitiesRequest()).p4runtime_api_version

    def stream(self, on_message: Callable[[Any], None], on_end: Callable[[P4RuntimeError], None]) -> Stream:
        """Open the stream; both callbacks run on its reader thread."""
        return Stream(self._calls["StreamChannel"], self.address, on_message, on_end)


class Stream:
    """The stream of one connection: `send` from any thread, messages to a callback."""

    def __init__(
        self,
        call: Any,
        address: str,
        on_message: Callable[[Any], None],
        on_end: Callable[[P4RuntimeError], None],
    ) -> None:
        self._address = address
        self._on_message = on_message
        self._on_end = on_end
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._closing = False
        self._responses = call(iter(self._outgoing.get, None))
        self._thread = threading.Thread(target=self._read, name=f"p4rt-stream-{address}", daemon=True)
        self._thread.start()

    def send(self, request: Any) -> None:
        self._outgoing.put(request)

    def close(self) -> None:
        """End the stream and wait for its reader, unless that is who calls."""
        self._closing = True
        self._outgoing.put(None)
        self._responses.cancel()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5)

    def _read(self) -> None:
        failure = P4RuntimeError(Code.UNAVAILABLE, "the server closed the stream", where=self._address)
        try:
            for message in self._responses:
                self._on_message(message)
        except grpc.RpcError as error:
            failure = from_rpc_error(error, self._address)
        finally:
            self._outgoing.put(None)
        if not self._closing:
            self._on_end(failure)


def _sign(request: Any, election: Election | None) -> None:
    if election is None:
        return
    request.role = election.role
    request.election_id.CopyFrom(uint128(election.election_id))
