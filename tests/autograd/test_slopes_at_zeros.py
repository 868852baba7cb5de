"""Gradients where a formula of them is 0 / 0, inf - inf or a choice among equals: PyTorch's.

Where PyTorch's is the derivative of no function, ours may be better; such cases are not listed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait

NAN, INF = math.nan, math.inf
ZEROS = [0.0, 0.0]
SQUARE = [ZEROS, ZEROS]
ROWS = [[-INF, -INF], [-INF, 0.0], [INF, 0.0], [NAN, 0.0]]


def _norm(p: Any) -> Callable[..., Any]:
    return lambda t, x: x.norm(p)


def _to_itself(p: float) -> Callable[..., Any]:
    return lambda t, x: t.cdist(x, x.detach() * 1, p=p)


def _none(name: str, **options: Any) -> Callable[..., Any]:
    """A loss of each element."""
    return lambda t, *x: getattr(t.nn.functional, name)(*x, reduction="none", **options)


def _of(name: str, *given: Any) -> Callable[..., Any]:
    return lambda t, *x: getattr(t, name)(*x, *given)


def _f(name: str, *given: Any) -> Callable[..., Any]:
    return lambda t, *x: getattr(t.nn.functional, name)(*x, *given)


def _linalg(name: str, *given: Any) -> Callable[..., Any]:
    return lambda t, *x: getattr(t.linalg, name)(*x, *given)


def _weighted(function: Callable[..., Any]) -> Callable[..., Any]:
    """For results whose sum has no slope."""

    def weighted(t: Any, *x: Any) -> Any:
        y = function(t, *x)
        return y * t.arange(1.0, y.numel() + 1).reshape(y.shape)

    return weighted


def _second(function: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient in its place, so that what is compared is the second derivative."""
    return lambda t, x: t.autograd.grad(function(t, x).sum(), x, create_graph=True)[0]


#: (function of the framework and tensors, operands, gradients)
CASES: dict[str, tuple[Callable[..., Any], list[Any], list[Any]]] = {
    "max with nan": (lambda t, x: x.max(), [[1.0, NAN, 3.0, NAN]], [[0, 0.5, 0, 0.5]]),
    "min with nan": (lambda t, x: x.min(), [[1.0, NAN, 3.0, NAN]], [[0, 0.5, 0, 0.5]]),
    "max of nan": (lambda t, x: x.max(), [[NAN, NAN]], [[0.5, 0.5]]),
    "max of equals": (lambda t, x: x.max(), [[1.0, 3.0, 3.0]], [[0, 0.5, 0.5]]),
    "median with nan": (lambda t, x: x.median(), [[1.0, NAN, 3.0, NAN]], [[0, 0.5, 0, 0.5]]),
    "nanmedian of nan": (lambda t, x: x.nanmedian(), [[NAN, NAN]], [[0.5, 0.5]]),
    "amax with nan": (lambda t, x: x.amax(), [[1.0, NAN]], [[NAN, NAN]]),
    "hypot": (
        _of("hypot"),
        [[0.0, 0.0, INF, NAN, 3.0], [0.0, 1.0, 1.0, 1.0, 4.0]],
        [[NAN, 0, NAN, NAN, 0.60000002], [NAN, 1, 0, NAN, 0.80000001]],
    ),
    "atan2": (_of("atan2"), [[0.0, 0.0, 1.0], [0.0, -1.0, 0.0]], [[0, -1, 0], [0, 0, -1]]),
    "norm 0.5": (_norm(0.5), [ZEROS], [[0, 0]]),
    "norm 1": (_norm(1), [ZEROS], [[0, 0]]),
    "norm 2": (_norm(2), [ZEROS], [[0, 0]]),
    "norm 3": (_norm(3), [ZEROS], [[0, 0]]),
    "norm inf": (_norm(INF), [ZEROS], [[0, 0]]),
    "norm inf with nan": (_norm(INF), [[1.0, NAN]], [[0, 0]]),
    "norm -inf with nan": (_norm(-INF), [[1.0, NAN]], [[0, 0]]),
    "norm fro": (_norm("fro"), [SQUARE], [[[0, 0], [0, 0]]]),
    "norm nuc": (_norm("nuc"), [SQUARE], [[[1, 0], [0, 1]]]),
    "matrix norm 2": (_linalg("matrix_norm", 2), [SQUARE], [[[0.5, 0], [0, 0.5]]]),
    "matrix norm 2 of equals": (
        _linalg("matrix_norm", 2),
        [[[1.0, 0.0], [0.0, 1.0]]],
        [[[0.5, 0], [0, 0.5]]],
    ),
    "matrix norm -2 of equals": (
        _linalg("matrix_norm", -2),
        [[[1.0, 0.0], [0.0, 1.0]]],
        [[[0.5, 0], [0, 0.5]]],
    ),
    "matrix norm 1": (_linalg("matrix_norm", 1), [SQUARE], [[[0, 0], [0, 0]]]),
    "svdvals of equals": (_linalg("svdvals"), [[[1.0, 0.0], [0.0, 1.0]]], [[[1, 0], [0, 1]]]),
    "cdist 1": (_to_itself(1.0), [[[1.0, 2.0], [1.0, 2.0]]], [[[0, 0], [0, 0]]]),
    "cdist 2": (_to_itself(2.0), [[[1.0, 2.0], [1.0, 2.0]]], [[[0, 0], [0, 0]]]),
    "cdist 3": (_to_itself(3.0), [[[1.0, 2.0], [1.0, 2.0]]], [[[0, 0], [0, 0]]]),
    "cdist inf": (_to_itself(INF), [[[1.0, 2.0], [1.0, 2.0]]], [[[0, 0], [0, 0]]]),
    "pdist": (_f("pdist"), [[[1.0, 2.0], [1.0, 2.0]]], [[[0, 0], [0, 0]]]),
    "normalize": (
        _f("normalize"),
        [[[0.0, 0.0], [3.0, 4.0]]],
        [[[1e12, 1e12], [0.03199999, -0.024000004]]],
    ),
    "normalize by a norm that divides": (_f("normalize", -1.0), [[[1.0, 0.0]]], [[[1e12, 1e12]]]),
    "cosine_similarity": (
        _f("cosine_similarity"),
        [[ZEROS, [0.0, 0.0]], [ZEROS, [3e-8, 4e-8]]],
        [[[0, 0], [59999996, 80000000]], [[0, 0], [0, 0]]],
    ),
    "pow 0": (lambda t, x: x.pow(0), [[0.0, 1.0]], [[0, 0]]),
    "pow 0.5": (lambda t, x: x.pow(0.5), [[0.0, 1.0]], [[INF, 0.5]]),
    "pow of tensors": (
        _of("pow"),
        [[0.0, 0.0, 2.0], [0.0, 2.0, 0.0]],
        [[0, 0, 0], [0, 0, 0.69314718]],
    ),
    "x to the x": (lambda t, x: x**x, [[0.0, 1.0]], [[0, 1]]),
    "sqrt": (_of("sqrt"), [[0.0, 1.0]], [[INF, 0.5]]),
    "abs": (_of("abs"), [[0.0, -0.0, 1.0]], [[0, 0, 1]]),
    "sinc": (_of("sinc"), [[0.0, 0.5]], [[0, -1.2732396]]),
    "erfinv": (_of("erfinv"), [[0.0, 1.0, -1.0]], [[0.88622695, INF, INF]]),
    "acos": (_of("acos"), [[0.0, 1.0, -1.0]], [[-1, -INF, -INF]]),
    "xlogy": (_of("xlogy"), [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]], [[0, 0, -INF], [NAN, 0, INF]]),
    "angle": (_of("angle"), [[0.0, -0.0, -2.0, NAN, INF]], [[0, 0, 0, 0, 0]]),
    "std of one": (lambda t, x: x.std(), [[2.0]], [[NAN]]),
    "var of equals": (lambda t, x: x.var(), [[2.0, 2.0]], [[0, 0]]),
    "prod, one zero": (_of("prod"), [[0.0, 2.0, 3.0]], [[6, 0, 0]]),
    "prod, two zeros": (_of("prod"), [[0.0, 0.0, 3.0]], [[0, 0, 0]]),
    "cumprod": (
        lambda t, x: x.cumprod(1),
        [[[0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [1.0, 0.0, 0.0]]],
        [[[9, 0, 0], [1, 0, 0], [1, 1, 0]]],
    ),
    "logsumexp": (
        lambda t, x: x.logsumexp(1),
        [ROWS],
        [[[NAN, NAN], [0, 1], [NAN, 0], [NAN, NAN]]],
    ),
    "softmax": (
        _weighted(lambda t, x: x.softmax(1)),
        [ROWS],
        [[[NAN, NAN], [0, 0], [NAN, NAN], [NAN, NAN]]],
    ),
    "log_softmax": (
        _weighted(lambda t, x: x.log_softmax(1)),
        [ROWS],
        [[[NAN, NAN], [3, -3], [NAN, NAN], [NAN, NAN]]],
    ),
    "logaddexp": (
        _of("logaddexp"),
        [[-INF, -INF, INF, INF, INF, NAN], [-INF, 0.0, 0.0, INF, -INF, 0.0]],
        [[NAN, 0, 1, NAN, 1, NAN], [NAN, 1, 0, NAN, 0, NAN]],
    ),
    "logaddexp2": (
        _of("logaddexp2"),
        [[-INF, -INF, INF, INF, INF, NAN], [-INF, 0.0, 0.0, INF, -INF, 0.0]],
        [[NAN, 0, 1, NAN, 1, NAN], [NAN, 1, 0, NAN, 0, NAN]],
    ),
    "where, a dead branch": (
        lambda t, x: t.where(x > 0, x, x.log() * 0 + x),
        [[1.0, 2.0]],
        [[1, 1]],
    ),
    "where, an infinite slope": (
        lambda t, x: t.where(x > 0, x.sqrt(), x),
        [[0.0, 1.0]],
        [[NAN, 0.5]],
    ),
    "hardswish": (_f("hardswish"), [[INF, -INF, 3.0, -3.0, 0.0]], [[1, 0, 1, 0, 0.5]]),
    "multi_margin_loss": (
        lambda t, x: t.nn.functional.multi_margin_loss(x, t.tensor([0])),
        [[[1.0, 0.0, 1.0]]],
        [[[-0.33333334, 0, 0.33333334]]],
    ),
    "multilabel_margin_loss": (
        lambda t, x: t.nn.functional.multilabel_margin_loss(x, t.tensor([[0, -1, 0]])),
        [[[1.0, 0.0, 1.0]]],
        [[[-0.33333334, 0, 0.33333334]]],
    ),
    "smooth_l1_loss without a bend": (
        _none("smooth_l1_loss", beta=0.0),
        [[0.0, 1.0], [0.0, 0.0]],
        [[0, 1], [0, -1]],
    ),
    "binary_cross_entropy": (
        lambda t, x: t.nn.functional.binary_cross_entropy(
            x, t.tensor([0.0, 1.0, 1.0, 0.0]), reduction="none"
        ),
        [[0.0, 0.0, 1.0, 1.0]],
        [[0, -1e12, 0, 1e12]],
    ),
    "kl_div": (
        _none("kl_div"),
        [[-1.0, -INF, -INF], [0.0, 0.0, 1.0]],
        [[0, 0, -1], [NAN, NAN, INF]],
    ),
    "second of logsigmoid": (
        _second(_f("logsigmoid")),
        [[0.0, 2.0, -200.0]],
        [[-0.25, -0.10499363, 0]],
    ),
    "second of soft_margin_loss": (
        _second(lambda t, x: t.nn.functional.soft_margin_loss(x, t.ones(2), reduction="none")),
        [[0.0, 1.0]],
        [[0.25, 0.19661196]],
    ),
    "second of cumprod": (_second(lambda t, x: x.cumprod(0)), [[0.0, 0.0, 3.0]], [[4, 4, 0]]),
    "second of prod": (_second(_of("prod")), [[0.0, 0.0, 3.0]], [[3, 3, 0]]),
}


def _gradients(t: Any, name: str) -> list[np.ndarray]:
    function, operands, _ = CASES[name]
    tensors = [t.tensor(values).requires_grad_() for values in operands]
    function(t, *tensors).sum().backward()
    return [x.grad.numpy() for x in tensors]


def _assert_those_of_the_table(t: Any, name: str) -> None:
    for found, expected in zip(_gradients(t, name), CASES[name][2], strict=True):
        # A few float32 roundings, of numbers of this size.
        np.testing.assert_allclose(found, expected, rtol=3e-6, atol=1e-6)


@pytest.mark.parametrize("backend", ["reference", "compiled"])
@pytest.mark.parametrize("name", CASES)
def test_slopes(name: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", backend)
    _assert_those_of_the_table(plait, name)


@pytest.mark.parametrize("name", CASES)
def test_the_table_is_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    _assert_those_of_the_table(torch, name)


def test_the_slope_of_sinc_near_its_top() -> None:
    """PyTorch's cancels there, and its second derivative at 0 is nan."""
    x = plait.tensor([0.0, 1e-4, 1e-2, 0.0299, 0.0301], dtype=plait.float64, requires_grad=True)
    (slope,) = plait.autograd.grad(plait.sinc(x).sum(), x, create_graph=True)
    (bend,) = plait.autograd.grad(slope.sum(), x)
    u = np.pi * x.detach().numpy()
    # The power series: of sinc's terms (-1)^n u^2n / (2n + 1)!, ten are more than float64 holds.
    terms = [(-1) ** n / math.factorial(2 * n + 1) for n in range(10)]
    slopes = sum(2 * n * c * u ** (2 * n - 1) for n, c in enumerate(terms) if n)
    bends = sum(2 * n * (2 * n - 1) * c * u ** (2 * n - 2) for n, c in enumerate(terms) if n)
    # Just past the border the closed form loses about 1 / u^2 of float64's precision, then again.
    np.testing.assert_allclose(slope.detach().numpy(), np.pi * slopes, rtol=1e-12)
    np.testing.assert_allclose(bend.numpy(), np.pi**2 * bends, rtol=1e-9)
