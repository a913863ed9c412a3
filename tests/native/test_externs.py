"""Hashes, meters and random numbers in C against their twins in Python."""

from __future__ import annotations

import random

import numpy as np
import pytest

from emulator.native import lib_and_ffi
from emulator.switch import hashes
from emulator.switch.jit import extern_state
from emulator.switch.meters import COUNTS, MAX_BURST, MAX_RATE, MeterArray

PLAIN = sorted(set(hashes.ALGORITHMS) - hashes.STATEFUL - {"csum16", "cksum16"})
POLYNOMIALS = ["poly_0x11021_init_0xffff_not_rev", "poly_0x107", "poly_0x1864cfb_init_0xb704ce_xout_0x1_not_rev"]
SEED = 20261


def native_hash(function: hashes.HashFunction, data: bytes) -> int:
    lib, ffi = lib_and_ffi()
    row = np.zeros(extern_state.SPEC_WORDS, np.uint64)
    extern_state.write_spec(row, function)
    spec = ffi.cast("struct fpx_hash_spec *", row.ctypes.data)
    return int(lib.fpx_hash(spec, ffi.from_buffer("uint8_t[]", data), len(data)))


@pytest.mark.parametrize("name", [*PLAIN, *hashes.CRC_CATALOGUE, *POLYNOMIALS])
def test_hashes_equal_python(name: str) -> None:
    function = hashes.algorithm(name)
    rng = random.Random(f"{SEED} {name}")
    for length in [*range(0, 70), 256, 1500]:
        data = rng.randbytes(length)
        assert native_hash(function, data) == function(data), (SEED, name, data.hex())


def test_random_crc_parameters_equal_python() -> None:
    rng = random.Random(SEED)
    for _ in range(300):
        width = rng.choice([8, 9, 13, 16, 24, 31, 32, 40, 64])
        crc = hashes.Crc(width, *(rng.getrandbits(width) for _ in range(2)), rng.random() < 0.5, rng.random() < 0.5,
                         rng.getrandbits(width))  # fmt: skip
        data = rng.randbytes(rng.randrange(40))
        assert native_hash(crc, data) == crc(data), (SEED, crc, data.hex())


@pytest.mark.parametrize("kind", ["bytes", "packets"])
@pytest.mark.parametrize("largest", [2_000, MAX_RATE])
def test_meters_equal_python(kind: str, largest: int) -> None:
    lib, ffi = lib_and_ffi()
    rng = random.Random(SEED)
    colours = set()
    for _ in range(40):
        slow, fast = MeterArray("slow", 1, kind), MeterArray("fast", 1, kind)
        cir, pir = sorted(rng.randrange(largest + 1) for _ in range(2))
        bursts = [rng.choice([0, 3, 4000, min(largest, MAX_BURST)]) for _ in range(2)]
        kind_of_rates = rng.random()
        for meter in (slow, fast):
            if kind_of_rates < 0.5:
                meter.set_rates(0, cir, bursts[0], pir, bursts[1])
            elif kind_of_rates < 0.9:
                meter.set_single_rate(0, cir, *bursts)
        now = 0
        for _ in range(60):
            now += rng.choice([0, 1, 1000, 10**6, 10**13, -500])
            now, length = max(0, now), rng.randrange(1, 2000)
            row = ffi.cast("int64_t *", fast.data.ctypes.data)
            colour = lib.fpx_meter(row, length if kind == "bytes" else 1, now)
            assert colour == slow.execute(0, length, now), (SEED, kind, now, length)
            assert fast.data[:, :COUNTS].tolist() == slow.data[:, :COUNTS].tolist(), SEED
            colours.add(colour)
    assert 0 in colours and len(colours) > 1


def test_draws_follow_the_generator() -> None:
    from emulator.switch.interp.actions import uniform

    lib, ffi = lib_and_ffi()

    source = extern_state.RandomSource(random.Random(SEED))
    raw = ffi.cast("struct fpx_random *", source.address)
    twin = random.Random(SEED)
    for span in [0, 1, 9, (1 << 64) - 1, 1 << 63] * 200:
        assert lib.fpx_draw(raw, span) == uniform(twin, span)


def test_bits_are_appended_as_in_python() -> None:
    lib, ffi = lib_and_ffi()
    rng = random.Random(SEED)
    for _ in range(300):
        place = ffi.new("uint8_t[]", 200)
        value = at = 0
        for _ in range(rng.randint(1, 8)):
            bits = rng.choice((0, 1, 3, 7, 8, 9, 16, 31, 64, 100))
            more = rng.getrandbits(bits) if bits else 0
            size = -(-bits // 8)
            spare = 8 * size - bits
            noise = rng.getrandbits(spare) if spare else 0  # bits behind the last one wanted must not get in
            source = (more << spare | noise).to_bytes(size, "big")
            at = lib.fpx_append(place, at, ffi.from_buffer("uint8_t[]", source or b"?"), bits)
            value = value << bits | more
        whole = -(-at // 8)
        assert bytes(ffi.buffer(place, whole)) == (value << (8 * whole - at)).to_bytes(whole, "big")
