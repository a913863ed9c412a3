"""Hash algorithms against published check values and plain bit-by-bit definitions."""

from __future__ import annotations

import random
import zlib

import pytest

from emulator.switch.hashes import ALGORITHMS, CRC_CATALOGUE, Crc, algorithm, known_algorithm, reflect

CHECK = b"123456789"

# The catalogue of parametrised CRC algorithms publishes the CRC of "123456789" for each.
CHECK_VALUES = {
    "crc16": 0xBB3D,
    "crc32": 0xCBF43926,
    "crcCCITT": 0x29B1,
    "crc_8": 0xF4,
    "crc_8_darc": 0x15,
    "crc_8_itu": 0xA1,
    "crc_8_maxim": 0xA1,
    "crc_8_rohc": 0xD0,
    "crc_8_wcdma": 0x25,
    "crc_16_buypass": 0xFEE8,
    "crc_16_dds_110": 0x9ECF,
    "crc_16_dect": 0x007E,
    "crc_16_dnp": 0xEA82,
    "crc_16_en_13757": 0xC2B7,
    "crc_16_genibus": 0xD64E,
    "crc_16_maxim": 0x44C2,
    "crc_16_mcrf4xx": 0x6F91,
    "crc_16_t10_dif": 0xD0DB,
    "crc_16_teledisk": 0x0FB3,
    "crc_16_usb": 0xB4C8,
    "x_25": 0x906E,
    "xmodem": 0x31C3,
    "modbus": 0x4B37,
    "kermit": 0x2189,
    "crc_aug_ccitt": 0xE5CC,
    "crc_24": 0x21CF02,
    "crc_32_bzip2": 0xFC891918,
    "crc_32c": 0xE3069283,
    "crc_32d": 0x87315576,
    "crc_32_mpeg": 0x0376E6E7,
    "posix": 0x765E7680,
    "crc_32q": 0x3010BF7F,
    "jamcrc": 0x340BC6D9,
    "xfer": 0xBD0BE338,
    "crc_64_we": 0x62EC59E3F1A4F00A,
    "poly_0x11021_init_0xffff_not_rev": 0x29B1,
    "poly_0x104c11db7_init_0xffffffff_xout_0xffffffff": 0xCBF43926,
}


@pytest.mark.parametrize(("name", "value"), CHECK_VALUES.items())
def test_check_value(name: str, value: int) -> None:
    assert algorithm(name)(CHECK) == value


def bit_by_bit(crc: Crc, data: bytes) -> int:
    """The definition: one bit of the message at a time."""
    register, top = crc.init, 1 << (crc.width - 1)
    for byte in data:
        for i in range(8):
            bit = byte >> (i if crc.reflect_in else 7 - i) & 1
            carry = bool(register & top) ^ bool(bit)
            register = (register << 1 & (2 * top - 1)) ^ (crc.poly if carry else 0)
    return (reflect(register, crc.width) if crc.reflect_out else register) ^ crc.xor_out


def test_crcs_equal_their_definition() -> None:
    rng = random.Random(3)
    crcs = [c for c in (*ALGORITHMS.values(), *CRC_CATALOGUE.values()) if isinstance(c, Crc)]
    crcs.append(Crc(16, 0x8005, 0x1234, True, False, 0xFF))
    crcs.append(Crc(32, 0x04C11DB7, 5, False, True, 9))
    for crc in crcs:
        for size in (0, 1, 7, 64):
            data = rng.randbytes(size)
            assert crc(data) == bit_by_bit(crc, data), crc


def test_crc32_is_that_of_zlib() -> None:
    rng = random.Random(1)
    for size in range(40):
        data = rng.randbytes(size)
        assert algorithm("crc32")(data) == zlib.crc32(data)


def test_internet_checksum() -> None:
    """The example of RFC 1071 sums to ddf2; the checksum is its complement."""
    assert algorithm("csum16")(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2 ^ 0xFFFF
    header = bytes.fromhex("450000730000400040110000c0a80001c0a800c7")
    assert algorithm("csum16")(header) == 0xB861
    assert algorithm("csum16")(b"") == 0xFFFF
    assert algorithm("csum16")(b"\x12") == 0x1200 ^ 0xFFFF


def test_xxh64() -> None:
    """Values published with the algorithm (seed 0)."""
    xxh64 = algorithm("xxh64")
    assert xxh64(b"") == 0xEF46DB3751D8E999
    assert xxh64(b"a") == 0xD24EC4F1A98C6E5B
    assert xxh64(b"abc") == 0x44BC2CF5AD770999
    assert xxh64(b"Nobody inspects the spammish repetition") == 0xFBCEA83C8A378BF1


def test_toeplitz() -> None:
    """Receive-side scaling's verification suite: addresses alone, then with ports."""
    toeplitz = algorithm("toeplitz")
    addresses = bytes([66, 9, 149, 187, 161, 142, 100, 80])
    assert toeplitz(addresses) == 0x323E8FC2
    assert toeplitz(addresses + (2794).to_bytes(2, "big") + (1766).to_bytes(2, "big")) == 0x51CCC178


def test_words_and_identity() -> None:
    data = bytes.fromhex("0102030405")
    assert algorithm("xor16")(data) == 0x0102 ^ 0x0304 ^ 0x0500
    assert algorithm("xor32")(data) == 0x01020304 ^ 0x05000000
    assert algorithm("identity")(data) == 0x0102030405
    assert algorithm("identity")(bytes(range(1, 12))) == 0x0102030405060708


@pytest.mark.parametrize(
    "name", ["md5", "poly_", "poly_0x1", "poly_0x11021_init_0x10000", "crc_", "poly_x_init"]
)
def test_unknown_names(name: str) -> None:
    assert not known_algorithm(name)
