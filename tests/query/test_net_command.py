"""`fpisa query` over networks of processes: answers equal to DuckDB's, also where packets are lost, doubled and late."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.query.nets import Tables, make_tables
from workers.query.cli import main
from workers.query.net import leftovers
from workers.query.net.launch import ALL, Rig, Setting, Task
from workers.query.operators import Session
from workers.query.plans import PLANS
from workers.query.run import program_of
from workers.query.source import Worker

ROUGH = "in:loss=0.01,in:dup=0.01,in:reorder=0.05,out:loss=0.01,out:dup=0.01,out:reorder=0.05,seed=9"
EVERY = [(b, q) for b, plans in PLANS.items() for q in plans]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return make_tables(tmp_path_factory, tpch=0.01, bdb=0.001)


def report(capsys: pytest.CaptureFixture[str], *options: object) -> dict:
    assert main([*map(str, options), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def task(tables: Tables, benchmark: str, query: str) -> Task:
    return Task(benchmark, query, tables[benchmark], list(PLANS[benchmark][query].needed))


def sound(found: dict) -> None:
    assert found["answer_equal"] and found["answer_rows"] > 0 and found["network"] in ("shm", "mininet")
    assert found["rows_sent"] == found["rows_pruned"] + found["rows_delivered"]
    assert found["rows_pruned"] > 0 and found["seconds"] > 0
    assert list(found["links"]) == ["worker 0", "worker 1", "master"]
    # Rows of 312 bytes a packet, before they are repeated, are the least that workers must have sent.
    assert sum(found["links"][f"worker {n}"]["out"] for n in (0, 1)) >= 312 * found["packets"]


def test_over_shared_memory(tables: Tables, capsys) -> None:
    found = report(capsys, "--query", "q3", "--data", tables["tpch"], "--impair", ROUGH, "--opponents")
    sound(found)
    assert found["repeats"] > 0 and found["lost"] > 0
    ways = found["measured"]  # a wrong answer of theirs would have been an error
    assert list(ways) == ["switch", "unpruned", "ship", "local"]
    assert ways["switch"]["master_bytes"] < ways["unpruned"]["master_bytes"]
    assert all(way["seconds"] > 0 and way["worker_bytes"] > 0 for way in ways.values())


@pytest.mark.root
def test_over_mininet(tables: Tables, capsys) -> None:
    """The links' rate is imposed: nobody is faster than what it carried allows."""
    rate = 50.0
    found = report(capsys, "--query", "q20", "--data", tables["tpch"], "--network", "mininet", "--rate", rate,
                   "--loss", 0.01, "--opponents")  # fmt: skip
    sound(found)
    burst = 2 * max(3200, rate * 1e6 / 8 * 0.001)
    for way in found["measured"].values():
        assert 8 * (way["master_bytes"] - burst) / (rate * 1e6) <= way["seconds"]


def test_queries_of_different_kinds_at_once(tables: Tables) -> None:
    """One switch, one program with all operators, two masters. On the interpreter, which starts faster."""
    with Rig(Setting("shm", 5, ALL, cells=64, join_cells=1024, engine="interp")) as rig:
        queries = [rig.begin(task(tables, "bdb", "max"), first=0, workers=2),
                   rig.begin(task(tables, "bdb", "distinct"), first=3, workers=2)]  # fmt: skip
        for query in queries:
            found = query.wait(120.0)
            assert found["answer_equal"] and found["traffic"]["rows_pruned"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("network", ["shm", pytest.param("mininet", marks=pytest.mark.root)])
def test_every_query_on_one_switch(tables: Tables, network: str) -> None:
    with Rig(Setting(network, 2, ALL, impair=ROUGH)) as rig:
        for benchmark, query in EVERY:
            found = rig.run(task(tables, benchmark, query))
            assert found["answer_equal"] and found["traffic"]["rows_pruned"] > 0, query


@pytest.mark.slow
def test_many_queries_share_a_switch(tables: Tables) -> None:
    """Of one operator and of several, side by side, each with cells of its own, again and again."""
    kinds = [("bdb", "groupby"), ("bdb", "max"), ("tpch", "q20"), ("tpch", "q3")]
    with Rig(Setting("shm", 3 * len(kinds) - 1, ALL, cells=256, join_cells=4096)) as rig:
        for _ in range(3):
            live = [rig.begin(Task(b, q, tables[b], list(PLANS[b][q].needed), cells=64), first=3 * n, workers=2)
                    for n, (b, q) in enumerate(kinds)]  # fmt: skip
            for query in live:
                assert query.wait(120.0)["answer_equal"]


def test_the_program_of_a_query_has_its_operator(tables: Tables) -> None:
    """So that a network can take the program of one operator."""
    racks: dict = {}
    for benchmark, query in EVERY:
        plan, used = PLANS[benchmark][query], set()

        class Watched(Session):
            def rack(self, operator: str) -> object:
                used.add(operator)  # noqa: B023
                return super().rack(operator)

        session = Watched(1, cells=64, racks=racks)
        plan.run(session, [Worker(tables[benchmark], list(plan.needed), 0, 1)])
        assert used == {program_of(query)}, query


@pytest.mark.parametrize(
    "options, says",
    [
        (["--rate", "10"], "only the links of --network mininet have a rate"),
        (["--network", "memory", "--rate", "10"], "belong to a network of processes"),
        (["--impair", "in:nonsense=1"], "the switch is gone"),
        (["--plot", "x.png"], "--plot draws computed link times"),
    ],
)
def test_options_that_do_not_go_together(tables: Tables, capsys, options: list[str], says: str) -> None:
    assert main(["--query", "q3", "--data", str(tables["tpch"]), *options]) == 1
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_a_column_that_is_missing_or_of_a_wrong_type(tables: Tables, tmp_path: Path, capsys) -> None:
    table = pq.read_table(tables["bdb"] / "uservisits.parquet")
    place = table.column_names.index("adRevenue")
    options = ["--benchmark", "bdb", "--query", "max", "--data", str(tmp_path)]
    pq.write_table(table.drop_columns(["adRevenue"]), tmp_path / "uservisits.parquet")
    assert main(options) == 1
    assert "has no column adRevenue" in capsys.readouterr().err
    pq.write_table(table.set_column(place, "adRevenue", table["userAgent"]), tmp_path / "uservisits.parquet")
    assert main(options) == 1
    error = capsys.readouterr().err
    assert "is of type string, where max expects a number" in error and error.count("\n") == 1
    place = table.column_names.index("sourceIP")
    pq.write_table(table.set_column(place, "sourceIP", [list(range(len(table)))]), tmp_path / "uservisits.parquet")
    assert main([*options, "--query", "groupby"]) == 1
    error = capsys.readouterr().err
    assert "is of type int64, where groupby expects text" in error and error.count("\n") == 1


def children_of(pid: int) -> list[int]:
    """Living child processes, from /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs util-linux's setpriv")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_command_that_is_killed_takes_its_processes_with_it(
    tables: Tables, tmp_path_factory: pytest.TempPathFactory, how: signal.Signals
) -> None:
    folder = tmp_path_factory.mktemp("k")
    command = subprocess.Popen([sys.executable, "-m", "fpisa.cli", "query", "--query", "q3", "--data", str(tables["tpch"]),
                                "--workers", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**os.environ, "TMPDIR": str(folder)})  # fmt: skip
    until = time.monotonic() + 60.0
    while len(pids := children_of(command.pid)) < 4 and time.monotonic() < until:
        time.sleep(0.02)
    command.send_signal(how)
    assert command.wait(30) == (143 if how == signal.SIGTERM else -how)
    if how == signal.SIGTERM:
        assert list(folder.iterdir()) == []
    assert len(pids) == 4  # switch, controller, master, worker
    while not all(map(gone, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    assert all(map(gone, pids))


def test_what_a_killed_command_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders and processes; not those of a query that runs."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder, owned = leftovers.claim()
    sleeper = subprocess.Popen(["sleep", "600"], env=leftovers.environment(folder))
    (tmp_path / "fpisa-qnew").mkdir()  # is being made
    assert leftovers.sweep() == []
    while sleeper.pid not in leftovers.members(folder):
        assert sleeper.poll() is None  # its environment shows a moment after its start
    owned.close()  # as the end of its process does
    other, still = leftovers.claim()
    assert sleeper.wait(10) == -9 and not folder.exists() and other.exists()
    still.close()


def test_nothing_is_left_behind(tables: Tables) -> None:
    """Neither processes nor files, also where the query was interrupted."""
    with Rig(Setting("shm", 1, "filter")) as rig:
        query = rig.begin(task(tables, "bdb", "filter"))
        query.until("started", 60.0)
        pids = [child.pid for child in rig.children]
        folder = rig.folder
    assert not folder.exists()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
