"""Plans whose workers combine the rows of equal keys before they pack them, so that every key goes to its lane once.

A worker's groups are a table of its own, one row each; their keys and partial results are what goes through the switch,
which adds and drops across workers. Frequent keys no longer crowd a lane, and a NULL among keys or values never meets
the switch, or only as the hash of a group of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from workers.query import operators, sql
from workers.query.answers import Answer, fetch, master, streams
from workers.query.errors import QueryError
from workers.query.exchange import Survivors
from workers.query.keys import mix
from workers.query.operators import Session
from workers.query.plans_rows import orders_left
from workers.query.source import Scanned, Worker, dictionary

COUNTED, MISSING = 0x5555555555555555, 0x2AAAAAAAAAAAAAAA
"""A group's count, and the number of its NULLs, are sums under keys of their own: the group's with these bits flipped."""
GREATEST = "3.4028234663852886e38"
PARTS = f"""
WITH terms AS (
  SELECT code, total FROM combined WHERE total IS NOT NULL AND NOT (isfinite(total) AND abs(total) > {GREATEST})
  UNION ALL SELECT xor(code, {COUNTED}::UBIGINT), visits::DOUBLE FROM combined
  UNION ALL SELECT xor(code, {MISSING}::UBIGINT), (visits - numbers)::DOUBLE FROM combined WHERE visits > numbers),
halves AS (SELECT code, total::FLOAT AS high,
  CASE WHEN isfinite(total) THEN (total - total::FLOAT::DOUBLE)::FLOAT ELSE 0 END AS low FROM terms)
SELECT row_number() OVER () - 1 AS row_id, code, value FROM (
  SELECT code, high AS value FROM halves UNION ALL SELECT code, low FROM halves WHERE low <> 0)"""
"""A group's terms as one or two binary32 numbers each, whose sum is within 2^-48 of them."""


def code(key: str, salt: int = 0) -> str:
    """SQL of a key's hash. Over MD5: DuckDB's own gives many pairs of texts that differ in a few places one value."""
    return f"hash(md5('{salt}:' || ({key})::VARCHAR))"


@dataclass(frozen=True)
class Prefix:
    """A key: the first characters of a column of text."""

    column: str
    characters: int

    def __str__(self) -> str:
        """As SQL has it."""
        return f"substr({self.column}, 1, {self.characters})"


@dataclass(frozen=True)
class Grouped:
    """Per group: names; sums float64, NaN where `numbers` is 0; visits and numbers int64, rows and values that are not
    NULL; bounds of the sums."""

    names: pa.Array
    sums: np.ndarray
    visits: np.ndarray
    numbers: np.ndarray
    bounds: np.ndarray
    dictionary: int

    def column(self, values: np.ndarray) -> pa.Array:
        """NULL for groups without values."""
        return pa.array(values, mask=self.numbers == 0)


def grouped(session: Session, workers: Sequence[Worker], table: str, key: str | Prefix, value: str) -> Grouped:
    """SUM, COUNT and the number of values by key. Raises QueryError."""
    kinds = [w.select(f"SELECT {value} AS v FROM {table} LIMIT 0").schema.field("v").type for w in workers[:1]]
    if not (pa.types.is_integer(kinds[0]) or pa.types.is_floating(kinds[0]) or pa.types.is_decimal(kinds[0])):
        raise QueryError(f"{value} of table {table} is of type {kinds[0]}, not a number")
    for salt in range(8):
        held, found, names = _through(session, workers, table, key, value, salt)
        if names is not None:
            break
    else:
        raise QueryError(f"keys of {table}.{key} collide under eight different hashes")
    total = operators.merge(held, found, found.values.astype(np.float64))
    facts = pa.concat_tables([w.select(ROUNDED) for w in workers])
    far = pa.concat_tables([w.select(FAR) for w in workers])
    codes = names["key"].to_numpy()
    sums, bounds = _of(total, codes)
    if len(far):
        place = {int(c): n for n, c in enumerate(codes.tolist())}
        for one, more in zip(far["code"].to_pylist(), far["total"].to_pylist(), strict=True):
            sums[place[one]] += more
    visits, loose = (np.rint(_of(total, codes ^ np.uint64(flip))[0]).astype(np.int64) for flip in (COUNTED, MISSING))
    if len(total.bounds) and not (_of(total, codes ^ np.uint64(COUNTED))[1] < 0.5).all():
        raise QueryError("a group has more rows than the switch can count exactly")
    slack = float(np.nansum(facts["rounded"].to_numpy())) + 2.0**-148 * len(workers)
    return Grouped(names["name"].combine_chunks(), sums, visits, visits - loose, bounds + slack, len(names))


ROUNDED = ("SELECT coalesce(max(visits * size) * 2e-16 + max(abs(total)) * 4e-15, 0)::DOUBLE AS rounded FROM combined "
           "WHERE isfinite(size)")
"""What a worker's own additions, and the halves of their results, may have rounded off any group."""
NAMES = "SELECT code AS key, name FROM combined"
FAR = f"SELECT code, total FROM combined WHERE isfinite(total) AND abs(total) > {GREATEST}"


def _through(session: Session, workers: Sequence[Worker], table: str, key: str | Prefix, value: str,
             salt: int) -> tuple[operators.Sums, Survivors, pa.Table | None]:
    """Each worker's groups, its table `combined`, as terms through the switch: what the cells hold, the survivors, and the
    dictionary, columns key (the hash) and name; None if two keys have the same hash, which comes out only then.

    What is asked of the workers afterwards they do while the cells are read."""
    columns = f"{code('name', salt)} AS code, name"
    for w in workers:
        text = (f"SELECT {columns}, count(*) AS visits, count(v) AS numbers, sum(v::DOUBLE) AS total, "
                f"sum(abs(v::DOUBLE)) AS size FROM (SELECT {key} AS name, {value} AS v FROM {table}) GROUP BY name")
        if isinstance(key, Prefix):
            w.combine("combined", table, key.column, key.characters, value, text, f"{columns}, visits, numbers, total, size")
        else:
            w.derive("combined", text)
        w.derive("parts", PARTS)
    scanned = [w.scan("parts", key="code", value="value") for w in workers]

    def ask() -> None:
        for w in workers:
            for text in (NAMES, ROUNDED, FAR):
                w.prepare(text)

    held, found = operators.summed(session, streams(scanned), ask, counts=False)
    return held, found, dictionary([w.select(NAMES) for w in workers])


def _of(total: operators.Sums, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums and bounds of these hashes, 0 where the switch saw none."""
    keys = mix(codes)
    if not len(total.keys):
        return np.zeros(len(keys)), np.zeros(len(keys))
    place = np.minimum(np.searchsorted(total.keys, keys), len(total.keys) - 1)
    there = total.keys[place] == keys
    return np.where(there, total.sums[place], 0.0), np.where(there, total.bounds[place], 0.0)


# ---- plans ----


def groupby(session: Session, workers: Sequence[Worker]) -> Answer:
    found = grouped(session, workers, "uservisits", Prefix("sourceIP", 5), "adRevenue")
    mean, bounds = _mean(found)
    rows = pa.table({"prefix": found.names, "revenue": found.column(found.sums), "visits": found.visits,
                     "mean": found.column(mean)})  # fmt: skip
    return Answer(rows, {"revenue": found.bounds, "mean": bounds}, 0, found.dictionary)


def count(session: Session, workers: Sequence[Worker]) -> Answer:
    found = grouped(session, workers, "uservisits", "countryCode", "1")
    return Answer(pa.table({"countryCode": found.names, "visits": found.visits}), {}, 0, found.dictionary)


def average(session: Session, workers: Sequence[Worker]) -> Answer:
    found = grouped(session, workers, "uservisits", "countryCode", "adRevenue")
    mean, bounds = _mean(found)
    rows = pa.table({"countryCode": found.names, "mean": found.column(mean)})
    return Answer(rows, {"mean": bounds + found.numbers * np.abs(np.nan_to_num(mean)) * 2.0**-52}, 0, found.dictionary)


def _mean(found: Grouped) -> tuple[np.ndarray, np.ndarray]:
    many = np.maximum(found.numbers, 1)
    mean = found.sums / many
    return mean, found.bounds / many + np.abs(np.nan_to_num(mean)) * 2.0**-53


def extreme(text: str, smallest: bool) -> Callable[[Session, Sequence[Worker]], Answer]:
    """Each worker's best row of every group goes through; groups of nothing but NULLs go past."""

    def run(session: Session, workers: Sequence[Worker]) -> Answer:
        best = "min" if smallest else "max"
        for w in workers:
            w.derive("combined", f"SELECT coalesce(arg_{best}(row_id, adRevenue), min(row_id)) AS row_id, countryCode, "
                     f"{code('countryCode')} AS code, {best}(adRevenue) AS value FROM uservisits "
                     "GROUP BY countryCode ORDER BY row_id")  # fmt: skip
        scanned = [w.scan("combined", key="code", value="value", where="value IS NOT NULL") for w in workers]
        names = _agreed(workers, "countryCode")
        exact = all(s.exact for s in scanned)
        found = operators.extreme(session, streams(scanned), exact=exact, smallest=smallest)
        rows = fetch(workers, found, "combined", "countryCode, value AS adRevenue")
        nulls = [w.select("SELECT row_id, countryCode, value AS adRevenue FROM combined WHERE value IS NULL") for w in workers]
        rows = pa.concat_tables([rows, *nulls])
        return Answer(master(uservisits=rows).sql(text).to_arrow_table(), {}, len(rows), len(names))

    return run


def _agreed(workers: Sequence[Worker], name: str) -> pa.Table:
    found = dictionary([w.select(f"SELECT code AS key, {name} AS name FROM combined") for w in workers])
    if found is None:
        raise QueryError(f"two keys of {name} have the same hash; its -rows query takes another")
    return found


def unique(session: Session, workers: Sequence[Worker]) -> Answer:
    for w in workers:
        w.derive("combined", f"SELECT min(row_id) AS row_id, userAgent, {code('userAgent')} AS code FROM uservisits "
                 "GROUP BY userAgent ORDER BY row_id")  # fmt: skip
    scanned = [w.scan("combined", key="code") for w in workers]
    names = _agreed(workers, "userAgent")
    found = operators.distinct(session, streams(scanned))
    rows = fetch(workers, found, "combined", "userAgent")
    return Answer(master(uservisits=rows).sql(sql.DISTINCT).to_arrow_table(), {}, len(rows), len(names))


def having(session: Session, workers: Sequence[Worker]) -> Answer:
    """Values of both signs: a sum is at most the sum of the workers' parts above zero, each rounded up."""
    for w in workers:
        w.derive("combined", HAVING_PARTS)
    bound = sql.LEAST_REVENUE * math.fsum(t for w in workers for t in w.select(WHOLE)["total"].to_pylist() if t is not None)
    scanned = [w.scan("combined", key="code", value="upper") for w in workers]
    found = operators.having(session, streams(scanned), bound)
    parts = fetch(workers, found, "combined", "destURL, total, visits + empty AS visits")
    text = sql.HAVING_MASTER.format(bound=f"'{bound!r}'::DOUBLE")
    return Answer(master(parts=parts).sql(text).to_arrow_table(), {}, len(parts))


HAVING_PARTS = f"""
SELECT row_number() OVER () - 1 AS row_id, *, CASE WHEN total IS NULL THEN 0
  WHEN isnan(size) OR size > {GREATEST} THEN 'inf'::DOUBLE
  ELSE greatest(total + (visits + 2) * size * 3e-16, 0) * (1 + 3e-7) + 1e-44 END AS upper
FROM (SELECT destURL, {code('destURL')} AS code, count(adRevenue) AS visits, count(*) - count(adRevenue) AS empty,
  sum(adRevenue::DOUBLE) AS total, sum(abs(adRevenue::DOUBLE)) AS size FROM uservisits GROUP BY destURL)"""
WHOLE = "SELECT sum(total) AS total FROM combined"


def join(session: Session, workers: Sequence[Worker]) -> Answer:
    """Here a collision of two hashes lets a key pass that the master drops: no dictionary is needed."""
    where = "pageRank > 100 AND pageURL IS NOT NULL"
    for w in workers:
        w.derive("combined", f"SELECT row_number() OVER () - 1 AS row_id, destURL, {code('destURL')} AS code, count(*) AS "
                 "visits, max(adRevenue) AS best FROM uservisits WHERE visitDate < DATE '2005-01-01' AND destURL IS NOT "
                 "NULL GROUP BY destURL")  # fmt: skip
    pages = [w.scan("rankings", key=code("pageURL"), where=where) for w in workers]
    visits = [w.scan("combined", key="code") for w in workers]
    found = operators.joined(session, streams(pages), streams(visits))
    build = pa.concat_tables([w.select(f"SELECT pageURL, pageRank FROM rankings WHERE {where}") for w in workers])
    parts = fetch(workers, found, "combined", "destURL, visits, best")
    rows = master(rankings=build, parts=parts).sql(sql.JOIN_MASTER).to_arrow_table()
    return Answer(rows, {}, len(parts) + len(build))


def q3(session: Session, workers: Sequence[Worker]) -> Answer:
    """Two joins: orders pruned by the segment's customers, then line items, summed by order, by the orders left."""
    for w in workers:
        w.derive("combined", "SELECT row_number() OVER () - 1 AS row_id, l_orderkey, sum(l_extendedprice * (1 - l_discount)) "
                 "AS part FROM lineitem WHERE l_shipdate > DATE '1995-03-15' AND l_orderkey IS NOT NULL "
                 "GROUP BY l_orderkey")  # fmt: skip
    customer, orders, build = orders_left(session, workers)
    shipped: list[Scanned] = [w.scan("combined", key="l_orderkey") for w in workers]
    found = operators.joined(session, streams(build), streams(shipped))
    parts = fetch(workers, found, "combined", "l_orderkey, part")
    rows = master(customer=customer, orders=orders, shipped=parts).sql(sql.Q3_MASTER).to_arrow_table()
    return Answer(rows, fetched=len(customer) + len(orders) + len(parts))
