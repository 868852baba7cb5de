"""Running one expression under two frameworks, and telling whether they agree.

A case is a function of the framework's module. Its outcome is a value (a tensor, number, dtype, or
nest of them) or the type of the exception it raised. What PyTorch gives is on file, since where the
tests run PyTorch is not installed as a rule; where it is, it is asked.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import plait
from tests.parity.pack import FOLDER, Pack

#: The largest distance, in units of the result's own precision, that separate libraries' elementary
#: functions and summation orders explain.
ROUNDING_UNITS = 32

#: Precision of a dtype: distance from 1.0 to the next number.
PRECISION = {
    "torch.float16": 2.0**-10,
    "torch.bfloat16": 2.0**-7,
    "torch.float32": 2.0**-23,
    "torch.complex64": 2.0**-23,
}


class Failure:
    """The exception a case raised: its type."""

    def __init__(self, raised: BaseException) -> None:
        self.kind = type(raised)
        self.text = str(raised)

    def __repr__(self) -> str:
        return f"{self.kind.__name__}({self.text[:150]!r})"


def outcome(case: Callable[[Any], Any], torch: Any) -> Any:
    """What a case gives under a framework."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return plain(case(torch))
    except Exception as raised:
        return Failure(raised)


class Held:
    """A tensor's dtype, shape and values, without the tensor."""

    def __init__(self, tensor: Any) -> None:
        self.dtype = str(tensor.dtype)
        self.shape = tuple(tensor.shape)
        wide = tensor.detach()
        if self.dtype == "torch.bfloat16":
            wide = wide.float()
        self.array = np.array(wide.numpy())

    @classmethod
    def of(cls, dtype: str, array: np.ndarray) -> Held:
        """From its parts."""
        held = cls.__new__(cls)
        held.dtype, held.shape, held.array = dtype, array.shape, array
        return held

    def __repr__(self) -> str:
        return f"{self.dtype[6:]}{list(self.shape)} {self.array.reshape(-1)[:8].tolist()}"


def plain(value: Any) -> Any:
    """A result as data that does not depend on the framework."""
    if hasattr(value, "requires_grad") and hasattr(value, "dtype"):
        return Held(value)
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return Held.of(f"numpy.{value.dtype}", value)
    if isinstance(value, (bool, int, float, complex, str, type(None))):
        return value
    return str(value)


def agree(ours: Any, theirs: Any, exact: bool = False, tolerance: float = 0.0) -> bool:
    """Whether two outcomes are the same, up to rounding for floats, or up to a tolerance."""
    if isinstance(theirs, Failure):
        return _same_failure(ours, theirs)
    if isinstance(ours, Failure):
        return False
    if isinstance(theirs, Held):
        return isinstance(ours, Held) and _same_tensor(ours, theirs, exact, tolerance)
    if isinstance(theirs, list):
        return (
            isinstance(ours, list)
            and len(ours) == len(theirs)
            and all(agree(a, b, exact, tolerance) for a, b in zip(ours, theirs))
        )
    if isinstance(theirs, dict):
        return (
            isinstance(ours, dict)
            and list(ours) == list(theirs)
            and all(agree(ours[key], theirs[key], exact, tolerance) for key in theirs)
        )
    if isinstance(theirs, float) and isinstance(ours, float):
        return math.isclose(ours, theirs, rel_tol=tolerance or 1e-5) or (
            ours != ours and theirs != theirs
        )
    return type(ours) is type(theirs) and ours == theirs


def _same_failure(ours: Any, theirs: Failure) -> bool:
    if not isinstance(ours, Failure):
        # Plait takes some forms of arguments that the other has no overload for, such as a number
        # as the first operand, and dtypes that the other has no kernel for.
        return theirs.kind in (TypeError, NotImplementedError)
    if theirs.kind is TypeError:
        # The same holds where Plait then finds another fault in them.
        return issubclass(ours.kind, (TypeError, ValueError, RuntimeError, IndexError))
    if theirs.kind is NotImplementedError:
        # "Not implemented for this dtype" may be any RuntimeError.
        return issubclass(ours.kind, RuntimeError)
    return issubclass(ours.kind, theirs.kind)


def _same_tensor(ours: Held, theirs: Held, exact: bool, tolerance: float) -> bool:
    if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
        return False
    a, b = ours.array, theirs.array
    if exact or b.dtype.kind not in "fc":
        return bool(np.array_equal(a, b, equal_nan=b.dtype.kind in "fc"))
    unit = max(tolerance, ROUNDING_UNITS * PRECISION.get(theirs.dtype, 2.0**-52))
    with np.errstate(all="ignore"):
        return bool(np.allclose(a, b, rtol=unit, atol=unit, equal_nan=True))


class Hunt:
    """The cases of one suite run under Plait and compared with PyTorch, and the differences found.

    What a suite's cases give in PyTorch is in the pack of its name. `group` tells apart the tests
    of a suite, which may use the same labels.
    """

    def __init__(self, suite: str, group: str = "") -> None:
        self.suite, self.group = suite, group
        self.cases = 0
        self.found: list[str] = []

    def expected(self, label: str, case: Callable[[Any], Any]) -> Any:
        """What a case gives in PyTorch. Raises AssertionError where nobody knows."""
        return expectations.of(self.suite, f"{self.group} {label}".strip(), case)

    def check(
        self, label: str, case: Callable[[Any], Any], exact: bool = False, tolerance: float = 0.0
    ) -> bool:
        """Run one case; note a difference under its label."""
        wanted = self.expected(label, case)
        if expectations.recording is not None:
            return True
        return self.compare(label, outcome(case, plait), wanted, exact, tolerance)

    def compare(
        self, label: str, got: Any, wanted: Any, exact: bool = False, tolerance: float = 0.0
    ) -> bool:
        """Compare two outcomes; note a difference."""
        self.cases += 1
        same = agree(got, wanted, exact, tolerance)
        if not same:
            self.found.append(f"{label}: plait {got!r}, torch {wanted!r}")
        return same

    def verdict(self) -> None:
        """Fail, listing the first differences."""
        shown = "\n".join(self.found[:40])
        assert not self.found, f"{len(self.found)} of {self.cases} cases differ\n{shown}"


class Expectations:
    """What PyTorch gives: asked where it is installed, else from the packs.

    recording: the packs that are being written by suite; None outside `tests.parity.record`.
    """

    def __init__(self) -> None:
        self.recording: dict[str, Any] | None = None
        self._packs: dict[str, Any] = {}

    @functools.cached_property
    def torch(self) -> Any:
        """PyTorch, None where it is not installed."""
        return importlib.import_module("torch") if importlib.util.find_spec("torch") else None

    def of(self, suite: str, label: str, case: Callable[[Any], Any]) -> Any:
        """The outcome of a case in PyTorch."""
        if self.torch is None:
            return self.stored(suite, label)
        found = outcome(case, self.torch)
        if self.recording is not None:
            from tests.parity.outcomes import encoded

            pack = self.recording.setdefault(suite, Pack())
            entry = encoded(found, pack)  # the same again where a test's body runs several times
            assert pack.entries.setdefault(label, entry) == entry, f"two cases of label {label!r}"
        return found

    def pack(self, suite: str) -> Pack:
        """What is on file of a suite."""
        if suite not in self._packs:
            self._packs[suite] = Pack.read(FOLDER / f"{suite}.zip")
        return self._packs[suite]

    def stored(self, suite: str, label: str) -> Any:
        """The outcome on file."""
        from tests.parity.outcomes import decoded

        pack = self.pack(suite)
        assert label in pack.entries, (
            f"{suite}: nothing on file for {label!r}; where PyTorch is installed, "
            "`python -m tests.parity.record` writes it"
        )
        return decoded(pack.entries[label], pack)


expectations = Expectations()
