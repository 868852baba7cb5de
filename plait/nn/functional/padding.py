"""pad: constant, reflecting, replicating and circular."""

from __future__ import annotations

from collections.abc import Sequence

from plait._tensor import Tensor
from plait.core.functional.numbers import fitting_number
from plait.core.functional.padding import pad_constant, pad_from_itself
from plait.core.ir.errors import error
from plait.nn.functional._arguments import require_tensor

_MODES = ("constant", "reflect", "replicate", "circular")


def _amounts(pad: Sequence[int]) -> list[int]:
    if hasattr(pad, "__index__"):
        raise error(TypeError, "pad(): argument 'pad' (position 2) must be tuple of ints, not int")
    values = list(pad)
    for i, value in enumerate(values):
        if not hasattr(value, "__index__"):
            raise error(
                TypeError,
                "pad(): argument 'pad' (position 2) must be tuple of ints, but found element of "
                f"type {type(value).__name__} at pos {i}",
            )
    return [value.__index__() for value in values]


def _require_source(input: Tensor, pairs: list[tuple[int, int]], padded: int, mode: str) -> None:
    """What the modes that continue the input ask of its last `padded` axes."""
    for axis in range(input.ndim - padded, input.ndim):
        low, high = pairs[axis]
        extent = input.shape[axis]
        if extent == 0:
            raise error(
                RuntimeError,
                f"Expected {padded + 1}D or {padded + 2}D (batch mode) tensor with possibly 0 "
                f"batch size and other non-zero dimensions for input, but got: "
                f"{list(input.shape)}",
            )
        if mode == "reflect" and max(low, high) >= extent:
            raise error(
                RuntimeError,
                "Argument #4: Padding size should be less than the corresponding input dimension, "
                f"but got: padding ({low}, {high}) at dimension {axis} of input "
                f"{list(input.shape)}",
            )
        if mode == "circular" and max(low, high) > extent:
            raise error(
                RuntimeError,
                "Padding value causes wrapping around more than once. (pad: padding "
                f"({low}, {high}) at dimension {axis} of input {list(input.shape)})",
            )
        if extent + low + high < 0:
            _raise_too_small(input, axis, low, high)


def _raise_too_small(input: Tensor, axis: int, low: int, high: int) -> None:
    raise error(
        RuntimeError,
        f"The input size {input.shape[axis]}, plus negative padding {low} and {high}, resulted in "
        f"a negative output size, which is invalid. Check dimension {axis} of your input "
        f"{list(input.shape)} (narrow(): length must be non-negative.)",
    )


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Surround the last axes: pad = (low, high) of the last axis, then of the one before, ...

    mode: "constant" (with `value`, default 0), "reflect", "replicate" or "circular". Negative
    amounts cut off. Raises RuntimeError, NotImplementedError for amounts and modes that do not fit.
    """
    require_tensor("pad", "input", input, 1)
    amounts = _amounts(pad)
    if len(amounts) % 2:
        raise error(
            RuntimeError, f"Padding length must be divisible by 2 (pad received {tuple(amounts)})"
        )
    if len(amounts) // 2 > input.ndim:
        raise error(
            RuntimeError,
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {len(amounts)} and input of dimension {input.ndim} "
            f"(pad received shape {list(input.shape)})",
        )
    if mode not in _MODES:
        raise error(NotImplementedError, f"Unrecognised padding mode {mode}")
    count = len(amounts) // 2
    pairs = [(0, 0)] * (input.ndim - count)
    pairs += [(amounts[2 * i], amounts[2 * i + 1]) for i in reversed(range(count))]
    if mode == "constant":
        for axis, (low, high) in enumerate(pairs):
            if input.shape[axis] + min(low, 0) + min(high, 0) < 0:
                _raise_too_small(input, axis, low, high)
        filler = fitting_number(0 if value is None else value, input.dtype)
        made = pad_constant(input, tuple(pairs), filler)
        return made.clone() if made is input else made
    if value not in (None, 0):
        raise error(RuntimeError, f'Padding mode "{mode}" doesn\'t take in value argument')
    if count not in (1, 2, 3) or input.ndim not in (count + 1, count + 2):
        raise error(
            NotImplementedError,
            f"Padding size {len(amounts)} is not supported for {input.ndim}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)",
        )
    _require_source(input, pairs, count, mode)
    return pad_from_itself(input, tuple(pairs), mode)
