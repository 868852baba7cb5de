"""Vector functions of float32 over their whole range, within the errors they promise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import plait.core.ops.catalog  # noqa: F401  # defines the records
from plait.core.codegen import vecmath
from plait.core.ir.op import op_by_name
from plait.core.ops.numeric.special_erf import erf
from tests.codegen.elementwise import apply


def logistic(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


#: The function in float64, and the error promised in units in the last place.
PROMISED: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "exp": (np.exp, 1.1),
    "exp2": (np.exp2, 1.1),
    "expm1": (np.expm1, 1.6),
    "sigmoid": (logistic, 2.4),
    "tanh": (np.tanh, 2.4),
    "log": (np.log, 1.0),
    "log2": (np.log2, 1.0),
    "log10": (np.log10, 1.0),
    "log1p": (np.log1p, 1.6),
    "erf": (erf, 1.1),
}
#: Bit patterns: zeros, the least denormals and normals, infinities, the greatest numbers, +-1,
#: both sides of where exp overflows, a nan with a payload.
_WORDS = """
00000000 80000000 00000001 80000001 00800000 80800000 7F800000 FF800000 7F7FFFFF FF7FFFFF 3F800000 BF800000 42B17217 42B17218 7FC00001 FFC12345"""
SPECIAL = np.array([int(word, 16) for word in _WORDS.split()], np.uint32)


def errors(y: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """In units in the last place of float32; infinity counts as 2^128."""
    agree = np.isnan(y) & np.isnan(exact)
    y, exact = [np.clip(a.astype(np.float64), -(2.0**128), 2.0**128) for a in (y, exact)]
    exponent = np.frexp(exact)[1] - 1
    unit = 2.0 ** (np.clip(exponent, -126, 127) - 23)
    return np.where(agree, 0, np.abs(y - exact) / unit)


def check(name: str, x: np.ndarray, isa: str, lanes: int) -> None:
    function, bound = PROMISED[name]
    y = apply(op_by_name(name), [x], {}, isa, lanes)
    with np.errstate(all="ignore"):
        exact = function(x.astype(np.float64))
        wrong = errors(y, exact)
        assert (np.isnan(y) == np.isnan(exact)).all()
        worst = int(np.argmax(wrong))
        assert wrong[worst] <= bound, f"{name}({x[worst]!r}) = {y[worst]!r}: {wrong[worst]} ulp"
        zero = (y == 0) & (exact == 0)
        np.testing.assert_array_equal(np.signbit(y[zero]), np.signbit(exact[zero]))


def test_all_functions_are_here() -> None:
    assert PROMISED.keys() == vecmath.FUNCTIONS.keys()


@pytest.mark.parametrize("name", PROMISED)
def test_over_all_bit_patterns(name: str) -> None:
    bits = np.arange(0, 2**32, 16411, dtype=np.uint64).astype(np.uint32)
    x = np.concatenate([bits, SPECIAL]).view(np.float32)
    check(name, x, "avx512", 16)


@pytest.mark.parametrize("name", PROMISED)
def test_where_results_are_ordinary(name: str) -> None:
    x = np.linspace(-17, 17, 200_001, dtype=np.float32)
    near_one = np.linspace(0.5, 2, 50_001, dtype=np.float32)
    check(name, np.concatenate([x, near_one]), "avx2", 8)


@pytest.mark.parametrize("name", PROMISED)
def test_all_widths_give_the_same_bits(name: str) -> None:
    bits = np.arange(0, 2**32, 1_000_003, dtype=np.uint64).astype(np.uint32)
    x = np.concatenate([bits, SPECIAL]).view(np.float32)
    results = [
        apply(op_by_name(name), [x], {}, isa, lanes)
        for isa, lanes in (("avx512", 16), ("avx512", 1), ("avx2", 8), ("avx2", 16))
    ]
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])
