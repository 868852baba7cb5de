"""Each case gives what TensorFlow gives: values, dtypes, shapes; or the same kind of error."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import plait.tf as ours
from tests.tf.cases import CASES
from tests.tf.programs import PROGRAMS

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
theirs = pytest.importorskip("tensorflow")

#: Rounding: sums of some tens of float32 products in another order, transcendental functions of
#: other libraries.
_RTOL, _ATOL = 2e-5, 2e-5


def outcome(program: Any, tf: Any) -> Any:
    """What a program gives, or the error that it raises."""
    try:
        return program(tf)
    except Exception as fault:
        return fault


def kinds(fault: Exception) -> set[str]:
    """The names of an error's classes that tell errors apart."""
    names = {cls.__name__ for cls in type(fault).__mro__}
    return {n.strip("_") for n in names} - {"object", "BaseException", "Exception", "OpError"}


def assert_same(a: Any, b: Any) -> None:
    if isinstance(b, Exception) or isinstance(a, Exception):
        assert isinstance(a, Exception) and isinstance(b, Exception), f"{a!r} for {b!r}"
        assert kinds(a) & kinds(b), f"{a!r} for {b!r}"
        return
    if isinstance(b, dict):
        assert set(a) == set(b)
        for key in b:
            assert_same(a[key], b[key])
    elif isinstance(b, (list, tuple)) and not hasattr(b, "dtype"):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            assert_same(x, y)
    elif hasattr(b, "numpy") or isinstance(b, np.ndarray):
        assert tuple(a.shape) == tuple(b.shape), f"{a!r} for {b!r}"
        assert getattr(a.dtype, "name", None) == getattr(b.dtype, "name", None), f"{a!r} for {b!r}"
        x, y = (np.asarray(v.numpy() if hasattr(v, "numpy") else v) for v in (a, b))
        if y.dtype.kind in "fc":
            np.testing.assert_allclose(x, y, _RTOL, _ATOL)
        else:
            np.testing.assert_array_equal(x, y)
    elif isinstance(b, (float, np.floating)):
        assert type(a) is type(b)
        assert a == pytest.approx(b, rel=_RTOL, abs=_ATOL)
    else:
        assert a == b


@pytest.mark.parametrize("text", CASES)
def test_case(text: str) -> None:
    assert_same(outcome(CASES[text], ours), outcome(CASES[text], theirs))


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    assert_same(outcome(PROGRAMS[name], ours), outcome(PROGRAMS[name], theirs))
