"""Samples of PyTorch's database of operators, as a suite that needs no PyTorch to be replayed.

Each entry is one call: the name of an operator, its arguments as data, and what PyTorch gives in
float64 (from arguments that float32 has): results, and gradients of a fixed weighted sum of them.
`forms` are the ways to call that give the same in PyTorch: as a function, as a method, in place,
into `out=`. `opinfo_recording` makes the entries.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.parity.compare import plain
from tests.parity.opinfo import SEED, gradients, inputs_of, leaves
from tests.parity.pack import Pack

FORMS = ("function", "method", "in place", "out")


def decoded(entry: Any, pack: Pack, root: Any) -> Any:
    """The argument of an entry for a framework: float32 tensors as float64 ones."""
    if isinstance(entry, list):
        return [decoded(part, pack, root) for part in entry]
    if not isinstance(entry, dict):
        return entry
    if "tensor" in entry:
        array = pack.get(entry["tensor"])
        if array.dtype == np.float32:
            array = array.astype(np.float64)
        elif array.dtype == np.complex64:
            array = array.astype(np.complex128)
        if entry["turned"]:
            array = np.swapaxes(np.swapaxes(array, 0, -1).copy(), 0, -1)
            made = root.from_numpy(np.swapaxes(array, 0, -1)).transpose(0, -1)
        else:
            made = root.from_numpy(array)
        return made.requires_grad_() if entry["grad"] else made
    if "tuple" in entry:
        return tuple(decoded(part, pack, root) for part in entry["tuple"])
    if "slice" in entry:
        return slice(*(decoded(part, pack, root) for part in entry["slice"]))
    if "complex" in entry:
        return complex(*entry["complex"])
    if "name" in entry:
        return Ellipsis if entry["name"] == "..." else getattr(root, entry["name"])
    return {key: decoded(part, pack, root) for key, part in entry["dict"].items()}


# -- calling --------------------------------------------------------------------------------------


def function_of(name: str, root: Any) -> Callable[..., Any] | None:
    """A framework's function of a dotted name, or the tensor's method; None if it has neither."""
    found = root
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found) or inspect.isclass(found):
        found = getattr(root.Tensor, name, None)
    return found if callable(found) else None


def call(form: str, name: str, given: list[Any], root: Any) -> Any:
    """The result of a call in some form."""
    x, args, kwargs = given
    root.manual_seed(SEED)
    if form == "method":
        return getattr(x, name)(*args, **kwargs)
    if form == "in place":
        copy = x.clone()
        result = getattr(copy, name + "_")(*args, **kwargs)
        assert result is copy, f"{name}_ gives another tensor"
        return result
    function = function_of(name, root)
    assert function is not None, f"no function {name}"
    if form == "out":
        wanted = function(x, *args, **kwargs)
        outs = [root.empty_like(part.detach()) for part in leaves(wanted)]
        root.manual_seed(SEED)
        result = function(x, *args, **kwargs, out=outs[0] if len(outs) == 1 else tuple(outs))
        assert all(a is b for a, b in zip(leaves(result), outs, strict=True))
        return outs[0] if len(outs) == 1 else outs
    return function(x, *args, **kwargs)


def detached(value: Any) -> Any:
    """Arguments without gradients, as `out=` wants them."""
    if hasattr(value, "detach"):
        return value.detach()
    if isinstance(value, (list, tuple)):
        return type(value)(detached(part) for part in value)
    if isinstance(value, dict):
        return {key: detached(part) for key, part in value.items()}
    return value


def found(entry: dict[str, Any], form: str, pack: Pack, root: Any) -> tuple[Any, Any]:
    """(results, gradients) of an entry's call in a form, as data; gradients for the function."""
    given = decoded(entry["given"], pack, root)
    if form == "out":
        given = detached(given)
    result = call(form, entry["name"], given, root)
    if form != "function":
        return plain(result), None
    slopes = gradients(result, inputs_of(*given), root)
    return plain(result), slopes
