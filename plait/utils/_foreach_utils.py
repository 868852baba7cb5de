"""What optimizers of other authors take from `torch.utils._foreach_utils`."""

from __future__ import annotations

from typing import Any

from plait._tensor import Tensor
from plait.core.ir.dtypes import DType

Indices = list[int]
TensorListList = list[list[Tensor | None]]


def _group_tensors_by_device_and_dtype(
    tensorlistlist: TensorListList, with_indices: bool = False
) -> dict[tuple[Any, DType], tuple[TensorListList, Indices]]:
    """Lists of the same length, taken apart by device and dtype of the first list's tensors.

    A value has a part of each list, and, with_indices, where its entries stood.
    """
    groups: dict[tuple[Any, DType], tuple[TensorListList, Indices]] = {}
    for index, first in enumerate(tensorlistlist[0]):
        assert first is not None, "the first list of tensors may not have None"
        parts, indices = groups.setdefault(
            (first.device, first.dtype), ([[] for _ in tensorlistlist], [])
        )
        for part, tensors in zip(parts, tensorlistlist):
            if tensors:  # a list may be empty: that state does not exist
                part.append(tensors[index])
        if with_indices:
            indices.append(index)
    return groups


def _get_foreach_kernels_supported_devices() -> list[str]:
    """Devices with kernels of many tensors; the CPU is not among PyTorch's."""
    return ["cuda", "xpu"]


def _get_fused_kernels_supported_devices() -> list[str]:
    """Devices on which an optimizer's whole step may be one kernel."""
    return ["mps", "cuda", "xpu", "hpu", "cpu"]


def _has_foreach_support(tensors: list[Tensor], device: Any) -> bool:
    """Whether `foreach` is PyTorch's choice: on the CPU it is not."""
    return False


def _device_has_foreach_support(device: Any) -> bool:
    """Whether a device has kernels of many tensors."""
    return getattr(device, "type", device) in _get_foreach_kernels_supported_devices()
