"""How near two results of one op must be, by dtype; with the reasons."""

from __future__ import annotations

import numpy as np

#: Relative steps of the floating types.
EPSILON = {
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
    "float32": 2.0**-23,
    "float64": 2.0**-52,
    "complex64": 2.0**-23,
    "complex128": 2.0**-52,
}
#: Elementary functions are good to a few steps, and a fold over n terms of like size loses at most
#: n half steps of the largest partial sum; samples fold some hundreds of terms at most.
STEPS = 64


def assert_close(actual: np.ndarray, expected: np.ndarray, what: str) -> None:
    """`actual` is `expected` up to its dtype's rounding; integers and bools are equal.

    `expected` is rounded to a 16-bit dtype first. A 16-bit float is computed in float32 and rounded
    once: the float32 error may carry a value over a rounding boundary, which is one step.
    """
    name = actual.dtype.name
    if name not in EPSILON:
        np.testing.assert_array_equal(actual, expected, err_msg=what)
        return
    half = actual.dtype.itemsize == 2
    if half:
        with np.errstate(over="ignore"):
            expected = np.asarray(expected).astype(actual.dtype)
    wide = np.complex128 if actual.dtype.kind == "c" else np.float64
    got, wanted = actual.astype(wide), np.asarray(expected).astype(wide)
    computed = EPSILON["float32"] if half else EPSILON[name]
    finite = np.abs(wanted[np.isfinite(wanted)])
    scale = max(1.0, finite.max(initial=0.0))
    relative = STEPS * computed + (EPSILON[name] if half else 0.0)
    # The smallest float16 numbers are 2^-24 apart.
    absolute = STEPS * computed * scale + (2.0**-24 if name == "float16" else 0.0)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(got, wanted, rtol=relative, atol=absolute, err_msg=what)
