"""`tf.debugging`: checks of values, shapes and dtypes, made at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert
from plait.tf._dispatch import op
from plait.tf._dtypes import as_dtype
from plait.tf._shape import TensorShape, TensorSpec


@op
def check_numerics(tensor: Any, message: str) -> Any:
    """The tensor. Raises InvalidArgumentError for inf or nan in it."""
    value = convert(tensor)
    array = value._array().astype(np.float64) if value.dtype.is_floating else np.zeros(1)
    bad = [w for w, test in (("Inf", np.isinf), ("NaN", np.isnan)) if np.any(test(array))]
    if bad:
        raise error(
            errors.InvalidArgumentError, f"{message} : Tensor had {' and '.join(bad)} values"
        )
    return value


def enable_check_numerics(*args: Any, **kwargs: Any) -> None:
    """Nothing: results are not checked one by one."""


def disable_check_numerics() -> None:
    """Nothing."""


def set_log_device_placement(enabled: bool) -> None:
    """Nothing: there is one device."""


def _pairwise(public: str, holds: Callable[..., Any], word: str) -> Callable[..., Any]:
    def check(x: Any, y: Any, message: str | None = None, summarize: Any = None) -> None:
        a, b = convert(x), None
        b = convert(y, hint=a.dtype)
        if not np.all(holds(a._array(), b._array())):
            raise error(
                errors.InvalidArgumentError,
                f"{message or ''} Condition x {word} y did not hold. x = {a._array()!r}, y = "
                f"{b._array()!r}".strip(),
            )

    check.__name__ = public
    check.__doc__ = f"Raises InvalidArgumentError unless x {word} y everywhere."
    return op(check)


def _sign(public: str, holds: Callable[..., Any], word: str) -> Callable[..., Any]:
    def check(x: Any, message: str | None = None, summarize: Any = None) -> None:
        array = convert(x)._array()
        if not np.all(holds(array, 0)):
            raise error(
                errors.InvalidArgumentError,
                f"{message or ''} Condition x {word} 0 did not hold. x = {array!r}".strip(),
            )

    check.__name__ = public
    check.__doc__ = f"Raises InvalidArgumentError unless x {word} 0 everywhere."
    return op(check)


assert_equal = _pairwise("assert_equal", np.equal, "==")
assert_none_equal = _pairwise("assert_none_equal", np.not_equal, "!=")
assert_less = _pairwise("assert_less", np.less, "<")
assert_less_equal = _pairwise("assert_less_equal", np.less_equal, "<=")
assert_greater = _pairwise("assert_greater", np.greater, ">")
assert_greater_equal = _pairwise("assert_greater_equal", np.greater_equal, ">=")
assert_positive = _sign("assert_positive", np.greater, ">")
assert_non_negative = _sign("assert_non_negative", np.greater_equal, ">=")
assert_negative = _sign("assert_negative", np.less, "<")
assert_non_positive = _sign("assert_non_positive", np.less_equal, "<=")


@op
def assert_near(
    x: Any,
    y: Any,
    rtol: Any = None,
    atol: Any = None,
    message: str | None = None,
    summarize: Any = None,
) -> None:
    """Raises InvalidArgumentError unless x and y differ by ten roundings at most."""
    a = convert(x)
    b = convert(y, hint=a.dtype)
    eps = 10 * float(np.finfo(a.dtype.core.numpy).eps)
    near = np.abs(a._array() - b._array()) <= float(atol or eps) + float(rtol or eps) * np.abs(
        b._array()
    )
    if not np.all(near):
        raise error(
            errors.InvalidArgumentError, f"{message or ''} x and y not equal to tolerance".strip()
        )


@op
def Assert(condition: Any, data: Any, summarize: Any = None) -> None:
    """Raises InvalidArgumentError, showing `data`, unless the condition is True."""
    if not bool(convert(condition)):
        shown = [convert(d)._array() for d in data]
        raise error(
            errors.InvalidArgumentError,
            f"Expected 'tf.Tensor(False, shape=(), dtype=bool)' to be "
            f"true. Summarized data: {shown!r}",
        )


def assert_rank(x: Any, rank: Any, message: str | None = None) -> None:
    """Raises ValueError for another number of axes."""
    have = convert(x).ndim
    if have != int(rank):
        raise error(
            ValueError,
            f"{message or ''} Tensor must have rank {int(rank)}. Received rank {have}".strip(),
        )


def assert_rank_at_least(x: Any, rank: Any, message: str | None = None) -> None:
    """Raises ValueError for fewer axes."""
    have = convert(x).ndim
    if have < int(rank):
        raise error(
            ValueError,
            f"{message or ''} Tensor must have rank at least {int(rank)}. "
            f"Received rank {have}".strip(),
        )


def assert_scalar(tensor: Any, message: str | None = None) -> Any:
    """The tensor. Raises ValueError unless it has no axes."""
    made = convert(tensor)
    if made.ndim:
        raise error(
            ValueError, f"{message or ''} Expected scalar shape, saw shape: {made.shape}".strip()
        )
    return made


def assert_shapes(
    shapes: Any, data: Any = None, summarize: Any = None, message: str | None = None
) -> None:
    """Raises ValueError where shapes disagree with their description: sizes, or symbols that must
    stand for one size."""
    sizes: dict[Any, int] = {}
    for tensor, wanted in shapes.items() if isinstance(shapes, dict) else shapes:
        have = tuple(tensor.deref().shape if hasattr(tensor, "deref") else convert(tensor).shape)
        if len(have) != len(wanted):
            raise error(
                ValueError, f"{message or ''} shape {have} has not the rank of {wanted}".strip()
            )
        for extent, word in zip(have, wanted):
            fixed = word if isinstance(word, int) else sizes.setdefault(word, extent or 0)
            if word is not None and fixed != extent:
                raise error(
                    ValueError,
                    f"{message or ''} dimension {word!r} is {extent}, not {fixed}".strip(),
                )


def assert_type(tensor: Any, tf_type: Any, message: str | None = None) -> None:
    """Raises TypeError for another dtype."""
    if convert(tensor).dtype != as_dtype(tf_type):
        raise error(TypeError, f"{message or ''} {tensor} must be of type {tf_type!r}".strip())


def is_numeric_tensor(tensor: Any) -> bool:
    """Whether this is a tensor of numbers."""
    dtype = getattr(tensor, "dtype", None)
    return isinstance(getattr(tensor, "shape", None), TensorShape) and bool(
        getattr(dtype, "is_numeric", False)
    )


for _function in (
    assert_equal, assert_none_equal, assert_less, assert_less_equal, assert_greater,
    assert_greater_equal, assert_positive, assert_non_negative, assert_negative,
    assert_non_positive, assert_near, Assert,
):  # fmt: skip
    # A graph notes the check; made-up values must not meet it.
    _function.__dict__.update(infer=lambda *args, **kwargs: None, host=True)
check_numerics.__dict__.update(
    infer=lambda tensor, message: TensorSpec(tensor.shape, tensor.dtype), host=True
)
