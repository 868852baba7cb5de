"""CUDA's flags: kept, without effect; there is no CUDA."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from plait.backends._flags import changed


class _Matmul:
    """Flags of matrix products."""

    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True
    allow_fp16_accumulation = False
    fp32_precision = "none"


class _Attention:
    flash = True
    math = True
    mem_efficient = True
    cudnn = True


matmul = _Matmul()
_attention = _Attention()


def is_built() -> bool:
    """False."""
    return False


def flash_sdp_enabled() -> bool:
    """What `enable_flash_sdp` was given last."""
    return _attention.flash


def enable_flash_sdp(enabled: bool) -> None:
    """Kept, without effect: attention chooses its own way."""
    _attention.flash = enabled


def mem_efficient_sdp_enabled() -> bool:
    """What `enable_mem_efficient_sdp` was given last."""
    return _attention.mem_efficient


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Kept, without effect: attention chooses its own way."""
    _attention.mem_efficient = enabled


def math_sdp_enabled() -> bool:
    """What `enable_math_sdp` was given last."""
    return _attention.math


def enable_math_sdp(enabled: bool) -> None:
    """Kept, without effect: attention chooses its own way."""
    _attention.math = enabled


def cudnn_sdp_enabled() -> bool:
    """What `enable_cudnn_sdp` was given last."""
    return _attention.cudnn


def enable_cudnn_sdp(enabled: bool) -> None:
    """Kept, without effect: attention chooses its own way."""
    _attention.cudnn = enabled


def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> AbstractContextManager[Any]:
    """Set the attention flags for a region."""
    return changed(
        _attention,
        flash=enable_flash,
        math=enable_math,
        mem_efficient=enable_mem_efficient,
        cudnn=enable_cudnn,
    )
