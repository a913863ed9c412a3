"""Plans that send the switch every row that their WHERE leaves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from workers.query import operators, sql
from workers.query.answers import Answer, fetch, hashed, master, streams, sums
from workers.query.errors import QueryError
from workers.query.exchange import Survivors
from workers.query.floats import order
from workers.query.keys import unmix
from workers.query.operators import Session
from workers.query.source import Scanned, Worker


def q3(session: Session, workers: Sequence[Worker]) -> Answer:
    """Two joins: orders pruned by the segment's customers, then line items by the orders that are left."""
    customer, orders, build = orders_left(session, workers)
    shipped = [w.scan("lineitem", key="l_orderkey", where="l_shipdate > DATE '1995-03-15' AND l_orderkey IS NOT NULL")
               for w in workers]  # fmt: skip
    found = operators.joined(session, streams(build), streams(shipped))
    lineitem = fetch(workers, found, "lineitem", "l_orderkey, l_extendedprice, l_discount, l_shipdate")
    rows = master(customer=customer, orders=orders, lineitem=lineitem).sql(sql.Q3).to_arrow_table()
    return Answer(rows, fetched=len(customer) + len(orders) + len(lineitem))


def orders_left(session: Session, workers: Sequence[Worker]) -> tuple[pa.Table, pa.Table, list[Scanned]]:
    """q3's first join: the segment's customers and their orders at the master, and the workers' scans of those orders."""
    chosen = [w.scan("customer", key="c_custkey", where="c_mktsegment = 'BUILDING' AND c_custkey IS NOT NULL")
              for w in workers]  # fmt: skip
    placed = [w.scan("orders", key="o_custkey", where="o_orderdate < DATE '1995-03-15' AND o_custkey IS NOT NULL")
              for w in workers]  # fmt: skip
    left = operators.joined(session, streams(chosen), streams(placed))
    orders = fetch(workers, left, "orders", "o_orderkey, o_custkey, o_orderdate, o_shippriority")
    customer = pa.concat_tables([w.select("SELECT c_custkey, c_mktsegment FROM customer "
                                          "WHERE c_mktsegment = 'BUILDING'") for w in workers])
    # The master told each worker which of its orders are left; their keys prune the line items.
    return customer, orders, [_orders(w, left.of(w.number)) for w in workers]


def _orders(worker: Worker, rows: np.ndarray) -> Scanned:
    worker.keep("left_orders", pa.table({"id": rows.astype(np.int64)}))
    return worker.scan("orders", key="o_orderkey", where="row_id IN (SELECT id FROM left_orders) AND o_orderkey IS NOT NULL")


def q20(session: Session, workers: Sequence[Worker]) -> Answer:
    """A year's line items summed by part and supplier on the switch; the small tables join at the master."""
    year = "l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01'"
    year += " AND l_partkey IS NOT NULL AND l_suppkey IS NOT NULL AND l_quantity IS NOT NULL"  # they match nothing
    pair = "l_partkey::BIGINT << 32 | l_suppkey::BIGINT"
    scanned = [w.scan("lineitem", key=f"({pair})", value="l_quantity", where=year) for w in workers]
    total, fetched = sums(session, scanned)
    if not (total.bounds <= 2.0**-20).all():
        raise QueryError("the sums of l_quantity are not exact; the column should hold whole numbers below 2^24")
    pairs = unmix(total.keys)
    sold = pa.table({"partkey": (pairs >> np.uint64(32)).astype(np.int64),
                     "suppkey": (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64), "quantity": total.sums})
    parts = pa.concat_tables([w.select("SELECT p_partkey FROM part WHERE p_name LIKE 'forest%'") for w in workers])
    for worker in workers:
        worker.keep("forest", parts)
    small = {
        "partsupp": "SELECT ps_partkey, ps_suppkey, ps_availqty FROM partsupp "
                    "WHERE ps_partkey IN (SELECT p_partkey FROM forest)",
        "supplier": "SELECT s_suppkey, s_name, s_address, s_nationkey FROM supplier",
        "nation": "SELECT n_nationkey, n_name FROM nation",
    }
    tables = {name: pa.concat_tables([w.select(text) for w in workers]) for name, text in small.items()}
    rows = master(sold=sold, **tables).sql(sql.Q20_MASTER).to_arrow_table()
    return Answer(rows, fetched=fetched + len(parts) + sum(map(len, tables.values())))


def scan_query(session: Session, workers: Sequence[Worker]) -> Answer:
    scanned = [w.scan("rankings", value="pageRank", where="pageRank IS NOT NULL") for w in workers]
    found = operators.filtered(session, streams(scanned), np.float32(100), np.float32(np.inf))
    rows = fetch(workers, found, "rankings", "pageURL, pageRank")
    done = master(rankings=rows).sql(sql.FILTER).to_arrow_table()
    return Answer(done, fetched=len(rows))


def top(session: Session, workers: Sequence[Worker]) -> Answer:
    """NULLs sort last: they are asked for only where there are too few numbers."""
    scanned = [w.scan("uservisits", value="adRevenue", where="adRevenue IS NOT NULL") for w in workers]
    found = greatest(operators.top(session, streams(scanned), 100), 100)
    rows = fetch(workers, found, "uservisits", "destURL, adRevenue, sourceIP")
    if sum(map(len, streams(scanned))) < 100:
        rows = pa.concat_tables([rows.drop(["row_id"]), *[w.select(NULLS) for w in workers]])
    return Answer(master(uservisits=rows).sql(sql.TOPN).to_arrow_table(), fetched=len(rows))


def greatest(found: Survivors, n: int) -> Survivors:
    """Those with the n greatest values, ties with the last included: only they are worth fetching."""
    if len(found) <= n:
        return found
    orders = order(found.values)
    kept = orders >= np.partition(orders, -n)[-n]
    return Survivors(found.workers[kept], found.rows[kept], found.keys[kept], found.values[kept])


NULLS = ("SELECT destURL, adRevenue, sourceIP FROM uservisits WHERE adRevenue IS NULL "
         "ORDER BY sourceIP, destURL LIMIT 100")


def groupby(session: Session, workers: Sequence[Worker]) -> Answer:
    scanned, names = hashed(workers, "uservisits", "substr(sourceIP, 1, 5)", "adRevenue")
    total, fetched = sums(session, scanned)
    order = np.argsort(names["key"].to_numpy())
    rows = pa.table({"prefix": names["name"].take(pa.array(order)), "revenue": total.sums, "visits": total.counts,
                     "mean": total.sums / total.counts})
    bounds = {"revenue": total.bounds, "mean": total.bounds / total.counts + np.abs(total.sums) * 2.0**-53}
    return Answer(rows, bounds, fetched, len(names))


def extreme(text: str, smallest: bool) -> Callable[[Session, Sequence[Worker]], Answer]:
    def run(session: Session, workers: Sequence[Worker]) -> Answer:
        scanned, names = hashed(workers, "uservisits", "countryCode", "adRevenue")
        exact = all(s.exact for s in scanned)
        found = operators.extreme(session, streams(scanned), exact=exact, smallest=smallest)
        rows = fetch(workers, found, "uservisits", "countryCode, adRevenue")
        return Answer(master(uservisits=rows).sql(text).to_arrow_table(), {}, len(rows), len(names))

    return run


def unique(session: Session, workers: Sequence[Worker]) -> Answer:
    scanned, names = hashed(workers, "uservisits", "userAgent")
    found = operators.distinct(session, streams(scanned))
    rows = fetch(workers, found, "uservisits", "userAgent")
    return Answer(master(uservisits=rows).sql(sql.DISTINCT).to_arrow_table(), {}, len(rows), len(names))


def having(session: Session, workers: Sequence[Worker]) -> Answer:
    scanned, names = hashed(workers, "uservisits", "destURL", "adRevenue")
    bound = sql.LEAST_REVENUE * math.fsum(s.total for s in scanned)
    found = operators.having(session, streams(scanned), bound)
    rows = fetch(workers, found, "uservisits", "destURL, adRevenue")
    done = master(uservisits=rows).sql(sql.HAVING.format(bound=f"'{bound!r}'::DOUBLE")).to_arrow_table()
    return Answer(done, {}, len(rows), len(names))


def join(session: Session, workers: Sequence[Worker]) -> Answer:
    """Here a collision of two hashes lets a row pass that the master drops: no dictionary is needed."""
    pages = [w.scan("rankings", key="pageURL", where="pageRank > 100 AND pageURL IS NOT NULL", hashed=True) for w in workers]
    early = "visitDate < DATE '2005-01-01' AND destURL IS NOT NULL"
    visits = [w.scan("uservisits", key="destURL", where=early, hashed=True) for w in workers]
    found = operators.joined(session, streams(pages), streams(visits))
    build = pa.concat_tables([w.select("SELECT pageURL, pageRank FROM rankings WHERE pageRank > 100") for w in workers])
    rows = fetch(workers, found, "uservisits", "destURL, adRevenue, visitDate")
    done = master(rankings=build, uservisits=rows).sql(sql.JOIN).to_arrow_table()
    return Answer(done, {}, len(rows) + len(build))
