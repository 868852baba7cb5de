"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import plait
from plait import Tensor
from plait.core.ir.errors import error

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters, one after the other: (total,)."""
    return plait.cat([parameter.view(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Put slices of `vec` (total,) in the place of the parameters' data."""
    if not isinstance(vec, Tensor):
        raise error(TypeError, f"expected torch.Tensor, but got: {type(vec).__name__}")
    start = 0
    for parameter in parameters:
        stop = start + parameter.numel()
        parameter.data = vec[start:stop].view_as(parameter).data
        start = stop
