"""Queries on Spark DataFrames with pruning on a switch: a DataFrame in, a DataFrame out.

    from fpisa.spark import Switch, group_sum, top

    with Switch.start() as switch:                       # or Switch.connect("rack7:18100", token)
        top(switch, visits, "adRevenue", 10).show()
        group_sum(switch, visits, "countryCode", "adRevenue").show()

Executors stream the columns that the switch judges by from mapInArrow, partition by partition, and keep the rows that
it lets pass; what is left of the DataFrame is held by the executors (`localCheckpoint`), and Spark completes the answer
from it with its own operators. A call therefore runs the pass at once; what it returns is lazy as ever, and of
ordinary DataFrames. A task that Spark repeats sends its packets again, which the switch answers as the first time; its
partition must hold the same rows then, or the query ends with an error.

Every function raises QueryError, with one sentence, for a missing column, a wrong type, or a switch that is away. NULLs
follow SQL; NaN is greater than every number, as Spark and DuckDB sort it."""

from __future__ import annotations

import json
import os
import secrets
import select
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from workers.query.absorb import LEFT, NAMED, PAST, ROUNDED, absorb
from workers.query.channel import Address, Channel
from workers.query.columns import exact, narrowed, numeric
from workers.query.errors import QueryError
from workers.query.executor import Work, prune
from workers.query.floats import order
from workers.query.keys import unmix
from workers.query.operators import sketch_bound

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

START_SECONDS = 60.0


@dataclass
class Switch:
    """A rack's switch, as the driver knows it. traffic: of the last query, the rows (entries of packets) that were sent,
    delivered and pruned, and packets."""

    address: Address
    process: subprocess.Popen[str] | None = None
    traffic: dict[str, int] = field(default_factory=dict)

    @classmethod
    def start(cls, *, listen: str = "127.0.0.1:0", places: int = 16, cells: int | None = None, loss: float = 0.0) -> Switch:
        """A switch in a process of its own beside this one. places: partitions it takes at a time; cells: of each array
        of a lane for each query. Raises QueryError if it does not come up."""
        options = ["--listen", listen, "--places", str(places), "--loss", str(loss)]
        options += ["--cells", str(cells)] if cells else []
        process = subprocess.Popen([sys.executable, "-m", "workers.query.service", *options], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
        assert process.stdin and process.stdout and process.stderr
        token = secrets.token_hex(16)
        process.stdin.write(token + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        line = process.stdout.readline() if ready else ""
        if not line:
            process.kill()
            said = process.stderr.read().strip().splitlines()
            _, code = process.communicate(), process.returncode
            raise QueryError(f"the switch's process did not start: {said[-1] if said else f'exit status {code}'}")
        host, port = json.loads(line)["listens"]
        return cls(Address(host, port, token), process)

    @classmethod
    def connect(cls, where: str, token: str) -> Switch:
        """A switch whose process runs already, `python -m workers.query.service --listen HOST:PORT`. Raises QueryError."""
        host, _, port = where.rpartition(":")
        if not host or not port.isdigit():
            raise QueryError(f"a switch's address is HOST:PORT, not {where}")
        switch = cls(Address(host, int(port), token))
        with switch.channel():
            return switch

    def channel(self) -> Channel:
        """A connection for requests."""
        return Channel(self.address)

    def close(self) -> None:
        """Ends the process that start() began."""
        if self.process is not None:
            self.process.communicate()  # closes its standard input, which ends it
            self.process = None

    def __enter__(self) -> Switch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# ---- the operators ----


def top(switch: Switch, df: DataFrame, value: str, n: int, *, smallest: bool = False) -> DataFrame:
    """The rows of the `n` greatest (smallest) values, ordered; NULLs come last in either order."""
    if n < 1:
        raise QueryError(f"the N of a top-N is at least 1, not {n}")
    _number(df, value)
    with _query(switch, "topn", a=n, flip=smallest, waits=True) as (_, query):
        left = _pass(df, Work(switch.address, query, "topn", (), value, False, smallest, n))
    by = left[value].asc_nulls_last() if smallest else left[value].desc_nulls_last()
    return left.orderBy(by).limit(n)


def where_between(switch: Switch, df: DataFrame, value: str, low: float, high: float) -> DataFrame:
    """The rows with low <= value <= high."""
    _number(df, value)
    bounds = order(narrowed(np.array([low, high], np.float64)))
    with _query(switch, "filter", a=int(bounds[0]), b=int(bounds[1])) as (_, query):
        left = _pass(df, Work(switch.address, query, "filter", (), value))
    return left.where(left[value].between(low, high))


def distinct(switch: Switch, df: DataFrame, key: str | Sequence[str]) -> DataFrame:
    """The different values of a column, or of several together."""
    keys = _keys(df, key)
    with _query(switch, "distinct") as (_, query):
        left = _pass(df.select(*keys), Work(switch.address, query, "distinct", keys))
    return left.distinct()


def group_extreme(switch: Switch, df: DataFrame, key: str | Sequence[str], value: str, *,
                  smallest: bool = False) -> DataFrame:
    """The key's columns and `max` (`min`): each group's greatest (smallest) value."""
    from pyspark.sql import functions as F

    keys = _keys(df, key)
    same = exact(_number(df, value))  # else equal in 32 bits need not be equal
    with _query(switch, "group_extreme", flip=smallest, a=int(same)) as (_, query):
        left = _pass(_only(df, *keys, value), Work(switch.address, query, "group_extreme", keys, value, False, smallest))
    best = F.min(value).alias("min") if smallest else F.max(value).alias("max")
    return left.groupBy(*keys).agg(best)


def having_sum(switch: Switch, df: DataFrame, key: str | Sequence[str], value: str, above: float) -> DataFrame:
    """The key's columns and `sum` of the groups with SUM(value) > above, summed by Spark over the rows that are left."""
    from pyspark.sql import functions as F

    keys = _keys(df, key)
    _number(df, value)
    exponent, significand = sketch_bound(above)
    rows = _only(df, *keys, value)
    with _query(switch, "having", a=exponent, b=significand) as (_, query):
        work = Work(switch.address, query, "having", keys, value)
        _pass(rows, work)
        left = _pass(rows, Work(switch.address, query, "having", keys, value, True))
    return left.groupBy(*keys).agg(F.sum(value).alias("sum")).where(F.col("sum") > above)


def semi_join(switch: Switch, df: DataFrame, key: str, other: DataFrame, other_key: str) -> DataFrame:
    """The rows of `df` whose key is among those of `other`."""
    probe, build = _keys(df, key), _keys(other, other_key)
    kinds = [_arrow(frame).field(name).type for frame, name in ((df, key), (other, other_key))]
    if kinds[0] != kinds[1]:
        raise QueryError(f"column {key} is of type {kinds[0]} and {other_key} of type {kinds[1]}; a join takes equal types")
    with _query(switch, "join") as (_, query):
        _pass(other.select(*build), Work(switch.address, query, "join", build))
        left = _pass(df, Work(switch.address, query, "join", probe, "", True))
    wanted = other.select(other[other_key].alias("__wanted")).distinct()
    return left.join(wanted, left[key] == wanted["__wanted"], "leftsemi")


def group_sum(switch: Switch, df: DataFrame, key: str | Sequence[str], value: str) -> DataFrame:
    """The key's columns, `sum`, `count` of the values that are not NULL, `mean`, and `bound`, the most by which `sum` may
    differ from the exact sum. A group of nothing but NULLs has the sum NULL and the count 0."""
    _number(df, value)
    return _grouped(switch, df, _keys(df, key), value)


def group_count(switch: Switch, df: DataFrame, key: str | Sequence[str]) -> DataFrame:
    """The key's columns and `count`: COUNT(*) of each group."""
    keys = _keys(df, key)
    return _grouped(switch, df, keys, "").select(*keys, "count")


def group_mean(switch: Switch, df: DataFrame, key: str | Sequence[str], value: str) -> DataFrame:
    """The key's columns and `mean`: AVG(value) of each group, NULL where no value is there."""
    keys = _keys(df, key)
    return group_sum(switch, df, keys, value).select(*keys, "mean")


# ---- passes ----


class _query:
    """An installed query; afterwards it is off the switch, and switch.traffic says what it sent."""

    def __init__(self, switch: Switch, operator: str, **parameters: Any):
        self.switch, self.operator, self.parameters = switch, operator, parameters

    def __enter__(self) -> tuple[Channel, int]:
        self.channel = self.switch.channel()
        self.query = int(self.channel.ask("install", operator=self.operator, **self.parameters)[0]["query"])
        return self.channel, self.query

    def __exit__(self, kind: Any, *_: object) -> None:
        try:
            self.switch.traffic = self.channel.ask("remove", query=self.query)[0]
        except QueryError:
            if kind is None:
                raise
        finally:
            self.channel.close()


def _pass(df: DataFrame, work: Work) -> DataFrame:
    return _run(df, partial(prune, work), df.schema)


def _run(df: DataFrame, function: Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]], schema: Any) -> DataFrame:
    """Runs the function over all partitions now; what it yields stays with the executors."""
    from pyspark.errors import PySparkException

    try:
        return df.mapInArrow(function, schema).localCheckpoint(eager=True)
    except PySparkException as error:
        raise QueryError(_sentence(str(error))) from None


def _only(df: DataFrame, *names: str) -> DataFrame:
    """These columns, each once: the value may be one of the keys."""
    return df.select(*dict.fromkeys(names))


def _sentence(text: str) -> str:
    """The executor's own sentence out of a Spark error, or Spark's first line."""
    mark = "QueryError: "
    for line in text.splitlines():
        if mark in line:
            return line.split(mark, 1)[1].strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"Spark cannot run the query: {lines[0] if lines else 'it does not say why'}"


def _arrow(df: DataFrame) -> pa.Schema:
    from pyspark.sql.pandas.types import to_arrow_schema

    return to_arrow_schema(df.schema)


def _column(df: DataFrame, name: str) -> pa.DataType:
    if df.columns.count(name) != 1:
        what = "has no column" if name not in df.columns else "has more than one column"
        raise QueryError(f"the DataFrame {what} {name}; it has {', '.join(df.columns)}")
    return _arrow(df).field(name).type


def _number(df: DataFrame, name: str) -> pa.DataType:
    kind = _column(df, name)
    if not numeric(kind):
        raise QueryError(f"column {name} is of type {kind}, not a number")
    return kind


def _keys(df: DataFrame, key: str | Sequence[str]) -> tuple[str, ...]:
    names = (key,) if isinstance(key, str) else tuple(key)
    if not names:
        raise QueryError("a key has at least one column")
    for name in names:
        if pa.types.is_nested(_column(df, name)):
            raise QueryError(f"column {name} is of type {_column(df, name)}, which is no key")
    return names


# ---- sums ----


def _grouped(switch: Switch, df: DataFrame, keys: tuple[str, ...], value: str) -> DataFrame:
    """Cells, what found no cell, and what could not go through the switch, added up by Spark."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import DoubleType, IntegerType, LongType, StructField, StructType

    shown = [f"key{i}" for i in range(len(keys))]
    fields = [StructField(name, df.schema[key].dataType) for name, key in zip(shown, keys, strict=True)]
    fields += [StructField("kind", IntegerType()), StructField("hash", LongType()), StructField("sum", DoubleType()),
               StructField("count", LongType())]  # fmt: skip
    with _query(switch, "group_sum") as (channel, counting):
        with _query(switch, "group_sum") as (_, totals):
            work = Work(switch.address, totals, "group_sum", keys, value)
            out = _run(_only(df, *keys, *filter(None, [value])), partial(absorb, work, counting), StructType(fields))
            cells = _cells(channel, totals, counting)
        sent = switch.traffic
    switch.traffic = {name: switch.traffic[name] + sent.get(name, 0) for name in switch.traffic}
    spark = df.sparkSession
    rows = spark.createDataFrame(cells)
    named = out.where(F.col("kind") == NAMED).select("hash", *shown).distinct()
    if len(keys) == 1 and pa.types.is_integer(_column(df, keys[0])):
        held = rows.select(F.col("key").cast(fields[0].dataType).alias("key0"), "sum", "count", "bound")
    else:
        held = rows.join(named, "hash").select(*shown, "sum", "count", "bound")
    loose = out.where(F.col("kind").isin(LEFT, PAST)).select(*shown, "sum", "count", F.lit(0.0).alias("bound"))
    rounded = out.where(F.col("kind") == ROUNDED).agg(F.sum("sum")).collect()[0][0] or 0.0
    both = held.unionByName(loose)
    total = both.groupBy(*shown).agg(
        F.sum("sum").alias("sum"), F.sum("count").alias("count"),
        (F.sum("bound") + rounded + F.count("sum") * F.coalesce(F.sum(F.abs("sum")), F.lit(0.0)) * 2.0**-53).alias("bound"),
    )  # fmt: skip
    mean = F.when(F.col("count") > 0, F.col("sum") / F.col("count")).alias("mean")
    return total.select(*[F.col(s).alias(k) for s, k in zip(shown, keys, strict=True)], "sum", "count", mean, "bound")


def _cells(channel: Channel, totals: int, counting: int) -> pa.Table:
    """Both queries' cells: hash, key (the integer, if it is one), sum or NULL, count or 0, bound."""
    parts = []
    for query, counts in ((totals, False), (counting, True)):
        data = bytes(channel.ask("sums", query=query)[1])
        held = len(data) // 32
        hashes = np.frombuffer(data, "<u8", held)
        sums, bounds = (np.frombuffer(data, "<f8", held, 8 * held * i) for i in (1, 2))
        if counts and not (bounds < 0.5).all():
            raise QueryError("a group has more rows than the switch can count exactly")
        nothing = pa.nulls(held, pa.float64())
        parts.append(pa.table({
            "hash": hashes.view(np.int64), "key": unmix(hashes).view(np.int64), "sum": nothing if counts else sums,
            "count": np.rint(sums).astype(np.int64) if counts else np.zeros(held, np.int64),
            "bound": np.zeros(held) if counts else bounds}))  # fmt: skip
    return pa.concat_tables(parts)


def use_this_python() -> None:
    """Has Spark start its Python workers with this interpreter, unless PYSPARK_PYTHON says otherwise. Before a session."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)


__all__ = ["QueryError", "Switch", "distinct", "group_count", "group_extreme", "group_mean", "group_sum", "having_sum",
           "semi_join", "top", "use_this_python", "where_between"]  # fmt: skip
