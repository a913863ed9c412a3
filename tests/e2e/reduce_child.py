"""One worker of tests/e2e/test_failures.py: all-reduces without end, a line of JSON after each; ends when its input does.

Even turns sum values whose sum is exact in any order and are compared with it; odd turns sum arbitrary floats, whose bits
must be the same on every worker. Arguments: one JSON object.
"""

import json
import select
import sys
import time
import zlib

import numpy as np

from workers.allreduce import MemoryPort, Options, open_job
from workers.bench import contribution, expected
from workers.cli import FAILURES
from workers.window import Timing


def values(turn: int, rank: int, count: int, dtype: str) -> np.ndarray:
    if turn % 2 == 0 or dtype == "int32":
        return contribution(rank, count, turn, dtype)
    rng = np.random.default_rng((turn, rank))
    return (rng.standard_normal(count) * 2.0 ** rng.integers(-40, 40, count)).astype(np.float32)


def over(told: list[str]) -> bool:
    """Whether the parent has said STOP; asked by rank 0 alone, which tells the others in a sum."""
    if select.select([sys.stdin], [], [], 0)[0]:
        told.append(sys.stdin.readline())
    return bool(told)


def run(words: dict, told: list[str]) -> None:
    place = words["place"]
    place = place if isinstance(place, str) else MemoryPort(place["path"], bytes.fromhex(place["mac"]), place["ip"])
    options = Options(**words["options"], timing=Timing(deadline=words["deadline"]))
    count, dtype, workers = words["count"], words["dtype"], words["workers"]
    with open_job(words["controller"], words["job"], workers, place, options, words["rank"]) as client:
        rank, turn, ending = client.seat.rank, 0, False
        array = client.empty(count, dtype)
        print(json.dumps({"joined": rank}), flush=True)
        while not ending:
            time.sleep(words.get("pause", 0.0))
            array[:] = values(turn, rank, count, dtype)
            client.allreduce(array)
            wrong = 0
            if turn % 2 == 0 and not (dtype == "float32" and options.format == "int32"):  # quantised: not exact
                wrong = int(np.count_nonzero(array != expected(workers, count, turn, dtype)))
            stop = np.full(1, float(rank == 0 and over(told)), dtype)
            client.allreduce(stop)
            ending = bool(stop[0])
            print(json.dumps({"turn": turn, "sum": zlib.crc32(array), "wrong": wrong}), flush=True)
            turn += 1
    print(json.dumps({"done": turn, "again": client.stats.retransmissions}), flush=True)


def main() -> int:
    try:
        run(json.loads(sys.argv[1]), [])
    except FAILURES as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
