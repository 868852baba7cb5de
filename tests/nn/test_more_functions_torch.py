"""Fractional pooling, attention as a function, linear cross entropy, histograms: as PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait

torch = pytest.importorskip("torch", reason="compares with PyTorch")

RNG = np.random.default_rng(6)


def _agree(function: Any, *arrays: np.ndarray, rtol: float = 1e-9) -> None:
    """Values, and gradients of a fixed weighted sum, of float64 arrays."""
    found = []
    for m in (plait, torch):
        m.manual_seed(1)
        given = [m.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        results = function(m, *given)
        parts = [
            r for r in (results if isinstance(results, tuple) else (results,)) if r is not None
        ]
        total = sum(
            (r * m.tensor(np.cos(np.arange(r.numel())).reshape(tuple(r.shape)))).sum()
            for r in parts
            if r.requires_grad
        )
        grads = m.autograd.grad(total, [g for g in given if g.requires_grad], allow_unused=True)
        values = [*parts, *[g for g in grads if g is not None]]
        found.append([v.detach().numpy() for v in values])
    for mine, wanted in zip(*found, strict=True):
        assert mine.shape == wanted.shape and mine.dtype == wanted.dtype
        np.testing.assert_allclose(mine, wanted, rtol=rtol, atol=1e-9)


IMAGE = RNG.standard_normal((2, 3, 9, 8))
VOLUME = RNG.standard_normal((2, 2, 7, 6, 8))


@pytest.mark.parametrize("sizes", [{"output_size": (4, 3)}, {"output_ratio": (0.6, 0.5)}])
@pytest.mark.parametrize("kernel", [2, (3, 2)])
def test_fractional_max_pool2d(sizes: dict, kernel: Any) -> None:
    def pooled(m: Any, x: Any) -> Any:
        return m.nn.functional.fractional_max_pool2d(x, kernel, return_indices=True, **sizes)

    _agree(pooled, IMAGE)
    _agree(pooled, IMAGE[0])
    _agree(lambda m, x: m.nn.FractionalMaxPool2d(kernel, **sizes)(x), IMAGE)


def test_fractional_max_pool3d() -> None:
    samples = RNG.uniform(size=(2, 2, 3))

    def pooled(m: Any, x: Any, at: Any) -> Any:
        return m.nn.functional.fractional_max_pool3d(
            x, (2, 1, 3), (3, 5, 1), return_indices=True, _random_samples=at.detach()
        )

    _agree(pooled, VOLUME, samples)
    _agree(lambda m, x: m.nn.FractionalMaxPool3d(2, output_ratio=0.5)(x), VOLUME)


def test_fractional_errors() -> None:
    F = plait.nn.functional
    x = plait.ones(1, 1, 5, 5)
    with pytest.raises(ValueError, match="requires specifying either an output_size"):
        F.fractional_max_pool2d(x, 2)
    with pytest.raises(RuntimeError, match="too large"):
        F.fractional_max_pool2d(x, 3, output_size=4)
    with pytest.raises(RuntimeError, match="Expected 3D or 4D tensor"):
        F.fractional_max_pool2d(x[0, 0], 2, output_size=2)
    with pytest.raises(ValueError, match="only one of"):
        plait.nn.FractionalMaxPool2d(2, output_size=2, output_ratio=0.5)


E, HEADS, L, S, N = 6, 2, 4, 5, 3


def _attention(m: Any, q: Any, k: Any, w: Any, b: Any, out: Any, **options: Any) -> Any:
    return m.nn.functional.multi_head_attention_forward(
        *(q, k, k, E, HEADS, w, b, options.pop("bias_k", None), options.pop("bias_v", None)),
        *(options.pop("add_zero_attn", False), 0.0, out, b[:E]),
        **options,
    )


ATTENTION: dict[str, Any] = {
    "plain": lambda m: {},
    "not averaged": lambda m: {"average_attn_weights": False},
    "without weights": lambda m: {"need_weights": False},
    "masks": lambda m: {
        "attn_mask": m.ones(L, S).tril(1).double().log(),
        "key_padding_mask": m.arange(S).expand(N, S) >= m.tensor([[5], [4], [3]]),
    },
    "mask per head": lambda m: {
        "attn_mask": m.arange(N * HEADS * L * S).reshape(-1, L, S) % 7 == 3
    },
    "added keys": lambda m: {
        "bias_k": m.ones(1, 1, E).double(),
        "bias_v": m.ones(1, 1, E).double() * 2,
        "add_zero_attn": True,
        "attn_mask": m.zeros(L, S).double(),
    },
    "static": lambda m: {
        "static_k": (m.arange(N * HEADS * S * 3) % 11).reshape(N * HEADS, S, 3)
        / m.tensor(11.0).double(),
        "static_v": (m.arange(N * HEADS * S * 3) % 13).reshape(N * HEADS, S, 3)
        * m.tensor(0.1).double(),
    },
}


@pytest.mark.filterwarnings("ignore:Support for mismatched:UserWarning")
@pytest.mark.parametrize("name", ATTENTION)
def test_attention_as_a_function(name: str) -> None:
    q, k = RNG.standard_normal((L, N, E)), RNG.standard_normal((S, N, E))
    w, b, out = (
        RNG.standard_normal((3 * E, E)),
        RNG.standard_normal(3 * E),
        RNG.standard_normal((E, E)),
    )
    # float32 masks and static keys are exact; the rest is float64.
    _agree(lambda m, *x: _attention(m, *x, **ATTENTION[name](m)), q, k, w, b, out, rtol=1e-7)


def test_attention_of_one_sequence_with_separate_weights() -> None:
    q, k = RNG.standard_normal((L, E)), RNG.standard_normal((S, E))
    parts = [RNG.standard_normal((E, E)) for _ in range(3)]

    def attend(m: Any, q: Any, k: Any, wq: Any, wk: Any, wv: Any) -> Any:
        options = dict(
            zip(("q_proj_weight", "k_proj_weight", "v_proj_weight"), (wq, wk, wv)),
            use_separate_proj_weight=True,
        )
        return m.nn.functional.multi_head_attention_forward(
            q, k, k, E, HEADS, None, None, None, None, False, 0.0, wq, None, **options
        )

    _agree(attend, q, k, *parts)
    with pytest.raises(AssertionError, match="embedding dimension of 5"):
        plait.nn.functional.multi_head_attention_forward(
            *(plait.ones(2, 1, E),) * 3, 5, 1, None, None, None, None, False, 0.0, None, None
        )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_linear_cross_entropy(reduction: str) -> None:
    x, w, b = RNG.standard_normal((5, 4)), RNG.standard_normal((3, 4)), RNG.standard_normal(3)

    def loss(m: Any, x: Any, w: Any, b: Any, **options: Any) -> Any:
        target = m.tensor([0, 2, 1, -100, 2])
        return m.nn.functional.linear_cross_entropy(
            x, w, target, linear_bias=b, reduction=reduction, label_smoothing=0.1
        )

    _agree(loss, x, w, b)

    def several(m: Any, x: Any, w: Any) -> Any:
        target = m.tensor([[0, 2], [1, 1], [2, 0], [0, 0], [1, 2]])
        return m.nn.functional.linear_cross_entropy(
            x, w, target, reduction=reduction, ignore_index=1, weight=m.tensor([1.0, 2, 3]).double()
        )

    _agree(several, x, RNG.standard_normal((3, 2, 4)))
    with pytest.raises(RuntimeError, match="last dimensions"):
        plait.nn.functional.linear_cross_entropy(
            plait.ones(2, 3), plait.ones(4, 2), plait.tensor([0, 1])
        )


@pytest.mark.parametrize("training", [False, True])
def test_native_batch_norm(training: bool) -> None:
    def norm(m: Any, x: Any, w: Any, b: Any) -> Any:
        mean, var = m.zeros(3).double() + 0.5, m.ones(3).double() * 2
        found = m.native_batch_norm(x, w, b, mean, var, training, 0.1, 1e-5)
        return (*found, mean, var)

    # PyTorch's mean and deviation ask for gradients, which it then ignores.
    arrays = IMAGE, RNG.standard_normal(3), RNG.standard_normal(3)
    ours, theirs = [
        [v.detach().numpy() for v in norm(m, *[m.tensor(a) for a in arrays])]
        for m in (plait, torch)
    ]
    for mine, wanted in zip(ours, theirs, strict=True):
        assert mine.shape == wanted.shape
        np.testing.assert_allclose(mine, wanted, rtol=1e-9)
    _agree(lambda m, *x: norm(m, *x)[0], *arrays)


HISTOGRAMS: dict[str, Any] = {
    "bins": lambda m, x: m.histogram(x, 4),
    "range": lambda m, x: x.histogram(3, range=(-1.0, 0.5)),
    "edges": lambda m, x: m.histogram(x, m.tensor([-1.0, 0.0, 0.25, 2.0])),
    "weights": lambda m, x: m.histogram(x, 4, weight=x.abs(), density=True),
    "constant": lambda m, x: m.histogram(x * 0 + 1, 2),
    "none": lambda m, x: m.histogram(x[:0], 2),
    "points": lambda m, x: m.histogramdd(x, [2, 3, 1, 2]),
    "points in a range": lambda m, x: m.histogramdd(
        x[:, :2], 3, range=[-1.0, 1.0, -2.0, 2.0], density=True
    ),
    "points by edges": lambda m, x: m.histogramdd(
        x[:, :2], [m.tensor([-1.0, 0, 1]), m.tensor([0.0, 1, 2])], weight=x[:, 3]
    ),
    "hash": lambda m, x: m.hash_tensor(x),
    "hash of an axis": lambda m, x: m.hash_tensor(x, 1, keepdim=True),
    "hash of ints": lambda m, x: m.hash_tensor(x.to(m.int8), (0, 1)),
    "hash of bools": lambda m, x: m.hash_tensor(x > 0, 0),
}


def _leaves(value: Any) -> list[np.ndarray]:
    if isinstance(value, tuple):
        return [leaf for part in value for leaf in _leaves(part)]
    return [value.numpy()]


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_counts(name: str) -> None:
    x = RNG.standard_normal((20, 4)).astype(np.float32)
    ours, theirs = [_leaves(HISTOGRAMS[name](m, m.tensor(x))) for m in (plait, torch)]
    for mine, wanted in zip(ours, theirs, strict=True):
        assert mine.shape == wanted.shape and mine.dtype == wanted.dtype
        # Sums of weights and quotients of densities in float32.
        np.testing.assert_allclose(mine, wanted, rtol=1e-5, atol=1e-6)


MISTAKES = [
    lambda m: m.histogram(m.ones(3), 0),
    lambda m: m.histogram(m.ones(3), m.ones(2, 2)),
    lambda m: m.histogram(m.ones(3), 2, range=(2.0, 1.0)),
    lambda m: m.histogram(m.ones(3, dtype=m.int64), 2),
    lambda m: m.histogram(m.ones(3), 2, weight=m.ones(2)),
    lambda m: m.histogram(m.ones(3) * float("nan"), 2),
    lambda m: m.histogramdd(m.ones(3, 2), [2]),
    lambda m: m.histogramdd(m.ones(3), [2]),
    lambda m: m.histogramdd(m.ones(3, 2), [2, 2], range=[0.0, 1.0]),
    lambda m: m.hash_tensor(m.ones(0)),
    lambda m: m.hash_tensor(m.ones(1), mode=1),
]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_errors_of_counts(mistake: Any) -> None:
    kinds = []
    for m in (plait, torch):
        with pytest.raises((RuntimeError, NotImplementedError)) as caught:
            mistake(m)
        kinds.append(caught.type)
    assert issubclass(kinds[0], kinds[1])
