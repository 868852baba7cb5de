"""Fourier transforms under the names of `torch.fft`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plait._functions.common import write_out
from plait._functions.creation import owned
from plait._functions.shape import roll
from plait._promotion import get_default_dtype
from plait._tensor import Tensor
from plait._unbuilt import unbuilt
from plait.core.functional.axes import normal_axis
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.ops import fft as _ops
from plait.core.ops.elementwise import cast
from plait.core.ops.view import pad, slice_

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]
