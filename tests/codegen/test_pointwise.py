"""Elementwise ops as native code against their references, on values that are special to them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import plait.core.ops.catalog  # noqa: F401  # defines the records
from plait.core.codegen import special, vecmath
from plait.core.ir import dtypes
from plait.core.ir.dtypes import BY_NAME, DType
from plait.core.ir.errors import DTypeError
from plait.core.ir.node import Spec
from plait.core.ir.op import Lowering, Op, all_ops, op_by_name
from tests.codegen.elementwise import apply, is_supported
from tests.ops.tolerance import EPSILON

FORMS = [("avx512", 16), ("avx2", 8), ("", 1)]
DTYPES = (*dtypes.COMMON, BY_NAME["uint16"], BY_NAME["uint32"], BY_NAME["uint64"])
INEXACT = {
    *vecmath.FUNCTIONS,
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh"),
    *("atan2", "pow", "erfc", "xlogy", "xlog1py", "entr"),
}
#: Ops whose check refuses a zero divisor.
DIVIDES = ("floor_div", "trunc_div", "remainder", "fmod")
EXTREMA = ("maximum", "minimum", "relu")
#: The reference mixes uint64 with signed integers there, which NumPy makes float64.
SPOILT = (("shift_left", "uint64"), ("shift_right", "uint64"))
#: Units in the last place; the C library and NumPy have their own errors beside ours.
ULPS = 5


def special_values(dtype: DType) -> np.ndarray:
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        info = np.iinfo(dtype.numpy)
        near = [info.min, info.min + 1, info.max, info.max - 1, info.max // 2 + 1]
        small = [n for n in range(-9, 10) if n >= info.min]
        return np.array([*near, *small, 31, 32, 63, 64, 100], dtype.numpy)
    limit = {"float16": 65504.0, "float64": 1.7e308}.get(dtype.name, 3.38e38)
    least = {"float16": 6e-8, "float64": 5e-324, "bfloat16": 9.2e-41}.get(dtype.name, 1.4e-45)
    sizes = [0.0, least, 3 * least, 1e-6, 0.25, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 7.0]
    sizes += [33.5, 127.6, 200.3, 255.0, 256.0, 40000.7, limit, np.inf]
    if dtype.name != "float16":
        sizes += [88.5, 104.0, 2.0**31, 2.0**31 + 4096, 2.0**32, 5e9, 2.0**63, 1e20]
    return np.array([*sizes, *[-s for s in sizes], np.nan], np.float64).astype(dtype.numpy)


def operands_of(op: Op, dtype: DType) -> list[np.ndarray] | None:
    """All combinations of special values; None if the op takes none of this dtype."""
    if op.name == "where":
        kinds: tuple[DType, ...] = (dtypes.bool_, dtype, dtype)
    else:
        kinds = next((k for k in ((dtype,), (dtype, dtype)) if infers(op, k)), ())
    if not kinds:
        return None
    few = slice(None, None, 3 if op.name == "where" else None)
    values = [special_values(k)[few if k is dtype else slice(None)] for k in kinds]
    grids = np.meshgrid(*values, indexing="ij")
    arrays = [g.reshape(-1) for g in grids]
    if op.name in DIVIDES and dtype.kind in "iu":
        keep = arrays[1] != 0
        arrays = [a[keep] for a in arrays]
    return arrays


def infers(op: Op, kinds: tuple[DType, ...]) -> bool:
    try:
        op.infer(*[Spec((2,), k) for k in kinds])
    except (TypeError, DTypeError):
        return False
    return True


def cases() -> list[tuple[str, str]]:
    """(op, dtype) for all that is supported, save casts."""
    found = []
    for op, dtype in itertools.product(all_ops(), DTYPES):
        # Special functions run the reference's own steps; the record tests hold them to it.
        if op.name in special.EMITTERS:
            continue
        if op.lowering is Lowering.ELEMENTWISE and op.name not in ("cast", "check_index"):
            arrays = operands_of(op, dtype)
            if arrays is not None:
                kinds = [dtypes.dtype_of(a.dtype) for a in arrays]
                if is_supported(op, kinds, {}) and (op.name, dtype.name) not in SPOILT:
                    found.append((op.name, dtype.name))
    return found


def assert_same(actual: np.ndarray, expected: np.ndarray, what: str, signs: bool = True) -> None:
    """Equal, nan where nan is expected; zeros of one sign, if `signs`."""
    assert actual.dtype == expected.dtype
    if actual.dtype.itemsize == 2 and actual.dtype.kind not in "iu":
        actual, expected = actual.astype(np.float64), expected.astype(np.float64)
    np.testing.assert_array_equal(actual, expected, err_msg=what)
    if signs and actual.dtype.kind == "f":
        minus = [np.signbit(x) & (x == 0) for x in (actual, expected)]
        np.testing.assert_array_equal(*minus, err_msg=what + ": signs of zeros")


def assert_near(actual: np.ndarray, expected: np.ndarray, what: str) -> None:
    """Within a few units in the last place, or a step for 16-bit floats."""
    name = actual.dtype.name
    steps = 1 if actual.dtype.itemsize == 2 else ULPS
    least = {"float16": 2.0**-24, "bfloat16": 2.0**-133, "float32": 2.0**-149}.get(name, 5e-324)
    np.testing.assert_allclose(
        actual.astype(np.float64),
        expected.astype(np.float64),
        rtol=steps * EPSILON[name],
        atol=steps * least,
        err_msg=what,
    )


@pytest.mark.parametrize(("name", "dtype"), cases())
def test_like_the_reference(name: str, dtype: str) -> None:
    op = op_by_name(name)
    arrays = operands_of(op, BY_NAME[dtype])
    assert arrays is not None and op.reference is not None
    inexact = name in INEXACT and BY_NAME[dtype].kind == "f"
    # Native code carries 16-bit floats as float32; the reference would round on the way.
    half = BY_NAME[dtype].is_half
    with np.errstate(all="ignore"):
        given = [a.astype(np.float32) if half and a.dtype != np.bool_ else a for a in arrays]
        expected = np.asarray(op.reference(*given)).astype(apply(op, arrays, {}).dtype)
    for isa, lanes in FORMS:
        actual = apply(op, arrays, {}, isa, lanes)
        what = f"{name} {dtype} {isa} {lanes}"
        if inexact:
            assert_near(actual, expected, what)
        else:
            # Which of two zeros is the greater differs between NumPy's own loops.
            assert_same(actual, expected, what, signs=name not in EXTREMA)


@pytest.mark.parametrize("source", [d.name for d in DTYPES])
def test_casts(source: str) -> None:
    op = op_by_name("cast")
    values = special_values(BY_NAME[source])
    assert op.reference is not None
    for result in DTYPES:
        with np.errstate(all="ignore"):
            expected = op.reference(values, dtype=result)
        for isa, lanes in FORMS:
            actual = apply(op, [values], {"dtype": result}, isa, lanes)
            assert_same(actual, expected, f"{source} to {result.name} {isa} {lanes}")


def test_narrowing_rounds_once() -> None:
    """float64 to 16 bits on both sides of every middle, where rounding twice would go wrong."""
    op = op_by_name("cast")
    rng = np.random.default_rng(0)
    for result in (dtypes.float16, dtypes.bfloat16):
        step = EPSILON[result.name]
        middle = 1 + (rng.integers(0, 100, 500) + 0.5) * step
        values = middle * 2.0 ** rng.integers(-13, 15, 500)
        values = np.concatenate([values * (1 + e) for e in (0, 1e-12, -1e-12)])
        actual = apply(op, [values], {"dtype": result}).astype(np.float64)
        assert (np.abs(actual - values) <= 0.5 * step * 2.0 ** np.floor(np.log2(values))).all()


def test_zero_divisors_do_not_trap() -> None:
    for name, dtype in itertools.product(DIVIDES, ("int8", "int32", "uint8", "int64")):
        a = special_values(BY_NAME[dtype])
        apply(op_by_name(name), [a, np.zeros_like(a)], {})


def test_what_is_refused() -> None:
    f32, c64, i32 = dtypes.float32, dtypes.complex64, dtypes.int32
    assert not is_supported(op_by_name("exp"), [c64], {})
    assert not is_supported(op_by_name("pow"), [i32, i32], {})
    assert not is_supported(op_by_name("cast"), [c64], {"dtype": f32})
    assert not is_supported(op_by_name("cast"), [f32], {"dtype": c64})
