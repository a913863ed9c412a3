"""The fair opponents over the same links: workers ship columns, or their own filtered and aggregated rows, to the master."""

from __future__ import annotations

import pyarrow as pa

from workers.query.net.channel import from_arrow
from workers.query.net.crew import Crew
from workers.query.opponents import LOCAL, columns
from workers.query.plans import Plan, master


def ship(plan: Plan, crew: Crew) -> pa.Table:
    """(a) The needed columns, whole, as Arrow IPC with zstd; the master runs the query."""
    return _collect(crew, {t: f"SELECT {columns(plan, t)} FROM {t}" for t in plan.needed}, plan.sql)


def local(plan: Plan, crew: Crew) -> pa.Table:
    """(b) What is left after each worker's own filter and aggregation."""
    own, final = LOCAL[plan.name]
    whole = {t: f"SELECT {columns(plan, t)} FROM {t}" for t in plan.needed}
    return _collect(crew, {**whole, **own}, final)


def _collect(crew: Crew, sql: dict[str, str], final: str) -> pa.Table:
    asked = [(table, w.ask({"op": "select", "sql": text})) for table, text in sql.items() for w in crew.workers]
    answers = crew.gather([future for _, future in asked])
    parts: dict[str, list[pa.Table]] = {table: [] for table in sql}
    for (table, _), (_, body) in zip(asked, answers, strict=True):
        parts[table].append(from_arrow(body))
    return master(**{t: pa.concat_tables(found) for t, found in parts.items()}).sql(final).to_arrow_table()
