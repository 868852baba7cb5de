"""Vector functions over their whole range, within the errors they promise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import plait.core.ops.catalog  # noqa: F401  # defines the records
from plait.core.codegen import vecmath
from plait.core.codegen.text import Function
from plait.core.codegen.values import Values
from plait.core.ir import dtypes
from plait.core.ir.op import op_by_name
from plait.core.llvm.target import target
from plait.core.ops.numeric.special_erf import erf
from tests.codegen.elementwise import apply, kernel_of


def logistic(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


#: The function in a wider type, and the error promised in units in the last place.
PROMISED: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "exp": (np.exp, 1.1),
    "exp2": (np.exp2, 1.1),
    "expm1": (np.expm1, 2.0),
    "sigmoid": (logistic, 2.6),
    "tanh": (np.tanh, 2.6),
    "log": (np.log, 1.0),
    "log2": (np.log2, 1.0),
    "log10": (np.log10, 1.0),
    "log1p": (np.log1p, 1.6),
    "erf": (erf, 2.0),
    "sin": (np.sin, 1.6),
    "cos": (np.cos, 1.6),
}
#: Bit patterns: zeros, the least denormals and normals, infinities, the greatest numbers, +-1,
#: both sides of where exp overflows, a nan with a payload.
_WORDS = """00000000 80000000 00000001 80000001 00800000 80800000 7F800000 FF800000
7F7FFFFF FF7FFFFF 3F800000 BF800000 42B17217 42B17218 7FC00001 FFC12345"""
SPECIAL = np.array([int(word, 16) for word in _WORDS.split()], np.uint32)


def errors(y: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """In units in the last place of y's type; infinity counts as the next power of 2."""
    info = np.finfo(y.dtype)
    agree = np.isnan(y) & np.isnan(exact)
    infinity = np.ldexp(exact.dtype.type(1), info.maxexp)
    y, exact = [np.clip(a.astype(exact.dtype), -infinity, infinity) for a in (y, exact)]
    exponent = np.clip(np.frexp(exact)[1] - 1, info.minexp, info.maxexp - 1)
    unit = np.ldexp(exact.dtype.type(1), exponent - info.nmant)
    return np.where(agree, 0, np.abs(y - exact) / unit)


def check(name: str, x: np.ndarray, isa: str, lanes: int) -> None:
    function, bound = PROMISED[name]
    y = apply(op_by_name(name), [x], {}, isa, lanes)
    wide = np.float64 if x.dtype == np.float32 else np.longdouble
    with np.errstate(all="ignore"):
        exact = function(x.astype(wide))
        if np.finfo(wide).nmant == np.finfo(x.dtype).nmant:  # a platform without a wider type
            bound += 1
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


@pytest.mark.parametrize("name", vecmath.DOUBLE_FUNCTIONS)
def test_float64(name: str) -> None:
    rng = np.random.default_rng(0)
    parts = [
        rng.integers(0, 2**64, 100_000, dtype=np.uint64).view(np.float64),
        SPECIAL.view(np.float32).astype(np.float64),
        np.array([5e-324, -5e-324, 1.7e308, -1.7e308, 2.2e-308, 709.7, 709.8, -745.1, -745.2]),
        rng.uniform(-750, 720, 20_000),
        rng.uniform(-40, 40, 50_000),
        rng.uniform(-2, 2, 100_000),
    ]
    x = np.concatenate(parts)
    check(name, x, "avx512", 8)
    check(name, x[::17], "avx2", 4)


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_angles_near_multiples_of_half_pi(name: str) -> None:
    x = (np.arange(-13000, 13000) * (np.pi / 2)).astype(np.float32)
    check(name, x, "avx512", 16)


@pytest.mark.parametrize("isa", ["avx512", "avx2"])
@pytest.mark.parametrize("name", PROMISED)
def test_all_widths_give_the_same_bits(name: str, isa: str) -> None:
    bits = np.arange(0, 2**32, 1_000_003, dtype=np.uint64).astype(np.uint32)
    x = np.concatenate([bits, SPECIAL]).view(np.float32)
    results = [apply(op_by_name(name), [x], {}, isa, lanes) for lanes in (16, 1, 8, 64)]
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


@pytest.mark.parametrize("isa", ["avx512", "avx2"])
@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_far_out_they_are_one(name: str, isa: str) -> None:
    """A unit in the last place of 1 + erf(x) is times x, in gelu, which may be of any size."""
    x = np.array([9.2, 50, 1e4, 1e10, 3e38, np.inf], np.float32)
    y = apply(op_by_name(name), [np.concatenate([x, -x])], {}, isa, 16)
    np.testing.assert_array_equal(y, np.repeat([1, -1], x.size))


@pytest.mark.parametrize("name", ["exp", "sigmoid", "tanh", "erf"])
def test_tables_are_in_registers_where_these_are_wide(name: str) -> None:
    one = [dtypes.float32]
    kernel = kernel_of(op_by_name(name), one, one[0], {}, 16)
    assert "permvar" in kernel.emit("k", target("avx512")).text()
    assert "x86" not in kernel.emit("k", target("avx2")).text()


def test_kernels_say_whether_registers_are_wide() -> None:
    with pytest.raises(ValueError, match="not said"):
        vecmath.exp(Values(Function("k"), "<16 x float>"), "%x")


def test_powers() -> None:
    """Special values stand in `test_pointwise`."""
    rng = np.random.default_rng(0)
    x = np.exp(rng.uniform(-20, 20, 100_000)).astype(np.float32)
    x = np.concatenate([x, rng.uniform(0.9, 1.1, 100_000).astype(np.float32)])
    y = rng.uniform(-30, 30, x.size).astype(np.float32)
    y[::3] = np.rint(y[::3])
    x[::3] *= np.where(rng.uniform(size=x[::3].size) < 0.5, -1, 1).astype(np.float32)
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(np.float64), y.astype(np.float64))
    for isa, lanes in (("avx512", 16), ("avx2", 8)):
        actual = apply(op_by_name("pow"), [x, y], {}, isa, lanes)
        assert (np.isnan(actual) == np.isnan(exact)).all()
        assert errors(actual, exact).max() <= 0.6
