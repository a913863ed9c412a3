"""What the switch is up against, with the data spread over the same workers.

(a) `ship`: workers send the columns the query reads, as Arrow IPC with zstd, to a master that runs DuckDB.
(b) `local`: workers first filter and aggregate their own rows with DuckDB, and ship that.
(c) `unpruned`: our own row packets with a switch that drops nothing.

Work is measured; links are computed: a worker's link carries what it sends, the master's what all send it, both at
the same rate, after the work is done. Nothing overlaps for anybody."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from workers.query.duck import fresh
from workers.query.exchange import Traffic
from workers.query.pack import FRAME
from workers.query.plans import ROWS, Plan
from workers.query.source import Worker
from workers.query.sql import JOIN_MASTER, Q3_MASTER, Q20

FRAMING = 24
"""Bytes Ethernet adds to a frame: preamble, check sequence, gap."""


@dataclass(frozen=True)
class Way:
    """One way to the answer. work: seconds without links, workers side by side (the slowest counts).
    worker_bytes: of the busiest worker's link; master_bytes: into the master."""

    work: float
    worker_bytes: int
    master_bytes: int
    answer: pa.Table | None = None

    def seconds(self, bits_per_second: float) -> float:
        """With links of a rate."""
        return self.work + 8 * max(self.worker_bytes, self.master_bytes) / bits_per_second


_BY = ("SELECT {key} AS {name}, sum(adRevenue::DOUBLE) AS revenue, count(*) AS visits, count(adRevenue) AS numbers "
       "FROM uservisits GROUP BY {key}")
# benchmark query -> (table -> SQL at each worker, SQL at the master). Tables not named are shipped as for (a).
LOCAL: dict[str, tuple[dict[str, str], str]] = {
    "q3": ({
        "customer": "SELECT c_custkey, c_mktsegment FROM customer WHERE c_mktsegment = 'BUILDING'",
        "orders": "SELECT o_orderkey, o_custkey, o_orderdate, o_shippriority FROM orders "
                  "WHERE o_orderdate < DATE '1995-03-15'",
        "lineitem": "SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS part FROM lineitem "
                    "WHERE l_shipdate > DATE '1995-03-15' GROUP BY l_orderkey"}, Q3_MASTER.replace("shipped", "lineitem")),
    "q20": ({
        "lineitem": "SELECT l_partkey, l_suppkey, sum(l_quantity) AS l_quantity, DATE '1994-01-01' AS l_shipdate "
                    "FROM lineitem WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01' "
                    "GROUP BY l_partkey, l_suppkey",
        "part": "SELECT p_partkey, p_name FROM part WHERE p_name LIKE 'forest%'"}, Q20),
    "filter": ({"rankings": "SELECT pageURL, pageRank FROM rankings WHERE pageRank > 100"}, "SELECT * FROM rankings"),
    "topn": ({"uservisits": "SELECT destURL, adRevenue, sourceIP FROM uservisits "
                            "ORDER BY adRevenue DESC, sourceIP, destURL LIMIT 100"},
             "SELECT * FROM uservisits ORDER BY adRevenue DESC, sourceIP, destURL LIMIT 100"),
    "groupby": ({"uservisits": _BY.format(name="prefix", key="substr(sourceIP, 1, 5)")},
                "SELECT prefix, sum(revenue) AS revenue, sum(visits)::BIGINT AS visits, "
                "sum(revenue) / sum(numbers) AS mean FROM uservisits GROUP BY prefix"),
    "max": ({"uservisits": "SELECT countryCode, max(adRevenue) AS best FROM uservisits GROUP BY countryCode"},
            "SELECT countryCode, max(best) AS best FROM uservisits GROUP BY countryCode"),
    "min": ({"uservisits": "SELECT countryCode, min(adRevenue) AS least FROM uservisits GROUP BY countryCode"},
            "SELECT countryCode, min(least) AS least FROM uservisits GROUP BY countryCode"),
    "distinct": ({"uservisits": "SELECT DISTINCT userAgent FROM uservisits"}, "SELECT DISTINCT userAgent FROM uservisits"),
    "having": ({"uservisits": _BY.format(name="destURL", key="destURL")},
               "SELECT destURL, sum(visits)::BIGINT AS visits FROM uservisits GROUP BY destURL "
               "HAVING sum(revenue) > (SELECT 0.002 * sum(revenue) FROM uservisits)"),
    "join": ({
        "rankings": "SELECT pageURL, pageRank FROM rankings WHERE pageRank > 100",
        "uservisits": "SELECT destURL, count(*) AS visits, max(adRevenue) AS best FROM uservisits "
                      "WHERE visitDate < DATE '2005-01-01' GROUP BY destURL"}, JOIN_MASTER.replace("parts", "uservisits")),
    "count": ({"uservisits": _BY.format(name="countryCode", key="countryCode")},
              "SELECT countryCode, sum(visits)::BIGINT AS visits FROM uservisits GROUP BY countryCode"),
    "avg": ({"uservisits": _BY.format(name="countryCode", key="countryCode")},
            "SELECT countryCode, sum(revenue) / sum(numbers) AS mean FROM uservisits GROUP BY countryCode"),
}  # fmt: skip
LOCAL |= {name + ROWS: way for name, way in LOCAL.items()}
READ: dict[str, list[str]] = {
    "topn": ["destURL", "adRevenue", "sourceIP"], "groupby": ["sourceIP", "adRevenue"],
    "max": ["countryCode", "adRevenue"], "min": ["countryCode", "adRevenue"], "distinct": ["userAgent"],
    "count": ["countryCode"], "avg": ["countryCode", "adRevenue"],
    "having": ["destURL", "adRevenue"], "join": ["destURL", "adRevenue", "visitDate"],
}  # fmt: skip
READ |= {name + ROWS: columns for name, columns in READ.items()}


def columns(plan: Plan, table: str) -> str:
    """What the query reads of a table."""
    return ", ".join(READ.get(plan.name, plan.needed[table]) if table == "uservisits" else plan.needed[table])


def ship(plan: Plan, workers: Sequence[Worker]) -> Way:
    """(a) The needed columns, whole."""
    return _way(plan, workers, {t: f"SELECT {columns(plan, t)} FROM {t}" for t in plan.needed}, plan.sql)


def local(plan: Plan, workers: Sequence[Worker]) -> Way:
    """(b) What is left after each worker's own filter and aggregation."""
    own, final = LOCAL[plan.name]
    whole = {t: f"SELECT {columns(plan, t)} FROM {t}" for t in plan.needed}
    return _way(plan, workers, {**whole, **own}, final)


def _way(plan: Plan, workers: Sequence[Worker], sql: dict[str, str], final: str) -> Way:
    sent, spent, parts = [], [], []
    for worker in workers:
        start = time.perf_counter()
        parts.append({table: _compressed(worker.select(text)) for table, text in sql.items()})
        spent.append(time.perf_counter() - start)
        sent.append(sum(len(buffer) for buffer in parts[-1].values()))
    start = time.perf_counter()
    master = fresh()
    for table in sql:
        master.register(table, pa.concat_tables([pa.ipc.open_stream(part[table]).read_all() for part in parts]))
    answer = master.sql(final).to_arrow_table()
    return Way(max(spent) + time.perf_counter() - start, max(sent), sum(sent), answer)


def _compressed(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return sink.getvalue()


def ours(work: float, traffic: Traffic, side_bytes: int, workers: int) -> tuple[Way, Way]:
    """Our way, and (c) with a switch that drops nothing. side_bytes: fetched columns, dictionaries and build sides.

    Workers take equal shares of the packets. `work` is that of all workers, one after the other in one process."""
    frame = FRAME.itemsize + FRAMING
    up = (traffic.packets + traffic.repeats) * frame
    down = traffic.delivered_packets * frame
    share = -(-(up + side_bytes) // workers)
    return Way(work, share, down + side_bytes), Way(work, share, up + side_bytes)


def wins_below(own: Way, other: Way) -> float | None:
    """Link rate in bits/s below which `own` is faster; None if it is at every rate, 0 if at none.

    Should `own` send more but work less, it is faster above a rate only; that counts as none."""
    work = own.work - other.work
    saved = 8 * (max(other.worker_bytes, other.master_bytes) - max(own.worker_bytes, own.master_bytes))
    if saved <= 0:
        return 0.0
    return None if work <= 0 else saved / work
