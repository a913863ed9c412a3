"""The main job's own logic: what it is asked, how it follows workers, what it writes."""

from __future__ import annotations

import importlib.util
import json
import threading
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from fpisa import batch
from fpisa.formats import FP32
from workers.main_job import command
from workers.main_job.follow import Follower, name_ranks
from workers.main_job.model_check import chunks_explained, order_count, possible_sums
from workers.main_job.page import render
from workers.main_job.plan import METHODS, JobError, Plan
from workers.main_job.programs import compile_program
from workers.main_job.result import Heard, Result, conclude
from workers.main_job.table import HEADER, payload_limit, row


def plan_from(*arguments: str) -> Plan:
    return command.plan_of(command.parser().parse_args(list(arguments)))


def test_the_default_plan_has_every_aggregator() -> None:
    plan = plan_from()
    assert [m.aggregator for m in plan.methods] == ["fpisa", "fpisa-a", "switchml", "gloo"]
    assert (plan.workers, plan.elements) == (4, 64)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--aggregators", "fpisa,magic"], "unknown aggregator magic; there are fpisa"),
        (["--aggregators", ","], "unknown aggregator ''"),
        (["--workers", "1"], "--workers must be from 2 to 128, not 1"),
        (["--elements", "512"], "--elements must be from 32 to 256"),
        (["--rate", "-1"], "--rate must be 0 or more"),
        (["--rate", "nan"], "--rate must be 0 or more"),
        (["--bench-mb", "0"], "--bench-mb above 0"),
        (["--epochs", "0"], "must be above 0"),
        (["--batch", "5000"], "more than"),
    ],
)
def test_impossible_plans_are_refused_in_a_sentence(arguments: list[str], words: str) -> None:
    with pytest.raises(JobError, match=words):
        plan_from(*arguments)


def test_an_unusable_results_folder_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert command.main(["--out", str(tmp_path / "file" / "below"), "--in-process"]) == 1
    assert "cannot make the folder" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["torch", "sklearn"])
def test_a_missing_library_is_named(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else there(name))
    assert command.main(["--in-process"]) == 1
    assert f"training needs {missing}" in capsys.readouterr().err


def test_a_missing_reference_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(JobError, match="p4c-bm2-ss is not installed"):
        compile_program(Plan(compiler="p4c"), "allreduce_fpisa.p4", tmp_path)


def follow(statuses: dict[int, int], lines: dict[int, list[str]], **options: float) -> Follower:
    """Runs a Follower over workers that said `lines` and ended with `statuses`; others never end."""
    follower = Follower(3, lambda rank, event: None)
    for rank, said in lines.items():
        for line in said:
            follower.line(rank, line)
    for rank in statuses:
        follower.end(rank)
    follower.follow(lambda rank: statuses[rank], options.get("limit_s", 5.0))
    return follower


def test_events_are_kept_by_kind_and_other_words_are_not_lost() -> None:
    lines = {0: ['{"event": "step", "step": 1}', "a warning", '{"event": "step", "step": 2}', "[1]"]}
    follower = follow({0: 0, 1: 0, 2: 0}, lines)
    assert follower.heard[0].last["step"]["step"] == 2
    assert follower.heard[0].words == "[1]"


def test_a_killed_worker_and_what_the_others_say() -> None:
    lines = {
        0: ['{"event": "error", "error": "rank 1 went silent: its bit is missing", "silent": [1]}'],
        2: ["MemoryError: no memory"],
    }
    with pytest.raises(JobError) as caught:
        follow({1: -9, 0: 1, 2: 1}, lines)
    assert str(caught.value) == (
        "rank 0 says: rank 1 went silent: its bit is missing; rank 1 was killed by SIGKILL; "
        "rank 2 ended with status 1: MemoryError: no memory"
    )


def test_workers_that_never_end_are_named() -> None:
    with pytest.raises(JobError, match=r"ranks 1 and 2 did not finish within 0\.05 s"):
        follow({0: 0}, {}, limit_s=0.05)


def test_following_waits_for_late_ends() -> None:
    follower = Follower(1, lambda rank, event: None)
    timer = threading.Timer(0.05, lambda: follower.end(0))
    timer.start()
    began = time.monotonic()
    follower.follow(lambda rank: 0, 20.0)
    assert time.monotonic() - began < 10
    assert follower.heard[0].status == 0


def test_ranks_read_as_a_sentence() -> None:
    assert [name_ranks([1]), name_ranks([0, 2]), name_ranks([0, 1, 3])] == [
        "rank 1",
        "ranks 0 and 2",
        "ranks 0, 1 and 3",
    ]


def heard(digest: str, accuracy: float, seconds: list[float]) -> Heard:
    curve = {"loss": [2.0, 1.0], "accuracy": [0.5], "allreduce_seconds": [0.01, 0.02]}
    trained = {"accuracy": accuracy, "digest": digest, "samples": 640, "seconds": 2.0, "curve": curve}
    worker = Heard(status=0)
    worker.take(
        {
            "event": "measured",
            "bytes": 1_000_000,
            "seconds": seconds,
            "cpu_seconds": 0.02,
            "error": 1e-8,
            "deviation": 2e-8,
        }
    )
    worker.take({"event": "trained", **trained})
    worker.take({"event": "counts", "retransmissions": 3})
    return worker


@pytest.fixture
def result(tmp_path: Path) -> Result:
    own = np.array([[1.0, 2.0]], np.float32)
    for rank in range(2):
        np.savez(tmp_path / f"gradients-{rank}.npz", steps=[0], own=own, total=2 * own)
    workers = [heard("aa", 0.97, [0.1, 0.2, 0.3]), heard("aa", 0.97, [0.2, 0.1, 0.3])]
    return conclude("fpisa", workers, 10, 6, tmp_path, 0.06, 64)


def test_a_result_takes_the_slowest_worker_of_each_repeat(result: Result) -> None:
    assert result.bench_seconds == [0.2, 0.2, 0.3]
    assert result.goodput_gbit_per_second == pytest.approx(8e6 / 0.2 / 1e9)
    assert result.cpu_seconds_per_gb == pytest.approx(0.02 / 0.003)
    assert result.switch_cpu_seconds_per_gb == pytest.approx(20)
    assert result.samples_per_second == 320
    assert result.equal_weights and result.largest_error == 1e-8 and result.largest_deviation == 2e-8
    assert result.chunks_explained == 1.0


def test_harm_to_the_model_is_an_error(result: Result, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.verdict(Plan(), [result], 0.975) == 0
    assert command.verdict(Plan(), [result], 0.99) == 1
    assert "fpisa: accuracy 97.00% is not that of one process, 99.00%" in capsys.readouterr().err
    differing = conclude("gloo", [heard("aa", 0.97, [1.0]), heard("bb", 0.97, [1.0])], 1, 0, tmp_path, None, 64)
    assert command.verdict(Plan(), [differing], 0.97) == 1
    assert "gloo: the workers' weights differ" in capsys.readouterr().err


@pytest.mark.parametrize("shape", ["exact", "approx"])
def test_every_order_of_arrival_is_explained_and_a_wrong_bit_is_not(shape: str) -> None:
    random = np.random.default_rng(5)
    own = (random.standard_normal((3, 150)) * np.exp2(random.integers(-20, 20, (3, 150)))).astype(np.float32)
    words = own.view(np.uint32)
    sums = [batch.sum_rows(FP32, words[list(order)], shape).words for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0))]
    total = np.concatenate([sums[0][:64], sums[1][64:128], sums[2][128:]])
    assert chunks_explained(own, total.view(np.float32), shape, 64).tolist() == [True, True, True]
    total[100] ^= 1
    assert chunks_explained(own, total.view(np.float32), shape, 64).tolist() == [True, False, True]


def test_wrong_sums_are_an_error(result: Result, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.verdict(Plan(), [replace(result, chunks_explained=0.999)], 0.97) == 1
    assert "only 99.900% of the sums are those of the number format" in capsys.readouterr().err


def test_the_table_has_a_cell_for_each_heading(result: Result) -> None:
    cells = row(result)
    assert len(cells) == len(HEADER)
    assert cells == ("fpisa", "320", "0.040", "6.7", "10", "6", "97.00%", "1.0e-08")


def test_the_links_limit_counts_headers() -> None:
    assert payload_limit(Plan(rate_mbit=100, elements=64)) == pytest.approx(0.1 * 256 / 314)
    assert payload_limit(Plan(rate_mbit=None)) is None


class Balanced(HTMLParser):
    """Raises AssertionError where tags do not nest."""

    VOID = frozenset({"meta", "br", "img", "use", "path"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_one_well_formed_file(result: Result) -> None:
    text = render(Plan(), [result], 0.975, ["Told <here> & there."])
    parser = Balanced()
    parser.feed(text)
    assert not parser.open
    assert text.count("<svg") == 6 and "Told &lt;here&gt; &amp; there." in text
    assert "http-equiv" not in text and "<script" not in text and "<link" not in text
    assert all(cell in text for cell in row(result))


def test_the_record_is_json(result: Result) -> None:
    document = command.record(Plan(), [result], 0.975, [])
    again = json.loads(json.dumps(document))
    assert again["results"][0]["aggregator"] == "fpisa"
    assert {m["aggregator"] for m in again["plan"]["methods"]} == set(METHODS)


@pytest.mark.parametrize(("shape", "uplink"), [("exact", "packed"), ("exact", "raw"), ("approx", "packed")])
def test_every_order_over_two_racks_is_explained_and_a_wrong_bit_is_not(shape: str, uplink: str) -> None:
    random = np.random.default_rng(6)
    own = (random.standard_normal((3, 128)) * np.exp2(random.integers(-20, 20, (3, 128)))).astype(np.float32)
    sums = list(possible_sums(own.view(np.uint32), shape, (2, 1), uplink))
    assert len(sums) == order_count((2, 1)) == 4
    for words in sums:
        total = words.view(np.float32)
        assert chunks_explained(own, total, shape, 64, (2, 1), uplink).all()
        wrong = total.copy()
        wrong.view(np.uint32)[70] ^= 1
        assert list(chunks_explained(own, wrong, shape, 64, (2, 1), uplink)) == [True, False]
    if shape == "exact":  # the other way up, and one switch, give other bits
        other = "raw" if uplink == "packed" else "packed"
        assert not chunks_explained(own, sums[0].view(np.float32), shape, 64, (2, 1), other).all()
        # A rack of one sends its value as it is: with raw registers that is one switch's order.
        assert chunks_explained(own, sums[0].view(np.float32), shape, 64).all() == (uplink == "raw")


def test_programs_and_pages_of_racks(result: Result, tmp_path: Path) -> None:
    with_links = replace(result, link_bytes={"h1-s1": (1200, 1300), "s1-s3": (2400, 600)})
    html = render(replace(Plan(), bench_bytes=300, bench_repeats=2), [with_links], 0.97, [])
    assert "s1-s3" in html and "4.00" in html and "1.00" in html
    assert "s1-s3" not in render(Plan(), [result], 0.97, [])
    program = compile_program(Plan(shape="racks", uplink="raw"), "allreduce_int.p4", tmp_path)
    assert program.json.name == "allreduce_tree_int.json"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--cpu", "0.5", "--in-process"], "--in-process has no hosts whose processors could be limited"),
        (["--pipelines", "200", "--in-process"], "--pipelines must be from 1 to 16"),
        (["--pipelines", "4", "--slots", "3", "--in-process"], "4 pipelines cannot share 3 slots"),
        (["--pipelines", "2", "--switch", "bmv2"], "has one pipeline"),
        (["--impair", "in:lost=1"], "--impair: "),
        (["--epochs", "0"], "must be above 0"),
    ],
)
def test_what_cannot_go_together_is_refused(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(words) == 2
    assert sentence in capsys.readouterr().err


def test_runs_of_one_moment_have_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda self: False)  # as a run sees it whose twin comes first
    folders = [command.new_folder(tmp_path / "results") for _ in range(5)]
    assert len(set(folders)) == 5 and all(folder.is_dir() for folder in folders)
