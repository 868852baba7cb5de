"""oneDNN (MKL-DNN): not used; its flags are kept."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager

from plait.backends._flags import changed

enabled = True
deterministic = False
allow_tf32 = True
VERBOSE_OFF = 0
VERBOSE_ON = 1
VERBOSE_ON_CREATION = 2


def is_available() -> bool:
    """False: kernels are Plait's own."""
    return False


def flags(
    enabled: bool = False,
    deterministic: bool = False,
    allow_tf32: bool = True,
    fp32_precision: str = "none",
) -> AbstractContextManager[None]:
    """Set the flags for a region."""
    return changed(
        sys.modules[__name__],
        enabled=enabled,
        deterministic=deterministic,
        allow_tf32=allow_tf32,
    )
