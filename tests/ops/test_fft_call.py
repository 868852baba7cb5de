"""Fourier transforms and called functions: round trips and error texts."""

from __future__ import annotations

import numpy as np
import pytest

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.graph import trace
from plait.core.ir.node import Spec
from plait.core.ops import fft
from plait.core.ops.call import CALL
from plait.core.reference.executor import run

VECTOR = Spec((3,), dtypes.float32)


@pytest.mark.parametrize("n", [4, 5])
def test_irfft_undoes_rfft(n):
    x = np.random.default_rng(0).standard_normal((2, n)).astype(np.float32)

    def both(x):
        return fft.IRFFT(fft.RFFT(x, axes=(1,), norm="ortho"), axes=(1,), n=n, norm="ortho")

    back = run(trace(both, [Spec(x.shape, dtypes.float32)]), [x])[0]
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, x, atol=1e-6)


def test_fft_errors():
    with pytest.raises(DTypeError, match="fft: dtype float32 is not supported; expected complex64"):
        fft.FFT.infer(VECTOR, axes=(0,), inverse=False, norm="backward")
    with pytest.raises(ShapeError, match=r"rfft: axes .1,. do not fit"):
        fft.RFFT.infer(VECTOR, axes=(1,), norm="backward")
    with pytest.raises(ValueError, match="norm 'half' is not one of"):
        fft.RFFT.infer(VECTOR, axes=(0,), norm="half")


def test_called_functions_must_keep_their_types():
    graph = trace(lambda x: CALL(x, function=np.sum, types=(((), dtypes.float64),)), [VECTOR])
    with pytest.raises(RuntimeError, match=r"call: sum was to give \(float64\[\]\), but gave"):
        run(graph, [np.ones(3, np.float32)])


def test_called_functions_cannot_write_their_operands():
    def spoil(x):
        x[0] = 7
        return x

    types = (((3,), dtypes.float32),)
    graph = trace(lambda x: CALL(x, function=spoil, types=types), [VECTOR])
    with pytest.raises(ValueError, match="read-only"):
        run(graph, [np.ones(3, np.float32)])
