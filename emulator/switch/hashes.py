"""The hash and checksum algorithms bmv2 JSON can name, over bytes, each giving an unsigned integer.

CRCs are those of the catalogue of parametrised CRC algorithms (width, polynomial, initial value, reflection
of input and output, final xor); csum16 is the Internet checksum of RFC 1071; toeplitz is receive-side
scaling's hash with its usual key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

HashFunction = Callable[[bytes], int]


@dataclass(frozen=True, slots=True)
class Crc:
    width: int
    poly: int
    init: int = 0
    reflect_in: bool = False
    reflect_out: bool = False
    xor_out: int = 0

    def __call__(self, data: bytes) -> int:
        """The CRC of `data`; a byte at a time through a table of 256 entries."""
        table, shift = crc_table(self), max(0, self.width - 8)
        ones = (1 << self.width) - 1
        if self.reflect_in:
            register = reflect(self.init, self.width)
            for byte in data:
                register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
            register = register if self.reflect_out else reflect(register, self.width)
        else:
            register = self.init
            for byte in data:
                register = table[((register >> shift) ^ byte) & 0xFF] ^ ((register << 8) & ones)
            register = reflect(register, self.width) if self.reflect_out else register
        return register ^ self.xor_out


def reflect(value: int, width: int) -> int:
    """`value` with its `width` bits in reverse order."""
    return int(format(value, f"0{width}b")[::-1], 2)


@lru_cache(maxsize=64)
def crc_table(crc: Crc) -> tuple[int, ...]:
    """What each byte does to the register, in the register's own bit order."""
    return tuple(_reflected_step(crc, i) if crc.reflect_in else _forward_step(crc, i) for i in range(256))


def _reflected_step(crc: Crc, register: int) -> int:
    poly = reflect(crc.poly, crc.width)
    for _ in range(8):
        register = (register >> 1) ^ (poly if register & 1 else 0)
    return register


def _forward_step(crc: Crc, byte: int) -> int:
    top, ones = 1 << (crc.width - 1), (1 << crc.width) - 1
    register = byte << (crc.width - 8)
    for _ in range(8):
        register = ((register << 1) ^ (crc.poly if register & top else 0)) & ones
    return register


def csum16(data: bytes) -> int:
    """RFC 1071: complement of the one's-complement sum of big-endian 16-bit words."""
    total = _word_sum(data, 2)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def _word_sum(data: bytes, size: int) -> int:
    padded = data + bytes(-len(data) % size)
    return sum(int.from_bytes(padded[i : i + size], "big") for i in range(0, len(padded), size))


def _xor_words(data: bytes, size: int) -> int:
    padded = data + bytes(-len(data) % size)
    result = 0
    for i in range(0, len(padded), size):
        result ^= int.from_bytes(padded[i : i + size], "big")
    return result


def xor16(data: bytes) -> int:
    return _xor_words(data, 2)


def xor32(data: bytes) -> int:
    return _xor_words(data, 4)


def identity(data: bytes) -> int:
    """The first 8 bytes as a big-endian number (fewer when there are fewer)."""
    return int.from_bytes(data[:8], "big")


MASK64 = (1 << 64) - 1
XX1, XX2, XX3, XX4, XX5 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def _rotate(value: int, count: int) -> int:
    return ((value << count) | (value >> (64 - count))) & MASK64


def _xx_round(lane: int, word: int) -> int:
    return _rotate((lane + word * XX2) & MASK64, 31) * XX1 & MASK64


def xxh64(data: bytes) -> int:
    """xxHash, 64 bits, seed 0."""
    words = memoryview(data)
    position, length = 0, len(data)
    if length >= 32:
        lanes = [(XX1 + XX2) & MASK64, XX2, 0, -XX1 & MASK64]
        while position + 32 <= length:
            for i in range(4):
                word = int.from_bytes(words[position + 8 * i : position + 8 * i + 8], "little")
                lanes[i] = _xx_round(lanes[i], word)
            position += 32
        state = sum(_rotate(lane, count) for lane, count in zip(lanes, (1, 7, 12, 18))) & MASK64
        for lane in lanes:
            state = ((state ^ _xx_round(0, lane)) * XX1 + XX4) & MASK64
    else:
        state = XX5
    return _xx_finish((state + length) & MASK64, words[position:])


def _xx_finish(state: int, tail: memoryview) -> int:
    while len(tail) >= 8:
        state ^= _xx_round(0, int.from_bytes(tail[:8], "little"))
        state = (_rotate(state, 27) * XX1 + XX4) & MASK64
        tail = tail[8:]
    if len(tail) >= 4:
        state ^= int.from_bytes(tail[:4], "little") * XX1 & MASK64
        state = (_rotate(state, 23) * XX2 + XX3) & MASK64
        tail = tail[4:]
    for byte in tail:
        state ^= byte * XX5 & MASK64
        state = _rotate(state, 11) * XX1 & MASK64
    state = (state ^ (state >> 33)) * XX2 & MASK64
    state = (state ^ (state >> 29)) * XX3 & MASK64
    return state ^ (state >> 32)


TOEPLITZ_KEY = bytes.fromhex(
    "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"
)


def toeplitz(data: bytes) -> int:
    """32 bits; beyond the 36 bytes that the key covers, the key repeats."""
    key = int.from_bytes(TOEPLITZ_KEY, "big")
    bits = 8 * len(TOEPLITZ_KEY)
    result = 0
    for i, byte in enumerate(data):
        for j in range(8):
            if byte & (0x80 >> j):
                shift = (8 * i + j) % bits
                window = ((key << shift) | (key >> (bits - shift))) & ((1 << bits) - 1)
                result ^= window >> (bits - 32)
    return result


CRC16 = Crc(16, 0x8005, 0, True, True, 0)
CRC32 = Crc(32, 0x04C11DB7, 0xFFFFFFFF, True, True, 0xFFFFFFFF)

CRC_CATALOGUE: dict[str, Crc] = {
    "crc_8": Crc(8, 0x07),
    "crc_8_darc": Crc(8, 0x39, 0, True, True),
    "crc_8_i_code": Crc(8, 0x1D, 0xFD),
    "crc_8_itu": Crc(8, 0x07, 0, False, False, 0x55),
    "crc_8_maxim": Crc(8, 0x31, 0, True, True),
    "crc_8_rohc": Crc(8, 0x07, 0xFF, True, True),
    "crc_8_wcdma": Crc(8, 0x9B, 0, True, True),
    "crc_16": CRC16,
    "crc_16_buypass": Crc(16, 0x8005),
    "crc_16_dds_110": Crc(16, 0x8005, 0x800D),
    "crc_16_dect": Crc(16, 0x0589, 0, False, False, 1),
    "crc_16_dnp": Crc(16, 0x3D65, 0, True, True, 0xFFFF),
    "crc_16_en_13757": Crc(16, 0x3D65, 0, False, False, 0xFFFF),
    "crc_16_genibus": Crc(16, 0x1021, 0xFFFF, False, False, 0xFFFF),
    "crc_16_maxim": Crc(16, 0x8005, 0, True, True, 0xFFFF),
    "crc_16_mcrf4xx": Crc(16, 0x1021, 0xFFFF, True, True),
    "crc_16_riello": Crc(16, 0x1021, 0xB2AA, True, True),
    "crc_16_t10_dif": Crc(16, 0x8BB7),
    "crc_16_teledisk": Crc(16, 0xA097),
    "crc_16_usb": Crc(16, 0x8005, 0xFFFF, True, True, 0xFFFF),
    "x_25": Crc(16, 0x1021, 0xFFFF, True, True, 0xFFFF),
    "xmodem": Crc(16, 0x1021),
    "modbus": Crc(16, 0x8005, 0xFFFF, True, True),
    "kermit": Crc(16, 0x1021, 0, True, True),
    "crc_ccitt_false": Crc(16, 0x1021, 0xFFFF),
    "crc_aug_ccitt": Crc(16, 0x1021, 0x1D0F),
    "crc_24": Crc(24, 0x864CFB, 0xB704CE),
    "crc_24_flexray_a": Crc(24, 0x5D6DCB, 0xFEDCBA),
    "crc_24_flexray_b": Crc(24, 0x5D6DCB, 0xABCDEF),
    "crc_32": CRC32,
    "crc_32_bzip2": Crc(32, 0x04C11DB7, 0xFFFFFFFF, False, False, 0xFFFFFFFF),
    "crc_32c": Crc(32, 0x1EDC6F41, 0xFFFFFFFF, True, True, 0xFFFFFFFF),
    "crc_32d": Crc(32, 0xA833982B, 0xFFFFFFFF, True, True, 0xFFFFFFFF),
    "crc_32_mpeg": Crc(32, 0x04C11DB7, 0xFFFFFFFF),
    "posix": Crc(32, 0x04C11DB7, 0, False, False, 0xFFFFFFFF),
    "crc_32q": Crc(32, 0x814141AB),
    "jamcrc": Crc(32, 0x04C11DB7, 0xFFFFFFFF, True, True),
    "xfer": Crc(32, 0x000000AF),
    "crc_64": Crc(64, 0x1B, 0, True, True),
    "crc_64_we": Crc(64, 0x42F0E1EBA9EA3693, MASK64, False, False, MASK64),
    "crc_64_jones": Crc(64, 0xAD93D23594C935A9, MASK64, True, True),
}

ALGORITHMS: dict[str, HashFunction] = {
    "crc16": CRC16,
    "crc32": CRC32,
    "crcCCITT": Crc(16, 0x1021, 0xFFFF),
    "crc8_custom": Crc(8, 0x07),
    "crc16_custom": CRC16,
    "crc32_custom": CRC32,
    "crc64_custom": Crc(64, 0x1B, 0, True, True),
    "csum16": csum16,
    "cksum16": csum16,
    "xor16": xor16,
    "xor32": xor32,
    "identity": identity,
    "xxh64": xxh64,
    "toeplitz": toeplitz,
    "round_robin": identity,  # stateful: see hash_state.py
    "round_robin_consistent": identity,
    "random": identity,
}
STATEFUL = frozenset({"round_robin", "round_robin_consistent", "random"})
CUSTOM = {"crc8_custom": 8, "crc16_custom": 16, "crc32_custom": 32, "crc64_custom": 64}
"""Algorithms whose CRC parameters the control plane may set, with their widths."""


def known_algorithm(name: str) -> bool:
    try:
        algorithm(name)
    except KeyError:
        return False
    return True


@lru_cache(maxsize=256)
def algorithm(name: str) -> HashFunction:
    """The function called `name`; also `crc_<name of the catalogue>` and
    `poly_0x..[_init_0x..][_xout_0x..][_not_rev]`. Raises KeyError."""
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    if name in CRC_CATALOGUE:
        return CRC_CATALOGUE[name]
    if name.startswith("crc_") and name[4:] in CRC_CATALOGUE:
        return CRC_CATALOGUE[name[4:]]
    if name.startswith("poly_"):
        return _polynomial(name)
    raise KeyError(name)


def _polynomial(name: str) -> Crc:
    """The polynomial is written with its leading 1, as in poly_0x11021_init_0xffff_not_rev."""
    words = name.removesuffix("_not_rev").split("_")
    try:
        values = {key: int(value, 16) for key, value in zip(words[::2], words[1::2], strict=True)}
        full_poly = values.pop("poly")
        width = full_poly.bit_length() - 1
        init, xor_out = values.pop("init", 0), values.pop("xout", 0)
    except (ValueError, KeyError):
        raise KeyError(name) from None
    if values or not 8 <= width <= 64 or max(init, xor_out) >> width:
        raise KeyError(name)
    rev = not name.endswith("_not_rev")
    return Crc(width, full_poly ^ (1 << width), init, rev, rev, xor_out)
