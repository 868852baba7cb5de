"""`assert_close`: values, dtypes and shapes agree, in nested containers too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from plait._functions.creation import as_tensor
from plait._tensor import Tensor
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error

__all__ = ["assert_allclose", "assert_close"]

#: dtype: (relative, absolute) tolerance.
_TOLERANCES: dict[DType, tuple[float, float]] = {
    dtypes.float16: (1e-3, 1e-5),
    dtypes.bfloat16: (1.6e-2, 1e-5),
    dtypes.float32: (1.3e-6, 1e-5),
    dtypes.float64: (1e-7, 1e-7),
    dtypes.complex64: (1.3e-6, 1e-5),
    dtypes.complex128: (1e-7, 1e-7),
}


@dataclass(frozen=True)
class _Rules:
    rtol: float | None
    atol: float | None
    equal_nan: bool
    check_dtype: bool
    check_stride: bool
    check_layout: bool
    allow_subclasses: bool

    def tolerances(self, *kinds: DType) -> tuple[float, float]:
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        found = [_TOLERANCES.get(kind, (0.0, 0.0)) for kind in kinds]
        return max(r for r, _ in found), max(a for _, a in found)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere.

    Takes tensors, arrays, numbers, None, and sequences and mappings of them. The tolerances depend
    on the dtype unless both are given (else ValueError). Raises TypeError for what cannot be
    compared.
    """
    if (rtol is None) != (atol is None):
        missing = "rtol" if rtol is None else "atol"
        raise error(
            ValueError,
            f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}.",
        )
    rules = _Rules(rtol, atol, equal_nan, check_dtype, check_stride, check_layout, allow_subclasses)
    fault = _compare(actual, expected, rules, "")
    if fault is None:
        return
    if callable(msg):
        fault = msg(fault)
    elif msg is not None:
        fault = msg
    raise AssertionError(fault)


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The older form: dtypes may differ, anything that becomes a tensor is taken."""
    assert_close(
        as_tensor(actual),
        as_tensor(expected),
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_dtype=False,
        msg=msg or None,
    )


def _compare(actual: Any, expected: Any, rules: _Rules, place: str) -> str | None:
    """What does not agree, as text; None where all does."""
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        return _compare_mappings(actual, expected, rules, place)
    if _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            return _located(
                f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", place
            )
        for i, (a, b) in enumerate(zip(actual, expected)):
            fault = _compare(a, b, rules, f"{place}[{i}]")
            if fault is not None:
                return fault
        return None
    if actual is None or expected is None:
        same = actual is expected
        return None if same else _located(f"None mismatch: {actual} is not {expected}", place)
    return _compare_values(actual, expected, rules, place)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _compare_mappings(
    actual: Mapping[Any, Any], expected: Mapping[Any, Any], rules: _Rules, place: str
) -> str | None:
    if actual.keys() != expected.keys():
        missing = sorted(expected.keys() - actual.keys(), key=str)
        further = sorted(actual.keys() - expected.keys(), key=str)
        return _located(
            "The keys of the mappings do not match:\n"
            f"Missing keys in the actual mapping: {missing}\n"
            f"Additional keys in the actual mapping: {further}",
            place,
        )
    for key in actual:
        fault = _compare(actual[key], expected[key], rules, f"{place}[{key!r}]")
        if fault is not None:
            return fault
    return None


def _compare_values(actual: Any, expected: Any, rules: _Rules, place: str) -> str | None:
    numbers = (bool, int, float, complex)
    a_number, b_number = isinstance(actual, numbers), isinstance(expected, numbers)
    tensors = (Tensor, np.ndarray, np.generic)
    if a_number and b_number:
        kinds = [np.asarray(actual).dtype, np.asarray(expected).dtype]
        a, b = np.asarray(actual), np.asarray(expected)
        found = [{"f": dtypes.float64, "c": dtypes.complex128}.get(k.kind) for k in kinds]
        limits = rules.tolerances(*[d or dtypes.int64 for d in found])
        if isinstance(actual, bool) and isinstance(expected, bool):
            limits = (0.0, 0.0)
        return _difference(a, b, limits, rules.equal_nan, True, (expected, actual), place)
    related = rules.allow_subclasses or type(actual) is type(expected)
    if not (related and isinstance(actual, tensors) and isinstance(expected, tensors)):
        raise error(
            TypeError,
            f"No comparison pair was able to handle inputs of type {type(actual)} and "
            f"{type(expected)}.",
        )
    x, y = as_tensor(actual).detach(), as_tensor(expected).detach()
    for what, left, right in _attributes(x, y, rules):
        if left != right:
            return _located(
                f"The values for attribute '{what}' do not match: {left} != {right}.", place
            )
    if x.is_sparse or y.is_sparse:
        x, y = x.to_dense(), y.to_dense()
    limits = rules.tolerances(x.dtype, y.dtype)
    a, b = (_wide(x), _wide(y))
    shown = (b.item(), a.item()) if x.ndim == 0 else None
    return _difference(a, b, limits, rules.equal_nan, x.ndim == 0, shown, place)


def _attributes(x: Tensor, y: Tensor, rules: _Rules) -> Iterator[tuple[str, Any, Any]]:
    """The attributes that must agree, in order."""
    yield "shape", x.shape, y.shape
    if rules.check_layout:
        yield "layout", x.layout, y.layout
    if rules.check_dtype:
        yield "dtype", x.dtype, y.dtype
    if rules.check_stride:
        yield "stride()", x.stride(), y.stride()


def _wide(x: Tensor) -> np.ndarray:
    array = x.compute()
    return array.astype(np.float32) if x.dtype.is_half else array


def _difference(
    a: np.ndarray,
    b: np.ndarray,
    limits: tuple[float, float],
    equal_nan: bool,
    scalar: bool,
    shown: tuple[Any, Any] | None,
    place: str,
) -> str | None:
    rtol, atol = limits
    kind = np.result_type(a, b)
    if kind.kind == "b":
        a, b = a.astype(np.int64), b.astype(np.int64)
    with np.errstate(all="ignore"):
        gap = np.abs(a - b) if kind.kind != "u" else np.maximum(a, b) - np.minimum(a, b)
        close = (a == b) | (np.isfinite(b) & (gap <= atol + rtol * np.abs(b)))
        if equal_nan and kind.kind in "fc":
            close |= np.isnan(a) & np.isnan(b)
        if close.all():
            return None
        relative = gap / np.abs(b)
    exact = rtol == 0 and atol == 0
    what = "Scalars" if scalar else "Tensor-likes"
    lines = [f"{what} are not {'equal' if exact else 'close'}!", ""]
    allowed = ("", "") if exact else (f" (up to {atol} allowed)", f" (up to {rtol} allowed)")
    if scalar:
        assert shown is not None
        lines.append(f"Expected {shown[0]} but got {shown[1]}.")
        lines.append(f"Absolute difference: {gap.item()}{allowed[0]}")
        lines.append(f"Relative difference: {relative.item()}{allowed[1]}")
    else:
        lines.append(_share(close))
        for name, table, limit in (("absolute", gap, 0), ("relative", relative, 1)):
            worst = np.where(close, -1, table)
            at = np.unravel_index(int(np.argmax(worst)), worst.shape)
            where = "(" + ", ".join(str(int(i)) for i in at) + ("," if len(at) == 1 else "") + ")"
            lines.append(
                f"Greatest {name} difference: {table[at].item()} at index {where}{allowed[limit]}"
            )
    return _located("\n".join(lines), place)


def _share(close: np.ndarray) -> str:
    wrong = int(close.size - np.count_nonzero(close))
    return f"Mismatched elements: {wrong} / {close.size} ({100 * wrong / close.size:.1f}%)"


def _located(text: str, place: str) -> str:
    return f"{text}\n\nThe failure occurred for item {place}" if place else text
