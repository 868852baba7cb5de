"""Window functions under the names that PyTorch has at its top: repeating ones by default."""

from __future__ import annotations

from typing import Any

from plait._functions.common import public
from plait._tensor import Tensor


def _checked(name: str, window_length: int) -> None:
    from plait.core.ir.errors import error

    if window_length < 0:
        raise error(
            RuntimeError,
            f"{name} requires non-negative window_length, got window_length={window_length}",
        )


@public(method=False)
def hann_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """1/2 - cos(2 pi n / N) / 2, N the length (without `periodic` the length - 1)."""
    return hamming_window(window_length, periodic, 0.5, 0.5, **options)


@public(method=False)
def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    **options: Any,
) -> Tensor:
    """alpha - beta cos(2 pi n / N)."""
    from plait.signal import windows

    _checked("hamming_window", window_length)
    return windows.general_cosine(window_length, a=[alpha, beta], sym=not periodic, **options)


@public(method=False)
def blackman_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N)."""
    from plait.signal import windows

    _checked("blackman_window", window_length)
    return windows.blackman(window_length, sym=not periodic, **options)


@public(method=False)
def bartlett_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """1 - |2 n / N - 1|."""
    from plait.signal import windows

    _checked("bartlett_window", window_length)
    return windows.bartlett(window_length, sym=not periodic, **options)


@public(method=False)
def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, **options: Any
) -> Tensor:
    """The Kaiser window of that shape parameter."""
    from plait.signal import windows

    _checked("kaiser_window", window_length)
    return windows.kaiser(window_length, beta=beta, sym=not periodic, **options)
