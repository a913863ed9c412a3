"""`python -m workers.query.net.master`: the master of a query as a process.

It takes in its workers, runs the query (once to warm up, then the fastest of some runs counts), compares with DuckDB, and
prints JSON lines: what happens, and the report or an error sentence. The answer goes to a file."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from workers.query.compare import equal
from workers.query.errors import QueryError, SwitchLost
from workers.query.exchange import Traffic
from workers.query.net import rivals
from workers.query.net.channel import listen
from workers.query.net.control import Control
from workers.query.net.crew import Crew
from workers.query.net.links import tcp_headers
from workers.query.net.native import Place, Receiver, Timing
from workers.query.net.session import NetSession
from workers.query.plans import PLANS, Answer, Plan
from workers.query.run import by_duckdb

JOIN_LIMIT = 60.0
TRIES = 3
"""Of a query whose switch is lost again and again."""
Counts = list[dict[str, int]]
T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """A way's result, its seconds and bytes as the report has them, and of the same run: packets sent again, seconds of the
    slowest worker's scans and fetches, seconds waited for the controller, and packets dropped at the switch's ports."""

    result: Any
    facts: dict[str, Any]
    repeats: int
    scan: float
    control: float
    lost: int | None


class Master:
    """One query's master, from its settings (`launch.py` writes them) to its report. Raises QueryError."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.plan: Plan = PLANS[settings["benchmark"]][settings["query"]]
        self.data = Path(settings["data"])
        self.place = Place(**settings["place"])
        self.control = Control(settings["control"])
        self.receiver = self._opened()
        self.before = dict.fromkeys(self.receiver.stats, 0)
        self.retries = 0
        self.crew = Crew(settings["timing"]["deadline"], checks=[self.control.check, lambda: self.receiver.check()])

    def _opened(self) -> Receiver:
        return Receiver(self.place, self.settings["window"], Timing(**self.settings["timing"]))

    def _stats(self) -> dict[str, int]:
        """Of all receivers so far."""
        return {name: count + self.before[name] for name, count in self.receiver.stats.items()}

    def admit(self) -> None:
        """Says where it listens and waits for the workers."""
        server, where = listen(self.settings["listen"])
        say({"event": "listening", "where": where})
        self.crew.admit(server, self.settings["workers"], JOIN_LIMIT)
        server.close()
        say({"event": "started"})

    def session(self, pruning: bool = True) -> NetSession:
        own = self.settings
        return NetSession(self.control, self.receiver, self.crew, own["master_ip"], own["worker_ips"],
                          cells=own["cells"], pruning=pruning, heard=lambda what: say({"event": what}))  # fmt: skip

    def counts(self) -> tuple[Counts, list[dict[str, Any]]]:
        """Bytes out and in of each worker's link, then the master's; and the workers' own counts."""
        asked = [w.ask({"op": "counts"}) for w in self.crew.workers]
        answers = [message for message, _ in self.crew.gather(asked)]
        none = {"out": 0, "in": 0}
        links = []
        for worker, message in zip(self.crew.workers, answers, strict=True):
            stats, headers = message["stats"], message.get("headers", none)
            links.append({"out": stats["bytes_sent"] + worker.channel.received + headers["out"],
                          "in": stats["bytes_received"] + worker.channel.sent + headers["in"]})  # fmt: skip
        own, headers = self._stats(), tcp_headers() if self.place.interface else none
        sent, received = (sum(getattr(w.channel, name) for w in self.crew.workers) for name in ("sent", "received"))
        links.append({"out": own["bytes_sent"] + sent + headers["out"],
                      "in": own["bytes_received"] + received + headers["in"]})  # fmt: skip
        return links, answers

    def measured(self, way: Callable[[], Any]) -> Measured:
        """`way` once to warm up, and then the fastest of the settings' number of runs."""
        self.tried(way)
        found = [self.tried(lambda: self._measured(way)) for _ in range(self.settings["runs"])]
        return min(found, key=lambda one: one.facts["seconds"])

    def tried(self, way: Callable[[], T]) -> T:
        """The result of a run of `way` during which the switch was there all the time: a run in which it was lost counts for
        nothing, and is begun anew when the switch is back. Raises QueryError."""
        for _ in range(TRIES - 1):
            try:
                return way()
            except SwitchLost as lost:
                self.revive(lost)
        return way()

    def revive(self, lost: SwitchLost) -> None:
        """Waits for the switch; ports are opened anew, for what is left in the old ones belongs to the failed run."""
        self.retries += 1
        say({"event": "lost", "reason": str(lost)})
        try:
            self.control.revive(self.settings["patience"])
        except SwitchLost as error:
            raise QueryError(f"{lost}; {error}") from None
        self.before = self._stats()
        self.receiver.close()
        self.receiver = self._opened()
        self.crew.reopen()

    def _measured(self, way: Callable[[], Any]) -> Measured:
        before, numbers = self.counts()
        dropped = self.control.drops()
        asked, start = self.control.seconds, time.perf_counter()
        result = way()
        seconds = time.perf_counter() - start
        asked = self.control.seconds - asked
        after, later = self.counts()
        now = self.control.drops()
        spent = [{side: b[side] - a[side] for side in a} for a, b in zip(before, after, strict=True)]
        busiest = max(max(link.values()) for link in spent[:-1])
        facts = {"seconds": seconds, "worker_bytes": busiest, "master_bytes": max(spent[-1].values()),
                 "links": {**{f"worker {n}": link for n, link in enumerate(spent[:-1])}, "master": spent[-1]}}  # fmt: skip
        pairs = list(zip(numbers, later, strict=True))
        return Measured(result, facts, sum(b["stats"]["repeats"] - a["stats"]["repeats"] for a, b in pairs),
                        max(b["scan_seconds"] - a["scan_seconds"] for a, b in pairs), asked,
                        None if now is None or dropped is None else now - dropped)  # fmt: skip

    def pruned(self, pruning: bool) -> tuple[Answer, Traffic]:
        self.crew.forget()
        session = self.session(pruning)
        answer = self.plan.run(session, self.crew.workers)  # type: ignore[arg-type]
        return answer, session.traffic

    def run(self) -> dict[str, Any]:
        """The report, as JSON takes it; the answer goes to the settings' file."""
        own = self.measured(lambda: self.pruned(True))
        (answer, traffic), seconds = own.result, own.facts["seconds"]
        expected, alone = by_duckdb(self.plan, self.data)
        with pa.OSFile(self.settings["answer"], "wb") as file, pa.ipc.new_file(file, answer.rows.schema) as writer:
            writer.write_table(answer.rows)
        traffic.repeats = own.repeats
        report = {
            "answer_equal": equal(self.plan, answer, expected),
            "traffic": {**asdict(traffic), "rows_pruned": traffic.rows_pruned, "lost": own.lost},
            "rows_fetched": answer.fetched, "dictionary_keys": answer.dictionary, **own.facts,
            "phases": {"scan_and_fetch": own.scan, "switch": traffic.seconds, "control": own.control,
                       "master": max(0.0, seconds - own.scan - traffic.seconds - own.control)},
            "retries": self.retries, "bound": max((float(b.max(initial=0.0)) for b in answer.bounds.values()), default=0.0),
            "duckdb_seconds": alone, "opponents": None, "cached_seconds": None,
        }  # fmt: skip
        if self.settings["rivals"]:
            report["opponents"] = {"switch": own.facts, **self.against(answer, expected)}
        if self.settings["cached"]:
            report["cached_seconds"] = self.cached(answer, expected)
        return report

    def cached(self, answer: Answer, expected: pa.Table) -> float:
        """Seconds with the needed columns in the workers' memory. Raises QueryError if the answer is another one then."""
        for worker in self.crew.workers:
            for table, columns in self.plan.needed.items():
                worker.derive(table, f"SELECT row_id, {', '.join(columns)} FROM {table}")
        own = self.measured(lambda: self.pruned(True))
        if equal(self.plan, own.result[0], expected) != equal(self.plan, answer, expected):
            raise QueryError("the query has another answer from columns in memory than from files")
        return float(own.facts["seconds"])

    def against(self, answer: Answer, expected: pa.Table) -> dict[str, Any]:
        """The opponents' seconds and bytes. Raises QueryError if one's answer is wrong."""
        ways: dict[str, Callable[[], Answer]] = {
            "unpruned": lambda: self.pruned(False)[0],
            "ship": lambda: Answer(rivals.ship(self.plan, self.crew), answer.bounds),
            "local": lambda: Answer(rivals.local(self.plan, self.crew), answer.bounds),
        }
        table = {}
        for name, way in ways.items():
            say({"event": "measuring", "way": name})
            found = self.measured(way)
            if not equal(self.plan, found.result, expected):
                raise QueryError(f"the opponent {name!r} has another answer than DuckDB")
            table[name] = found.facts
        return table


def say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def _watch_parent(parent: int) -> None:
    """Whoever started this process may be killed: then nobody waits for the answer."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def main() -> int:
    settings = json.loads(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: os._exit(1))
    threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()
    try:
        master = Master(settings)
        master.admit()
        say({"event": "done", "report": master.run()})
        return 0
    except QueryError as error:
        say({"event": "error", "error": str(error)})
    except (duckdb.Error, pa.ArrowException) as error:
        say({"event": "error", "error": f"the tables do not fit the query: {str(error).splitlines()[0]}"})
    except MemoryError:
        say({"event": "error", "error": "the query's columns do not fit into memory"})
    except OSError as error:
        say({"event": "error", "error": f"the master cannot go on: {error.strerror or error}"})
    return 1


if __name__ == "__main__":
    sys.exit(main())
