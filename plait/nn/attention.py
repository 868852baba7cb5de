"""`torch.nn.attention`: which kernels attention may use. There is one here, so these are hints."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager

from plait.core.ir.errors import error

__all__ = ["WARN_FOR_UNFUSED_KERNELS", "SDPBackend", "sdpa_kernel"]

#: Read by PyTorch's own kernels only.
WARN_FOR_UNFUSED_KERNELS = False


class SDPBackend(enum.IntEnum):
    """PyTorch's kernels of scaled dot-product attention."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextmanager
def sdpa_kernel(
    backends: SDPBackend | list[SDPBackend], set_priority: bool = False
) -> Iterator[None]:
    """Allow these kernels inside the context. All compute the same, and Plait has one of its own.

    Raises AssertionError for what is no `SDPBackend` or a list of them.
    """
    if not isinstance(backends, (SDPBackend, list)):
        raise error(
            AssertionError,
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{type(backends).__name__}",
        )
    yield
