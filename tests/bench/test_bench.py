"""The benchmark does what it says: the same numbers for all, failures reported, counts right."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from bench import footprint
from bench.bars import BARS, Bar, Row, contenders_of, summary
from bench.compare import Result, compare
from bench.contenders import CONTENDERS, compulsory_bytes, contenders, driven, program_of
from bench.interpreters import interpreter, parse_interpreters
from bench.kernel_cases import GROUPS, Case
from bench.kernels import geometric_mean, measure
from bench.kernels import table as kernels_table
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
    assert result.counts["graphs"] == 1  # the loss comes with the step
    assert result.counts["calls"] >= result.counts["instructions"] > 10


def test_a_framework_that_fails_is_named_with_its_reason() -> None:
    unknown = replace(WORKLOADS["linreg"], name="unknown")  # which the worker's own table lacks
    (result,) = compare(unknown, ["plait"], 1, 1, 0.01, realtime=False)
    assert result.failure == "KeyError: 'unknown'"
    assert not result.blocks


def test_count_step_counts_calls_and_instructions() -> None:
    import plait

    x = plait.ones(3)
    counts = count_step(lambda: (x.exp() + x.exp()).numpy())
    # The ones, one exponential (the other is the same) and the sum are run.
    assert (counts["graphs"], counts["instructions"]) == (1, 3)
    assert counts["calls"] > 3


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


def test_a_framework_may_have_a_python_of_its_own(tmp_path) -> None:
    missing = {"plait": str(tmp_path / "python")}
    (result,) = compare(WORKLOADS["linreg"], ["plait"], 1, 1, 0.01, False, missing)
    assert "No such file" in result.failure
    assert interpreter({"torch": "a"}, "torch_compile") == "a"
    assert interpreter({"torch": "a", "torch_compile": "b"}, "torch_compile") == "b"
    assert interpreter({"torch": "a"}, "jax") == sys.executable
    with pytest.raises(SystemExit, match="expected NAME=PATH"):
        parse_interpreters(["torch"])


def test_onnxruntime_says_what_it_is_for() -> None:
    (result,) = compare(WORKLOADS["linreg"], ["onnxruntime"], 1, 1, 0.01, False, None)
    assert "No module named" in result.failure or "does not train" in result.failure


_SMALL_MODELS = """
import plait
plait.install_as("torch")
from dataclasses import replace
from bench.models import build
from bench.workloads import WORKLOADS, make_batches

sizes = {"layers": 1, "heads": 2, "width": 8, "context": 4, "vocabulary": 5}
ids = (("ids:5", (4,)),)
for model, shape in (("gpt2", (2, 5)), ("encoder", (2, 8))):
    small = replace(WORKLOADS["minilm_infer"], model=model, batch=2, sizes=sizes, inputs=ids)
    step, batches = build(small, make_batches(small, 1))
    assert tuple(step(*batches[0]).shape) == shape
inputs = (("normal", (8,)), ("classes:8", ()))
small = replace(WORKLOADS["mlp1024_bf16"], batch=4, sizes={"widths": (8, 8)}, inputs=inputs)
step, batches = build(small, make_batches(small, 1))
losses = [float(step(*batches[0])) for _ in range(3)]
assert losses[2] < losses[0]
"""


def test_models_under_autocast_and_for_inference_run() -> None:
    # In a process of its own: there `torch` means Plait.
    subprocess.run([sys.executable, "-c", _SMALL_MODELS], check=True)


@pytest.mark.parametrize("group", GROUPS)
def test_cases_of_kernels_are_well_formed(group: str) -> None:
    cases = list(GROUPS[group](False))
    assert len({case.name for case in cases}) == len(cases) > 1
    assert all((case.apply is None) != (case.prepare is None) for case in cases)


@pytest.mark.parametrize("mode", ["forward", "gradient", "step"])
@pytest.mark.parametrize("last", [False, True])
def test_a_case_of_kernels_gives_what_the_operation_gives(mode: str, last: bool) -> None:
    case = Case("square", ((3, 4, 2, 5),), lambda lib, x: x * x, mode)
    (x,) = case.arrays()
    program, values = program_of(case, [x], last)
    results = program.run(values)
    upstream = np.random.RandomState(1).standard_normal(x.shape).astype(np.float32)
    expected = {"forward": [x * x], "gradient": [2 * x * upstream]}
    expected["step"] = expected["forward"] + expected["gradient"]
    assert len(results) == len(expected[mode])
    for made, wanted in zip(results, expected[mode]):
        turned = wanted.transpose(0, 2, 3, 1) if last else wanted
        np.testing.assert_allclose(made, turned, rtol=1e-6)


def test_kernels_are_driven_on_arrays_that_are_bound_once() -> None:
    case = Case("double", ((3, 4),), lambda lib, x: x + x)
    program, values = program_of(case, case.arrays())
    call = driven(program, values)
    call()
    bound = call.keeps  # type: ignore[attr-defined]  # set by `driven`
    np.testing.assert_array_equal(bound[1], 2 * bound[0])


def test_what_is_read_in_part_counts_by_lines_of_the_cache() -> None:
    case = Case(
        "rows",
        ((9, 65), ((6,), 9)),
        lambda lib, table, ids: table[ids],
        picks=lambda table, ids: (table, 6, 65 * 4),
    )
    arrays = case.arrays()
    whole = sum(array.nbytes for array in arrays) + 6 * 65 * 4
    assert compulsory_bytes(case, arrays, whole) == 6 * (8 + 65 * 4 + 5 * 64)


def test_every_group_names_who_is_measured() -> None:
    for group in GROUPS:
        names = contenders_of(group, CONTENDERS)
        assert ("torch_last" in names) == group.startswith("conv")
        assert {"plait", "torch"} <= set(names)
    assert {bar.group for bar in BARS} <= set(GROUPS)


def test_bars_tell_mean_worst_and_what_is_below() -> None:
    rows = [
        Row("a", {"plait": [2.0, 3.0], "torch": [1.0], "plait_last": [1.0]}),
        Row("b", {"plait": [1.0], "torch": [0.25], "torch_last": [0.5]}),
        Row("c", {"torch": [8.0]}),
    ]
    judged = Bar("g", ("torch", "torch_last"), 0.9, 0.75).judged(rows)
    assert judged == (pytest.approx(0.5), 0.25, rows[1], 1)
    measured = [Row("x", {"plait": [9.0], "plait_kernels": [1.0], "copyto": [0.9]}, 10)]
    assert measured[0].bandwidth == 10
    line = "| reductions | copyto | 0.90 |  | 0.90 | 0.85 | 0 | yes | x |"
    assert summary({"reductions": measured}).splitlines()[-1] == line


def test_copies_and_kernels_are_timed_in_turns() -> None:
    names = ["plait", "plait_kernels", "copyto"]
    with contenders(names, 1) as talk:
        row = measure("sum", talk, ("elementwise", 0, False), 2, (1e-4, False))
    assert row.trouble == "" and row.nbytes == 3 << 20
    assert all(len(row.times[name]) == 2 and row.least(name) > 0 for name in names)


def test_geometric_means_leave_out_what_was_not_measured() -> None:
    rows = [
        Row("a", {"plait": [2.0, 3.0], "torch": [1.0]}),
        Row("b", {"plait": [1.0], "torch": [8.0]}),
        Row("c", {"torch": [8.0]}),
    ]
    assert geometric_mean(rows, "torch") == pytest.approx(0.5)
    assert np.isnan(geometric_mean(rows, "numpy"))
    assert kernels_table("g", rows).splitlines()[-1] == "| geometric mean |  |  | 0.50 |"


def test_footprint_tells_kernels_and_times(tmp_path) -> None:
    measured = footprint.measure("plait_compile", "linreg", 1, {}, str(tmp_path))
    assert measured["compiled"] > 0 and measured["loaded"] == 0
    again = footprint.measure("plait_compile", "linreg", 1, {}, str(tmp_path))
    assert again["compiled"] == 0 and again["loaded"] == measured["compiled"]
    assert 0 < again["import_s"] < again["total_s"]
    with pytest.raises(RuntimeError, match="KeyError"):
        footprint.measure("plait", "unknown", 1, {}, str(tmp_path))
