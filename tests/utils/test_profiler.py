"""The profiler's regions, steps and files, as PyTorch's programs read them."""

from __future__ import annotations

import json
import time

import pytest

import plait as torch
from plait.profiler import profile, record_function, schedule


def test_runs_of_regions() -> None:
    with profile() as found:
        for _ in range(2):
            with record_function("outer"):
                time.sleep(0.002)
                with record_function("inner"):
                    time.sleep(0.001)
    assert [run.name for run in found.events()] == ["inner", "outer"] * 2
    inner, outer = found.events()[:2]
    assert (outer.key, outer.count) == ("outer", 1)
    assert outer.time_range.elapsed_us() == pytest.approx(outer.cpu_time_total)
    assert outer.time_range.start < inner.time_range.start
    assert inner.time_range.end <= outer.time_range.end
    totals = {region.key: region for region in found.key_averages()}
    assert totals["outer"].count == 2
    # What is inside another region is counted once.
    assert found.self_cpu_time_total == pytest.approx(totals["outer"].cpu_time_total)


def test_steps_are_counted_as_pytorch_does() -> None:
    seen = []
    plan = schedule(wait=1, warmup=1, active=2, repeat=2)
    with profile(schedule=plan, on_trace_ready=lambda p: seen.append(p.step_num)) as found:
        for _ in range(9):
            found.step()
    assert seen == [4, 8]


def test_the_older_entry(tmp_path) -> None:
    with torch.autograd.profiler.profile() as found, record_function("region"):
        torch.ones(2).sum().item()
    assert found.self_cpu_time_total > 0
    found.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert [e["name"] for e in events if e["ph"] == "X"] == ["region"]
