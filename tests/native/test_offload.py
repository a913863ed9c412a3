"""Checksums and the cutting of TCP super-frames (offload.c) against the same in Python, in memory of exactly the frames' size."""

from __future__ import annotations

import ctypes
import random
import struct

import pytest

from tests.native.link import NATIVE, compile_c

SEED = random.SystemRandom().randrange(1 << 32)
NEEDS_CHECKSUM, TCP4, TCP6 = 1, 1, 4  # of struct virtio_net_hdr
FIN, PSH, ACK, CWR = 1, 8, 16, 128


class Offload(ctypes.Structure):
    """struct virtio_net_hdr."""

    _fields_ = [
        ("flags", ctypes.c_uint8),
        ("kind", ctypes.c_uint8),
        *[(n, ctypes.c_uint16) for n in ("head", "size", "start", "at")],
    ]


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    lib = compile_c(tmp_path_factory.mktemp("offload") / "offload.so", [NATIVE / "offload.c"])
    lib.offload_settle.restype = lib.offload_prepare.restype = ctypes.c_bool
    lib.offload_segment.restype = ctypes.c_uint32
    print(f"seed {SEED}")
    return lib


def internet_sum(data: bytes) -> int:
    """RFC 1071, not inverted."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def inverted(total: int) -> int:
    return ~total & 0xFFFF


class Frame:
    """TCP in IP in Ethernet with tags; `bytes()` is the frame with right lengths and checksums."""

    def __init__(self, rng: random.Random, body: int) -> None:
        self.version = rng.choice((4, 6))
        self.link = rng.randbytes(12) + b"".join(
            rng.choice((b"\x81\x00", b"\x88\xa8")) + rng.randbytes(2) for _ in range(rng.randrange(3))
        )
        self.options = rng.randbytes(4 * rng.randrange(11)) if self.version == 4 else b""
        self.tcp_options = rng.randbytes(4 * rng.randrange(11))
        self.addresses = rng.randbytes(8 if self.version == 4 else 32)
        self.ports, self.number, self.rest = rng.randbytes(4), rng.getrandbits(32), rng.randbytes(4)
        self.flags = rng.choice((ACK, ACK | PSH, ACK | CWR, ACK | FIN | PSH | CWR))
        self.id, self.window = rng.getrandbits(16), rng.randbytes(2)
        self.body = rng.randbytes(body)

    def segment(self, index: int, size: int) -> bytes:
        """What a card makes of it: segment `index` with `size` bytes of payload."""
        last = (index + 1) * size >= len(self.body)
        flags = self.flags & ~((0 if last else FIN | PSH) | (CWR if index else 0))
        return self.made(
            self.body[index * size :][:size], self.number + index * size & 0xFFFFFFFF, flags, self.id + index & 0xFFFF
        )

    def __bytes__(self) -> bytes:
        return self.made(self.body, self.number, self.flags, self.id)

    def made(self, body: bytes, number: int, flags: int, ident: int) -> bytes:
        offset = (20 + len(self.tcp_options)) // 4
        tcp = self.ports + struct.pack("!I", number) + self.rest + bytes([offset << 4, flags]) + self.window
        tail = b"\0\0" + self.tcp_options + body
        whole = 18 + len(tail)
        pseudo = self.addresses + struct.pack("!HH", 6, whole)
        tcp += struct.pack("!H", inverted(internet_sum(pseudo + tcp + b"\0\0" + tail)) or 0xFFFF) + tail
        return self.link + (self.ip4(len(tcp), ident) if self.version == 4 else self.ip6(len(tcp))) + tcp

    def ip4(self, payload: int, ident: int) -> bytes:
        words = 5 + len(self.options) // 4
        head = struct.pack("!BBHHHBB", 0x40 | words, 0, words * 4 + payload & 0xFFFF, ident, 0x4000, 64, 6)
        check = inverted(internet_sum(head + self.addresses + self.options))
        return b"\x08\0" + head + struct.pack("!H", check) + self.addresses + self.options

    def ip6(self, payload: int) -> bytes:
        return b"\x86\xdd" + struct.pack("!IHBB", 0x60012345, payload & 0xFFFF, 6, 64) + self.addresses


def exact(data: bytes) -> ctypes.Array[ctypes.c_uint8]:
    return (ctypes.c_uint8 * len(data)).from_buffer_copy(data)


def segments(lib: ctypes.CDLL, data: bytes, size: int) -> list[bytes]:
    source, found = exact(data), []
    for index in range(len(data) + 2):
        to = exact(bytes(len(data)))
        length = lib.offload_segment(source, len(data), size, index, to)
        assert length <= len(data)
        if not length:
            return found
        found.append(bytes(to)[:length])
    raise AssertionError((SEED, "more segments than bytes", data.hex()))


def test_super_frames_are_cut_as_a_card_cuts_them(lib: ctypes.CDLL) -> None:
    rng = random.Random(SEED)
    for size in (1, 2, 535, 536, 1448, 9000):
        for count in (1, size - 1, size, size + 1, 3 * size, rng.randrange(1, 20 * size)):
            frame = Frame(rng, min(max(count, 1), 60_000))
            wanted = [frame.segment(i, size) for i in range(-(-len(frame.body) // size))]
            assert segments(lib, bytes(frame), size) == wanted, (SEED, size, count)


def test_checksums_are_finished(lib: ctypes.CDLL) -> None:
    rng = random.Random(SEED)
    for _ in range(200):
        frame = Frame(rng, rng.choice((0, 1, 2, 3, 1447, 1448)))
        whole = bytes(frame)
        tcp = len(whole) - len(frame.body) - len(frame.tcp_options) - 20
        started = internet_sum(frame.addresses + struct.pack("!HH", 6, len(whole) - tcp))
        data = exact(whole[: tcp + 16] + struct.pack("!H", started) + whole[tcp + 18 :])
        offload, cut = Offload(NEEDS_CHECKSUM, start=tcp, at=16), ctypes.c_bool(True)
        assert lib.offload_settle(data, len(whole), ctypes.byref(offload), ctypes.byref(cut))
        assert bytes(data) == whole and not cut.value, (SEED, whole.hex())
        data = exact(whole[: tcp + 16] + rng.randbytes(2) + whole[tcp + 18 :])
        lib.offload_complete(data, len(whole))
        assert bytes(data) == whole, (SEED, whole.hex())


def test_a_checksum_past_the_end_is_refused(lib: ctypes.CDLL) -> None:
    for length, start, at in ((60, 60, 0), (60, 59, 0), (60, 0, 59), (60, 65535, 65535), (1, 0, 0), (60, 34, 25)):
        data, offload = exact(bytes(range(length))), Offload(NEEDS_CHECKSUM, start=start, at=at)
        assert not lib.offload_settle(data, length, ctypes.byref(offload), ctypes.byref(ctypes.c_bool()))
        assert bytes(data) == bytes(range(length))


@pytest.mark.parametrize("offset", range(5))
def test_a_tcp_header_shorter_than_itself_is_none(lib: ctypes.CDLL, offset: int) -> None:
    """Cut behind such a header, the fields of a segment would be written over payload."""
    frame = Frame(random.Random(SEED), 3000)
    whole = bytearray(bytes(frame))
    whole[len(whole) - 3000 - len(frame.tcp_options) - 8] = offset << 4
    assert segments(lib, bytes(whole), 1000) == [bytes(whole)]
    to = Offload()
    assert not lib.offload_prepare(
        exact(bytes(whole)), len(whole), ctypes.byref(Offload(0, TCP4, size=1000)), ctypes.byref(to)
    )


def test_damaged_frames_stay_in_their_memory(lib: ctypes.CDLL) -> None:
    """Flipped and cut off anywhere; the sanitised run (test_sanitized.py) sees each byte out of place."""
    rng = random.Random(SEED)
    for _ in range(3000):
        data = bytearray(bytes(Frame(rng, rng.randrange(120))))
        for _ in range(rng.randrange(4)):
            data[rng.randrange(min(len(data), 80))] = rng.choice((0, 255, rng.getrandbits(8)))
        data = data[: rng.choice((len(data), rng.randrange(1, len(data) + 1)))]
        pieces = segments(lib, bytes(data), rng.choice((0, 1, 7, 40, 65535)))
        assert 1 <= len(pieces) <= len(data), (SEED, data.hex())
        kind, start = rng.choice((TCP4, TCP6)), rng.choice((0, 34, len(data) - 1, 65535))
        offload, made = (
            Offload(rng.randrange(2), rng.choice((0, kind)), 0, 40, start, rng.choice((0, 6, 16, 65535))),
            Offload(),
        )
        place = exact(bytes(data))
        lib.offload_settle(place, len(data), ctypes.byref(offload), ctypes.byref(ctypes.c_bool()))
        assert not lib.offload_prepare(place, len(data), ctypes.byref(offload), ctypes.byref(made)) or made.head <= len(
            data
        )
        lib.offload_complete(place, len(data))
