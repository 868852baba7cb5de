"""The profiler: every step counted once, with its work, in table and trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np

from plait.core.runtime import profile

from .small import horner, horner_of, vector
from .test_object_cache import ROOT, SCRIPT
from .test_program import host, program, values


def measured_program(count: int):
    x, a, b, c, y = vector(6, "input"), vector(6), vector(6), vector(6), vector(6, "output")
    steps = [
        horner(a, x, flops=12),
        horner(c, x, flops=12),
        host("neg", [b], [a]),
        horner(y, b, c, flops=24),
    ]
    made = program(steps, [x], [y])
    given = values(6)
    with profile.profile() as measured:
        for _ in range(count):
            (result,) = made.run([given])
    first = horner_of(given)
    np.testing.assert_array_equal(result, horner_of(-first, first))
    made.run([given])
    return measured


def test_each_step_is_counted():
    measured = measured_program(3)
    assert {name: total.runs for name, total in measured.totals.items()} == {
        "horner 6": 9,
        "[host] neg": 3,
    }
    total = measured.totals["horner 6"]
    assert total.flops == 3 * 48
    assert total.bytes == 3 * (48 + 48 + 72)
    assert total.ns > 0
    assert profile.active is None


def test_the_table_has_a_line_per_kernel():
    lines = measured_program(1).table().split("\n")
    assert len(lines) == 4
    assert lines[0].split() == ["kernel", "runs", "ms", "time", "GFLOP/s", "GB/s", "peak"]
    assert "GFLOP/s in float32" in lines[-1]


def test_the_trace_is_chromes(tmp_path):
    path = tmp_path / "trace.json"
    measured_program(2).write_trace(path)
    events = json.loads(path.read_text())["traceEvents"]
    assert [e["cat"] for e in events] == ["kernel", "kernel", "host", "kernel"] * 2
    assert all(e["ph"] == "X" and e["dur"] >= 0 for e in events)
    assert [e["ts"] for e in events] == sorted(e["ts"] for e in events)
    assert os.listdir(tmp_path) == ["trace.json"]


def test_a_process_is_measured_by_flags(tmp_path):
    trace = tmp_path / "trace.json"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PLAIT_CACHE_DIR": str(tmp_path),
            "PLAIT_DEBUG": "1",
            "PLAIT_TRACE": str(trace),
        },
        check=True,
    )
    assert "horner 9" in done.stderr
    assert len(json.loads(trace.read_text())["traceEvents"]) == 2
