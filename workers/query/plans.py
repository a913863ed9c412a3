"""The queries: what goes through the switch, and how the master completes the answer. SQL says what each must equal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pyarrow as pa

from workers.query import operators
from workers.query.errors import QueryError
from workers.query.exchange import Survivors
from workers.query.keys import unmix
from workers.query.operators import Session, Sums
from workers.query.source import Scanned, Worker, dictionary


@dataclass
class Answer:
    """rows; bounds: column -> (n,) float64, how far a float may be from the exact sum; fetched: rows the master fetched
    by id or took as a build side, beyond those that came through the switch; dictionary: distinct keys sent."""

    rows: pa.Table
    bounds: dict[str, np.ndarray] = field(default_factory=dict)
    fetched: int = 0
    dictionary: int = 0


@dataclass(frozen=True)
class Plan:
    """keys: columns that identify a row of the answer (for comparing); needed: table -> columns."""

    name: str
    says: str
    sql: str
    needed: dict[str, list[str]]
    keys: tuple[str, ...]
    run: Callable[[Session, Sequence[Worker]], Answer]


def streams(scanned: Sequence[Scanned]) -> list:
    return [s.stream for s in scanned]


def fetch(workers: Sequence[Worker], found: Survivors, table: str, columns: str) -> pa.Table:
    """The survivors' columns, from the workers that hold them, in order of worker and row id."""
    return pa.concat_tables([w.fetch(table, found.of(w.number), columns) for w in workers])


def master(**tables: pa.Table) -> duckdb.DuckDBPyConnection:
    """DuckDB at the master with the given Arrow tables."""
    connection = duckdb.connect()
    for name, table in tables.items():
        connection.register(name, table)
    return connection


def hashed(workers: Sequence[Worker], table: str, key: str, value: str = "0") -> tuple[list[Scanned], pa.Table]:
    """All workers' scans and the dictionary they agree on: another salt is tried when two keys collide."""
    for salt in range(8):
        scanned = [w.scan(table, key=key, value=value, hashed=True, salt=salt) for w in workers]
        names = dictionary([s.names for s in scanned if s.names is not None])
        if names is not None:
            return scanned, names
    raise QueryError(f"keys of {table}.{key} collide under eight different hashes")


def wide(scanned: Sequence[Scanned], found: Survivors) -> np.ndarray:
    """The survivors' values before narrowing, as the master fetches them by row id."""
    values = np.zeros(len(found))
    for number, scan in enumerate(scanned):
        own = found.workers == number
        values[own] = scan.widen(found.rows[own])
    return values


def sums(session: Session, scanned: Sequence[Scanned]) -> tuple[Sums, int]:
    """Sums by key with their bounds; the second: rows fetched for their full width."""
    cells, found = operators.summed(session, streams(scanned))
    largest = max((s.largest for s in scanned), default=0.0)
    exact = all(s.exact for s in scanned)
    narrowing = np.zeros(len(cells.keys)) if exact else cells.counts * max(largest * 2.0**-24, 2.0**-150)
    cells = Sums(cells.keys, cells.sums, cells.bounds + narrowing, cells.counts)
    return operators.merge(cells, found, wide(scanned, found)), 0 if exact else len(found)


# ---- TPC-H ----

Q3 = """
SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate, o_shippriority
FROM customer, orders, lineitem
WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey
  AND o_orderdate < DATE '1995-03-15' AND l_shipdate > DATE '1995-03-15'
GROUP BY l_orderkey, o_orderdate, o_shippriority ORDER BY revenue DESC, o_orderdate, l_orderkey LIMIT 10"""


def q3(session: Session, workers: Sequence[Worker]) -> Answer:
    """Two joins: orders pruned by the segment's customers, then line items by the orders that are left."""
    chosen = [w.scan("customer", key="c_custkey", where="c_mktsegment = 'BUILDING'") for w in workers]
    placed = [w.scan("orders", key="o_custkey", where="o_orderdate < DATE '1995-03-15'") for w in workers]
    left = operators.joined(session, streams(chosen), streams(placed))
    orders = fetch(workers, left, "orders", "o_orderkey, o_custkey, o_orderdate, o_shippriority")
    customer = pa.concat_tables([w.select("SELECT c_custkey, c_mktsegment FROM customer "
                                          "WHERE c_mktsegment = 'BUILDING'") for w in workers])
    # The master told each worker which of its orders are left; their keys prune the line items.
    build = [_orders(w, left.of(w.number)) for w in workers]
    shipped = [w.scan("lineitem", key="l_orderkey", where="l_shipdate > DATE '1995-03-15'") for w in workers]
    found = operators.joined(session, streams(build), streams(shipped))
    lineitem = fetch(workers, found, "lineitem", "l_orderkey, l_extendedprice, l_discount, l_shipdate")
    rows = master(customer=customer, orders=orders, lineitem=lineitem).sql(Q3).to_arrow_table()
    return Answer(rows, fetched=len(customer) + len(orders) + len(lineitem))


def _orders(worker: Worker, rows: np.ndarray) -> Scanned:
    worker.keep("left_orders", pa.table({"id": rows.astype(np.int64)}))
    return worker.scan("orders", key="o_orderkey", where="row_id IN (SELECT id FROM left_orders)")


Q20 = """
SELECT s_name, s_address FROM supplier, nation
WHERE s_suppkey IN (
  SELECT ps_suppkey FROM partsupp
  WHERE ps_partkey IN (SELECT p_partkey FROM part WHERE p_name LIKE 'forest%')
    AND ps_availqty > (SELECT 0.5 * sum(l_quantity) FROM lineitem
      WHERE l_partkey = ps_partkey AND l_suppkey = ps_suppkey
        AND l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01'))
  AND s_nationkey = n_nationkey AND n_name = 'CANADA' ORDER BY s_name"""
Q20_MASTER = """
SELECT DISTINCT s_name, s_address FROM supplier, nation, partsupp, sold
WHERE s_suppkey = ps_suppkey AND ps_partkey = partkey AND ps_suppkey = suppkey AND ps_availqty > 0.5 * quantity
  AND s_nationkey = n_nationkey AND n_name = 'CANADA' ORDER BY s_name"""


def q20(session: Session, workers: Sequence[Worker]) -> Answer:
    """A year's line items summed by part and supplier on the switch; the small tables join at the master."""
    year = "l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01'"
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
    tables = {name: pa.concat_tables([w.select(sql) for w in workers]) for name, sql in small.items()}
    rows = master(sold=sold, **tables).sql(Q20_MASTER).to_arrow_table()
    return Answer(rows, fetched=fetched + len(parts) + sum(map(len, tables.values())))


# ---- Big Data Benchmark ----


def scan_query(session: Session, workers: Sequence[Worker]) -> Answer:
    scanned = [w.scan("rankings", value="pageRank") for w in workers]
    found = operators.filtered(session, streams(scanned), np.float32(100), np.float32(np.inf))
    rows = fetch(workers, found, "rankings", "pageURL, pageRank")
    done = master(rankings=rows).sql(FILTER).to_arrow_table()
    return Answer(done, fetched=len(rows))


FILTER = "SELECT pageURL, pageRank FROM rankings WHERE pageRank > 100"
TOPN = "SELECT destURL, adRevenue, sourceIP FROM uservisits ORDER BY adRevenue DESC, sourceIP, destURL LIMIT 100"
GROUPBY = ("SELECT substr(sourceIP, 1, 5) AS prefix, sum(adRevenue) AS revenue, count(*) AS visits, "
           "avg(adRevenue) AS mean FROM uservisits GROUP BY prefix")
MAX = "SELECT countryCode, max(adRevenue) AS best FROM uservisits GROUP BY countryCode"
MIN = "SELECT countryCode, min(adRevenue) AS least FROM uservisits GROUP BY countryCode"
DISTINCT = "SELECT DISTINCT userAgent FROM uservisits"
LEAST_REVENUE = 0.002  # of all revenue
WHOLE = f"(SELECT {LEAST_REVENUE} * sum(adRevenue::DOUBLE) FROM uservisits)"
HAVING = ("SELECT destURL, count(*) AS visits FROM uservisits GROUP BY destURL "
          "HAVING sum(adRevenue::DOUBLE) > {bound}")
JOIN = ("SELECT pageURL, count(*) AS visits, max(adRevenue) AS best FROM rankings, uservisits "
        "WHERE pageURL = destURL AND pageRank > 100 AND visitDate < DATE '2005-01-01' GROUP BY pageURL")


def top(session: Session, workers: Sequence[Worker]) -> Answer:
    scanned = [w.scan("uservisits", value="adRevenue") for w in workers]
    found = operators.top(session, streams(scanned), 100)
    rows = fetch(workers, found, "uservisits", "destURL, adRevenue, sourceIP")
    return Answer(master(uservisits=rows).sql(TOPN).to_arrow_table(), fetched=len(rows))


def groupby(session: Session, workers: Sequence[Worker]) -> Answer:
    scanned, names = hashed(workers, "uservisits", "substr(sourceIP, 1, 5)", "adRevenue")
    total, fetched = sums(session, scanned)
    order = np.argsort(names["key"].to_numpy())
    rows = pa.table({"prefix": names["name"].take(pa.array(order)), "revenue": total.sums, "visits": total.counts,
                     "mean": total.sums / total.counts})
    bounds = {"revenue": total.bounds, "mean": total.bounds / total.counts + np.abs(total.sums) * 2.0**-53}
    return Answer(rows, bounds, fetched, len(names))


def _extreme(sql: str, smallest: bool) -> Callable[[Session, Sequence[Worker]], Answer]:
    def run(session: Session, workers: Sequence[Worker]) -> Answer:
        scanned, names = hashed(workers, "uservisits", "countryCode", "adRevenue")
        exact = all(s.exact for s in scanned)
        found = operators.extreme(session, streams(scanned), exact=exact, smallest=smallest)
        rows = fetch(workers, found, "uservisits", "countryCode, adRevenue")
        return Answer(master(uservisits=rows).sql(sql).to_arrow_table(), {}, len(rows), len(names))

    return run


def unique(session: Session, workers: Sequence[Worker]) -> Answer:
    scanned, names = hashed(workers, "uservisits", "userAgent")
    found = operators.distinct(session, streams(scanned))
    rows = fetch(workers, found, "uservisits", "userAgent")
    return Answer(master(uservisits=rows).sql(DISTINCT).to_arrow_table(), {}, len(rows), len(names))


def having(session: Session, workers: Sequence[Worker]) -> Answer:
    scanned, names = hashed(workers, "uservisits", "destURL", "adRevenue")
    bound = LEAST_REVENUE * math.fsum(s.total for s in scanned)
    found = operators.having(session, streams(scanned), bound)
    rows = fetch(workers, found, "uservisits", "destURL, adRevenue")
    done = master(uservisits=rows).sql(HAVING.format(bound=f"'{bound!r}'::DOUBLE")).to_arrow_table()
    return Answer(done, {}, len(rows), len(names))


def join(session: Session, workers: Sequence[Worker]) -> Answer:
    """Here a collision of two hashes lets a row pass that the master drops: no dictionary is needed."""
    pages = [w.scan("rankings", key="pageURL", where="pageRank > 100", hashed=True) for w in workers]
    visits = [w.scan("uservisits", key="destURL", where="visitDate < DATE '2005-01-01'", hashed=True) for w in workers]
    found = operators.joined(session, streams(pages), streams(visits))
    build = pa.concat_tables([w.select("SELECT pageURL, pageRank FROM rankings WHERE pageRank > 100") for w in workers])
    rows = fetch(workers, found, "uservisits", "destURL, adRevenue, visitDate")
    done = master(rankings=build, uservisits=rows).sql(JOIN).to_arrow_table()
    return Answer(done, {}, len(rows) + len(build))


VISITS = ["sourceIP", "destURL", "visitDate", "adRevenue", "userAgent", "countryCode"]
PAGES = ["pageURL", "pageRank"]
PLANS: dict[str, dict[str, Plan]] = {
    "tpch": {
        "q3": Plan("q3", "unshipped orders of most revenue: two joins pruned by Bloom filters", Q3, {
            "customer": ["c_custkey", "c_mktsegment"],
            "orders": ["o_orderkey", "o_custkey", "o_orderdate", "o_shippriority"],
            "lineitem": ["l_orderkey", "l_extendedprice", "l_discount", "l_shipdate"]}, ("l_orderkey",), q3),
        "q20": Plan("q20", "suppliers with surplus: sums by part and supplier on the switch", Q20, {
            "lineitem": ["l_partkey", "l_suppkey", "l_quantity", "l_shipdate"],
            "part": ["p_partkey", "p_name"], "partsupp": ["ps_partkey", "ps_suppkey", "ps_availqty"],
            "supplier": ["s_suppkey", "s_name", "s_address", "s_nationkey"],
            "nation": ["n_nationkey", "n_name"]}, ("s_name",), q20),
    },
    "bdb": {
        "filter": Plan("filter", "pages above a rank", FILTER, {"rankings": PAGES}, ("pageURL",), scan_query),
        "topn": Plan("topn", "the 100 visits of most revenue", TOPN, {"uservisits": VISITS},
                     ("sourceIP", "destURL", "adRevenue"), top),
        "groupby": Plan("groupby", "revenue, visits and mean by address prefix", GROUPBY, {"uservisits": VISITS},
                        ("prefix",), groupby),
        "max": Plan("max", "greatest revenue by country", MAX, {"uservisits": VISITS}, ("countryCode",),
                    _extreme(MAX, False)),
        "min": Plan("min", "least revenue by country", MIN, {"uservisits": VISITS}, ("countryCode",),
                    _extreme(MIN, True)),
        "distinct": Plan("distinct", "the user agents", DISTINCT, {"uservisits": VISITS}, ("userAgent",), unique),
        "having": Plan("having", "pages that earn more than a 500th of all revenue",
                       HAVING.format(bound=WHOLE), {"uservisits": VISITS}, ("destURL",), having),
        "join": Plan("join", "visits before 2005 to pages above a rank", JOIN,
                     {"uservisits": VISITS, "rankings": PAGES}, ("pageURL",), join),
    },
}
