"""Functions of lists of tensors: `_foreach_add(tensors, ...)` is `add` of each of them.

Each has a form that returns a tuple of new tensors, and one with `_` that writes into the tensors
and returns the list. An operand is one for all tensors (a number, a tensor of one element) or a
list with one for each. Raises RuntimeError for an empty list or lists of unequal length, TypeError
for what is no list of tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plait._functions.common import FUNCTIONS
from plait._tensor import Tensor
from plait.core.ir.errors import error

_UNARY = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 "
    "neg reciprocal round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc"
)
_BINARY = "add sub mul div maximum minimum clamp_max clamp_min pow"
_TERNARY = "lerp addcdiv addcmul"
#: Those that are `clamp` where the operand is a number.
_CLAMPS = {"clamp_max": "max", "minimum": "max", "clamp_min": "min", "maximum": "min"}


def _tensors(name: str, values: Any, place: int = 0) -> Sequence[Tensor]:
    """The list of tensors that an argument must be."""
    if not isinstance(values, (list, tuple)):
        raise error(
            TypeError,
            f"{name}(): argument {place} must be a tuple of Tensors, not {type(values).__name__}",
        )
    if not values:
        raise error(RuntimeError, f"{name}: Tensor list must have at least one tensor.")
    for number, value in enumerate(values):
        if not isinstance(value, Tensor):
            raise error(
                TypeError,
                f"{name}(): expected Tensor as element {number} in argument {place}, but got "
                f"{type(value).__name__}",
            )
    return values


def _each(name: str, operand: Any, count: int) -> Sequence[Any]:
    """An operand for each of `count` tensors."""
    if not isinstance(operand, (list, tuple)):
        return [operand] * count
    if len(operand) != count:
        numbers = operand and not isinstance(operand[0], Tensor)
        raise error(
            RuntimeError,
            f"{name}: Tensor list must have same number of elements as scalar list, got {count} "
            f"and {len(operand)}"
            if numbers
            else f"{name}: Tensor lists must have the same number of tensors, got {count} and "
            f"{len(operand)}",
        )
    return operand


def _one(name: str, in_place: bool, tensor: Tensor, *operands: Any, **options: Any) -> Tensor:
    """The function of one tensor, by its method."""
    if name in _CLAMPS and not isinstance(operands[0], Tensor):
        bound = {_CLAMPS[name]: operands[0]}
        return getattr(tensor, "clamp_" if in_place else "clamp")(**bound)
    name = {"clamp_max": "minimum", "clamp_min": "maximum"}.get(name, name)
    if not in_place:
        return getattr(tensor, name)(*operands, **options)
    method = getattr(tensor, name + "_", None)
    if method is not None:
        return method(*operands, **options)
    return tensor.copy_(getattr(tensor, name)(*operands, **options))


def _make(name: str, in_place: bool, count: int) -> Callable[..., Any]:
    """The function of lists: of `count` operands beside the tensors themselves."""
    full = f"_foreach_{name}{'_' if in_place else ''}"

    def function(self: Any, *operands: Any, **options: Any) -> Any:
        for spelling in ("other", "exponent", "weight", "tensor1", "tensor2", "tensors1"):
            if spelling in options:
                operands += (options.pop(spelling),)
        if not isinstance(self, (list, tuple)) and name == "pow" and not in_place:
            # A number to the powers of a list.
            powers = _tensors(full, operands[0], 1)
            return tuple([FUNCTIONS["pow"](self, power) for power in powers])
        tensors = _tensors(full, self)
        scale = _scale(name, operands, options, count)
        spread = [_each(full, operand, len(tensors)) for operand in operands[:count]]
        scales = _each(full, scale, len(tensors))
        results = []
        for number, tensor in enumerate(tensors):
            rest = dict(options)
            if scale is not None:
                value = scales[number]
                rest[_SCALES[name]] = value.item() if isinstance(value, Tensor) else value
            results.append(_one(name, in_place, tensor, *[s[number] for s in spread], **rest))
        return self if in_place else tuple(results)

    function.__name__ = function.__qualname__ = full
    function.__doc__ = f"`{name}` of each of a list of tensors{', in place' if in_place else ''}."
    return function


_SCALES = {"addcdiv": "value", "addcmul": "value", "add": "alpha", "sub": "alpha"}


def _scale(name: str, operands: tuple, options: dict[str, Any], count: int) -> Any:
    """The factor of `addcmul` and `addcdiv` (numbers, a list or tensor of them) or `alpha`."""
    if name not in _SCALES:
        return None
    if len(operands) > count:
        return _listed(operands[count])
    found = options.pop("scalars", None)
    return _listed(options.pop(_SCALES[name], None) if found is None else found)


def _listed(scale: Any) -> Any:
    """A tensor of several factors as a list of numbers."""
    return scale.tolist() if isinstance(scale, Tensor) and scale.dim() else scale


def _foreach_norm(self: Any, ord: Any = 2, dtype: Any = None) -> tuple[Tensor, ...]:
    """The vector norm of each of a list of tensors."""
    from plait import linalg

    tensors = _tensors("_foreach_norm", self)
    return tuple([linalg.vector_norm(tensor, ord, dtype=dtype) for tensor in tensors])


def _foreach_max(self: Any) -> tuple[Tensor, ...]:
    """The greatest element of each of a list of tensors."""
    return tuple([FUNCTIONS["max"](tensor) for tensor in _tensors("_foreach_max", self)])


def _foreach_clone(self: Any) -> tuple[Tensor, ...]:
    """A copy of each of a list of tensors."""
    return tuple([tensor.clone() for tensor in _tensors("_foreach_clone", self)])


def _foreach_zero_(self: Any) -> Any:
    """Set each of a list of tensors to 0."""
    for tensor in _tensors("_foreach_zero_", self):
        tensor.zero_()
    return self


def _foreach_copy_(self: Any, src: Any, non_blocking: bool = False) -> Any:
    """Copy each of a list of tensors from another list."""
    tensors = _tensors("_foreach_copy_", self)
    for tensor, source in zip(tensors, _each("_foreach_copy_", src, len(tensors))):
        tensor.copy_(source)
    return self


for _names, _count in ((_UNARY, 0), (_BINARY, 1), (_TERNARY, 2)):
    for _name in _names.split():
        for _in_place in (False, True):
            _function = _make(_name, _in_place, _count)
            FUNCTIONS[_function.__name__] = _function
for _function in (_foreach_norm, _foreach_max, _foreach_clone, _foreach_zero_, _foreach_copy_):
    FUNCTIONS[_function.__name__] = _function
