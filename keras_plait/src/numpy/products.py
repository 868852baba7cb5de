"""Products of vectors and matrices."""

from __future__ import annotations

from typing import Any

from keras.src.backend.common.dtypes import result_type

import plait as torch
from keras_plait.src.core import convert_to_tensor, to_plait_dtype
from keras_plait.src.operands import as_float, name_of, together


def _operands(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Two tensors in the dtype of their product: of bytes it is 32-bit."""
    x1, x2 = convert_to_tensor(x1), convert_to_tensor(x2)
    if x1.dtype is torch.int8 and x2.dtype is torch.int8:
        return x1.to(torch.int32), x2.to(torch.int32)
    return together(x1, x2)


def _of_bools(function: Any, x1: Any, x2: Any) -> Any:
    """A product of truth values is true where a sum of them is not zero."""
    if x1.dtype is torch.bool:
        return function(x1.to(torch.int32), x2.to(torch.int32)) != 0
    return function(x1, x2)


def matmul(x1: Any, x2: Any) -> Any:
    return _of_bools(torch.matmul, *_operands(x1, x2))


def dot(x1: Any, x2: Any) -> Any:
    x1, x2 = together(convert_to_tensor(x1), convert_to_tensor(x2))
    if x1.ndim == 0 or x2.ndim == 0:
        return x1 * x2
    return _of_bools(
        lambda a, b: torch.tensordot(a, b, dims=([-1], [0 if b.ndim == 1 else -2])), x1, x2
    )


def inner(x1: Any, x2: Any) -> Any:
    x1, x2 = together(convert_to_tensor(x1), convert_to_tensor(x2))
    if x1.ndim == 0 or x2.ndim == 0:
        return x1 * x2
    return _of_bools(lambda a, b: torch.tensordot(a, b, dims=([-1], [-1])), x1, x2)


def vdot(x1: Any, x2: Any) -> Any:
    x1, x2 = together(convert_to_tensor(x1), convert_to_tensor(x2))
    if x1.dtype.is_complex:
        x1 = torch.conj(x1)
    return _of_bools(lambda a, b: torch.sum(a * b, dtype=a.dtype), x1.reshape(-1), x2.reshape(-1))


def outer(x1: Any, x2: Any) -> Any:
    x1, x2 = together(convert_to_tensor(x1), convert_to_tensor(x2))
    return x1.reshape(-1, 1) * x2.reshape(1, -1)


def kron(x1: Any, x2: Any) -> Any:
    x1, x2 = together(convert_to_tensor(x1), convert_to_tensor(x2))
    return torch.kron(x1, x2)


def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    x1, x2 = together(convert_to_tensor(x1), convert_to_tensor(x2))
    if not isinstance(axes, int):
        axes = tuple([a] if isinstance(a, int) else list(a) for a in axes)
    return _of_bools(lambda a, b: torch.tensordot(a, b, dims=axes), x1, x2)


def einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Any:
    tensors = [convert_to_tensor(x) for x in operands]
    names = [name_of(x) for x in tensors]
    name = "int32" if set(names) == {"int8"} else result_type(*names)
    dtype = to_plait_dtype(name)
    computed = torch.int32 if name == "bool" else dtype
    made = torch.einsum(subscripts.replace(" ", ""), *[x.to(computed) for x in tensors])
    return made.to(dtype)


def cross(
    x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """The vector product along axes of extent 2 or 3."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x1, x2 = together(convert_to_tensor(x1), convert_to_tensor(x2), no_bool=True)
    x1, x2 = x1.movedim(axisa, -1), x2.movedim(axisb, -1)
    for x in (x1, x2):
        if x.shape[-1] not in (2, 3):
            raise ValueError(
                f"`x1`'s dim on `axis={axisa}` and `x2`'s dim on `axis={axisb}` must be either 2 "
                f"or 3. Received: shapes {tuple(x1.shape)} and {tuple(x2.shape)}"
            )
    if x1.shape[-1] == 2 and x2.shape[-1] == 2:
        return x1[..., 0] * x2[..., 1] - x1[..., 1] * x2[..., 0]
    x1, x2 = (_in_space(x) for x in (x1, x2))
    a, b, c = x1.unbind(-1)
    d, e, f = x2.unbind(-1)
    return torch.stack([b * f - c * e, c * d - a * f, a * e - b * d], -1).movedim(-1, axisc)


def _in_space(x: Any) -> Any:
    return torch.cat([x, torch.zeros_like(x[..., :1])], -1) if x.shape[-1] == 2 else x


def corrcoef(x: Any) -> Any:
    """Correlation coefficients of the rows of x."""
    x = as_float(x)
    return torch.corrcoef(x)


def correlate(x1: Any, x2: Any, mode: str = "valid") -> Any:
    """The cross-correlation of two sequences; mode "valid", "same" or "full"."""
    x1, x2 = convert_to_tensor(x1), convert_to_tensor(x2)
    x1, x2 = together(x1, x2, floating=x1.dtype is not x2.dtype)
    result = x1.dtype
    if not result.is_floating_point:
        x1, x2 = x1.to(torch.float64), x2.to(torch.float64)
    turned = len(x1) < len(x2)
    long, short = (x2, x1) if turned else (x1, x2)
    m = len(short)
    if mode == "valid":
        before = after = 0
    elif mode == "same":
        # As many as the longer has; of an even length one more comes before.
        before, after = m // 2, m - 1 - m // 2
        if turned:
            before, after = after, before
    elif mode == "full":
        before = after = m - 1
    else:
        raise ValueError(f"mode must be 'valid', 'same' or 'full'. Received: mode={mode}")
    padded = torch.nn.functional.pad(long, (before, after))
    made = torch.nn.functional.conv1d(padded[None, None], short[None, None])[0, 0]
    if turned:
        made = torch.flip(made, (0,))
    return made if made.dtype is result else torch.round(made).to(result)


def slogdet(x: Any) -> tuple[Any, Any]:
    return tuple(torch.linalg.slogdet(as_float(x)))
