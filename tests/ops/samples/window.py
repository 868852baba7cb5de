"""Samples of pooling, patches and their transposes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, SampleMaker, values
from tests.ops.samples.conv import in_float32

NO_KERNEL = "not supported by PyTorch: "

# (leading axes, spatial, window, strides, padding, dilation)
CASES = (
    ((2, 3), (6, 8), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)),  # the fast path of max_pool
    ((2, 3), (7, 5), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)),  # with a row and a column over
    ((2, 3), (7, 8), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1)),
    ((2, 3), (7, 8), (3, 2), (1, 3), ((1, 1), (0, 0)), (2, 3)),
    ((2,), (9,), (3,), (2,), ((1, 1),), (1,)),
    ((2, 2), (9,), (4,), (4,), ((0, 0),), (1,)),
    ((1, 2), (4, 5, 4), (2, 3, 2), (2, 1, 2), ((1, 1), (1, 1), (0, 0)), (1, 1, 1)),
    ((2, 1), (5, 5), (2, 2), (2, 2), ((0, 1), (0, 1)), (1, 1)),  # ceil_mode
    ((), (5, 4), (2, 3), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    ((1, 2), (4, 3), (4, 3), (1, 1), ((0, 0), (0, 0)), (1, 1)),  # the whole plane
    ((0, 3), (6, 8), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)),
)


def extents_of(spatial: Any, window: Any, strides: Any, padding: Any, dilation: Any) -> Any:
    """How many places the windows take."""
    return tuple(
        (n + lo + hi - d * (k - 1) - 1) // s + 1
        for n, (lo, hi), d, k, s in zip(spatial, padding, dilation, window, strides)
    )


def _attrs(window: Any, strides: Any, padding: Any, dilation: Any) -> dict[str, Any]:
    return {"window": window, "strides": strides, "padding": padding, "dilation": dilation}


def _distinct(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
    """Distinct values (in wide dtypes): a maximum that keeps its place under small changes."""
    count = math.prod(shape)
    return (rng.permutation(count).reshape(shape) * 0.125 - count * 0.06).astype(dtype.numpy)


def _max_pool(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    maker = _distinct if dtype.kind == "f" else values
    samples = [
        Sample((maker(rng, dtype, (*lead, *spatial)),), _attrs(*rest))
        for lead, spatial, *rest in CASES
    ]
    if dtype.kind == "f":
        for _, spatial, *rest in (CASES[0], CASES[2]):
            odd = np.round(values(rng, dtype, (1, 2, *spatial)).astype(np.float32)).astype(
                dtype.numpy
            )
            samples.append(Sample((odd,), _attrs(*rest), grad=False))  # ties
            odd = odd.copy()
            odd[0, 0, 1:3, 2] = np.nan
            odd[0, 1, :4, :5] = -np.inf
            samples.append(Sample((odd,), _attrs(*rest), grad=False))
    return samples


def _window_sum(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((values(rng, dtype, (*lead, *spatial)),), _attrs(*rest))
        for lead, spatial, *rest in CASES
    ]


def _window_sum_grad(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample(
            (values(rng, dtype, (*lead, *extents_of(spatial, *rest))),),
            {"spatial": spatial, **_attrs(*rest)},
        )
        for lead, spatial, *rest in CASES
    ]


INDEXED = (
    ((2, 3), (4, 5), (2, 3)),
    ((2,), (7,), (9,)),  # more positions than places: some repeat
    ((), (3, 4), (2, 2)),
    ((1, 2), (2, 3, 2), (2, 1, 2)),
    ((0, 2), (4,), (3,)),
    ((2, 2), (4,), (0,)),
)


def _positions(rng: np.random.Generator, lead: Any, spatial: Any, extents: Any) -> np.ndarray:
    return rng.integers(0, math.prod(spatial), (*lead, *extents))


def _pool_scatter(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample(
            (values(rng, dtype, (*lead, *extents)), _positions(rng, lead, spatial, extents)),
            {"spatial": spatial},
        )
        for lead, spatial, extents in INDEXED
    ]


def _pool_gather(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample(
            (values(rng, dtype, (*lead, *spatial)), _positions(rng, lead, spatial, extents)),
            {"rank": len(spatial)},
        )
        for lead, spatial, extents in INDEXED
    ]


def _check_pool_index(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((_positions(rng, lead, spatial, extents),), {"spatial": spatial})
        for lead, spatial, extents in INDEXED
    ]


def _patch_attrs(window: Any, strides: Any, padding: Any, dilation: Any) -> dict[str, Any]:
    return {"kernel": window, "strides": strides, "padding": padding, "dilation": dilation}


PATCHES = [case for case in CASES if len(case[0]) == 2] + [
    ((2, 3), (3, 4), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1))
]


def _unfold(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((values(rng, dtype, (*lead, *spatial)),), _patch_attrs(*rest))
        for lead, spatial, *rest in PATCHES
    ]


def _fold(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    samples = []
    for (count, channels), spatial, *rest in PATCHES:
        places = math.prod(extents_of(spatial, *rest))
        shape = (count, channels * math.prod(rest[0]), places)
        attrs = {"spatial": spatial, **_patch_attrs(*rest)}
        samples.append(Sample((values(rng, dtype, shape),), attrs))
    return samples


SAMPLES: dict[str, SampleMaker] = {
    "max_pool": _max_pool,
    "window_sum": _window_sum,
    "window_sum_grad": _window_sum_grad,
    "pool_scatter": _pool_scatter,
    "pool_gather": _pool_gather,
    "check_pool_index": _check_pool_index,
    "unfold": _unfold,
    "fold": _fold,
}


def _even(padding: Any) -> tuple[int, ...]:
    if any(low != high for low, high in padding):
        raise NotImplementedError(NO_KERNEL + "uneven padding")
    return tuple(low for low, _ in padding)


def _torch_max_pool(
    torch: Any, x: Any, *, window: Any, strides: Any, padding: Any, dilation: Any
) -> Any:
    functional = torch.nn.functional
    rank = len(window)
    lead, spatial = x.shape[: x.ndim - rank], x.shape[x.ndim - rank :]
    if x.numel() == 0:
        raise NotImplementedError(NO_KERNEL + "planes of nothing in one batch")
    pool = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[rank - 1]
    found = pool(
        x.reshape(1, math.prod(lead), *spatial),
        window,
        strides,
        _even(padding),
        dilation,
        return_indices=True,
    )
    return tuple(part.reshape(*lead, *part.shape[2:]) for part in found)


def _torch_window_sum(
    torch: Any, x: Any, *, window: Any, strides: Any, padding: Any, dilation: Any
) -> Any:
    rank = len(window)
    first = x.ndim - rank
    flat = [p for pair in reversed(padding) for p in pair]
    y = torch.nn.functional.pad(x, flat)
    for axis, (k, s, d) in enumerate(zip(window, strides, dilation)):
        y = y.unfold(first + axis, (k - 1) * d + 1, s)[..., ::d]
    return y.sum(tuple(range(-rank, 0)), dtype=x.dtype)


def _torch_window_sum_grad(torch: Any, g: Any, *, spatial: Any, window: Any, **rest: Any) -> Any:
    if not g.dtype.is_floating_point:
        raise NotImplementedError(NO_KERNEL + "gradients of integers")
    shape = (*g.shape[: g.ndim - len(window)], *spatial)
    x = torch.zeros(shape, dtype=g.dtype, requires_grad=True)
    y = _torch_window_sum(torch, x, window=window, **rest)
    return torch.autograd.grad(y, x, g, create_graph=True)[0]


def _torch_scatter(torch: Any, g: Any, indices: Any, *, spatial: Any) -> Any:
    lead = g.shape[: g.ndim - len(spatial)]
    rows = math.prod(lead)
    flat = torch.zeros((rows, math.prod(spatial)), dtype=g.dtype)
    count = math.prod(g.shape[len(lead) :])
    taken = flat.scatter_add(1, indices.reshape(rows, count), g.reshape(rows, count))
    return taken.reshape(*lead, *spatial)


def _torch_gather(torch: Any, x: Any, indices: Any, *, rank: int) -> Any:
    lead = x.shape[: x.ndim - rank]
    rows = math.prod(lead)
    plane, count = math.prod(x.shape[x.ndim - rank :]), math.prod(indices.shape[len(lead) :])
    return x.reshape(rows, plane).gather(1, indices.reshape(rows, count)).reshape(indices.shape)


def _torch_unfold(
    torch: Any, x: Any, *, kernel: Any, strides: Any, padding: Any, dilation: Any
) -> Any:
    if len(kernel) != 2:
        raise NotImplementedError(NO_KERNEL + "patches of other than two axes")
    return torch.nn.functional.unfold(x, kernel, dilation, _even(padding), strides)


def _torch_fold(
    torch: Any, x: Any, *, spatial: Any, kernel: Any, strides: Any, padding: Any, dilation: Any
) -> Any:
    if len(kernel) != 2 or x.shape[0] == 0:
        raise NotImplementedError(NO_KERNEL + "patches of other than two axes, or of no sample")
    return torch.nn.functional.fold(x, spatial, kernel, dilation, _even(padding), strides)


TORCH = {
    "max_pool": _torch_max_pool,
    "window_sum": in_float32(_torch_window_sum),
    "window_sum_grad": in_float32(_torch_window_sum_grad),
    "pool_scatter": lambda torch, g, indices, *, spatial: (
        _torch_scatter(torch, g.float(), indices, spatial=spatial).to(g.dtype)
        if g.dtype in (torch.float16, torch.bfloat16)
        else _torch_scatter(torch, g, indices, spatial=spatial)
    ),
    "pool_gather": _torch_gather,
    "check_pool_index": lambda torch, indices, *, spatial: indices.clone(),
    "unfold": _torch_unfold,
    "fold": in_float32(_torch_fold),
}
