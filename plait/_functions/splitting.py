"""Splitting along a named axis, and raising to at least so many axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait._functions.common import public
from plait._functions.shape import chunk, reshape, split, tensor_split, unsqueeze
from plait._tensor import Tensor
from plait.core.ir.errors import error


def _splitting(name: str, axis: int, least: int) -> Callable[..., Any]:
    def along(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
        if input.ndim < least:
            raise error(
                RuntimeError,
                f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor "
                f"with {input.ndim} dimensions!",
            )
        if isinstance(indices_or_sections, str):
            raise error(
                TypeError,
                f"{name}() received an invalid combination of arguments: expected sections (int) "
                "or indices (tuple of ints), got str",
            )
        # One axis less: torch.hsplit takes the only axis of a vector.
        place = 0 if name == "hsplit" and input.ndim == 1 else axis
        uneven = isinstance(indices_or_sections, int) and (
            indices_or_sections <= 0 or input.shape[place] % indices_or_sections
        )
        if uneven:
            raise error(
                RuntimeError,
                f"torch.{name} attempted to split along dimension {place}, but the size of the "
                f"dimension {input.shape[place]} is not divisible by the split_size "
                f"{indices_or_sections}!",
            )
        return tensor_split(input, indices_or_sections, place)

    along.__name__ = name
    along.__doc__ = f"Parts of `input` along axis {axis}, as `tensor_split` makes them."
    return public(along)


hsplit = _splitting("hsplit", 1, 1)
vsplit = _splitting("vsplit", 0, 2)
dsplit = _splitting("dsplit", 2, 3)


@public
def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`chunk` whose parts are tensors of their own."""
    return tuple([part.clone() for part in chunk(input, chunks, dim)])


@public
def unsafe_split(input: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """`split` whose parts are tensors of their own."""
    return tuple([part.clone() for part in split(input, split_size, dim)])


def _at_least(rank: int, raised: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
    def at_least(*tensors: Any) -> Any:
        if len(tensors) == 1 and not isinstance(tensors[0], Tensor):
            tensors = tuple(tensors[0])
            return tuple([raised(x) for x in tensors])
        found = [raised(x) for x in tensors]
        return found[0] if len(found) == 1 else tuple(found)

    at_least.__name__ = f"atleast_{rank}d"
    at_least.__doc__ = f"The tensors with at least {rank} axes; several as a tuple."
    return public(at_least, method=False)


def _raised_to_3(x: Tensor) -> Tensor:
    if x.ndim == 0:
        return reshape(x, (1, 1, 1))
    if x.ndim == 1:
        return unsqueeze(unsqueeze(x, 0), 2)
    return unsqueeze(x, 2) if x.ndim == 2 else x


atleast_1d = _at_least(1, lambda x: x if x.ndim else reshape(x, (1,)))
atleast_2d = _at_least(
    2, lambda x: x if x.ndim > 1 else unsqueeze(x, 0) if x.ndim else reshape(x, (1, 1))
)
atleast_3d = _at_least(3, _raised_to_3)
