"""Known values and errors of softmax, the normalisations, the losses and attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import plait.core.ops.catalog  # noqa: F401  # defines the records
from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.graph import trace
from plait.core.ir.node import Spec
from plait.core.ops.attention import ATTENTION
from plait.core.ops.loss import CHECK_LABEL, CROSS_ENTROPY, NLL_LOSS, cross_entropy_probabilities
from plait.core.ops.norm import BATCH_NORM, GROUP_NORM, LAYER_NORM
from plait.core.ops.softmax import LOG_SOFTMAX, SOFTMAX
from plait.core.reference.executor import OpFailure, run
from tests.ops.one_op import specs_of


def evaluate(function: Any, *arrays: Any) -> np.ndarray:
    """function(*nodes) on arrays; its first output."""
    values = [np.asarray(x) for x in arrays]
    return run(trace(function, specs_of(values)), values)[0]


def spec(*shape: int, dtype: Any = dtypes.float32) -> Spec:
    return Spec(shape, dtype)


def test_softmax_of_large_scores_does_not_overflow() -> None:
    x = np.array([[1000.0, 1000.0 + math.log(3)]])
    np.testing.assert_allclose(
        evaluate(lambda x: SOFTMAX(x, axis=1), x), [[0.25, 0.75]], rtol=1e-12
    )
    logs = evaluate(lambda x: LOG_SOFTMAX(x, axis=1), x)
    np.testing.assert_allclose(logs, [[math.log(0.25), math.log(0.75)]], rtol=1e-12)


def test_softmax_refuses_integers() -> None:
    with pytest.raises(DTypeError, match="softmax: dtype int64 is not supported"):
        SOFTMAX.infer(spec(2, 3, dtype=dtypes.int64), axis=1)


def test_layer_norm_of_two_values() -> None:
    # Mean 2, variance 1: the normalised values are -1 and 1.
    x = np.array([[1.0, 3.0]])
    y = evaluate(lambda x: LAYER_NORM(x, axes=(1,), eps=0.0), x)
    np.testing.assert_allclose(y, [[-1.0, 1.0]], rtol=1e-12)


def test_norms_name_what_does_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"layer_norm: .* shape \[4\] .* \[2, 4\], received \[3\]"):
        LAYER_NORM.infer(spec(2, 4), spec(3), axes=(1,), eps=1e-5)
    with pytest.raises(ShapeError, match=r"axes .0,. are not the last axes"):
        LAYER_NORM.infer(spec(2, 4), axes=(0,), eps=1e-5)
    with pytest.raises(ShapeError, match="C divisible by 4 groups"):
        GROUP_NORM.infer(spec(2, 6), groups=4, eps=1e-5)
    with pytest.raises(ShapeError, match="batch_norm: expected"):
        BATCH_NORM.infer(spec(3), eps=1e-5)


def test_cross_entropy_of_even_scores_is_the_log_of_the_classes() -> None:
    attrs = {"ignore": -100, "smoothing": 0.0, "reduction": "mean"}
    loss = evaluate(
        lambda x, t: CROSS_ENTROPY(x, t, **attrs), np.zeros((2, 5)), np.array([1, 4], np.int64)
    )
    np.testing.assert_allclose(loss, math.log(5), rtol=1e-12)


def test_all_labels_ignored() -> None:
    x, target = np.zeros((2, 3)), np.array([-100, -100])
    for reduction, expected in (("sum", 0.0), ("mean", math.nan), ("none", [0.0, 0.0])):
        attrs = {"ignore": -100, "reduction": reduction}
        loss = evaluate(lambda x, t, attrs=attrs: NLL_LOSS(x, t, **attrs), x, target)
        np.testing.assert_array_equal(loss, expected)


def test_an_impossible_class_costs_only_where_it_is_the_label() -> None:
    logits = np.array([[0.0, -np.inf], [0.0, -np.inf]])
    attrs = {"ignore": -100, "smoothing": 0.0, "reduction": "none"}
    loss = evaluate(lambda x, t: CROSS_ENTROPY(x, t, **attrs), logits, np.array([0, 1]))
    np.testing.assert_array_equal(loss, [0.0, np.inf])


def test_label_out_of_range() -> None:
    graph = trace(lambda t: CHECK_LABEL(t, classes=5, ignore=-100), [spec(3, dtype=dtypes.int64)])
    with pytest.raises(OpFailure) as caught:
        run(graph, [np.array([0, 7, -100])])
    assert isinstance(caught.value.fault, IndexError)
    assert str(caught.value.fault).startswith("Target 7 is out of bounds.")
    assert "[3]" in str(caught.value.fault)
    with pytest.raises(OpFailure, match="Target -1 is out of bounds"):
        run(graph, [np.array([0, 1, -1])])


def test_losses_name_what_does_not_fit() -> None:
    attrs = {"ignore": -100, "reduction": "mean"}
    labels = spec(3, dtype=dtypes.int64)
    with pytest.raises(ShapeError, match=r"nll_loss: expected scores .*\[2, 4\] and \[3\]"):
        NLL_LOSS.infer(spec(2, 4), labels, **attrs)
    with pytest.raises(DTypeError, match="labels must be int64, received float32"):
        NLL_LOSS.infer(spec(3, 4), spec(3), **attrs)
    with pytest.raises(ShapeError, match=r"weight must have shape \[4\], received \[5\]"):
        NLL_LOSS.infer(spec(3, 4), labels, spec(5), **attrs)
    with pytest.raises(ValueError, match="'average' is not a valid value for reduction"):
        NLL_LOSS.infer(spec(3, 4), labels, ignore=-100, reduction="average")


def test_probabilities_of_one_class_are_its_label() -> None:
    logits = np.random.default_rng(0).normal(size=(4, 3, 2))
    target = np.random.default_rng(1).integers(0, 3, (4, 2))
    weight = np.array([0.5, 1.0, 2.0])
    one_hot = np.moveaxis(np.eye(3)[target], -1, 1)
    for reduction in ("none", "sum"):
        by_label = evaluate(
            lambda x, t, w, r=reduction: CROSS_ENTROPY(
                x, t, w, ignore=-100, smoothing=0.1, reduction=r
            ),
            logits,
            target,
            weight,
        )
        by_probability = evaluate(
            lambda x, p, w, r=reduction: cross_entropy_probabilities(
                x, p, w, smoothing=0.1, reduction=r
            ),
            logits,
            one_hot,
            weight,
        )
        np.testing.assert_allclose(by_probability, by_label, rtol=1e-12)


def test_causal_attention_of_equal_keys_is_a_running_mean() -> None:
    q = k = np.zeros((3, 2))
    v = np.array([[3.0], [6.0], [9.0]])
    y = evaluate(lambda q, k, v: ATTENTION(q, k, v, scale=1.0, causal=True)[0], q, k, v)
    np.testing.assert_allclose(y, [[3.0], [4.5], [6.0]], rtol=1e-12)


def test_attention_that_sees_nothing_gives_zeros() -> None:
    q = k = v = np.ones((2, 2))
    mask = np.array([[True, True], [False, False]])
    y = evaluate(
        lambda q, k, v, m: ATTENTION(q, k, v, m, scale=1.0, causal=False)[0], q, k, v, mask
    )
    np.testing.assert_array_equal(y, [[1.0, 1.0], [0.0, 0.0]])


def test_attention_names_what_does_not_fit() -> None:
    attrs = {"scale": 1.0, "causal": False}
    with pytest.raises(ShapeError, match=r"attention: expected q .*\[2, 4\], \[3, 5\], \[3, 4\]"):
        ATTENTION.infer(spec(2, 4), spec(3, 5), spec(3, 4), **attrs)
    with pytest.raises(ShapeError, match=r"mask of shape \[4, 4\] does not expand"):
        ATTENTION.infer(spec(2, 4), spec(3, 4), spec(3, 4), spec(4, 4), **attrs)
    with pytest.raises(DTypeError, match="mask must be bool or float32"):
        mask = spec(2, 3, dtype=dtypes.int64)
        ATTENTION.infer(spec(2, 4), spec(3, 4), spec(3, 4), mask, **attrs)
