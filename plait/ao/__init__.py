"""`torch.ao`: quantization, of which nothing is built; each of its names says so."""

from plait.ao import quantization

__all__ = ["quantization"]
