"""Signal processing (`torch.signal`): window functions."""

from plait.signal import windows

__all__ = ["windows"]
