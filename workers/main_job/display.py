"""What a person sees while the job runs."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from workers.main_job.plan import Method, Plan
from workers.main_job.result import Event, Result
from workers.main_job.table import HEADER, row


class Display:
    """Progress of a run: one bar a stage. A context manager; everything goes to `console`."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )

    def __enter__(self) -> Display:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def stage(self, words: str, total: int) -> Stage:
        return Stage(self.progress, words, total)

    def method(self, plan: Plan, method: Method) -> MethodStage:
        return MethodStage(self.progress, plan, method)


class Stage:
    def __init__(self, progress: Progress, words: str, total: int) -> None:
        self.progress, self.words = progress, words
        self.task = progress.add_task(words, total=total)

    def to(self, done: int, words: str = "") -> None:
        self.progress.update(self.task, completed=done, description=f"{self.words}{words}")

    def finish(self, words: str = "") -> None:
        total = self.progress.tasks[self.task].total or 0
        self.to(int(total), words)


class MethodStage(Stage):
    """One aggregator: its measurements count as the first steps, then those of training."""

    def __init__(self, progress: Progress, plan: Plan, method: Method) -> None:
        super().__init__(progress, method.aggregator, total=plan.bench_repeats + 1)
        self.repeats = plan.bench_repeats
        self.to(0, ": starting the network")

    def see(self, rank: int, event: Event) -> None:
        if rank != 0:
            return
        shown: dict[str, Any] = {
            "joining": lambda: self.to(0, ": workers join"),
            "joined": lambda: self.to(0, ": first sum"),
            "bench": lambda: self.to(event["done"], ": large all-reduce"),
            "step": lambda: self.step(event),
        }
        shown.get(event["event"], lambda: None)()

    def step(self, event: Event) -> None:
        self.progress.update(self.task, total=self.repeats + event["steps"])
        self.to(self.repeats + event["step"], ": training")


def comparison(results: list[Result]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(HEADER):
        # Headings break so that all columns fit 80 characters.
        heading = name.replace(" ", "\n").replace("retransm", "retrans-\nm")
        table.add_column(heading, justify="left" if number == 0 else "right", no_wrap=True)
    for result in results:
        table.add_row(*row(result))
    return table
