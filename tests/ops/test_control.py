"""Control ops: loops that run, gradients against the unrolled program, error texts."""

from __future__ import annotations

import numpy as np
import pytest

from plait.core.autodiff.rules import graph_vjp, vjp
from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.graph import trace
from plait.core.ir.node import Spec
from plait.core.ops.control import COND, SCAN, WHILE
from plait.core.ops.elementwise import ADD, LT, MUL
from plait.core.ops.index import CHECK_INDEX
from plait.core.ops.math import TANH
from plait.core.ops.source import constant
from plait.core.ops.view import reshape, slice_axis
from plait.core.reference.executor import OpFailure, run

FLAG = Spec((), dtypes.bool_)
COUNT = Spec((), dtypes.int64)
VECTOR = Spec((3,), dtypes.float64)


def test_while_runs_until_its_condition_fails():
    state = [COUNT, VECTOR]
    condition = trace(lambda i, x: LT(i, constant(10, i)), state)
    body = trace(lambda i, x: (ADD(i, constant(1, i)), ADD(x, x)), state)
    graph = trace(lambda i, x: WHILE(i, x, condition=condition, body=body), state)
    count, x = run(graph, [np.array(0), np.ones(3)])
    assert count == 10
    assert x.tolist() == [1024] * 3
    count, x = run(graph, [np.array(11), np.ones(3)])
    assert count == 11
    assert x.tolist() == [1] * 3


def test_while_refuses_a_reverse_derivative():
    state = [COUNT, VECTOR]
    condition = trace(lambda i, x: LT(i, constant(10, i)), state)
    body = trace(lambda i, x: (ADD(i, constant(1, i)), x), state)

    def gradient(i, x, g):
        return vjp([WHILE(i, x, condition=condition, body=body)[1]], [x], [g])[0]

    with pytest.raises(RuntimeError, match="while: a loop whose number of turns"):
        trace(gradient, [*state, VECTOR])


def test_cond_runs_one_branch_only():
    # A check in the branch not taken must not fail.
    specs = [Spec((1,), dtypes.int64)]
    checked = trace(lambda i: CHECK_INDEX(i, size=2, what="dimension 0"), specs)
    plain = trace(lambda i: i, specs)
    graph = trace(lambda p, i: COND(p, i, then=checked, orelse=plain), [FLAG, *specs])
    assert run(graph, [np.array(False), np.array([5])])[0].tolist() == [5]
    with pytest.raises(OpFailure, match="index 5 is out of bounds"):
        run(graph, [np.array(True), np.array([5])])


def unrolled(w, h, xs, length):
    results = []
    for turn in range(length):
        x = reshape(slice_axis(xs, 0, turn, turn + 1), (3,))
        h = TANH(ADD(MUL(w, h), x))
        results.append(MUL(h, x))
    return h, results


def test_scan_and_its_gradient_equal_the_unrolled_program():
    length = 4
    stack = Spec((length, 3), dtypes.float64)
    specs = [VECTOR, VECTOR, stack]

    def turn(w, h, x):
        new = TANH(ADD(MUL(w, h), x))
        return new, MUL(new, x)

    body = trace(turn, [VECTOR, VECTOR, VECTOR])

    def looped(w, h, xs):
        attrs = {"constants": 1, "carries": 1, "length": length, "reverse": False}
        last, results = SCAN(w, h, xs, body=body, **attrs)
        rows = [reshape(slice_axis(results, 0, i, i + 1), (3,)) for i in range(length)]
        return last, *rows

    def plain(w, h, xs):
        last, rows = unrolled(w, h, xs, length)
        return last, *rows

    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s.shape) for s in [*specs, *[VECTOR] * (length + 1)]]
    one, other = trace(looped, specs), trace(plain, specs)
    for mine, theirs in zip(run(one, arrays[:3]), run(other, arrays[:3])):
        np.testing.assert_array_equal(mine, theirs)
    # The sums of the gradients run in another order: a few roundings of float64.
    for mine, theirs in zip(run(graph_vjp(one), arrays), run(graph_vjp(other), arrays)):
        np.testing.assert_allclose(mine, theirs, rtol=1e-13, atol=1e-14)


def test_a_long_scan_needs_no_recursion():
    length = 5000
    body = trace(lambda h, x: ADD(h, x), [COUNT, COUNT])
    stack = Spec((length,), dtypes.int64)
    attrs = {"body": body, "constants": 0, "carries": 1, "length": length, "reverse": True}
    graph = trace(lambda h, x: SCAN(h, x, **attrs), [COUNT, stack])
    assert run(graph, [np.array(1), np.arange(length)])[0] == 1 + length * (length - 1) // 2


def test_errors_name_op_and_types():
    same = trace(lambda x: x, [VECTOR])
    double = trace(lambda x: (x, x), [VECTOR])
    with pytest.raises(DTypeError, match=r"cond: predicate: expected a bool .* int64\[\]"):
        COND.infer(COUNT, VECTOR, then=same, orelse=same)
    with pytest.raises(ShapeError, match=r"cond: inputs of the first branch: expected \(int64\[\]"):
        COND.infer(FLAG, COUNT, then=same, orelse=same)
    with pytest.raises(ShapeError, match="cond: outputs of the second branch"):
        COND.infer(FLAG, VECTOR, then=same, orelse=double)
    with pytest.raises(DTypeError, match=r"while: condition: .* float64\[3\]"):
        WHILE.infer(VECTOR, condition=same, body=same)
    with pytest.raises(ShapeError, match="while: outputs of the body"):
        WHILE.infer(VECTOR, condition=same, body=double)
    attrs = {"body": same, "constants": 0, "carries": 0, "reverse": False}
    with pytest.raises(ShapeError, match="scan: expected stacked operands of leading extent 4"):
        SCAN.infer(VECTOR, length=4, **attrs)
    with pytest.raises(ShapeError, match="scan: inputs of the body"):
        SCAN.infer(VECTOR, length=3, **attrs)
