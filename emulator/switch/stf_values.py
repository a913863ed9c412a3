"""Key values and packet patterns as the reference compiler's packet tests spell them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emulator.switch.keys import Exact, KeyPart, Lpm, Range, Ternary, full
from emulator.switch.model import Key
from emulator.switch.stf import CaseError, Line, number

MICRO = 1_000_000
DIGIT_BITS = {"0x": 4, "0b": 1, "0o": 3}


@dataclass(frozen=True, slots=True)
class Expected:
    """pattern: hex digits and `*`, or None for any packet. exact: nothing may follow."""

    line: Line
    pattern: str | None
    exact: bool


def matches(wanted: Expected, digits: str) -> bool:
    pattern = wanted.pattern or ""
    if len(digits) < len(pattern) or (wanted.exact and len(digits) != len(pattern)):
        return False
    return all(p in ("*", d) for p, d in zip(pattern, digits))


def shown(wanted: Expected, digits: str) -> str:
    """What to hold against the pattern: a prefix when only a prefix is compared."""
    return digits if wanted.exact else digits[: len(wanted.pattern or "")]


def part(text: str | None, key: Key) -> KeyPart:
    """A key value as the reference's runner reads it; keys not named are 0, or match anything."""
    if text is None:
        unset: dict[str, KeyPart] = {"lpm": Lpm(0, 0), "exact": Exact(0), "range": Range(0, full(key.width))}
        return unset.get(key.kind, Ternary(0, 0))
    if key.kind == "range":
        low, arrow, high = text.partition("->") if "->" in text else text.partition("..")
        return Range(_fitting(low, key), _fitting(high if arrow else low, key))
    if key.kind == "lpm":
        return _prefix(text, key)
    if key.kind in ("ternary", "optional"):
        return masked(text, key)
    if "*" in text or "/" in text or "&&&" in text:
        raise CaseError(f"{text!r}: the exact key {key.name!r} takes one number")
    return Exact(_fitting(text, key))


def _prefix(text: str, key: Key) -> Lpm:
    value, slash, length = text.partition("/")
    bits = number(length) if slash else key.width
    if not 0 <= bits <= key.width:
        raise CaseError(f"{text!r}: a prefix of key {key.name!r} has 0 to {key.width} bits")
    if "*" in value:
        raise CaseError(f"{text!r}: the lpm key {key.name!r} takes value/length")
    return Lpm(_fitting(value, key) & (full(bits) << (key.width - bits)), bits)


def _fitting(text: str, key: Key) -> int:
    value = number(text)
    if not -(1 << max(key.width - 1, 0)) <= value <= full(key.width):
        raise CaseError(f"{text!r} does not fit key {key.name!r} of {key.width} bits")
    return value & full(key.width)


def masked(text: str, key: Key) -> Ternary:
    """A number whose `*` digits match anything; also value&&&mask and value/length."""
    if "&&&" in text:
        value, _, mask_text = text.partition("&&&")
        mask = _fitting(mask_text, key)
        return Ternary(_fitting(value, key) & mask, mask)
    if "/" in text:
        prefix = _prefix(text, key)
        return Ternary(prefix.value, full(prefix.prefix_len) << (key.width - prefix.prefix_len))
    if "*" not in text:
        return Ternary(_fitting(text, key), full(key.width))
    bits = DIGIT_BITS.get(text[:2].lower())
    if bits is None:
        if text.strip("*") == "":
            return Ternary(0, 0)
        raise CaseError(f"{text!r}: wildcard digits need 0x, 0b or 0o in front")
    mask = 0
    for digit in text[2:].replace("_", ""):
        mask = mask << bits | (0 if digit == "*" else full(bits))
    mask &= full(key.width)
    return Ternary(_fitting(text.replace("*", "0"), key) & mask, mask)


def per_second(rates: Sequence[str]) -> tuple[int, int, int, int]:
    """Two `rate:burst` words with rates per microsecond."""
    pairs = [word.split(":") for word in rates]
    if len(pairs) != 2 or any(len(pair) != 2 for pair in pairs):
        raise CaseError("a meter takes two rates, committed:burst and peak:burst")
    try:
        (cir, cburst), (pir, pburst) = [(round(float(rate) * MICRO), number(burst)) for rate, burst in pairs]
    except ValueError:
        raise CaseError(f"{' '.join(rates)!r}: a rate is a number") from None
    return cir, cburst, pir, pburst


def unique(name: str, names: Sequence[str], what: str) -> str:
    """The full name that `name` is, or the only one that ends in `.name`."""
    if name in names:
        return name
    ends = [full_name for full_name in names if full_name.endswith("." + name)]
    if len(ends) != 1:
        raise CaseError(f"there is no {what} {name!r}" if not ends else f"{what} {name!r} could be {' or '.join(ends)}")
    return ends[0]
