"""SpecAugment's masks (Park et al., Interspeech 2019), with torchaudio's draws."""

from __future__ import annotations

from typing import Any

import plait as torch
from plait import Tensor
from plait.core.ir.errors import error


def _reach(specgram: Tensor, mask_param: int, axis: int, p: float, least: int) -> int:
    """The longest mask. Raises ValueError for too few dimensions, another axis or share."""
    dim = specgram.dim()
    if dim < least:
        number = {2: "two dimensions (time and frequency)", 3: "three dimensions"}[least]
        raise error(ValueError, f"Spectrogram must have at least {number} ({dim} given).")
    if axis not in (dim - 2, dim - 1):
        raise error(
            ValueError,
            f"Only Frequency and Time masking are supported (axis {dim - 2} and axis {dim - 1} "
            f"supported; {axis} given).",
        )
    if not 0.0 <= p <= 1.0:
        raise error(ValueError, f"The value of p must be between 0.0 and 1.0 ({p} given).")
    return mask_param if p == 1.0 else min(mask_param, int(specgram.shape[axis] * p))


def mask_along_axis_iid(
    specgrams: Tensor, mask_param: int, mask_value: Any, axis: int, p: float = 1.0
) -> Tensor:
    """Mask a stretch of frequencies or frames, another one in each example and channel.

    specgrams: (..., frequencies, frames). A stretch is shorter than `mask_param`, and than the
    share p of the axis.
    """
    reach = _reach(specgrams, mask_param, axis, p, 3)
    if reach < 1:
        return specgrams
    lead, size = tuple(specgrams.shape[:-2]), specgrams.shape[axis]
    length = torch.rand(lead, dtype=specgrams.dtype) * reach
    begin = (torch.rand(lead, dtype=specgrams.dtype) * (size - length)).long()
    end = begin + length.long()
    places = torch.arange(size)
    mask = (places >= begin[..., None, None]) & (places < end[..., None, None])
    return _masked(specgrams, mask.transpose(axis, -1), mask_value)


def mask_along_axis(
    specgram: Tensor, mask_param: int, mask_value: Any, axis: int, p: float = 1.0
) -> Tensor:
    """Mask a stretch of frequencies or frames, the same one in all examples and channels."""
    reach = _reach(specgram, mask_param, axis, p, 2)
    if reach < 1:
        return specgram
    size = specgram.shape[axis]
    length = torch.rand(1) * reach
    begin = (torch.rand(1) * (size - length)).long()
    end = begin + length.long()
    places = torch.arange(size)
    mask = (places >= begin) & (places < end)
    return _masked(specgram, mask.unsqueeze(-1) if axis == specgram.dim() - 2 else mask, mask_value)


def _masked(specgram: Tensor, mask: Tensor, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return torch.where(mask, value, specgram)
    return specgram.masked_fill(mask, value)
