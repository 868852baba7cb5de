"""Kernels of recurrent sequences against their reference in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from plait.core.codegen import gate_math
from plait.core.codegen.gather import take_kernel
from plait.core.codegen.kernel import Kernel, Launch
from plait.core.codegen.recurrent import Tile, lstm_step
from plait.core.codegen.text import Function, module
from plait.core.compiler.lower.recurrent import LOWERINGS
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir import dtypes
from plait.core.ir.dtypes import BY_NAME
from plait.core.llvm.build import build
from plait.core.llvm.target import Target, target
from plait.core.ops import elman
from plait.core.ops import recurrent as records
from tests.codegen.harness import run_op, run_plan

OPS = {
    "elman_sequence": elman.ELMAN_SEQUENCE,
    "elman_sequence_grad": elman.ELMAN_SEQUENCE_GRAD,
    "lstm_sequence": records.LSTM_SEQUENCE,
    "lstm_sequence_grad": records.LSTM_SEQUENCE_GRAD,
    "gru_sequence": records.GRU_SEQUENCE,
    "gru_sequence_grad": records.GRU_SEQUENCE_GRAD,
}
ISAS = ("avx512", "avx2")
#: (T, B, H): ragged hidden sizes and batches on both sides of a tile, and nothing at all.
EXTENTS = [(3, 7, 17), (1, 1, 1), (2, 13, 63), (2, 3, 127), (3, 12, 64), (0, 2, 3), (2, 0, 3)]


def _operands(name: str, t: int, b: int, h: int, bias: bool) -> list[np.ndarray]:
    """Operands in float64, activated gates within their range."""
    rng = np.random.default_rng(7)

    def draw(*shape: int) -> np.ndarray:
        return rng.uniform(-1, 1, shape)

    gates = rng.uniform(0, 1, (t, b, 4 * h))
    narrow = 1 / math.sqrt(max(1, h))
    if name == "elman_sequence":
        return [2 * draw(t, b, h), draw(b, h), narrow * draw(h, h)]
    if name == "elman_sequence_grad":
        return [draw(t, b, h), draw(t, b, h), narrow * draw(h, h)]
    if name == "lstm_sequence":
        return [2 * draw(t, b, 4 * h), draw(b, h), draw(b, h), narrow * draw(4 * h, h)]
    if name == "lstm_sequence_grad":
        states = [draw(t, b, h), draw(t, b, h), gates, draw(t, b, h)]
        return [*states, draw(b, h), narrow * draw(4 * h, h)]
    if name == "gru_sequence":
        more = [draw(3 * h)] if bias else []
        return [2 * draw(t, b, 3 * h), draw(b, h), narrow * draw(3 * h, h), *more]
    return [draw(t, b, h), draw(t, b, h), gates, draw(b, h), narrow * draw(3 * h, h)]


def _attrs(name: str, reverse: bool, relu: bool) -> dict[str, bool]:
    more = {"relu": relu} if name.startswith("elman") else {}
    return {"reverse": reverse, **more}


def _check(name: str, dtype: str, isa: str, extents: tuple[int, int, int], **options: Any) -> None:
    if name.endswith("grad") and extents[0] == 0:
        return
    op = OPS[name]
    kind = BY_NAME[dtype]
    arrays = [x.astype(kind.numpy) for x in _operands(name, *extents, options["bias"])]
    attrs = _attrs(name, options["reverse"], options["bias"])
    results = run_op(LOWERINGS[name], op, arrays, [kind] * len(arrays), attrs, isa)
    assert op.reference is not None
    exact = op.reference(*[x.astype(np.float64) for x in arrays], **attrs)
    wide = exact if isinstance(exact, tuple) else (exact,)
    # Sums of at most 4 H products of terms below 2 in size, and an error that a step hands on to
    # the next with a factor near 1: steps * (length of the sums + the cell's own roundings).
    length = 4 * extents[2] if name.endswith("grad") else extents[2]
    bound = np.finfo(kind.numpy).eps * extents[0] * (2 * length + 32)
    for result, expected in zip(results, wide, strict=True):
        np.testing.assert_allclose(result, expected, rtol=0, atol=bound, err_msg=name)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPS)
def test_against_reference(name: str, dtype: str, isa: str) -> None:
    for number, extents in enumerate(EXTENTS):
        _check(name, dtype, isa, extents, reverse=bool(number % 2), bias=number % 3 == 0)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", OPS)
def test_half_is_float32_rounded_once(name: str, dtype: str, isa: str) -> None:
    kind = BY_NAME[dtype]
    arrays = [x.astype(kind.numpy) for x in _operands(name, 3, 7, 19, bias=True)]
    wide = [x.astype(np.float32) for x in arrays]
    attrs = _attrs(name, reverse=True, relu=False)
    results = run_op(LOWERINGS[name], OPS[name], arrays, [kind] * len(arrays), attrs, isa)
    exact = run_op(LOWERINGS[name], OPS[name], wide, [dtypes.float32] * len(arrays), attrs, isa)
    for result, expected in zip(results, exact, strict=True):
        np.testing.assert_array_equal(
            result.astype(np.float32), expected.astype(kind.numpy).astype(np.float32)
        )


def test_not_covered() -> None:
    """A gradient of the gates, and a gradient over no step, are left alone."""
    plan = Plan(target())

    def lowered(name: str, dtype: Any, t: int, more: bool) -> bool:
        arrays = _operands(name, t, 2, 3, bias=False)
        if more:
            arrays.append(arrays[2])
        buffers = [Buffer(x.shape, dtype, "input") for x in arrays]
        return LOWERINGS[name](None, buffers, [], plan)

    for name in ("lstm_sequence_grad", "gru_sequence_grad"):
        for dtype in (dtypes.float32, dtypes.bfloat16):
            assert not lowered(name, dtype, 2, True)
            assert not lowered(name, dtype, 0, False)
    assert not plan.steps


def _apply(function: Any, x: np.ndarray, isa: str) -> np.ndarray:
    """One function of `gate_math` on all of `x`, whose length is a multiple of the lanes."""
    dtype = BY_NAME[x.dtype.name]
    on = target(isa)
    lanes = on.lanes(dtype.itemsize)
    element = "float" if dtype is dtypes.float32 else "double"

    def emit(symbol: str, on: Target) -> Function:
        f = Function(symbol)
        out, given = f.argument(0), f.argument(1)
        with f.loop("%begin", "%end") as unit:
            place = f.mul(unit.index, str(lanes))
            kind = f"<{lanes} x {element}>"
            value = f.load(kind, f.at(given, place, element), dtype.itemsize)
            result = function(f, kind, value)
            f.store(kind, result, f.at(out, place, element), dtype.itemsize)
        f.ret()
        return f

    plan = Plan(on)
    given, out = Buffer(x.shape, dtype, "input"), Buffer(x.shape, dtype, "output")
    kernel = Kernel(f"test_{function.__name__}", (dtype.name,), emit)
    plan.launch(Launch(kernel, (out,), (given,), units=len(x) // lanes))
    return run_plan(plan, {id(given): x}, [out])[0]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gate_functions(dtype: Any, isa: str) -> None:
    rng = np.random.default_rng(3)
    wide = [rng.uniform(-bound, bound, 4096) for bound in (1e-4, 0.5, 3, 20, 80)]
    x = np.concatenate(wide).astype(dtype)
    exact = x.astype(np.longdouble)
    for function, expected in (
        (gate_math.sigmoid, 1 / (1 + np.exp(-exact))),
        (gate_math.tanh, np.tanh(exact)),
    ):
        result = _apply(function, x, isa)
        error = np.abs(result - expected) / np.abs(expected)
        assert error.max() <= 4 * np.finfo(dtype).eps, function.__name__


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gate_functions_at_the_edges(dtype: Any, isa: str) -> None:
    x = np.zeros(16, dtype)
    x[:8] = [np.inf, -np.inf, np.nan, 0.0, -0.0, 1e30, -1e30, 1e-40]
    s, t = _apply(gate_math.sigmoid, x, isa), _apply(gate_math.tanh, x, isa)
    np.testing.assert_array_equal(s[[0, 2, 3, 4, 5]], np.array([1, np.nan, 0.5, 0.5, 1], dtype))
    assert (s[[1, 6]] >= 0).all() and (s[[1, 6]] < 1e-37).all()
    np.testing.assert_array_equal(t[:7], np.array([1, -1, np.nan, 0, 0, 1, -1], dtype))
    assert np.signbit(t[4]) and not np.signbit(t[3])
    assert abs(t[7] - x[7]) <= np.finfo(dtype).tiny


def test_it_shares_a_module_with_a_lookup() -> None:
    """Both ask for lines ahead: an embedding and an LSTM are compiled together."""
    on = target()
    tile = Tile(dtypes.float32, on.lanes(4), 2, 4, 2, True, False, 64)
    kernels = [lstm_step(tile), take_kernel(256, True)]
    text = module([k.emit(k.symbol(on), on) for k in kernels], on.vector_bytes)
    assert text.count("declare void @llvm.prefetch.p0") == 1
    assert build(text, on)
