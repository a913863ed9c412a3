"""Several pipelines in one server: each a device of its own, found by its P4Runtime device id."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

from .device import Device
from .errors import not_found
from .stream import Session, Streams


class Devices:
    """The devices behind one address, in the order of their ids, which follow one another."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self._by_id = {device.device_id: device for device in devices}
        assert len(self._by_id) == len(devices) > 0, "device ids must differ"

    def __iter__(self) -> Iterator[Device]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def first(self) -> Device:
        return next(iter(self))

    def find(self, device_id: int) -> Device:
        """Refused where there is none with this id."""
        if device_id not in self._by_id:
            raise not_found(f"there is no device {device_id} here", f"use device id {self._known()}")
        return self._by_id[device_id]

    def _known(self) -> str:
        ids = list(self._by_id)
        return str(ids[0]) if len(ids) == 1 else f"{ids[0]} to {ids[-1]}"

    def streams_for(self, message: Any) -> Streams:
        """Where a stream's first message belongs: with the device it asks to arbitrate for, else with the first one, which
        knows how to refuse it. Raises Refused where there is no such device."""
        if message.WhichOneof("update") == "arbitration":
            return self.find(message.arbitration.device_id).streams
        return self.first.streams


class Route:
    """One open stream. It stays with the device that its first message names; until then the first device counts it."""

    def __init__(self, devices: Devices, session: Session) -> None:
        """Raises Refused where too many streams are open."""
        self._devices, self.session = devices, session
        self._streams = devices.first.streams
        self._settled = self._closed = False
        self._lock = threading.Lock()  # messages come on another thread than the end
        self._streams.opened(session)

    def received(self, message: Any) -> None:
        """Raises Refused where there is no device that the first message names, or it has too many streams."""
        with self._lock:
            if self._closed:
                return
            if not self._settled:
                self._settled = True
                self._move(self._devices.streams_for(message))
            self._streams.received(self.session, message)

    def _move(self, streams: Streams) -> None:
        if streams is not self._streams:
            self._streams.closed(self.session)
            self._streams = streams
            streams.opened(self.session)

    def closed(self) -> None:
        with self._lock:
            self._closed = True
            self._streams.closed(self.session)
