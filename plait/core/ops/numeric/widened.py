"""Elementwise functions written once in float64 and offered for every floating dtype.

`in_float64` wraps a function of flat float64 arrays: the wrapped one takes arrays or scalars that
broadcast, of one floating dtype, and returns that dtype, rounded once. It works in chunks, so that
the temporaries of a long formula stay in the cache and memory use does not grow with the formula.
"""

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

_CHUNK = 16384


def in_float64(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Wrap `function`, from flat float64 arrays of one length to one more of that length.

    The wrapped function raises TypeError for dtypes that are not floating; Python numbers take the
    dtype of the arrays beside them.
    """

    @functools.wraps(function)
    def wrapped(*operands: ArrayLike) -> np.ndarray:
        dtype = _floating_result(function.__name__, operands)
        arrays = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in operands))
        shape = arrays[0].shape
        flat = [x.reshape(-1) for x in arrays]
        out = np.empty(flat[0].shape, dtype=dtype)
        with np.errstate(all="ignore"):
            for start in range(0, len(out), _CHUNK):
                chunk = slice(start, start + _CHUNK)
                out[chunk] = function(*(x[chunk] for x in flat))
        return out.reshape(shape)

    return wrapped


def _floating_result(name: str, operands: tuple[ArrayLike, ...]) -> np.dtype:
    # NumPy's result_type does not know bfloat16's standing among Python numbers: leave those out.
    dtypes = [np.asarray(x).dtype for x in operands if not isinstance(x, int | float)]
    dtype = np.result_type(*dtypes) if dtypes else np.dtype(np.float64)
    if not (np.issubdtype(dtype, np.floating) or dtype.name == "bfloat16"):
        raise TypeError(f"{name} takes floating dtypes, but got {dtype}; convert the input first")
    return dtype


def polynomial(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    """The polynomial with `coefficients`, highest power first, at `x` (Horner's rule)."""
    y = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        y *= x
        y += coefficient
    return y


def piecewise(
    x: np.ndarray, *branches: tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]
) -> np.ndarray:
    """Each `(mask, function)` applied to the elements of `x` under its mask; NaN elsewhere."""
    out = np.full_like(x, np.nan)
    for mask, function in branches:
        if mask.any():
            out[mask] = function(x[mask])
    return out
