"""Samples of the composite activations."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, SampleMaker, values

ODD = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 19.9, 20.5, -20.5, 80.0, -80.0, 100.0)


def _activation(*choices: dict[str, Any], infinite: bool = True) -> SampleMaker:
    def make(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        samples = []
        for attrs in choices:
            for shape in ((3, 4), (), (0, 3), (2, 3, 5)):
                samples.append(Sample((values(rng, dtype, shape),), attrs))
            odd = np.array([x for x in ODD if infinite or not np.isinf(x)])
            samples.append(Sample((odd.astype(dtype.numpy),), attrs, grad=False))
        return samples

    return make


SAMPLES: dict[str, SampleMaker] = {
    "silu": _activation({}),
    "softplus": _activation({"beta": 1.0, "threshold": 20.0}, {"beta": 2.5, "threshold": 3.0}),
    "log_sigmoid": _activation({}),
    "elu": _activation({"alpha": 1.0}, {"alpha": 0.5}),
    "leaky_relu": _activation({"slope": 0.01}, {"slope": 0.3}),
    # At infinity PyTorch's own kernels differ: nan or infinity by dtype and length.
    "gelu": _activation({"approximate": "none"}, {"approximate": "tanh"}, infinite=False),
}


def _f(name: str) -> Any:
    return lambda torch, x, **attrs: getattr(torch.nn.functional, name)(x, **attrs)


TORCH = {
    "silu": _f("silu"),
    "softplus": _f("softplus"),
    "log_sigmoid": _f("logsigmoid"),
    "elu": _f("elu"),
    "leaky_relu": lambda torch, x, *, slope: torch.nn.functional.leaky_relu(x, slope),
    "gelu": _f("gelu"),
}
