"""`torch.quantization`: the old place of `torch.ao.quantization`."""

from plait.ao.quantization import __getattr__

__all__ = ["__getattr__"]
