"""Samples of the special functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir.dtypes import DType
from plait.core.ir.op import op_by_name
from tests.ops.samples import Sample, values

_SHAPES = [(), (7,), (2, 3), (0, 4)]


def _one(name: str, special_points: list[float] | None = None, attrs: list[dict] | None = None):
    """Samples in the op's domain, and a line of special points."""

    def samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        low, high = op_by_name(name).domain
        made = []
        for each in attrs or [{}]:
            made += [Sample((values(rng, dtype, shape, low, high),), each) for shape in _SHAPES]
            if special_points:
                line = np.array(special_points).astype(dtype.numpy)
                made.append(Sample((line,), each, grad=False))
        return made

    return samples


def _two(name: str, special_points: list[tuple[float, float]]):
    def samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        low, high = op_by_name(name).domain
        made = [
            Sample((values(rng, dtype, s, low, high), values(rng, dtype, s, low, high)), {})
            for s in _SHAPES
        ]
        a, b = np.array(special_points).T.astype(dtype.numpy)
        return [*made, Sample((a, b), {}, grad=False)]

    return samples


_REAL_LINE = [0.0, -0.0, 1.0, -1.0, 8.0, -8.0, np.inf, -np.inf, np.nan]
_UNIT = [0.0, 0.5, 1.0, -0.5, 1.5, np.nan]
_LOGARITHMS = [(0.0, 0.0), (0.0, -2.0), (0.0, np.nan), (2.0, 0.0), (np.nan, 1.0), (0.0, np.inf)]
_INCOMPLETE = [(1.0, 0.0), (2.0, np.inf), (30.0, 60.0), (0.5, 20.0), (3.0, np.nan)]

SAMPLES: dict[str, Callable[[np.random.Generator, DType], list[Sample]]] = {
    "erf": _one("erf", _REAL_LINE),
    "erfc": _one("erfc", _REAL_LINE),
    "erfcx": _one("erfcx", [0.0, 5.0, 100.0, np.inf, np.nan]),
    "erfinv": _one("erfinv", [0.0, 1.0, -1.0, 1.5, -1.5, np.nan]),
    "ndtr": _one("ndtr", _REAL_LINE),
    "log_ndtr": _one("log_ndtr", [0.0, -8.0, 8.0, np.inf, np.nan]),
    "ndtri": _one("ndtri", _UNIT),
    "lgamma": _one("lgamma", [1.0, 2.0, -0.5, -1.0, 0.0, 30.0, np.inf, -np.inf, np.nan]),
    "digamma": _one("digamma", [1.0, -0.5, -1.5, 30.0, np.nan]),
    "polygamma": _one("polygamma", None, [{"n": n} for n in (1, 2, 3)]),
    "i0": _one("i0", [0.0, 8.0, -8.0, np.nan]),
    "i0e": _one("i0e", [0.0, 8.0, -8.0, 100.0, np.nan]),
    "i1": _one("i1", [0.0, 8.0, -8.0]),
    "i1e": _one("i1e", [0.0, 8.0, -8.0, 100.0]),
    **{
        name: _one(name, [0.0, -0.0, 3.0, -3.0, 80.0, -80.0, np.nan])
        for name in ("bessel_j0", "bessel_j1", "airy_ai", "spherical_bessel_j0")
    },
    **{
        name: _one(name, [0.0, -1.0, 2.0, 3.0, 80.0, np.nan])
        for name in ("bessel_y0", "bessel_y1", "modified_bessel_k0", "modified_bessel_k1")
    },
    **{
        f"scaled_modified_bessel_k{order}": _one(
            f"scaled_modified_bessel_k{order}", [0.0, -1.0, 2.0, 1e4, np.nan]
        )
        for order in (0, 1)
    },
    "sinc": _one("sinc", [0.0, 1.0, -2.0, 0.5, np.nan]),
    "entr": _one("entr", [0.0, 1.0, -1.0, np.inf, np.nan]),
    "logit": _one("logit", _UNIT),
    "xlogy": _two("xlogy", _LOGARITHMS),
    "xlog1py": _two("xlog1py", [(a, b - 1) for a, b in _LOGARITHMS]),
    "zeta": _two("zeta", [(1.0, 2.0), (2.0, 1.0), (0.5, 1.0), (5.0, 30.0)]),
    "igamma": _two("igamma", _INCOMPLETE),
    "igammac": _two("igammac", _INCOMPLETE),
}


def _in_torch(name: str) -> Callable[..., Any]:
    """PyTorch's function of that name; where it lacks a 16-bit kernel, float32's result rounded."""

    def call(torch: Any, *operands: Any) -> Any:
        function = getattr(torch.special, name)
        dtype = operands[0].dtype
        if dtype in (torch.float16, torch.bfloat16):
            operands = tuple([x.float() for x in operands])
        return function(*operands).to(dtype)

    return call


_NAMES = {"lgamma": "gammaln", "igamma": "gammainc", "igammac": "gammaincc"}

# PyTorch's Bessel functions have errors of 1e-14 and more in float64: tests/core/test_special.py
# and tests/face/test_bessel_torch.py compare those.
TORCH: dict[str, Callable] = {
    name: _in_torch(_NAMES.get(name, name))
    for name in SAMPLES
    if "bessel" not in name and name != "airy_ai"
}


def _torch_polygamma(torch: Any, x: Any, *, n: int) -> Any:
    # PyTorch's trigamma has an error of 5e-10; its Hurwitz zeta function gives the same to 1e-15.
    factor = -math.factorial(n) if n % 2 == 0 else math.factorial(n)
    wide = x.double()
    return (factor * torch.special.zeta(torch.full_like(wide, n + 1), wide)).to(x.dtype)


TORCH["polygamma"] = _torch_polygamma


def _torch_digamma(torch: Any, x: Any) -> Any:
    # Without its gradient: that is PyTorch's trigamma, which differences test more closely.
    return _in_torch("digamma")(torch, x.detach())


TORCH["digamma"] = _torch_digamma
