"""Partitions of other processes through the switch's service, as Spark's executors send them, completed by DuckDB.

No Spark here: the executors' generators run in threads, over real sockets."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from workers.query import executor
from workers.query.absorb import LEFT, NAMED, PAST, ROUNDED, absorb
from workers.query.channel import Address, Channel
from workers.query.columns import narrowed
from workers.query.dataframes import Switch, _cells
from workers.query.errors import QueryError
from workers.query.executor import Work, prune, upper_sums
from workers.query.floats import order
from workers.query.operators import sketch_bound
from workers.query.sender import Sender
from workers.query.service import Service, listen

TOKEN = "sixteen letters.."
SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan, 1e-45, 1e300, -1e300, 1.0, 1.0 + 2**-40, -1.0, None]
usual = settings(max_examples=6, phases=[Phase.explicit, Phase.reuse, Phase.generate], deadline=None,
                 suppress_health_check=list(HealthCheck))  # fmt: skip
tables = st.lists(st.tuples(st.sampled_from(["a", "b", "c", "shop 1", "", None]) | st.text(max_size=2),
                            st.sampled_from(SPECIAL) | st.floats(width=64)), max_size=80)  # fmt: skip


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    """Two places and four cells a query: fewer than partitions and groups; one packet in a hundred lost on each hop."""
    server = listen(Service(TOKEN, places=2, cells=4, loss=0.01), "127.0.0.1", 0)
    yield Address("127.0.0.1", server.getsockname()[1], TOKEN)
    server.close()


def rows(pairs: list[tuple[str | None, float | None]]) -> pa.Table:
    return pa.table({"id": np.arange(len(pairs)), "shop": pa.array([p[0] for p in pairs], pa.string()),
                     "price": pa.array([p[1] for p in pairs], pa.float64()),
                     "many": pa.array([None if p[1] is None else i % 7 for i, p in enumerate(pairs)], pa.int64())})  # fmt: skip


def skewed(count: int, seed: int) -> pa.Table:
    """Zipf keys, values over seven decades, NULLs in both, NaN and infinities."""
    rng = np.random.default_rng(seed)
    keys = rng.zipf(1.3, count) % 500
    values = rng.normal(size=count) * 10.0 ** rng.integers(-3, 4, count)
    values[:4] = [math.nan, math.inf, -math.inf, -0.0]
    return pa.table({"id": np.arange(count), "many": rng.integers(-50, 50, count),
                     "shop": pa.array([f"shop {k}" for k in keys], mask=rng.random(count) < 0.01),
                     "price": pa.array(values, mask=rng.random(count) < 0.02)})  # fmt: skip


def run(table: pa.Table, work: Work, function=prune, parts: int = 3, schema: pa.Schema | None = None, **more) -> pa.Table:
    """All partitions, two at a time, in batches of 997 rows."""
    cuts = [len(table) * n // parts for n in range(parts + 1)]
    pieces = [table.slice(a, b - a).to_batches(997) for a, b in pairwise(cuts)]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda n: list(function(work, *more.values(), pieces[n], n)), range(parts)))
    batches = [batch for part in done for batch in part]
    return pa.Table.from_batches(batches, schema or table.schema) if batches else (schema or table.schema).empty_table()


class installed:
    """A query on the switch: (channel, number)."""

    def __init__(self, address: Address, operator: str, **parameters):
        self.channel = Channel(address)
        self.query = self.channel.ask("install", operator=operator, **parameters)[0]["query"]

    def __enter__(self):
        return self.channel, self.query

    def __exit__(self, *_):
        self.channel.ask("remove", query=self.query)
        self.channel.close()


def sql(text: str, **tables: pa.Table) -> list[tuple]:
    """Rows with NaN as a word and -0 as 0, so that they compare."""
    connection = duckdb.connect()
    for name, table in tables.items():
        connection.register(name, table)

    def plain(value):
        return "nan" if isinstance(value, float) and math.isnan(value) else value + 0.0 if isinstance(value, float) else value

    return sorted((tuple(map(plain, row)) for row in connection.sql(text).fetchall()), key=repr)


def prunes(address: Address, table: pa.Table, check: bool) -> None:
    """Every operator that drops rows: DuckDB's answer from what is left is its answer from all rows."""
    for smallest in (False, True):
        with installed(address, "topn", a=3, flip=smallest, waits=True) as (_, query):
            left = run(table, Work(address, query, "topn", (), "price", False, smallest, 3))
        text = f"SELECT price FROM rows ORDER BY price {'ASC' if smallest else 'DESC'} NULLS LAST LIMIT 3"
        assert sql(text, rows=left) == sql(text, rows=table)
        assert not check or len(left) < len(table) / 4
        with installed(address, "group_extreme", flip=smallest, a=0) as (_, query):
            left = run(table, Work(address, query, "group_extreme", ("shop",), "price", False, smallest))
        text = f"SELECT shop, {'min' if smallest else 'max'}(price) FROM rows GROUP BY shop"
        assert sql(text, rows=left) == sql(text, rows=table)
        assert not check or len(left) < len(table) / 2
    for keys in (("shop",), ("shop", "many")):
        with installed(address, "distinct") as (_, query):
            left = run(table, Work(address, query, "distinct", keys))
        text = f"SELECT DISTINCT {', '.join(keys)} FROM rows"
        assert sql(text, rows=left) == sql(text, rows=table)
    low, high = (int(o) for o in order(narrowed(np.array([-1.0, 1e300]))))
    with installed(address, "filter", a=low, b=high) as (_, query):
        left = run(table, Work(address, query, "filter", (), "price"))
    text = "SELECT id FROM rows WHERE price BETWEEN -1 AND 1e300"
    assert sql(text, rows=left) == sql(text, rows=table)


@usual
@given(tables)
def test_pruned_rows(address: Address, pairs) -> None:
    prunes(address, rows(pairs), False)


def test_pruned_rows_of_a_skewed_table(address: Address) -> None:
    prunes(address, skewed(12000, 3), True)


@usual
@given(tables, st.sampled_from([-5.0, 0.0, 1.0, 100.0, 1e300]))
def test_having_and_join(address: Address, pairs, above: float) -> None:
    havings(address, rows(pairs), above)


def havings(address: Address, table: pa.Table, above: float) -> int:
    a, b = sketch_bound(above)
    with installed(address, "having", a=a, b=b) as (_, query):
        assert len(run(table, Work(address, query, "having", ("shop",), "price"))) == 0
        left = run(table, Work(address, query, "having", ("shop",), "price", True))
    kept, whole = (dict(sql("SELECT coalesce(shop, 'NULL'), count(*) FROM rows GROUP BY 1", rows=t)) for t in (left, table))
    for name, values in groups_of(table, "shop").items():
        if qualifies([v for v in values if v is not None], above):
            assert kept[name] == whole[name]
    with installed(address, "join") as (_, query):
        some = table.filter(pa.compute.less(table["id"], 5))
        run(some, Work(address, query, "join", ("shop",)))
        rest = run(table, Work(address, query, "join", ("shop",), "", True))
    text = "SELECT id FROM rows WHERE shop IN (SELECT shop FROM wanted)"
    assert sql(text, rows=rest, wanted=some) == sql(text, rows=table, wanted=some)
    return len(left)


def groups_of(table: pa.Table, key: str) -> dict[str, list[float | None]]:
    found: dict[str, list[float | None]] = {}
    for name, price in zip(table[key].to_pylist(), table["price"].to_pylist(), strict=True):
        found.setdefault("NULL" if name is None else str(name), []).append(price)
    return found


def qualifies(values: list[float], above: float) -> bool:
    """SUM(value) > above, where NaN is greatest."""
    if any(map(math.isnan, values)) or math.inf in values:
        return True
    return bool(values) and -math.inf not in values and math.fsum(values) > above


def test_having_drops_groups_with_values_of_both_signs(address: Address) -> None:
    table = skewed(12000, 5).filter(pa.compute.is_finite(skewed(12000, 5)["price"]))
    assert havings(address, table, 3e4) < len(table) / 2


def test_upper_sums_are_not_below_the_sums() -> None:
    rng = np.random.default_rng(1)
    place = rng.integers(0, 40, 5000)
    values = rng.normal(size=5000) * 10.0 ** rng.integers(-20, 20, 5000)
    found = upper_sums(place, values, 41)
    for number in range(41):
        assert found[number] >= max(0.0, math.fsum(values[place == number]))
    assert np.isnan(upper_sums(np.array([0, 0]), np.array([np.inf, -np.inf]), 1)[0])
    assert upper_sums(np.array([0]), np.array([1e300]), 1)[0] == np.inf


SUMS = pa.schema([("kind", pa.int32()), ("hash", pa.int64()), ("sum", pa.float64()), ("count", pa.int64())])


@usual
@given(tables, st.sampled_from(["shop", "many"]))
def test_sums(address: Address, pairs, key: str) -> None:
    sums(address, rows(pairs), key)


def test_sums_of_a_skewed_table(address: Address) -> None:
    sums(address, skewed(12000, 4), "shop")


def sums(address: Address, table: pa.Table, key: str) -> None:
    """As dataframes._grouped adds them up, against exact sums."""
    schema = pa.schema([("key0", table.schema.field(key).type), *SUMS])
    with installed(address, "group_sum") as (channel, counting), installed(address, "group_sum") as (_, totals):
        work = Work(address, totals, "group_sum", (key,), "price")
        out = run(table.select([key, "price"]), work, absorb, schema=schema, counting=counting)
        cells = _cells(channel, totals, counting)
    named = (f"SELECT DISTINCT hash, key0 FROM out WHERE kind = {NAMED}" if key == "shop"
             else "SELECT DISTINCT hash, key AS key0 FROM cells")  # fmt: skip
    got = sql(
        f"WITH named AS ({named}), held AS (SELECT key0, sum, count, bound FROM cells JOIN named USING (hash)), "
        f"loose AS (SELECT key0, sum, count, 0 FROM out WHERE kind IN ({LEFT}, {PAST})) "
        "SELECT coalesce(key0::VARCHAR, 'NULL'), sum(sum), sum(count)::BIGINT, sum(bound) + count(sum) * 1e-15 * "
        f"coalesce(sum(abs(sum)), 0) + coalesce((SELECT sum(sum) FROM out WHERE kind = {ROUNDED}), 0) "
        "FROM (FROM held UNION ALL FROM loose) GROUP BY key0", cells=cells, out=out)  # fmt: skip
    groups = groups_of(table, key)
    assert sorted(g[0] for g in got) == sorted(groups)
    for name, total, count, bound in got:
        values = [v for v in groups[name] if v is not None]
        assert count == len(values)
        if not values:
            assert total is None
        elif all(map(math.isfinite, values)):
            try:
                assert abs(total - math.fsum(values)) <= bound
            except OverflowError:
                assert not math.isfinite(total)
        else:
            with np.errstate(invalid="ignore"):
                expected = float(np.array([v for v in values if not math.isfinite(v)]).sum())
            assert total == "nan" if math.isnan(expected) else total == expected


def test_a_task_again(address: Address) -> None:
    """A partition whose process died half-way, or that is repeated, changes nothing and gets the same rows."""
    table = skewed(9000, 6)
    with installed(address, "distinct") as (_, query):
        half = Sender(address, query, 0)
        half.through(*entries(table.slice(0, 2500)))
        half.channel.close()  # dies
        whole = Sender(address, query, 0)
        first = whole.through(*entries(table))
        whole.channel.close()
        again = Sender(address, query, 0)
        assert (again.through(*entries(table)) == first).all()
        again.channel.close()
        other = Sender(address, query, 0)
        with pytest.raises(QueryError, match="holds other rows"):
            other.through(*entries(table.take(pa.array(np.arange(9000)[::-1]))))
        other.channel.close()


def entries(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Entries that keep their packets when more follow: rows of sixteen lanes in turn."""
    count = len(table) // 16 * 16
    lanes = np.arange(count, dtype=np.uint64) % 16
    keys = (table["many"].to_numpy()[:count].astype(np.uint64) & np.uint64(63)) << np.uint64(8) | lanes
    return keys, np.zeros(count, np.float32)


def test_errors_are_one_sentence(address: Address) -> None:
    with pytest.raises(QueryError, match="token is another"):
        Channel(Address(address.host, address.port, "guess"))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        free = closed.getsockname()[1]
    with pytest.raises(QueryError, match="no switch answers at 127"):
        Channel(Address("127.0.0.1", free, TOKEN))
    with Channel(address) as channel:
        for asked, says in (({"do": "open", "query": 999, "partition": 0}, "no query 999"),
                            ({"do": "fly"}, "does not know the request"), ({"do": "open"}, "makes no sense"),
                            ({"do": "rows"}, "no partition is open"),
                            ({"do": "install", "operator": "sort"}, "no operator 'sort'")):
            with pytest.raises(QueryError, match=says):
                channel.ask(**asked)
    with socket.create_connection((address.host, address.port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" * 4)
        with suppress(ConnectionResetError):
            assert stranger.recv(100) == b""
    with installed(address, "filter", a=0, b=1) as (_, query):
        sender = Sender(address, query, 0)
        sender.through(np.zeros(3, np.uint64), np.zeros(3, np.float32))
        sender.opened["worker"] = 1 - sender.opened["worker"]
        with pytest.raises(QueryError, match="all of its own place"):
            sender.through(np.zeros(3, np.uint64), np.zeros(3, np.float32))
        sender.channel.close()


def test_a_process_of_its_own() -> None:
    with Switch.start(places=2) as switch, installed(switch.address, "distinct") as (_, query):
        left = run(skewed(500, 1), Work(switch.address, query, "distinct", ("shop",)))
        assert 0 < len(left) < 500
        process = switch.process
    assert process is not None and process.wait(20) == 0
    with pytest.raises(QueryError, match="no switch answers"):
        switch.channel()
    with pytest.raises(QueryError, match=r"did not start: .*--listen takes HOST:PORT"):
        Switch.start(listen="nowhere")
    with pytest.raises(QueryError, match="HOST:PORT"):
        Switch.connect("nowhere", "t")
    assert executor.rungs(np.array([5, 9, 1, 7], np.uint32), 2) == [9, 7, 5]


STREAM = """
import sys, resource, pyarrow.parquet as pq
from workers.query.absorb import absorb
from workers.query.channel import Address
from workers.query.executor import Work
host, port, token, path, totals, counting = sys.argv[1:]
work = Work(Address(host, int(port), token), int(totals), "group_sum", ("key",), "value")
def batches():
    for number, batch in enumerate(pq.ParquetFile(path).iter_batches(65536)):
        if number == 4:
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        yield batch
print(sum(batch.num_rows for batch in absorb(work, int(counting), batches(), 0)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_a_table_beyond_memory(address: Address, tmp_path: Path) -> None:
    """A partition is streamed: 192 MB of rows from Parquet cost a process under 50 MB more than the first 4 MB did."""
    rng = np.random.default_rng(1)
    schema = pa.schema([("key", pa.int64()), ("value", pa.float64())])
    with pq.ParquetWriter(tmp_path / "rows.parquet", schema, compression="none") as writer:
        for _ in range(12):
            writer.write_table(pa.table([rng.integers(0, 50, 10**6), rng.random(10**6)], schema))
    with installed(address, "group_sum") as (channel, counting), installed(address, "group_sum") as (_, totals):
        words = [address.host, str(address.port), address.token, str(tmp_path / "rows.parquet"), str(totals), str(counting)]
        done = subprocess.run([sys.executable, "-c", STREAM, *words], capture_output=True, text=True, check=True)
        cells = _cells(channel, totals, counting)
    first, _, last = map(int, done.stdout.split())
    assert last - first < 50_000
    assert 0 < sum(cells["count"].to_pylist()) <= 12 * 10**6
