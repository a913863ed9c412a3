"""Timing and checking, and the command's way with wrong options."""

import json
import socket

import numpy as np
import pytest

from tests.p4.model import Program
from tests.workers.cluster import clients, everyone, model_for
from workers import cli
from workers.allreduce import Options
from workers.bench import bench, contribution, expected

SMALL = Options(elements=32, slots=8)
INT = Options(format="int32", elements=32, slots=8)


@pytest.mark.parametrize(("options", "dtype"), [(SMALL, "float32"), (INT, "float32"), (INT, "int32")])
def test_a_bench_checks_every_value(options, dtype):
    shape = "int" if options is INT else "exact"
    model = model_for(3, options, Program(shape, elements=32, slots=16))
    members = clients(model.process, 3, options)
    reports = everyone(members, lambda client, rank: bench(client, 500, repeats=3, dtype=dtype))
    for report in reports:
        assert report.wrong == 0 and len(report.seconds) == 3
        packets = -(-500 // 32)
        extra = min(packets, 8) if (shape, dtype) == ("int", "float32") else 0
        sent = report.stats["packets_sent"] - report.stats["retransmissions"]
        assert sent == 3 * (packets + extra)
        assert json.loads(json.dumps(report.as_dict()))["goodput"] > 0


@pytest.mark.parametrize("workers", [3, 4])
def test_averages_are_checked_too(workers):
    options = Options(elements=32, slots=8, average=True)
    model = model_for(workers, options, Program(elements=32, slots=16, average=True))
    reports = everyone(clients(model.process, workers, options), lambda c, rank: bench(c, 500, repeats=1))
    assert [report.wrong for report in reports] == [0] * workers
    sums = model_for(workers, options, Program(elements=32, slots=16))
    reports = everyone(clients(sums.process, workers, options), lambda c, rank: bench(c, 500, repeats=1))
    assert all(report.wrong > 400 for report in reports)


def test_a_wrong_sum_is_seen():
    """A switch that adds one worker twice is caught."""
    model = model_for(2, SMALL, Program(elements=32, slots=16))
    adder, done = model.add, []

    def faulty(state, word):
        if not done:
            done.append(True)
            state = adder(state, word)
        return adder(state, word)

    model.add = faulty
    reports = everyone(clients(model.process, 2, SMALL), lambda c, rank: bench(c, 100, repeats=1))
    assert [report.wrong for report in reports] == [1, 1]
    assert "1 values WRONG" in cli.describe(reports[0])


def test_contributions_differ_and_their_sums_are_exact():
    values = [contribution(rank, 4000, 1, "float32") for rank in range(32)]
    assert len({v.tobytes() for v in values}) == 32
    exact = np.sum(np.array(values, dtype=np.float64), axis=0)
    assert np.array_equal(expected(32, 4000, 1, "float32"), exact)


WANTED = ["--controller", "127.0.0.1:1", "--job", "j", "--workers", "2", "--interface", "lo"]


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        (["--size", "0"], "'0' is not a size"),
        (["--size", "many"], "'many' is not a size"),
        (["--elements", "16"], "a packet holds 32 to 256 values, not 16"),
        (["--queues", "9", "--slots", "4"], "9 queues cannot share 4 slots"),
        (["--workers", "-1"], "'-1' is not a whole number"),
        (["--deadline", "nan"], "'nan' is not a time"),
        (["--type", "int32"], "does not sum int32"),
        (["--udp-port", "65536"], "leave no room"),
    ],
)
def test_options_that_make_no_sense(extra, sentence, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(WANTED + extra)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1


def test_no_such_interface(capsys):
    assert cli.main([*WANTED[:-1], "nowhere0"]) == 1
    assert capsys.readouterr().err == "fpisa worker: there is no network interface 'nowhere0'\n"


@pytest.mark.root
def test_no_controller_is_one_sentence(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    assert cli.main(["--controller", address, *WANTED[2:]]) == 1
    assert f"no controller answers at {address}" in capsys.readouterr().err
