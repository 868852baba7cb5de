"""The results as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.compare import Result
from bench.workloads import WORKLOADS

#: Share of a block spent waiting for others that is worth a line. The kernel itself takes up to a
#: twentieth of each processor back from threads of real-time precedence.
_DISTURBED = 0.25


def table(rows: dict[str, list[Result]], frameworks: Sequence[str]) -> str:
    """One row a workload: milliseconds a step, least (median), and the ratio of the least times."""
    head = ["workload", *[f"{name} ms" for name in frameworks]]
    if len(frameworks) > 1:
        head += [f"{frameworks[0]} / {name}" for name in frameworks[1:]] + ["losses"]
    counted = any(result.counts for results in rows.values() for result in results)
    head += ["calls", "instructions"] if counted else []
    lines = [head, ["---"] * len(head)]
    for name, results in rows.items():
        cells = [name, *[_time(result) for result in results]]
        if len(frameworks) > 1:
            cells += [_ratio(results[0], other) for other in results[1:]]
            cells.append(_agreement(name, results))
        if counted:
            counts = next((result.counts for result in results if result.counts), {})
            cells += [str(counts.get(key, "")) for key in ("calls", "instructions")]
        lines.append(cells)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def failures(rows: dict[str, list[Result]]) -> list[str]:
    """A line for each framework that could not run a workload, or was much disturbed."""
    lines = []
    for name, results in rows.items():
        for result in results:
            if result.failure:
                lines.append(f"{name}, {result.framework}: {result.failure}")
            elif result.waited and max(result.waited) > _DISTURBED:
                share = max(result.waited)
                lines.append(
                    f"{name}, {result.framework}: waited {share:.0%} of a block for others"
                )
    return lines


def _time(result: Result) -> str:
    if result.failure or not result.blocks:
        return "failed"
    return f"{_milliseconds(result.least)} ({_milliseconds(result.median)})"


def _milliseconds(seconds: float) -> str:
    value = 1e3 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(first: Result, other: Result) -> str:
    if not first.blocks or not other.blocks or first.failure or other.failure:
        return ""
    return f"{first.least / other.least:.2f}"


def _agreement(name: str, results: list[Result]) -> str:
    errors = [result.error for result in results if not math.isnan(result.error)]
    if len(errors) < 2:
        return ""
    worst = max(errors)
    return "same" if worst <= WORKLOADS[name].tolerance else f"DIFFER by {worst:.1g}"
