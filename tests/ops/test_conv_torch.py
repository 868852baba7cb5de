"""Transposed convolution against PyTorch over its parameters (the records: see their samples)."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from plait.core.ir.dtypes import dtype_of
from plait.core.ir.graph import trace
from plait.core.ir.node import Spec
from plait.core.ops.conv import conv_transpose
from plait.core.reference.executor import run

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")

GRID = [
    (stride, padding, output_padding, dilation, groups)
    for stride, padding, output_padding, dilation, groups in itertools.product(
        (1, 2, 3), (0, 1, 2), (0, 1, 2), (1, 3), (1, 2)
    )
    if output_padding < max(stride, dilation)
]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_conv_transpose(rank: int) -> None:
    function = getattr(torch.nn.functional, f"conv_transpose{rank}d")
    rng = np.random.default_rng(rank)
    spatial, kernel = (4, 3, 5)[:rank], (3, 2, 1)[:rank]
    for stride, padding, output_padding, dilation, groups in GRID:
        x = rng.normal(size=(2, 4, *spatial))
        w = rng.normal(size=(4, 3, *kernel))
        attrs: dict[str, Any] = {
            "strides": (stride,) * rank,
            "padding": (padding,) * rank,
            "output_padding": (output_padding,) * rank,
            "dilation": (dilation,) * rank,
            "groups": groups,
        }
        try:
            expected = function(
                torch.from_numpy(x),
                torch.from_numpy(w),
                stride=stride,
                padding=padding,
                output_padding=output_padding,
                dilation=dilation,
                groups=groups,
            )
        except RuntimeError:
            expected = None  # a result without elements
        specs = [Spec(a.shape, dtype_of(a.dtype)) for a in (x, w)]
        if expected is None:
            with pytest.raises(RuntimeError, match="without elements"):
                trace(lambda x, w, a=attrs: conv_transpose(x, w, **a), specs)
            continue
        graph = trace(lambda x, w, a=attrs: conv_transpose(x, w, **a), specs)
        # Sums of at most 4 * 6 products of size about 1: some steps of float64.
        np.testing.assert_allclose(
            run(graph, [x, w])[0], expected.numpy(), rtol=1e-12, atol=1e-12, err_msg=str(attrs)
        )
