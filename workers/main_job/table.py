"""The comparison as rows of text, for the terminal and the page alike."""

from __future__ import annotations

from workers.main_job.plan import Plan
from workers.main_job.result import Result

HEADER = (
    "aggregator",
    "samples/s",
    "goodput Gbit/s",
    "CPU s/GB",
    "packets",
    "retransmissions",
    "test accuracy",
    "largest error",
)
FRAME_BYTES_BESIDE_VALUES = 58  # Ethernet, IPv4, UDP and FPISA headers


def row(result: Result) -> tuple[str, ...]:
    return (
        result.aggregator,
        f"{result.samples_per_second:,.0f}",
        f"{result.goodput_gbit_per_second:.3f}",
        f"{result.cpu_seconds_per_gb:.1f}",
        "" if result.packets is None else f"{result.packets:,}",
        f"{result.retransmissions:,}",
        f"{result.accuracy:.2%}",
        f"{result.largest_error:.1e}",
    )


def payload_limit(plan: Plan) -> float | None:
    """Gbit/s of values that the links can carry in in-network aggregation; None without a rate."""
    if plan.rate_mbit is None or plan.in_process:
        return None
    payload = plan.elements * 4
    return plan.rate_mbit / 1e3 * payload / (payload + FRAME_BYTES_BESIDE_VALUES)
