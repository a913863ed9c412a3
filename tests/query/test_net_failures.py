"""Processes that die or stop in the middle of a query: one clear error within a stated time, and never a wrong answer."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.query.nets import Tables, make_tables
from workers.query.errors import QueryError
from workers.query.net.launch import Query, Rig, Setting, Task
from workers.query.net.native import Timing
from workers.query.plans import PLANS

DEADLINE = 3.0
"""Seconds after which silence is an error, in these tests."""
PATIENCE = 30.0
"""Seconds that a lost switch is waited for: another one starts within that on any machine."""
IMPATIENCE = 0.5
"""The same where it stays away."""
LIMIT = 15.0
"""Nothing here takes longer than this to be noticed, on a machine that is busy with other tests as well."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return make_tables(tmp_path_factory, bdb=0.002)


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig(Setting("shm", 2, "group_sum", cells=64, timing=Timing(deadline=DEADLINE), patience=PATIENCE)) as made:
        yield made


def task(tables: Tables) -> Task:
    return Task("bdb", "groupby", tables["bdb"], list(PLANS["bdb"]["groupby"].needed))


def begin(rig: Rig, tables: Tables, event: str) -> Query:
    """A query that has come as far as `event`. The switch stands still from then on, so that it cannot end."""
    switch = rig.switch.pid
    stopped: list[int] = []

    def heard(message: object) -> None:
        if not stopped and isinstance(message, dict) and message["event"] == event:
            os.kill(switch, signal.SIGSTOP)
            stopped.append(switch)

    query = rig.begin(task(tables), heard=heard)
    query.until(event, 60.0)
    return query


def go_on(rig: Rig) -> None:
    os.kill(rig.switch.pid, signal.SIGCONT)


def fails(query: Query, *words: str) -> None:
    """With a sentence that has one of the words, in time."""
    start = time.monotonic()
    with pytest.raises(QueryError) as error:
        query.wait(60.0)
    text = str(error.value)
    assert any(word in text for word in words) and "\n" not in text and "Traceback" not in text, text
    assert time.monotonic() - start < LIMIT


def works(rig: Rig, tables: Tables) -> None:
    """The next query is right: nothing of the last one is left."""
    report = rig.run(task(tables))
    assert report["answer_equal"] and report["traffic"]["rows_pruned"] > 0


@pytest.mark.parametrize("event", [pytest.param("started", marks=pytest.mark.slow), "sending"])
def test_worker_killed(rig: Rig, tables: Tables, event: str) -> None:
    """In mid-scan, or while its rows are on their way."""
    query = begin(rig, tables, event)
    query.workers[1].process.kill()
    go_on(rig)
    fails(query, "worker 1 is gone")
    if event == "sending":
        works(rig, tables)


def test_worker_stands_still(rig: Rig, tables: Tables) -> None:
    query = begin(rig, tables, "started")
    os.kill(query.workers[0].pid, signal.SIGSTOP)
    go_on(rig)
    fails(query, f"worker 0 has been silent for {DEADLINE:g} s")


def test_master_killed(rig: Rig, tables: Tables) -> None:
    """Whoever asked hears of it, and the workers end by themselves."""
    query = begin(rig, tables, "sending")
    query.master.process.kill()
    go_on(rig)
    for worker in query.workers:
        assert worker.wait(LIMIT) is not None
    fails(query, "the master is gone (exit status -9)")
    works(rig, tables)


@pytest.mark.slow
def test_switch_stands_still(rig: Rig, tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig, "setting", replace(rig.setting, patience=IMPATIENCE))
    query = begin(rig, tables, "sending")
    fails(query, f"no answer for {DEADLINE:g} s")
    go_on(rig)


@pytest.mark.slow
def test_switch_stands_still_for_a_while(rig: Rig, tables: Tables) -> None:
    """It is silent until the workers take it for lost, and then goes on with all that it knew."""
    query = begin(rig, tables, "sending")
    query.until("lost", 60.0)
    go_on(rig)
    is_right_again(query)


@pytest.mark.parametrize("event", [pytest.param("started", marks=pytest.mark.slow), "sending"])
def test_switch_restarts(rig: Rig, tables: Tables, event: str) -> None:
    """The query begins anew when the switch is there again, whose registers are empty."""
    query = begin(rig, tables, event)
    rig.switch.process.kill()
    rig.switch.wait()
    query.until("lost", 60.0)
    rig.restart_switch()
    is_right_again(query)
    works(rig, tables)


def is_right_again(query: Query) -> None:
    report = query.wait(60.0)
    traffic = report["traffic"]
    assert report["answer_equal"] and report["retries"] == 1
    assert traffic["rows_pruned"] > 0 and traffic["rows_sent"] == traffic["rows_pruned"] + traffic["rows_delivered"]


def test_switch_stays_away(rig: Rig, tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the switch and the time."""
    monkeypatch.setattr(rig, "setting", replace(rig.setting, patience=IMPATIENCE))
    query = begin(rig, tables, "sending")
    rig.switch.process.kill()
    rig.switch.wait()
    fails(query, f"the switch at {rig.grpc} has not come back within {IMPATIENCE:g} s")
    rig.restart_switch()
    rig.wait_ready()


@pytest.mark.slow
@pytest.mark.parametrize("network", ["shm", pytest.param("mininet", marks=pytest.mark.root)])
def test_a_switch_that_dies_is_restarted_by_who_runs_it(tables: Tables, network: str) -> None:
    """As the command has it: nobody else does anything. Twice in a row."""
    setting = Setting(network, 2, "group_sum", cells=64, restart=True)
    with Rig(setting) as rig:
        killed: list[int] = []

        def heard(message: Mapping[str, Any]) -> None:
            if message["event"] == "sending" and rig.switch.pid not in killed and len(killed) < 2:
                killed.append(rig.switch.pid)
                rig.switch.process.kill()

        report = rig.run(task(tables), heard)
    assert report["answer_equal"] and report["retries"] == 2 and len(killed) == 2


@pytest.mark.slow
def test_controller_killed(tables: Tables) -> None:
    with Rig(Setting("shm", 1, "group_sum", cells=64, timing=Timing(deadline=DEADLINE))) as rig:
        query = begin(rig, tables, "sending")
        rig.controller.process.kill()
        go_on(rig)
        fails(query, "the controller is gone")


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """What stops a switch or a controller at once is said."""
    with pytest.raises(QueryError, match="the switch is gone"), Rig(Setting("shm", 1, "filter", impair="nonsense")) as rig:
        rig.begin(Task("bdb", "filter", tmp_path, [])).until("started", 60.0)
