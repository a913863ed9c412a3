"""A table larger than a worker's memory: the right columns where they may wait in files, one sentence where they may not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROWS, ROW_GROUP = 10_000_000, 1 << 19
"""24 bytes each wait to be sent: 240 MB."""
SPARE = 200 << 20
SEED = 20261121
SCAN = """
import resource, sys
from pathlib import Path
import numpy as np
from workers.query.errors import QueryError
from workers.query.source import Worker
folder, memory, spare, seed = Path(sys.argv[1]), *map(int, sys.argv[2:])
worker = Worker(folder, ["t"], 0, 1, memory)
worker.connection.execute("SET threads TO 1")
worker.scan("t", key="k", value="v", where="k < 1000")  # libraries and threads take their address space
size = next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, (size + spare, size + spare))
try:
    scan = worker.scan("t", key="k", value="v")
except (QueryError, MemoryError) as error:
    sys.exit(f"too little memory: {type(error).__name__}: {error}")
rng, at = np.random.default_rng(seed), 0
while at < len(scan.stream):
    part = scan.stream.part(at, at + (1 << 19))
    values = rng.standard_normal(len(part))
    assert (part.values == values.astype(np.float32)).all()
    assert (part.rows == np.arange(at, at + len(part))).all()
    chosen = part.rows[::50021]
    assert (scan.widen(chosen) == values[::50021]).all()
    at += len(part)
print(at)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, rng = tmp_path_factory.mktemp("large"), np.random.default_rng(SEED)
    schema = pa.schema([("k", pa.int64()), ("v", pa.float64())])
    with pq.ParquetWriter(made / "t.parquet", schema) as writer:
        for at in range(0, ROWS, ROW_GROUP):
            count = min(ROW_GROUP, ROWS - at)
            batch = pa.table({"k": np.arange(at, at + count), "v": rng.standard_normal(count)}, schema=schema)
            writer.write_table(batch, row_group_size=ROW_GROUP)
    return made


def scan(folder: Path, memory: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCAN, str(folder), str(memory), str(SPARE), str(SEED)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_columns_beyond_the_memory_of_a_worker_wait_in_files(folder: Path) -> None:
    done = scan(folder, 160 << 20)
    assert done.returncode == 0 and done.stdout.split() == [str(ROWS)], done.stderr[-2000:]


@pytest.mark.slow
def test_the_limit_of_that_test_bites(folder: Path) -> None:
    """A worker that is told it has more memory than it has fails, and says so."""
    done = scan(folder, 64 << 30)
    assert done.returncode == 1 and "too little memory" in done.stderr and "Traceback" not in done.stderr, done.stderr[-2000:]
