"""Tensors as text, character for character as PyTorch prints them.

`tensor_str` takes a tensor's values as a NumPy array and its facts (dtype name, requires_grad, ...)
and gives the `repr`. `set_printoptions`, `get_printoptions` and `printoptions` are PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from plait.core.ir.errors import error


@dataclass
class PrintOptions:
    """How tensors are printed; see `set_printoptions`."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


OPTIONS = PrintOptions()

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}

# Beyond these ratios and sizes fixed-point notation wastes digits or loses them.
_SCI_RATIO = 1000.0
_SCI_LARGE = 1.0e8
_SCI_SMALL = 1.0e-4


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed.

    `precision` is the number of digits after the point, `threshold` the number of elements above
    which a tensor is summarised, `edgeitems` how many are then shown at each end of an axis,
    `linewidth` where lines are broken. `profile` ("default", "short", "full") sets these four
    first. `sci_mode` forces or forbids scientific notation; None, also when left out, chooses.
    Raises ValueError for an unknown profile.
    """
    if profile is not None and profile not in _PROFILES:
        raise error(
            ValueError,
            f"set_printoptions: profile must be one of {', '.join(_PROFILES)}, got {profile!r}",
        )
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    values = dict(_PROFILES[profile]) if profile is not None else {}
    values.update({name: value for name, value in given.items() if value is not None})
    for name, value in values.items():
        setattr(OPTIONS, name, value)
    OPTIONS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options in force, as keywords of `set_printoptions`."""
    return asdict(OPTIONS)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Options of `set_printoptions` for the length of a block."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


class _NumberFormat:
    """One format for all numbers of a tensor: notation and width, chosen from `values`."""

    def __init__(self, values: np.ndarray) -> None:
        self.is_float = values.dtype.kind == "f"
        self.is_integral = True
        self.is_scientific = False
        self.width = 1
        shown = values.reshape(-1)
        if self.is_float:
            shown = shown[np.isfinite(shown) & (shown != 0)]
            if shown.size == 0:
                return
            self._choose_notation(shown)
        # Zeros, infinities and nans do not widen the columns.
        self.width = max((len(self._number(value)) for value in shown.tolist()), default=1)

    def _choose_notation(self, finite: np.ndarray) -> None:
        magnitudes = np.abs(finite)
        smallest, largest = float(magnitudes.min()), float(magnitudes.max())
        self.is_integral = bool(np.all(finite == np.ceil(finite)))
        if OPTIONS.sci_mode is None:
            with np.errstate(over="ignore"):  # a ratio that overflows is infinite, and large
                ratio = np.float64(largest) / np.float64(smallest)
            self.is_scientific = bool(
                ratio > _SCI_RATIO or largest > _SCI_LARGE or smallest < _SCI_SMALL
            )
        else:
            self.is_scientific = OPTIONS.sci_mode

    def _number(self, value: Any) -> str:
        if not self.is_float:
            return f"{value}"
        if self.is_scientific:
            return f"{value:.{OPTIONS.precision}e}"
        if not self.is_integral:
            return f"{value:.{OPTIONS.precision}f}"
        # A trailing point tells a float from an int; infinities and nans tell it themselves.
        return f"{value:.0f}" + ("." if math.isfinite(value) else "")

    def __call__(self, value: Any) -> str:
        return self._number(value).rjust(self.width)


class _ComplexFormat:
    """Real and imaginary parts, each with a format of its own."""

    def __init__(self, values: np.ndarray) -> None:
        self._real = _NumberFormat(np.real(values))
        self._imag = _NumberFormat(np.imag(values))
        self.width = self._real.width + self._imag.width + 1  # the j

    def __call__(self, value: complex) -> str:
        imag = (self._imag(value.imag) + "j").lstrip()
        sign = "" if imag[0] in "+-" else "+"
        return self._real(value.real) + sign + imag


_Format = _NumberFormat | _ComplexFormat


def tensor_str(
    array: np.ndarray,
    dtype_name: str,
    *,
    requires_grad: bool = False,
    grad_fn_name: str | None = None,
    prefix: str = "tensor(",
    default_dtype: str = "float32",
    device: str | None = None,
    is_parameter: bool = False,
) -> str:
    """The `repr` of a tensor.

    `array` holds its values (any shape), `dtype_name` its dtype ("float32", "bfloat16", ...).
    `grad_fn_name` is the name of its gradient function, such as "AddBackward0". `prefix` opens the
    text and sets the indentation; a subclass passes its own name. `device` is named only if given:
    leave it out for the default device. `is_parameter` adds PyTorch's line for parameters.
    """
    suffixes = [] if device is None else [f"device='{device}'"]
    if array.size == 0:
        body = "[]"
        if array.ndim != 1:
            suffixes.append(f"size={tuple(array.shape)}")
        if dtype_name != default_dtype:  # nothing else shows that an empty tensor is of integers
            suffixes.append(f"dtype=torch.{dtype_name}")
    else:
        body = _body(array, len(prefix))
        if not OPTIONS.edgeitems:
            suffixes.append(f"size={tuple(array.shape)}")
        default_complex = "complex128" if default_dtype == "float64" else "complex64"
        if dtype_name not in (default_dtype, default_complex, "int64", "bool"):
            suffixes.append(f"dtype=torch.{dtype_name}")
    if grad_fn_name is not None:
        suffixes.append(f"grad_fn=<{grad_fn_name}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    text = _with_suffixes(prefix + body, suffixes, len(prefix))
    return f"Parameter containing:\n{text}" if is_parameter else text


def _widened(array: np.ndarray) -> np.ndarray:
    """The values in the widest type of their kind: exact, and what Python formats."""
    # bfloat16 and its like are of a kind of their own to NumPy.
    if array.dtype.kind == "f" or array.dtype.kind not in "biuc":
        return array.astype(np.float64)
    return array.astype(np.complex128) if array.dtype.kind == "c" else array


def _body(array: np.ndarray, indent: int) -> str:
    """The bracketed numbers."""
    summarize = array.size > OPTIONS.threshold
    # Only what is shown is converted: the tensor may be as large as memory allows.
    shown = _widened(_ends(array) if summarize else array)
    form = _ComplexFormat(shown) if shown.dtype.kind == "c" else _NumberFormat(shown)
    return _nested(array, indent, summarize, form)


def _ends(array: np.ndarray) -> np.ndarray:
    """The elements that a summary shows: the ends of every axis."""
    edge = OPTIONS.edgeitems
    if not edge:
        # As PyTorch has it: no element of a matrix decides its format, but all of a vector do.
        return array if array.ndim == 1 else array[(slice(0, 0),) * array.ndim]
    picked = [
        np.r_[:edge, size - edge : size] if size > 2 * edge else np.arange(size)
        for size in array.shape
    ]
    return array[np.ix_(*picked)]


def _nested(array: np.ndarray, indent: int, summarize: bool, form: _Format) -> str:
    if array.ndim == 0:
        return form(_widened(array).item())
    if array.ndim == 1:
        return _vector(array, indent, summarize, form)
    count, edge = len(array), OPTIONS.edgeitems
    if summarize and count > 2 * edge:
        rows: list[Any] = [*range(edge), None, *range(count - edge, count)]
    else:
        rows = list(range(count))
    parts = ["..." if i is None else _nested(array[i], indent + 1, summarize, form) for i in rows]
    separator = "," + "\n" * (array.ndim - 1) + " " * (indent + 1)
    return "[" + separator.join(parts) + "]"


def _vector(array: np.ndarray, indent: int, summarize: bool, form: _Format) -> str:
    """One row of numbers, broken where the line is full."""
    edge = OPTIONS.edgeitems
    if summarize and not edge:
        items = ["..."]
    elif summarize and len(array) > 2 * edge:
        items = [*_items(array[:edge], form), " ...", *_items(array[-edge:], form)]
    else:
        items = _items(array, form)
    per_line = max(1, (OPTIONS.linewidth - indent) // (form.width + 2))
    lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _items(array: np.ndarray, form: _Format) -> list[str]:
    return [form(value) for value in _widened(array).tolist()]


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    """`text` and its suffixes, each on the same line if there is room, and the closing bracket."""
    column = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if column + len(suffix) + 2 > OPTIONS.linewidth:
            text += ",\n" + " " * indent + suffix
            column = indent + len(suffix)
        else:
            text += ", " + suffix
            column += len(suffix) + 2
    return text + ")"
