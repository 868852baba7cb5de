"""The benchmark does what it says: the same numbers for all, failures reported, counts right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.compare import Result, compare
from bench.report import failures, table
from bench.worker import count_step
from bench.workloads import WORKLOADS, initial_weights, make_batches


@pytest.mark.parametrize("name", WORKLOADS)
def test_numbers_are_the_same_each_time(name: str) -> None:
    workload = WORKLOADS[name]
    first, again = make_batches(workload, 2), make_batches(workload, 2)
    for one, other in zip(first, again):
        assert all((a == b).all() and len(a) == workload.batch for a, b in zip(one, other))
    shapes = {"a.weight": (3, 2), "a.bias": (3,), "norm.weight": (3,)}
    values = initial_weights(workload, shapes)
    assert {name: value.shape for name, value in values.items()} == shapes
    assert (values["norm.weight"] == 1).all()
    repeated = initial_weights(workload, shapes)
    assert all((value == repeated[name]).all() for name, value in values.items())


def test_a_run_gives_losses_times_and_counts() -> None:
    (result,) = compare(WORKLOADS["linreg"], ["plait"], 1, 2, 0.01, realtime=False)
    assert result.failure == ""
    assert len(result.blocks) == 2 and result.least > 0
    assert len(result.check) == 5 and result.check[0] > result.check[4]
    assert result.counts["graphs"] == 2  # the step, and the loss, which the step does not need
    assert result.counts["nodes"] >= result.counts["instructions"] > 10


def test_a_framework_that_fails_is_named_with_its_reason() -> None:
    unknown = replace(WORKLOADS["linreg"], name="unknown")  # which the worker's own table lacks
    (result,) = compare(unknown, ["plait"], 1, 1, 0.01, realtime=False)
    assert result.failure == "KeyError: 'unknown'"
    assert not result.blocks


def test_count_step_counts_nodes_and_instructions() -> None:
    import plait

    x = plait.ones(3)
    counts = count_step(lambda: (x.exp() + x.exp()).numpy())
    # Two exponentials and their sum are recorded; the ones, one exponential and the sum are run.
    assert counts == {"nodes": 3, "graphs": 1, "instructions": 3}


def test_table_marks_losses_that_differ_and_failures() -> None:
    rows = {
        "mlp": [
            Result("plait", error=0.1, check=[1.1], blocks=[0.002, 0.004]),
            Result("torch", error=0.0, check=[1.0], blocks=[0.001, 0.003]),
        ],
        "lstm": [Result("plait", failure="ValueError: no"), Result("torch", blocks=[np.pi])],
    }
    lines = table(rows, ["plait", "torch"]).splitlines()
    assert lines[2] == "| mlp | 2 (3) | 1 (2) | 2.00 | DIFFER by 0.1 |"
    assert lines[3] == "| lstm | failed | 3142 (3142) |  |  |"
    assert failures(rows) == ["lstm, plait: ValueError: no"]
