"""Windows and short-time Fourier transforms: PyTorch's values, gradients and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait

torch = pytest.importorskip("torch", reason="compares with PyTorch")

SIGNAL = np.random.default_rng(0).standard_normal((2, 50))

WINDOWS = {
    "hann": lambda m, n: m.hann_window(n),
    "hann symmetric": lambda m, n: m.hann_window(n, periodic=False, dtype=m.float64),
    "hamming": lambda m, n: m.hamming_window(n, True, 0.6, 0.3),
    "blackman": lambda m, n: m.blackman_window(n),
    "bartlett": lambda m, n: m.bartlett_window(n, False),
    "kaiser": lambda m, n: m.kaiser_window(n, True, 5.0),
}


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("length", [0, 1, 2, 7, 16])
def test_windows(name: str, length: int) -> None:
    ours, theirs = [WINDOWS[name](m, length).numpy() for m in (plait, torch)]
    assert ours.dtype == theirs.dtype
    # PyTorch computes float32 windows in float32.
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-7)
    with pytest.raises(RuntimeError, match="non-negative window_length"):
        WINDOWS[name](plait, -1)


STFT: dict[str, dict[str, Any]] = {
    "plain": {"n_fft": 16},
    "hop": {"n_fft": 16, "hop_length": 5, "normalized": True},
    "narrow": {"n_fft": 16, "win_length": 11},
    "not centred": {"n_fft": 15, "center": False, "hop_length": 4},
    "constant padding": {"n_fft": 12, "pad_mode": "constant"},
    "two-sided": {"n_fft": 16, "onesided": False},
    "pairs": {"n_fft": 8, "return_complex": False},
}


def _both(function: Any, *arrays: np.ndarray) -> list[list[np.ndarray]]:
    """The value and the gradients of a fixed weighted sum, of each library."""
    found = []
    for m in (plait, torch):
        given = [m.tensor(a.tolist(), dtype=getattr(m, a.dtype.name)) for a in arrays]
        for x in given:
            x.requires_grad_()
        y = function(m, *given)
        flat = m.view_as_real(y) if y.is_complex() else y
        weight = m.tensor(np.cos(np.arange(flat.numel())).reshape(tuple(flat.shape)).tolist())
        grads = m.autograd.grad((flat * weight).sum(), given)
        found.append([y.detach().numpy(), *[g.numpy() for g in grads]])
    return found


def _agree(function: Any, *arrays: np.ndarray) -> None:
    ours, theirs = _both(function, *arrays)
    for mine, wanted in zip(ours, theirs, strict=True):
        assert mine.shape == wanted.shape
        np.testing.assert_allclose(mine, wanted, rtol=1e-9, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*return_complex=False:UserWarning")
@pytest.mark.parametrize("name", STFT)
@pytest.mark.parametrize("batched", [False, True])
def test_stft_and_back(name: str, batched: bool) -> None:
    options = {"return_complex": True, **STFT[name]}
    signal = SIGNAL if batched else SIGNAL[0]
    window = np.linspace(0.5, 1.5, options.get("win_length", options["n_fft"]))
    _agree(lambda m, x, w: m.stft(x, window=w, **options), signal, window)
    _agree(lambda m, x: x.stft(**options), signal)
    if not options["return_complex"]:
        return
    options = {k: v for k, v in options.items() if k not in ("return_complex", "pad_mode")}
    spectra = torch.stft(
        torch.tensor(signal), window=torch.tensor(window), return_complex=True, **STFT[name]
    ).numpy()
    for length in (None, 40, 45):
        _agree(
            lambda m, z, w: m.istft(z, window=w, length=length, **options),  # noqa: B023 - at once
            spectra * 1.5 + 0.25j,
            window,
        )


def test_complex_signals() -> None:
    z = SIGNAL[0] + 1j * SIGNAL[1]
    _agree(lambda m, z: m.stft(z, 16, window=m.ones(16).double()), z)
    spectra = torch.stft(torch.tensor(z), 16, window=torch.ones(16).double()).numpy()
    _agree(lambda m, s: m.istft(s, 16, window=m.ones(16).double(), return_complex=True), spectra)


MISTAKES = {
    "no return_complex": lambda m: m.stft(m.ones(20), 8),
    "n_fft": lambda m: m.stft(m.ones(4), 8, center=False, return_complex=True),
    "hop": lambda m: m.stft(m.ones(20), 8, hop_length=0, return_complex=True),
    "width": lambda m: m.stft(m.ones(20), 8, win_length=9, return_complex=True),
    "window": lambda m: m.stft(m.ones(20), 8, window=m.ones(5), return_complex=True),
    "axes": lambda m: m.stft(m.ones(2, 2, 20), 8, center=False, return_complex=True),
    "align": lambda m: m.stft(m.ones(20), 8, align_to_window=True, return_complex=True),
    "real": lambda m: m.istft(m.ones(5, 3), 8),
    "bins": lambda m: m.istft(m.ones(4, 3, dtype=m.complex64), 8),
    "gap": lambda m: m.istft(m.ones(5, 3, dtype=m.complex64), 8, window=m.zeros(8)),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_errors(name: str) -> None:
    for m in (torch, plait):
        with pytest.raises(RuntimeError):
            MISTAKES[name](m)
