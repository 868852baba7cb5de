"""Window functions under the names of `torch.signal.windows`.

All give M values; `sym` is False for a window that repeats (the first M of a symmetric one of
M + 1). They are computed in float64 and rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from plait._functions.common import require_dtype
from plait._functions.creation import owned
from plait._promotion import get_default_dtype
from plait._tensor import Tensor
from plait._types import require_cpu, strided
from plait.core.ir.errors import error

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]


def _window(
    name: str, M: int, sym: bool, options: dict[str, Any], values: Callable[[np.ndarray, int], Any]
) -> Tensor:
    """values(places, last): the window at 0 .. M-1, where `last` is the place of its end."""
    if M < 0:
        raise error(ValueError, f"{name} requires non-negative window length, got M={M}")
    wanted = require_dtype(name, options.pop("dtype", None)) or get_default_dtype()
    if wanted.kind != "f" or wanted.is_half:
        raise error(ValueError, f"{name} expects float32 or float64 dtypes, got: {wanted}")
    layout = options.pop("layout", None)
    if layout not in (None, strided):
        raise error(ValueError, f"{name} is implemented for strided tensors only, got: {layout}")
    require_cpu(options.pop("device", None))
    required = options.pop("requires_grad", False)
    places = np.arange(M, dtype=np.float64)
    last = M - 1 if sym else M
    found = np.ones(M) if M == 1 else np.asarray(values(places, last), np.float64)
    made = owned(found.astype(wanted.numpy))
    return made.requires_grad_() if required else made


def general_cosine(M: int, *, a: Iterable[float], sym: bool = True, **options: Any) -> Tensor:
    """Sum of (-1)^k a_k cos(2 pi k n / (M - 1))."""
    weights = list(a)
    if not weights:
        raise error(ValueError, "Coefficients cannot be empty")

    def values(n: np.ndarray, last: int) -> Any:
        angle = 2 * math.pi * n / max(last, 1)
        return sum((-1) ** k * w * np.cos(k * angle) for k, w in enumerate(weights))

    return _window("general_cosine", M, sym, options, values)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **options: Any) -> Tensor:
    """alpha - (1 - alpha) cos(2 pi n / (M - 1))."""
    return general_cosine(M, a=[alpha, 1 - alpha], sym=sym, **options)


def hamming(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """The general Hamming window of alpha 0.54."""
    return general_hamming(M, sym=sym, **options)


def hann(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """The general Hamming window of alpha 0.5."""
    return general_hamming(M, alpha=0.5, sym=sym, **options)


def blackman(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """The general cosine window of 0.42, 0.5, 0.08."""
    return general_cosine(M, a=[0.42, 0.5, 0.08], sym=sym, **options)


def nuttall(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """The minimum four-term Blackman-Harris window of Nuttall (1981)."""
    return general_cosine(M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], sym=sym, **options)


def bartlett(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """A triangle from 0 to 1 and back to 0."""
    return _window(
        "bartlett", M, sym, options, lambda n, last: 1 - np.abs(2 * n / max(last, 1) - 1)
    )


def cosine(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Half a period of a sine: sin(pi (n + 1/2) / M)."""
    return _window(
        "cosine", M, sym, options, lambda n, last: np.sin(math.pi * (n + 0.5) / (last + 1))
    )


def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, **options: Any
) -> Tensor:
    """exp(-|n - center| / tau). Raises ValueError for tau <= 0, or a centre with `sym`."""
    if tau <= 0:
        raise error(ValueError, f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise error(ValueError, "Center must be None for symmetric windows")
    return _window(
        "exponential",
        M,
        sym,
        options,
        lambda n, last: np.exp(-np.abs(n - (last / 2 if center is None else center)) / tau),
    )


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, **options: Any) -> Tensor:
    """exp(-((n - middle) / std)^2 / 2). Raises ValueError for std <= 0."""
    if std <= 0:
        raise error(ValueError, f"Standard deviation must be positive, got: {std} instead.")
    return _window(
        "gaussian", M, sym, options, lambda n, last: np.exp(-(((n - last / 2) / std) ** 2) / 2)
    )


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, **options: Any) -> Tensor:
    """I0(beta sqrt(1 - (2 n / (M - 1) - 1)^2)) / I0(beta). Raises ValueError for beta < 0."""
    if beta < 0:
        raise error(ValueError, f"beta must be non-negative, got: {beta} instead.")
    return _window(
        "kaiser",
        M,
        sym,
        options,
        lambda n, last: (
            np.i0(beta * np.sqrt(np.clip(1 - (2 * n / max(last, 1) - 1) ** 2, 0, 1))) / np.i0(beta)
        ),
    )
