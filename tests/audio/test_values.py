"""Functions and transforms of sound against torchaudio's stored values and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import plait
from plait.audio import functional as F
from plait.audio import transforms as T

from . import cases

EXPECTED = dict(np.load(cases.PATH))
#: Of the largest value: float32 results of Fourier transforms and of sums over hundreds of samples.
TOLERANCE = 2e-5
#: Recursions: torchaudio rounds each step to float32, which poles near the unit circle multiply.
#: Phases: those of frequencies that are hardly there are rounding errors' own.
LOOSE = {
    "GriffinLim": 2e-3,
    "PitchShift": 2e-4,
    "SlidingWindowCmn, center": 2e-4,
    "pitch_shift": 2e-4,
    "Loudness": 1e-3,
    "bass": 1e-3,
    "highpass": 2e-4,
    "lowpass": 2e-4,
    "riaa": 1e-3,
}


def assert_near(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    atol = tolerance * max(1e-3, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@pytest.mark.filterwarnings("ignore:At least one mel filterbank")
@pytest.mark.parametrize("name", cases.CASES)
def test_case(name: str) -> None:
    smooth = name in cases.SMOOTH
    x = plait.from_numpy(cases.wave()).requires_grad_(smooth)
    noise = plait.from_numpy(cases.weights((2, 1600)))
    plait.manual_seed(cases.seed(name))
    out = cases.CASES[name](plait, F, T, x, noise)
    assert tuple(out.shape) == tuple(EXPECTED[f"{name}|shape"])
    tolerance = LOOSE.get(name, TOLERANCE)
    assert_near(cases.sampled(out.detach().numpy()), EXPECTED[f"{name}|value"], tolerance)
    if smooth:
        (out * plait.from_numpy(cases.weights(tuple(out.shape)))).sum().backward()
        assert_near(cases.sampled(x.grad.numpy()), EXPECTED[f"{name}|slope"], tolerance)
