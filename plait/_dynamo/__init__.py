"""`torch._dynamo`: `reset`, which programs call between compilations of one function."""

from plait.compiler import reset

__all__ = ["reset"]
