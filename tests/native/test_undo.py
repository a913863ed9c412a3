"""A switch that dies while it writes results over contributions: what it had not published is put back (rings.h, FPM_KEEP)."""

from __future__ import annotations

import mmap
import os
import select
import socket
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.native.engine import RAW, NativeEngine, NativeEngineError, Result
from emulator.native.pool import PAGE, Pool
from tests.native.test_memory_ring import DESCRIPTORS, FRAMES, RING, SLOT_BYTES, SLOTS
from tests.native.test_worker import seat

HEADERS, PAYLOAD = 58, 256
PLACE, PLACED, KEEP = 1, 2, 4
LIMIT = 20.0


class Switch:
    """The switch's side of rings.h in Python, one connection long."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.listener.settimeout(LIMIT)
        self.fd = os.memfd_create("ring", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, 2 * RING)
        self.map = mmap.mmap(self.fd, 2 * RING)
        self.head = 0  # of answers published

    def meet(self, accept: bool = True) -> None:
        """Takes the worker's connection and its pool; one that the worker has given up is passed over."""
        while not self.met():
            self.peer.close()
        if accept:
            self.accept()

    def accept(self) -> None:
        self.put(1, 4, 1)

    def met(self) -> bool:
        self.peer, _ = self.listener.accept()
        self.peer.settimeout(LIMIT)
        try:
            return self.greet()
        except OSError:
            return False

    def greet(self) -> bool:
        socket.send_fds(self.peer, [struct.pack("=IIII", 0x4650534D, 3, SLOTS, SLOT_BYTES)], [self.fd])
        offer = b""
        while len(offer) < 16:
            data, fds, _, _ = socket.recv_fds(self.peer, 16 - len(offer), 1)
            offer += data
            if not data:
                return False
            if fds:
                self.pool = fds[0]
        return True

    def put(self, ring: int, offset: int, value: int) -> None:
        struct.pack_into("=I", self.map, ring * RING + offset, value)

    def contributions(self, count: int) -> list[tuple[bytes, tuple[int, ...]]]:
        """(headers, descriptor) of as many, once they are there."""
        while struct.unpack_from("=I", self.map, 0)[0] < count:
            assert select.select([self.peer], [], [], 0.01)[0] == [] or self.peer.recv(100), "the worker has gone"
        found = []
        for at in range(count):
            descriptor = struct.unpack_from("=HHBBHQ", self.map, DESCRIPTORS + 16 * at)
            found.append((bytes(self.map[FRAMES + at * SLOT_BYTES :][: descriptor[0]]), descriptor))
        return found

    def descriptor(self, at: int, *fields: int) -> None:
        struct.pack_into("=HHBBHQ", self.map, RING + DESCRIPTORS + 16 * (at % SLOTS), *fields)

    def frame(self, at: int, data: bytes) -> None:
        start = RING + FRAMES + (at % SLOTS) * SLOT_BYTES
        self.map[start : start + len(data)] = data

    def begin(self, contribution: tuple[bytes, tuple[int, ...]], written: bytes, at: int) -> None:
        """Everything up to publishing, but only so many bytes of the result are written."""
        headers, (length, payload, region, flags, _, offset) = contribution
        assert (length, payload, flags) == (HEADERS, PAYLOAD, PLACE | KEEP)
        self.frame(at, bytes(HEADERS) + os.pread(self.pool, payload, offset))
        self.descriptor(at, HEADERS, payload, region, PLACED, 2 if at & SLOTS else 1, offset)
        os.pwrite(self.pool, written, offset)
        self.frame(at, answered(headers))

    def publish(self) -> None:
        self.head += 1
        self.put(1, 0, self.head)

    def die(self) -> None:
        self.peer.close()
        self.listener.close()
        self.map.close()
        os.close(self.fd)
        os.close(self.pool)


def answered(headers: bytes) -> bytes:
    """A contribution's headers as those of its result: kind 1, to the worker's port."""
    out = bytearray(headers)
    out[34:38] = headers[36:38] + headers[34:36]
    out[42] = 0x11
    return bytes(out)


def values(chunk: int, factor: float) -> np.ndarray:
    return np.arange(64, dtype=np.float32) * factor + chunk


class Course:
    """One all-reduce of four chunks, in its own thread; `told` is called from its watch, once `ready`."""

    def __init__(self, path: Path, told: Any, timeout: float = 9.0, deadline: float = LIMIT) -> None:
        self.ready, self.told, self.done = threading.Event(), told, False
        patient = {"deadline": deadline, "window": -1, "initial_timeout": timeout, "longest_timeout": timeout}
        place = seat(0, 2, slots=4, resumable=True, **patient)
        self.engine = NativeEngine(place, memory=str(path), watch=self.watch)

    def watch(self) -> None:
        if self.ready.is_set() and not self.done:
            self.done = True
            self.told(self.engine)

    def begin(self, pool: Pool) -> None:
        self.engine.register(pool)
        self.array = pool.empty(256)
        for chunk in range(4):
            self.array[64 * chunk :][:64] = values(chunk, 1)
        self.errors: list[BaseException] = []
        self.thread = threading.Thread(target=self.reduce)
        self.thread.start()

    def reduce(self) -> None:
        try:
            self.engine.allreduce(self.array, RAW)
        except BaseException as error:
            self.errors.append(error)

    def end(self) -> None:
        self.thread.join(LIMIT)
        hangs = self.thread.is_alive()
        self.engine.cancel()
        self.thread.join()
        assert not hangs
        self.engine.close()


def connected(path: Path, told: Any, **times: float) -> tuple[Switch, Course, Pool]:
    switch, pool, met = Switch(path), Pool(PAGE), threading.Event()

    def meet() -> None:
        switch.meet()
        met.set()

    threading.Thread(target=meet).start()
    course = Course(path, told, **times)
    course.begin(pool)
    assert met.wait(LIMIT)
    return switch, course, pool


@pytest.mark.parametrize("torn", [0, 1, 100, PAYLOAD])
@pytest.mark.parametrize("first", [0, SLOTS - 1, SLOTS])
def test_a_result_half_written_is_put_back(tmp_path: Path, torn: int, first: int) -> None:
    """Chunk 0 is answered, chunk 1 begun, chunk 2 begun and not written; then the switch dies. Another worker has chunk 1's
    result; the next switch answers the others. first: where in the ring the answers begin."""
    seen: list[Any] = []

    def told(engine: NativeEngine) -> None:
        engine.halt()
        seen.append((engine.progress(), course.array.copy()))
        engine.take(Result(0, 1, values(1, 5).tobytes(), 0.0, 0))
        engine.resume(9)
        threading.Thread(target=go_on).start()

    def go_on() -> None:
        after.meet()
        for headers, descriptor in after.contributions(2):
            assert headers[44:46] == b"\0\x09"
            data = headers[HEADERS:] if not descriptor[1] else os.pread(after.pool, PAYLOAD, descriptor[5])
            chunk = int.from_bytes(headers[50:54], "big")
            np.testing.assert_array_equal(np.frombuffer(data, np.float32), values(chunk, 1))
            after.frame(after.head, answered(headers[:HEADERS]) + values(chunk, 7).tobytes())
            after.descriptor(after.head, HEADERS + PAYLOAD, 0, 0, 0, 0, 0)
            after.publish()

    switch, course, _pool = connected(tmp_path / "s", told)
    sent = switch.contributions(4)
    for at in range(first):  # of a turn before, and published
        switch.descriptor(at, 0, 0, 0, 0, 2 if at & SLOTS else 1, 0)
    switch.head = first
    switch.put(1, 0, first)
    while struct.unpack_from("=I", switch.map, RING + 64)[0] < first:  # the worker's tail: there is room again
        assert course.thread.is_alive()
    switch.begin(sent[0], values(0, 3).tobytes(), first)
    switch.publish()
    switch.begin(sent[1], values(1, 3).tobytes()[:torn], first + 1)
    switch.begin(sent[2], b"", first + 2)
    switch.die()
    after = Switch(tmp_path / "s")
    course.ready.set()
    course.end()
    assert not course.errors
    progress, then = seen[0]
    assert progress == [[4, 1, 2, 3]]
    for chunk, factor in enumerate((3, 1, 1, 1)):
        np.testing.assert_array_equal(then[64 * chunk :][:64], values(chunk, factor))
    for chunk, factor in enumerate((3, 5, 7, 7)):
        np.testing.assert_array_equal(course.array[64 * chunk :][:64], values(chunk, factor))
    after.die()


def test_a_place_outside_the_pool_is_left_alone(tmp_path: Path) -> None:
    """The worker believes nothing of what a dead switch has left."""
    seen: list[Any] = []

    def told(engine: NativeEngine) -> None:
        engine.halt()
        seen.append(course.array.copy())
        raise NativeEngineError("enough")

    switch, course, _pool = connected(tmp_path / "s", told)
    switch.contributions(4)
    for at, lie in enumerate(
        [(HEADERS, PAYLOAD, 1, PAGE), (HEADERS, PAYLOAD, 0, PAGE - 1), (SLOT_BYTES, PAYLOAD, 0, 0), (58, 64, 0, 2**64 - 1)]
    ):
        length, payload, region, offset = lie
        switch.descriptor(at, length, payload, region, PLACED, 1, offset)
    switch.die()
    course.ready.set()
    course.end()
    assert [str(error) for error in course.errors] == ["enough"]
    np.testing.assert_array_equal(seen[0], np.concatenate([values(chunk, 1) for chunk in range(4)]))


def test_a_chunk_that_went_as_a_copy_goes_as_a_copy_again(tmp_path: Path) -> None:
    """The next switch takes the worker's pool only after contributions have come. Were they then sent from the pool, an answer
    could be written there after the all-reduce has ended."""

    def told(engine: NativeEngine) -> None:
        engine.halt()
        engine.resume(9)
        threading.Thread(target=go_on).start()

    def go_on() -> None:
        after.meet(accept=False)
        first = after.contributions(4)
        after.accept()
        found.extend(first)
        found.extend(after.contributions(6)[4:])  # probes
        for headers, _ in first:
            chunk = int.from_bytes(headers[50:54], "big")
            after.frame(after.head, answered(headers[:HEADERS]) + values(chunk, 7).tobytes())
            after.descriptor(after.head, HEADERS + PAYLOAD, 0, 0, 0, 0, 0)
            after.publish()

    found: list[Any] = []
    switch, course, _pool = connected(tmp_path / "s", told, timeout=0.1)
    switch.contributions(4)
    switch.die()
    after = Switch(tmp_path / "s")
    course.ready.set()
    course.end()
    assert not course.errors and len(found) == 6
    assert all(length == HEADERS + PAYLOAD and payload == 0 for _, (length, payload, *_) in found)
    after.die()
