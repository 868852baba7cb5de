"""Every op record against itself: value, types, purity, layouts, gradients, text, verifier."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait.core.ops.catalog  # noqa: F401  # defines the records
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType, dtype_of
from plait.core.ir.graph import Graph
from plait.core.ir.op import Lowering, Op, all_ops, op_by_name
from plait.core.ir.text import from_text, to_text
from plait.core.ir.verify import verify
from plait.core.reference.executor import body_graph
from tests.executors import EXECUTORS, selected
from tests.ops.one_op import (
    MAKERS,
    differentiable_outputs,
    dtypes_under_test,
    float_inputs,
    forward_graph,
    gradient_graph,
    rule_graph,
    samples_of,
    specs_of,
)
from tests.ops.samples import Sample
from tests.ops.tolerance import assert_close

#: `item` and `leaf` are parts of the graph itself, met in every other test; `python_function`
#: marks the grad node of a user's function and is never recorded.
STRUCTURAL = ("item", "leaf", "python_function")
#: Ops that tests define for themselves begin with this.
FOR_TESTS = "test_"
OPS = [op for op in all_ops() if op.name not in STRUCTURAL and not op.name.startswith(FOR_TESTS)]
SAMPLED = [op for op in OPS if op.name in MAKERS]
CASES = [(op.name, d) for op in SAMPLED for d in dtypes_under_test(op)]
HALF_CASES = [(name, d) for name, d in CASES if d.is_half and not op_by_name(name).moves_only]
WIDE = (dtypes.float64, dtypes.complex128)
DIFFERENTIABLE = [
    op.name
    for op in SAMPLED
    if op.has_vjp and op.differentiable != () and set(dtypes_under_test(op)) & set(WIDE)
]


def widest(op: Op) -> DType:
    """The dtype in which derivatives are compared with differences."""
    return next(d for d in WIDE if d in dtypes_under_test(op))


def normal(rng: np.random.Generator, like: Any) -> np.ndarray:
    """Random values of a shape, complex ones where the dtype is."""
    x = rng.normal(size=like.shape)
    return x + 1j * rng.normal(size=like.shape) if like.dtype.kind == "c" else np.asarray(x)


def _label(value: Any) -> str | None:
    return value.name if isinstance(value, DType) else None


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_record_is_complete(op: Op) -> None:
    assert op.name in MAKERS, f"{op.name}: no samples in tests/ops/samples/"
    assert op.reference is not None or op.body is not None, f"{op.name}: nothing computes it"
    assert op.check is None or op.checks, f"{op.name}: `checks` lists no operand to check"


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("name", "dtype"), CASES, ids=_label)
def test_value_and_type(name: str, dtype: DType, executor: str) -> None:
    if not selected(executor, f"value/{name}/{dtype.name}"):
        pytest.skip("outside this executor's slice; PLAIT_TEST_MATRIX=all runs it")
    op = op_by_name(name)
    for number, sample in enumerate(samples_of(name, dtype)):
        graph = forward_graph(op, sample)
        before = [x.tobytes() for x in sample.inputs]
        results = EXECUTORS[executor](graph, sample.inputs)
        assert [x.tobytes() for x in sample.inputs] == before, f"{name}: wrote its operands"
        for result, output, expected in zip(results, graph.outputs, oracle(op, sample)):
            spec = graph.type_of(output)
            assert isinstance(result, np.ndarray)
            assert (result.shape, dtype_of(result.dtype)) == (spec.shape, spec.dtype)
            assert_close(result, expected, f"{name} sample {number}")


def oracle(op: Op, sample: Sample) -> list[np.ndarray]:
    """The op's outputs computed in float64 where it computes, as they are where it only moves."""
    arrays = list(sample.inputs) if op.moves_only else [widened(x) for x in sample.inputs]
    if op.body is not None:
        graph = body_graph(op, tuple(specs_of(arrays)), sample.attrs)
        return EXECUTORS["reference"](graph, arrays)
    assert op.reference is not None
    attrs = dict(sample.attrs)
    if op.lowering is Lowering.CONTROL:
        attrs["run"] = EXECUTORS["reference"]
    with np.errstate(all="ignore"):
        result = op.reference(*arrays, **attrs)
    return list(result) if isinstance(result, tuple) else [np.asarray(result)]


def widened(x: np.ndarray) -> np.ndarray:
    """Floats as float64; others as they are."""
    return x.astype(np.float64) if dtype_of(x.dtype).kind == "f" else x


def layouts(x: np.ndarray) -> dict[str, np.ndarray]:
    """The same values in other layouts of memory, none of them writeable."""
    axes = tuple(range(x.ndim))
    copies = {
        "transposed": np.array(x, order="F"),
        "strided": np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x.copy(),
        "reversed": np.flip(np.flip(x, axes).copy(), axes) if x.ndim else x.copy(),
        "read-only": x.copy(),
    }
    for copy in copies.values():
        copy.flags.writeable = False
    return copies


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("name", "dtype"), CASES, ids=_label)
def test_layout_of_operands_does_not_matter(name: str, dtype: DType, executor: str) -> None:
    if not selected(executor, f"layout/{name}/{dtype.name}"):
        pytest.skip("outside this executor's slice; PLAIT_TEST_MATRIX=all runs it")
    op = op_by_name(name)
    run = EXECUTORS[executor]
    for sample in samples_of(name, dtype):
        graph = forward_graph(op, sample)
        expected = [x.tobytes() for x in run(graph, sample.inputs)]
        variants = [layouts(x) for x in sample.inputs]
        for layout in variants[0] if variants else ():
            results = run(graph, [copies[layout] for copies in variants])
            assert [x.tobytes() for x in results] == expected, f"{name}: {layout} operands"


@pytest.mark.parametrize(("name", "dtype"), HALF_CASES, ids=_label)
def test_half_is_float32_rounded_once(name: str, dtype: DType) -> None:
    op = op_by_name(name)
    run = EXECUTORS["reference"]
    for sample in samples_of(name, dtype):
        wide = Sample(
            tuple(x.astype(np.float32) if dtype_of(x.dtype).is_half else x for x in sample.inputs),
            sample.attrs,
        )
        results = run(forward_graph(op, sample), sample.inputs)
        for result, exact in zip(results, run(forward_graph(op, wide), wide.inputs)):
            if not dtype_of(result.dtype).is_half:
                np.testing.assert_array_equal(result, exact, err_msg=name)
                continue
            # Compared as float32: NumPy does not know a bfloat16 nan.
            with np.errstate(over="ignore"):
                once = exact.astype(result.dtype).astype(np.float32)
            np.testing.assert_array_equal(result.astype(np.float32), once, err_msg=name)


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=_label)
def test_graph_is_well_formed(name: str, dtype: DType) -> None:
    op = op_by_name(name)
    for sample in samples_of(name, dtype):
        graph = verify(forward_graph(op, sample))
        if not any(callable(value) for value in sample.attrs.values()):
            # A user's Python function (the op `call`) has no text that could be read back.
            text = to_text(graph)
            back = from_text(text)
            assert back == graph, text
            assert to_text(back) == text
        operands = specs_of(sample.inputs)
        for count in (op.flops(*operands, **sample.attrs), op.bytes(*operands, **sample.attrs)):
            assert type(count) is int, f"{name}: work is a number of type {type(count)}"
            assert count >= 0


# -- gradients --------------------------------------------------------------------------------

# Central differences in float64. With step h the error is h^2 f'''/6 + eps |f| / h: for values and
# third derivatives up to some hundreds, h = 1e-5 leaves about 1e-8; 1e-6 of the size of the
# terms is asked for, which a wrong factor or sign misses by far.
STEP = 1e-5
GRADIENT_TOLERANCE = 1e-6


def assert_differentiates(
    first: Graph, second: Graph, inputs: list[np.ndarray], wrt: list[int], run: Any
) -> None:
    """`second`, the vjp of `first` with respect to `wrt`, against differences of `first`.

    A gradient g of complex values gives the slope Re(sum(g * direction)).
    """
    rng = np.random.default_rng(20)
    outputs = differentiable_outputs(first)
    seeds = [normal(rng, first.type_of(first.outputs[i])) for i in outputs]
    grads = run(second, [*inputs, *seeds])

    def loss(arrays: list[np.ndarray]) -> tuple[float, float]:
        results = run(first, arrays)
        terms = [np.sum(results[i] * seed) for i, seed in zip(outputs, seeds)]
        sizes = [np.sum(np.abs(results[i] * seed)) for i, seed in zip(outputs, seeds)]
        return float(np.sum(terms).real), float(np.sum(sizes))

    for place, grad in zip(wrt, grads):
        assert grad.shape == inputs[place].shape
        for _ in range(2):
            direction = normal(rng, grad)
            up, down = list(inputs), list(inputs)
            up[place] = np.asarray(inputs[place] + STEP * direction)
            down[place] = np.asarray(inputs[place] - STEP * direction)
            (high, size), (low, _) = loss(up), loss(down)
            slope = float(np.sum(grad * direction).real)
            scale = 1.0 + size + float(np.sum(np.abs(grad * direction)))
            difference = (high - low) / (2 * STEP)
            assert abs(slope - difference) <= GRADIENT_TOLERANCE * scale, (
                f"operand {place}: the rule gives {slope}, differences give {difference}"
            )


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradient(name: str, executor: str) -> None:
    if not selected(executor, f"gradient/{name}"):
        pytest.skip("outside this executor's slice; PLAIT_TEST_MATRIX=all runs it")
    op = op_by_name(name)
    run = EXECUTORS[executor]
    smooth = [s for s in samples_of(name, widest(op)) if s.grad]
    assert smooth, f"{name}: no sample to differentiate"
    for sample in smooth:
        wrt = float_inputs(op, sample)
        forward = forward_graph(op, sample)
        first = verify(gradient_graph(forward, wrt))
        inputs = list(sample.inputs)
        assert_differentiates(forward, first, inputs, wrt, run)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_second_gradient(name: str) -> None:
    op = op_by_name(name)
    run = EXECUTORS["reference"]
    rng = np.random.default_rng(21)
    for sample in samples_of(name, widest(op)):
        if not sample.grad:
            continue
        wrt = float_inputs(op, sample)
        first = gradient_graph(forward_graph(op, sample), wrt)
        seeds = [normal(rng, s) for s in first.inputs[len(sample.inputs) :]]
        places = [*wrt, *range(len(sample.inputs), len(first.inputs))]
        second = verify(gradient_graph(first, places))
        assert_differentiates(first, second, [*sample.inputs, *seeds], places, run)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_saves_is_what_the_rule_reads(name: str) -> None:
    op = op_by_name(name)
    if op.vjp is None:
        pytest.skip("differentiated through its body, which needs every operand")
    read: set[int] = set()
    operands = 0
    for sample in samples_of(name, widest(op)):
        if not differentiable_outputs(forward_graph(op, sample)):
            continue
        hidden = rule_graph(op, sample, hide=True)
        assert hidden == rule_graph(op, sample, hide=False)
        operands = max(operands, len(sample.inputs))
        outputs = (len(hidden.inputs) - len(sample.inputs)) // 2
        for number in {a for made in hidden.instructions for a in made.args} | set(hidden.outputs):
            if number < len(sample.inputs):
                read.add(number)
            elif number < len(sample.inputs) + outputs:
                read.add(-1)
    listed = {i for i in op.saved_inputs if i < operands} | ({-1} if op.saves_output else set())
    assert listed == read, f"{name}: `saves` lists {listed}, the rule reads {read} (-1: output)"
