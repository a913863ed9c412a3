"""Rows that reach the master by the algorithms' theory, of rows in random order and keys drawn uniformly. Pure.

`cells` is always the number over all lanes."""

from __future__ import annotations

import math

RUNGS = 8
"""Thresholds of a ladder (p4src/query_topn.p4)."""


def ladder(rows: int, n: int) -> float:
    """Rows delivered of a top-N behind thresholds at the ranks N, 2N, ..., up to 2^7 N.

    The threshold of rank N 2^j has seen its N rows after rows / 2^j; until the next one has, N more rows pass it."""
    rungs = sum(n << j < rows for j in range(RUNGS))
    return rows / 2 ** (rungs - 1) + (rungs - 1) * n if rungs else rows


def matrix(rows: int, cells: int, columns: int = 4) -> float:
    """Each of the C rows of the matrix delivers its first `columns`, then the k-th with probability columns / k: the
    expected number of changes to a running top-w (Cheetah, section on randomised TOP N)."""
    each = rows / cells
    return rows if each <= columns else cells * columns * (1 + math.log(each / columns))


def summed(rows: int, keys: int, cells: int) -> float:
    """A row stays if its key owns its cell: with X other keys there, Poisson of mean keys / C, once in 1 + X."""
    load = keys / cells
    return rows * (1 - (1 - math.exp(-load)) / load)


def distinct(rows: int, keys: int, cells: int, remembered: int = 2) -> float:
    """A repeated row is dropped if its key is among the last two of its 1 + X; every key passes at least once."""
    load = keys / cells
    miss, probability = 0.0, math.exp(-load)
    for others in range(int(load + 20 * math.sqrt(load) + 40)):
        miss += probability * max(0.0, 1 - remembered / (1 + others))
        probability *= load / (others + 1)
    seen = keys * (1 - math.exp(-rows / keys))
    return seen + (rows - seen) * miss


def joined(rows: int, matching: int, build: int, cells: int, hashes: int = 3) -> float:
    """Matching rows, and of the others those a Bloom filter of three arrays takes for matching."""
    return matching + (rows - matching) * (1 - math.exp(-build / cells)) ** hashes
