"""Whether two answers are equal: as sets of rows, floats within the bounds that come with them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from workers.query.plans import Answer, Plan


def equal(plan: Plan, answer: Answer, expected: pa.Table) -> bool:
    """expected: DuckDB's answer over whole tables. Columns without a bound must match exactly, NaN matching NaN.

    DuckDB's own sums of binary64 numbers are rounded too: its part of the bound, 2^-52 of the sum for each addition
    at worst, is taken from the answer's `visits` column where there is one."""
    rows = answer.rows
    if rows.column_names != expected.column_names or len(rows) != len(expected):
        return False
    by = [(name, "ascending") for name in plan.keys]
    ours = rows.append_column("__place", pa.array(np.arange(len(rows)))).sort_by(by)
    theirs = expected.sort_by(by)
    place = ours["__place"].to_numpy()
    for name in expected.column_names:
        if ours[name].is_null() != theirs[name].is_null():
            return False
        if not pa.types.is_floating(ours[name].type):
            if ours[name].combine_chunks() != theirs[name].combine_chunks().cast(ours[name].type):
                return False
            continue
        a, b = ours[name].to_numpy(), theirs[name].cast(pa.float64(), safe=False).to_numpy()  # DuckDB adds integers as such
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        if name in answer.bounds:
            count = ours["visits"].to_numpy() if "visits" in rows.column_names else 1
            with np.errstate(invalid="ignore"):
                same |= np.abs(a - b) <= answer.bounds[name][place] + count * np.abs(b) * 2.0**-52
        if not same.all():
            return False
    return True
