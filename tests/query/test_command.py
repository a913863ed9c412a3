"""`fpisa query` as a user sees it: answers equal to DuckDB's on both benchmarks, and errors of one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workers.query import cli, data
from workers.query.compare import equal
from workers.query.opponents import Way, wins_below
from workers.query.plans import PLANS, Answer
from workers.query.plot import RATES, kept, needed

ALL = [(b, q) for b, plans in PLANS.items() for q in plans]


def main(argv: list[str]) -> int:
    """In this process; tests/query/test_net_command.py has the networks."""
    return cli.main([*argv, "--network", "memory"])


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tables of both benchmarks at scale 0.01 and 0.002."""
    made = {}
    for benchmark, make, scale in (("tpch", data.tpch, 0.01), ("bdb", data.bdb, 0.002)):
        made[benchmark] = tmp_path_factory.mktemp(benchmark)
        make(made[benchmark], scale)
    return made


def report(capsys: pytest.CaptureFixture[str], *options: object) -> dict:
    assert main([*map(str, options), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("benchmark, query", ALL)
def test_the_answer_is_duckdbs(tables, capsys, benchmark: str, query: str) -> None:
    found = report(capsys, "--benchmark", benchmark, "--query", query, "--data", tables[benchmark], "--loss", 0.01,
                   "--cells", 64, "--workers", 3, "--opponents")  # fmt: skip
    assert found["answer_equal"] and found["answer_rows"] > 0
    assert found["rows_sent"] == found["rows_pruned"] + found["rows_delivered"]
    assert sum(found["phases"].values()) == pytest.approx(found["seconds"])
    assert found["rows_pruned"] > 0 and (found["lost"] > 0 or found["packets"] < 500)
    ways = found["opponents"]  # a wrong answer of theirs would have been an error
    assert list(ways) == ["switch", "unpruned", "ship", "local"]
    assert ways["switch"]["master_bytes"] < ways["unpruned"]["master_bytes"]
    assert all(way["work_seconds"] > 0 and way["worker_bytes"] > 0 for way in ways.values())
    assert found["spark_seconds"] is None and found["seconds"] > 0 and found["duckdb_seconds"] > 0


def small(target: Path, **columns: object) -> Path:
    plain = {"sourceIP": ["1.2.3.4"] * 3, "destURL": ["a", "b", "a"], "userAgent": ["x", "y", "x"],
             "visitDate": pa.array([0, 1, 2], pa.int32()).cast(pa.date32()), "countryCode": ["A", "B", "A"],
             "adRevenue": np.array([1.5, -0.0, 2.0])}  # fmt: skip
    pq.write_table(pa.table({**plain, **columns}), target / "uservisits.parquet")
    return target


@pytest.mark.parametrize("query", ["topn", "groupby", "count", "avg", "max", "min", "distinct", "having", "groupby-rows"])
def test_empty_and_special(tmp_path: Path, capsys, query: str) -> None:
    """No rows at all; then NaN, infinities, both zeros, and values that differ only beyond binary32."""
    empty = pq.read_table(small(tmp_path) / "uservisits.parquet").slice(0, 0)
    pq.write_table(empty, tmp_path / "uservisits.parquet")
    options = ["--benchmark", "bdb", "--query", query, "--data", tmp_path]
    assert report(capsys, *options)["rows_sent"] == 0
    small(tmp_path, adRevenue=np.array([np.inf, np.nan, 1.0 if query == "having" else -np.inf]))
    assert report(capsys, *options)["answer_equal"]
    small(tmp_path, adRevenue=np.array([1.0, 0.0, 1.0 + 2**-40]))
    assert report(capsys, *options)["answer_equal"]


KEYED = ["topn", "groupby", "count", "avg", "max", "min", "distinct", "having"]


@pytest.mark.parametrize("query", KEYED)
def test_nulls_and_signs(tmp_path: Path, capsys, query: str) -> None:
    """NULLs among keys and values, groups of nothing else, sums that cancel, more groups than cells: as SQL has them."""
    rng = np.random.default_rng(77)
    count = 3000
    keys = pa.array([f"k{n}" for n in rng.zipf(1.4, count) % 200], mask=rng.random(count) < 0.05)
    revenue = rng.normal(size=count) * 10.0 ** rng.integers(-2, 3, count) + (1.0 if query == "having" else 0.0)
    empty = np.array([k == "k7" for k in keys.to_pylist()])
    small(tmp_path, sourceIP=keys, destURL=keys, countryCode=keys, userAgent=keys,
          adRevenue=pa.array(revenue, mask=(rng.random(count) < 0.1) | empty),
          visitDate=pa.array(np.zeros(count, np.int32)).cast(pa.date32()))  # fmt: skip
    options = ["--benchmark", "bdb", "--query", query, "--data", tmp_path, "--workers", 3, "--cells", 2, "--loss", 0.01]
    assert report(capsys, *options)["answer_equal"]
    few = pq.read_table(tmp_path / "uservisits.parquet").slice(0, 40)  # fewer than the top-N's N, most of one key
    pq.write_table(few, tmp_path / "uservisits.parquet")
    assert report(capsys, *options)["answer_equal"]
    nothing = few.set_column(few.column_names.index("adRevenue"), "adRevenue", pa.nulls(40, pa.float64()))
    pq.write_table(nothing, tmp_path / "uservisits.parquet")
    assert report(capsys, *options)["answer_equal"]


@pytest.mark.parametrize(
    "columns, query, says",
    [
        ({"adRevenue": ["a", "b", "c"]}, "topn", "uservisits.parquet, is of type string, where topn expects a number"),
        ({"sourceIP": [1, 2, 3]}, "groupby", "column sourceIP of table uservisits, "),
        ({"sourceIP": [1, 2, 3]}, "groupby", "is of type int64, where groupby expects text"),
        ({"countryCode": [[1], [2], [3]]}, "max", "expects a value that has no parts"),
        ({"adRevenue": np.arange(3)}, "groupby", None),
        ({"adRevenue": pa.array([1, 2, 3]).cast(pa.decimal128(21, 2))}, "groupby", None),
        ({"sourceIP": pa.array(["é.1.2", None, "é.1.3"]).dictionary_encode()}, "groupby", None),
        ({"adRevenue": pa.array([1.0, None, 2.0])}, "groupby-rows", "holds nulls"),
        ({"countryCode": pa.array(["A", None, "A"])}, "max-rows", "holds nulls"),
        ({"adRevenue": np.array([1.0, -1.0, 1.0])}, "having-rows", "without negative numbers"),
        ({"adRevenue": np.array([1.0, 1e300, 1.0])}, "max", "range of binary32"),
        ({"adRevenue": np.array([1.0, 1e300, 1.0])}, "groupby", None),
        ({"adRevenue": [True, False, True]}, "avg", "is of type bool, where avg expects a number"),
        ({"visitDate": ["x", "y", "z"]}, "topn", None),
    ],
)
def test_columns_that_do_not_fit(tmp_path: Path, capsys, columns, query: str, says: str | None) -> None:
    small(tmp_path, **columns)
    status = main(["--benchmark", "bdb", "--query", query, "--data", str(tmp_path)])
    error = capsys.readouterr().err
    assert status == (1 if says else 0)
    assert (says or "") in error and error.count("\n") == (1 if says else 0)


def test_missing_things(tmp_path: Path, capsys) -> None:
    options = ["--benchmark", "bdb", "--query", "max", "--data", str(tmp_path)]
    assert main(options) == 1
    assert "there is no table uservisits" in capsys.readouterr().err
    path = tmp_path / "uservisits.parquet"
    whole = small(tmp_path) / "uservisits.parquet"
    good = whole.read_bytes()
    footer = int.from_bytes(good[-8:-4], "little") + 8
    for wrong, says in ((b"not parquet", "is not a Parquet file"), (b"", "is not a Parquet file"), (good[:-9], "is cut off"),
                        (good[:-footer] + bytes(footer - 8) + good[-8:], f"the footer of {path} is damaged"),
                        (b"PAR1PAR1", "is damaged")):  # fmt: skip
        path.write_bytes(wrong)
        assert main(options) == 1
        error = capsys.readouterr().err
        assert says in error and str(path) in error and error.count("\n") == 1
    pq.write_table(pa.table({"a": [1]}), tmp_path / "uservisits.parquet")
    assert main(options) == 1
    assert "has no column sourceIP; it has a" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--query", "q99"], ["--query", "q3", "--scale", "x"],
                                     ["--query", "q3", "--workers", "0"], ["--query", "q3", "--loss", "1"]])  # fmt: skip
def test_options_that_make_no_sense(options, capsys) -> None:
    with pytest.raises(SystemExit) as left:
        main(options)
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_wrong_answer_is_noticed() -> None:
    plan = PLANS["bdb"]["groupby"]
    right = pa.table({"prefix": ["b", "a"], "revenue": [1.0, 2.0], "visits": [1, 2], "mean": [1.0, 1.0]})
    bounds = {"revenue": np.array([0.0, 0.1]), "mean": np.array([0.0, 0.0])}
    assert equal(plan, Answer(right, bounds), right)
    for name, values in (("revenue", [1.0, 2.2]), ("revenue", [1.05, 2.0]), ("visits", [1, 3]), ("prefix", ["b", "c"]),
                         ("revenue", [float("nan"), 2.0])):
        wrong = right.set_column(right.column_names.index(name), name, [values])
        assert not equal(plan, Answer(wrong, bounds), right)
    close = right.set_column(1, "revenue", [[1.0, 2.05]])
    assert equal(plan, Answer(close, bounds), right)
    assert not equal(plan, Answer(right.slice(0, 1), bounds), right)


def test_link_rates() -> None:
    """A way that saves 1000 bytes and works a microsecond longer is faster below 8 Gbit/s."""
    own, other = Way(2e-6, 100, 500), Way(1e-6, 1500, 300)
    assert wins_below(own, other) == pytest.approx(8e9)
    assert own.seconds(7.9e9) < other.seconds(7.9e9) and own.seconds(8.1e9) > other.seconds(8.1e9)
    assert wins_below(other, own) == 0 and wins_below(Way(1e-6, 1, 1), other) is None


def test_the_pruning_that_pays() -> None:
    """The switch works 1 ms longer: at 8 Mbit/s that is 1000 bytes, so of 10,000 it must keep 6000 to beat 5000."""
    ways = {"switch": {"work_seconds": 2e-3, "worker_bytes": 100, "master_bytes": 2500},
            "unpruned": {"work_seconds": 2e-3, "worker_bytes": 100, "master_bytes": 10_000},
            "ship": {"work_seconds": 1e-3, "worker_bytes": 100, "master_bytes": 5000},
            "local": {"work_seconds": 1e-3, "worker_bytes": 100, "master_bytes": 50}}  # fmt: skip
    assert kept(ways) == 0.75
    assert np.interp(8e6, RATES, needed(ways, "ship")) == pytest.approx(0.6, abs=0.01)
    assert np.isinf(needed(ways, "local")).all() and needed(ways, "unpruned").max() < 1e-9


def test_plot(tables, tmp_path: Path, capsys) -> None:
    options = ["--benchmark", "bdb", "--query", "filter", "--data", str(tables["bdb"]), "--plot"]
    assert main([*options, str(tmp_path / "new" / "rates.png")]) == 0
    assert (tmp_path / "new" / "rates.png").read_bytes().startswith(b"\x89PNG")
    assert "switch is faster" in " ".join(capsys.readouterr().out.split())
    assert main([*options, str(tmp_path / "rates.nonsense")]) == 1
    assert "cannot write" in capsys.readouterr().err
