"""`fpisa sum --hex`: lines of hexadecimal words in, `RESULT FLAGS` lines out, in batches."""

from __future__ import annotations

import io
import json
from typing import BinaryIO, TextIO

import numpy as np

from fpisa.arguments import complain
from fpisa.batch import Results, sum_ragged, word_dtype
from fpisa.formats import Format
from fpisa.literals import parse_word, show

CHUNK_BYTES = 1 << 20


def sum_stream(
    fmt: Format, shape: str, rounding: str, source: BinaryIO, sink: TextIO, as_json: bool = False
) -> int:
    """Answer each line as soon as its chunk has come in; returns the exit status.

    At the first bad line the sums of the lines before it are printed, one sentence names the line, and 1 is
    returned. A last line without a newline counts.
    """
    read_some = source.read1 if isinstance(source, io.BufferedIOBase) else source.read
    rest, seen = b"", 0
    while True:
        chunk = read_some(CHUNK_BYTES)
        text = rest + chunk
        end = text.rfind(b"\n") + 1 if chunk else len(text)
        lines, rest = text[:end].splitlines(), text[end:]
        good, problem = parse_lines(fmt, lines, seen + 1)
        if good:
            sink.write(answer(fmt, good, shape, rounding, as_json))
            sink.flush()
        if problem:
            return complain("fpisa sum", problem)
        seen += len(lines)
        if not chunk:
            return 0


def parse_lines(fmt: Format, lines: list[bytes], first_number: int) -> tuple[list[list[int]], str | None]:
    """Words of each line up to the first bad one, and the sentence about that one."""
    parsed: list[list[int]] = []
    for number, line in enumerate(lines, start=first_number):
        try:
            texts = line.decode("ascii").split()
            words = [int(text, 16) for text in texts]
            if not words or max(words) >> fmt.width or min(words) < 0 or b"_" in line or b"+" in line:
                raise ValueError
        except ValueError:
            return parsed, f"line {number}: {explain(fmt, line)}"
        parsed.append(words)
    return parsed, None


def explain(fmt: Format, line: bytes) -> str:
    """Why a line was refused; only bad lines come here, so it may take its time."""
    texts = line.decode("ascii", "replace").split()
    if not texts:
        return "there is no word to add"
    for text in texts:
        try:
            parse_word(fmt, text)
        except ValueError as error:
            return str(error)
    raise AssertionError(f"refused, but every word is good: {line!r}")


def answer(fmt: Format, sums: list[list[int]], shape: str, rounding: str, as_json: bool) -> str:
    flat = np.fromiter((word for words in sums for word in words), dtype=word_dtype(fmt))
    results = sum_ragged(fmt, flat, np.array([len(words) for words in sums]), shape, rounding)
    return format_results(fmt, results, as_json)


def format_results(fmt: Format, results: Results, as_json: bool) -> str:
    pairs = zip(results.words.tolist(), results.flags.tolist())
    if as_json:
        rows = ({"result": show(fmt, word), "flags": flags} for word, flags in pairs)
        return "".join(json.dumps(row) + "\n" for row in rows)
    digits = fmt.width // 4
    return "".join(f"{word:0{digits}x} {flags:x}\n" for word, flags in pairs)
