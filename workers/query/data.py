"""Tables of the two benchmarks, made once and kept.

TPC-H by tpchgen-cli. The Big Data Benchmark (Pavlo et al., SIGMOD 2009, as AMPLab ran it) by our own generator of the
same schema: page ranks and visited pages follow Zipf's law, the rest is uniform."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from workers.query.errors import QueryError

RANKINGS, VISITS = 600_000, 6_000_000
"""Rows at scale 1."""
SEED = 20090629


def directory(benchmark: str, scale: float) -> Path:
    """Where the tables of a benchmark are kept; made now if they are not there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    wanted = cache / "fpisa" / "query" / f"{benchmark}-{scale:g}"
    if wanted.is_dir():
        return wanted
    wanted.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{wanted.name}-", dir=wanted.parent))
    try:
        (tpch if benchmark == "tpch" else bdb)(made, scale)
        try:
            made.rename(wanted)
        except OSError:
            if not wanted.is_dir():  # else another process was faster
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return wanted


def tpch(target: Path, scale: float) -> None:
    """TPC-H tables as Parquet files. Raises QueryError when the generator fails."""
    beside = Path(sys.executable).parent / "tpchgen-cli"
    program = str(beside) if beside.exists() else shutil.which("tpchgen-cli")
    if program is None:
        raise QueryError("tpchgen-cli is not installed; `pip install 'fpisa[query]'` brings it")
    tables = "customer,orders,lineitem,part,partsupp,supplier,nation"
    command = [program, "parquet", "-s", f"{scale:g}", f"--tables={tables}", "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise QueryError(f"tpchgen-cli failed: {(done.stderr or done.stdout).strip().splitlines()[-1]}")


def bdb(target: Path, scale: float) -> None:
    """rankings and uservisits as Parquet files."""
    rng = np.random.default_rng(SEED)
    pages, visits = max(1, round(RANKINGS * scale)), max(1, round(VISITS * scale))
    urls = pa.array([f"page{number:08x}.example" for number in range(pages)])
    ranks = np.minimum(rng.zipf(1.6, pages), 1 << 20).astype(np.int32)
    rankings = {"pageURL": urls, "pageRank": ranks, "avgDuration": rng.integers(1, 120, pages, dtype=np.int32)}
    pq.write_table(pa.table(rankings), target / "rankings.parquet")

    def words(kind: str, count: int) -> pa.Array:
        names = pa.array([f"{kind}{number:04d}" for number in range(count)])
        return names.take(pa.array(rng.integers(0, count, visits)))

    octets = [pa.array(part.astype(str)) for part in rng.integers(1, 255, (4, visits), dtype=np.int16)]
    import pyarrow.compute as pc

    uservisits = {
        "sourceIP": pc.binary_join_element_wise(*octets, "."),
        "destURL": urls.take(pa.array((rng.zipf(1.3, visits) - 1) % pages)),
        "visitDate": pa.array(rng.integers(10957, 14610, visits, dtype=np.int32)).cast(pa.date32()),
        "adRevenue": rng.random(visits, dtype=np.float32),
        "userAgent": words("agent", 500),
        "countryCode": words("C", 200),
        "languageCode": words("L", 60),
        "searchWord": words("word", 2000),
        "duration": rng.integers(1, 10, visits, dtype=np.int32),
    }
    pq.write_table(pa.table(uservisits), target / "uservisits.parquet")
