"""The CUDA spellings of mixed precision; see `plait.amp`."""

from __future__ import annotations

from typing import Any

from plait import amp as _amp
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


class autocast(_amp.autocast):
    """`plait.amp.autocast` for CUDA: there is none, so it warns and is off."""

    def __init__(
        self, enabled: bool = True, dtype: DType = dtypes.float16, cache_enabled: bool = True
    ) -> None:
        super().__init__("cuda", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(_amp.GradScaler):
    """`plait.amp.GradScaler` for CUDA: there is none, so it warns and is off."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        super().__init__(
            "cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled
        )


def custom_fwd(fwd: Any = None, **kwargs: Any) -> Any:
    """`plait.amp.custom_fwd` for CUDA."""
    return _amp.custom_fwd(fwd, device_type="cuda", **kwargs)


def custom_bwd(bwd: Any) -> Any:
    """`plait.amp.custom_bwd` for CUDA."""
    return _amp.custom_bwd(bwd, device_type="cuda")
