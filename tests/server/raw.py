"""A P4Runtime client that says just what it is told to, over gRPC's own defaults."""

from __future__ import annotations

import queue
import threading
from types import TracebackType
from typing import Any

import grpc

from controller.p4rt.arbitration import from_uint128, uint128
from controller.p4rt.protos import METHODS, p4r

WAIT = 20.0


class Raw:
    """One channel, and one stream once `say` was called. `heard` gets all messages, `ended` the stream's status."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
        self._outgoing: queue.Queue[Any] = queue.Queue()
        self.heard: queue.Queue[Any] = queue.Queue()
        self.ended: queue.Queue[grpc.StatusCode] = queue.Queue()
        self._stream: Any = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._stream is not None:
            self._stream.cancel()
            assert self._thread is not None
            self._thread.join(WAIT)
        self._channel.close()

    def call(self, name: str) -> Any:
        method = METHODS[name]
        kinds = {(False, False): self._channel.unary_unary, (False, True): self._channel.unary_stream,
                 (True, True): self._channel.stream_stream}  # fmt: skip
        return kinds[method.client_streaming, method.server_streaming](
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )

    # -- the stream ------------------------------------------------------------------------------------------

    def say(self, request: Any) -> None:
        if self._stream is None:
            self._stream = self.call("StreamChannel")(iter(self._outgoing.get, None))
            self._thread = threading.Thread(target=self._listen, daemon=True)
            self._thread.start()
        self._outgoing.put(request)

    def _listen(self) -> None:
        try:
            for message in self._stream:
                self.heard.put(message)
        except grpc.RpcError as error:
            self.ended.put(error.code())  # type: ignore[attr-defined]
        else:
            self.ended.put(grpc.StatusCode.OK)

    def arbitrate(self, election_id: int | None, role: str = "", device_id: int = 0) -> None:
        request = p4r.StreamMessageRequest()
        request.arbitration.device_id = device_id
        if election_id is not None:
            request.arbitration.election_id.CopyFrom(uint128(election_id))
        if role:
            request.arbitration.role.name = role
        self.say(request)

    def standing(self) -> tuple[int, int | None]:
        """(status code, election id) of the next arbitration message."""
        while True:
            message = self.heard.get(timeout=WAIT)
            if message.WhichOneof("update") == "arbitration":
                return _standing(message.arbitration)

    def last_standing(self) -> tuple[int, int | None] | None:
        """That of the newest message heard so far; the others are taken away."""
        found = None
        while not self.heard.empty():
            message = self.heard.get_nowait()
            if message.WhichOneof("update") == "arbitration":
                found = _standing(message.arbitration)
        return found

    # -- calls -----------------------------------------------------------------------------------------------

    def pipeline(self, action: str, election_id: int, config: Any = None, cookie: int | None = None) -> Any:
        """The status code of a SetForwardingPipelineConfig. config: (P4Info, JSON)."""
        request = p4r.SetForwardingPipelineConfigRequest(election_id=uint128(election_id))
        request.action = p4r.SetForwardingPipelineConfigRequest.Action.Value(action)
        if config is not None:
            request.config.p4info.CopyFrom(config[0])
            request.config.p4_device_config = config[1]
        if cookie is not None:
            request.config.cookie.cookie = cookie
        return self.status("SetForwardingPipelineConfig", request)

    def status(self, name: str, request: Any) -> grpc.StatusCode:
        try:
            self.call(name)(request, timeout=60)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()  # type: ignore[attr-defined]
            return code
        return grpc.StatusCode.OK

    def cookie(self) -> int | None:
        request = p4r.GetForwardingPipelineConfigRequest(response_type=p4r.GetForwardingPipelineConfigRequest.COOKIE_ONLY)
        config = self.call("GetForwardingPipelineConfig")(request, timeout=60).config
        return config.cookie.cookie if config.HasField("cookie") else None


def _standing(update: Any) -> tuple[int, int | None]:
    return update.status.code, from_uint128(update.election_id) if update.HasField("election_id") else None
