"""Whole sums by the scalar reference: the judge of every other implementation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from fpisa import register, register_approx
from fpisa.formats import Format, check_rounding, check_shape
from fpisa.normalize import Result, read
from fpisa.register import Register

ADD: dict[str, Callable[[Format, Register | None, int], Register]] = {
    "exact": register.add,
    "approx": register_approx.add,
}


def accumulate(fmt: Format, words: Iterable[int], shape: str = "exact") -> Iterator[Register]:
    """The accumulator after each word, in order of arrival."""
    add, state = ADD[check_shape(shape)], None
    for word in words:
        state = add(fmt, state, word)
        yield state


def sum_words(fmt: Format, words: Iterable[int], shape: str = "exact", rounding: str = "rne") -> Result:
    """(word, flags) of the sum of one or more words, in order of arrival. Raises ValueError for none."""
    check_rounding(rounding)
    state = None
    for state in accumulate(fmt, words, shape):  # noqa: B007 - the last one is the sum
        pass
    if state is None:
        raise ValueError("a sum needs at least one word")
    return read(fmt, state, rounding)
