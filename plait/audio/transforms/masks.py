"""SpecAugment's masks as modules."""

from __future__ import annotations

from typing import Any

from plait import Tensor, nn
from plait.audio import functional as F
from plait.core.ir.errors import error


class _AxisMasking(nn.Module):
    """A stretch masked along the frequencies (axis 1 of three) or the frames (axis 2)."""

    def __init__(self, mask_param: int, axis: int, iid_masks: bool, p: float = 1.0) -> None:
        super().__init__()
        self.mask_param, self.axis, self.iid_masks, self.p = mask_param, axis, iid_masks, p

    def forward(self, specgram: Tensor, mask_value: Any = 0.0) -> Tensor:
        axis = self.axis + specgram.dim() - 3
        if self.iid_masks:
            return F.mask_along_axis_iid(specgram, self.mask_param, mask_value, axis, self.p)
        return F.mask_along_axis(specgram, self.mask_param, float(mask_value), axis, self.p)


class FrequencyMasking(_AxisMasking):
    """Fewer than `freq_mask_param` frequencies masked; iid_masks: others in each example."""

    def __init__(self, freq_mask_param: int, iid_masks: bool = False) -> None:
        super().__init__(freq_mask_param, 1, iid_masks)


class TimeMasking(_AxisMasking):
    """Fewer than `time_mask_param` frames masked, and at most the share p of them."""

    def __init__(self, time_mask_param: int, iid_masks: bool = False, p: float = 1.0) -> None:
        if not 0.0 <= p <= 1.0:
            raise error(ValueError, f"The value of p must be between 0.0 and 1.0 ({p} given).")
        super().__init__(time_mask_param, 2, iid_masks, p)


class SpecAugment(nn.Module):
    """Several masks of time and then of frequency, filled with the mean (or zero)."""

    def __init__(
        self,
        n_time_masks: int,
        time_mask_param: int,
        n_freq_masks: int,
        freq_mask_param: int,
        iid_masks: bool = True,
        p: float = 1.0,
        zero_masking: bool = False,
    ) -> None:
        super().__init__()
        self.n_time_masks, self.time_mask_param = n_time_masks, time_mask_param
        self.n_freq_masks, self.freq_mask_param = n_freq_masks, freq_mask_param
        self.iid_masks, self.p, self.zero_masking = iid_masks, p, zero_masking

    def forward(self, specgram: Tensor) -> Tensor:
        value: Any = 0.0 if self.zero_masking else specgram.mean()
        dim = specgram.dim()
        mask = F.mask_along_axis_iid if dim > 2 and self.iid_masks else F.mask_along_axis
        for _ in range(self.n_time_masks):
            specgram = mask(specgram, self.time_mask_param, value, dim - 1, self.p)
        for _ in range(self.n_freq_masks):
            specgram = mask(specgram, self.freq_mask_param, value, dim - 2, self.p)
        return specgram
