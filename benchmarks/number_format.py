"""Speed of the number format as ratios within one run: `python benchmarks/number_format.py [--json]`.

Adding an fp32 vector into accumulators against np.add of float32 vectors as long, in and out of cache.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from fpisa import fast
from fpisa.formats import FP32

LENGTHS = {"in_cache": 1 << 15, "out_of_cache": 1 << 24}
GOALS = {"in_cache": 0.2, "out_of_cache": 0.5}


def rate(action, elements: int, seconds: float = 1.0) -> float:
    """Best elements per second over many short runs: a busy machine leaves some of them alone."""
    calls = max(1, (1 << 20) // elements)
    action()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end or best == float("inf"):
        start = time.perf_counter()
        for _ in range(calls):
            action()
        best = min(best, (time.perf_counter() - start) / calls)
    return elements / best


def measure(elements: int, shape: str) -> dict[str, float]:
    """Gelement/s of a float32 add, of the FPISA add and of the read, for one vector length."""
    rng = np.random.default_rng(7)
    left, right = (rng.standard_normal(elements).astype(np.float32) for _ in range(2))
    out = np.zeros_like(left)
    registers = fast.allocate(FP32, elements)
    fast.first(registers, left)
    rates = {
        "np_add": rate(lambda: np.add(left, right, out=out), elements),
        "fpisa_add": rate(lambda: fast.add(registers, right, shape), elements),
        "fpisa_read": rate(lambda: fast.read(registers, out=out), elements),
    }
    return {name: value / 1e9 for name, value in rates.items()}


def measure_gpu(elements: int = 1 << 26, rows: int = 8) -> dict[str, float]:
    """GB/s of a device copy (bytes counted once) and of a fused sum of `rows` vectors; empty without CUDA."""
    try:
        import torch
    except ImportError:
        return {}
    if not torch.cuda.is_available():
        return {}
    from fpisa.torch_twin import sum_rows

    values = torch.randn(rows, elements, device="cuda")
    target = torch.empty_like(values)

    def synchronised(action):
        action()
        torch.cuda.synchronize()

    moved = values.numel() * 4
    copy = rate(lambda: synchronised(lambda: target.copy_(values)), 2 * moved)
    fused = rate(lambda: synchronised(lambda: sum_rows(FP32, values)), moved + 5 * elements)
    return {"copy": copy / 1e9, "fpisa_sum": fused / 1e9}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print results as JSON")
    options = parser.parse_args()
    results = {}
    for place, elements in LENGTHS.items():
        for shape in ("exact", "approx"):
            rates = measure(elements, shape)
            name = f"number_format_{shape}_{place}"
            ratio = rates["fpisa_add"] / rates["np_add"]
            results[name] = {
                "value": round(ratio, 3),
                "unit": "of np.add",
                "goal": GOALS[place],
                "against": "np.add float32",
                "gelements_per_s": {key: round(value, 2) for key, value in rates.items()},
            }
    gpu = measure_gpu()
    if gpu:
        results["number_format_gpu_sum"] = {
            "value": round(gpu["fpisa_sum"] / gpu["copy"], 3), "unit": "of the copy bandwidth", "goal": 0.8,
            "against": "a device copy", "gbytes_per_s": {key: round(value) for key, value in gpu.items()},
        }  # fmt: skip
    if options.json:
        print(json.dumps(results, indent=2))
        return
    for name, row in results.items():
        speeds = row.get("gelements_per_s") or row["gbytes_per_s"]
        print(f"{name:<36} {row['value']:5.2f} (goal {row['goal']})  {speeds}")


if __name__ == "__main__":
    main()
