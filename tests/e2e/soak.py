"""A long run of the real thing: four workers, lossy links, a second job that comes and goes. Memory and descriptors of every
process must not grow, and no sum may be wrong.

    python -m tests.e2e.soak --minutes 30
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.stack import ROOT, Process, Stack, same_sums

WORKERS, GUESTS = 4, 2
IMPAIR = "in:loss=0.01,in:dup=0.002,out:loss=0.01,out:dup=0.002,seed=11"
COUNT = 25_000  # values of a tensor
PAUSE = 0.02  # before each all-reduce of the first job: the machine is not the soak's alone
SETTLED = 0.25  # of the time passes before growth is looked for
ALLOWED_KB, ALLOWED_SHARE = 3000, 0.03  # of resident memory, from the first settled quarter's median to the last one's


@dataclass
class Watched:
    """Samples (seconds, resident kB, descriptors) of a process, taken while the second job is away."""

    name: str
    pid: int
    samples: list[tuple[float, int, int]] = field(default_factory=list)

    def look(self, seconds: float) -> None:
        status = Path(f"/proc/{self.pid}/status").read_text()
        resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        self.samples.append((seconds, resident, len(os.listdir(f"/proc/{self.pid}/fd"))))

    def growth(self, seconds: float) -> tuple[int, int, int]:
        """(resident kB then, now, descriptors gained): medians of the first and last quarter of what counts."""
        kept = [s for s in self.samples if s[0] >= SETTLED * seconds] or self.samples
        size = max(1, len(kept) // 4)

        def middle(samples: list[tuple[float, int, int]], column: int) -> int:
            return sorted(s[column] for s in samples)[len(samples) // 2]

        then, now = middle(kept[:size], 1), middle(kept[-size:], 1)
        return then, now, middle(kept[-size:], 2) - middle(kept[:size], 2)

    def complaint(self, seconds: float) -> str:
        then, now, gained = self.growth(seconds)
        if now - then > max(ALLOWED_KB, ALLOWED_SHARE * then):
            return f"{self.name} has grown from {then} to {now} kB"
        return f"{self.name} has {gained} more descriptors" if gained > 0 else ""


def compile_program(folder: Path) -> tuple[Path, Path]:
    """(P4Info, JSON) of a small program."""
    target, info = folder / "p.json", folder / "p.txtpb"
    command = [sys.executable, "-m", "fpisa.cli", "compile", "-DELEMENTS=32", "-DSLOTS=64", "p4src/allreduce_fpisa.p4"]
    subprocess.run([*command, "-o", str(target), "--p4runtime-files", str(info)], check=True, cwd=ROOT)
    return info, target


def visit(stack: Stack, number: int, rng: random.Random) -> str:
    """The second job: comes, sums a little, and goes, every third time by a kill. Returns what is wrong."""
    guests = [
        stack.start_worker(r, COUNT // 5, "float32", f"guest {number}", WORKERS, GUESTS) for r in range(GUESTS)
    ]  # fmt: skip
    for guest in guests:
        guest.until(lambda m: m.get("turn", -1) >= rng.randrange(2, 9))
    if number % 3 == 2:
        guests[1].signal(signal.SIGKILL)
        guests[1].end()
        if guests[0].end() != 1 or "rank 1 went silent" not in str(guests[0].told[-1]):
            return f"a guest did not tell of its peer's end: {guests[0].said[-2:]}"
        same_sums(guests)
    else:
        stack.finish(guests)
    for guest in guests:
        guest.kill()
        stack.running.remove(guest)
    return ""


def turns_of(members: list[Process]) -> tuple[int, str]:
    """Turns that all members have newly told of, compared and forgotten; and what is wrong with them."""
    for member in members:
        member.now()
        if member.child.poll() is not None:
            return 0, f"{member.name} has ended: {member.said[-3:]}"
    told = [[m for m in member.told if "turn" in m] for member in members]
    common = min(map(len, told))
    for same in zip(*(own[:common] for own in told), strict=True):
        if len({(m["turn"], m["sum"]) for m in same}) != 1 or any(m["wrong"] for m in same):
            return 0, f"the workers' sums differ or are wrong: {same}"
    for member, own in zip(members, told, strict=True):
        member.told[:] = own[common:]
        del member.said[:-8]
    return common, ""


def soak(minutes: float, folder: Path, tell: Any = lambda text: None) -> dict[str, Any]:
    """Runs and judges; `complaints` is empty where all went well."""
    rng, began, seconds = random.Random(1), time.monotonic(), minutes * 60
    with Stack(folder, compile_program(folder), WORKERS, GUESTS, deadline=60.0, impair=IMPAIR) as stack:
        members = [stack.start_worker(r, COUNT, "float32", "soak", pause=PAUSE) for r in range(WORKERS)]
        for member in members:
            member.until(lambda m: m.get("turn", -1) >= 1)
        watched = [Watched(p.name, p.child.pid) for p in (stack.switch, stack.controller, *members)]
        turns, complaints, visits = 0, list[str](), 0
        for visits in itertools.count(1):
            passed = time.monotonic() - began
            more, wrong = turns_of(members)
            turns += more
            complaints += [wrong] if wrong else []
            complaints += [said] if (said := visit(stack, visits, rng)) else []
            for one in watched:
                one.look(passed)
            tell(f"{passed / 60:.1f} min, {turns} all-reduces, {visits} visits, " + ", ".join(
                f"{w.name} {w.samples[-1][1]} kB {w.samples[-1][2]} fds" for w in watched))  # fmt: skip
            if complaints or passed > seconds:
                break
            time.sleep(min(5.0, seconds / 50))
        if not complaints:
            stack.finish(members)
            complaints = [said for one in watched if (said := one.complaint(seconds))]
    growth = {one.name: one.growth(seconds) for one in watched}
    return {"turns": turns, "visits": visits, "growth_kb": growth, "complaints": complaints}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.e2e.soak",
        description="Four workers over lossy shared-memory ports while a second job comes and goes.",
        epilog="example: python -m tests.e2e.soak --minutes 5",
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (30)")
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder:
        found = soak(minutes, Path(folder), lambda text: print(text, file=sys.stderr, flush=True))
    print(json.dumps(found))
    return 1 if found["complaints"] else 0


if __name__ == "__main__":
    sys.exit(main())
