"""What values do not show: mistakes, buffers, precision and cost of recursive filters, aliases."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import plait
from plait import audio
from plait.audio import functional as F
from plait.audio import transforms as T
from plait.core.ir.graph import capture

MISTAKES = {
    "lfilter, sizes": (
        lambda x: F.lfilter(x, plait.ones(3), plait.ones(2)),
        ValueError,
        "same size",
    ),
    "lfilter, rows": (
        lambda x: F.lfilter(x, plait.ones(3, 2), plait.ones(3, 2)),
        ValueError,
        "coeffs batches: 3, waveform shape: \\(2, 400\\)",
    ),
    "resample": (lambda x: F.resample(x, 0, 5), ValueError, "should be positive"),
    "resample, fractions": (lambda x: F.resample(x, 1.5, 5), ValueError, "integer type"),
    "resample, method": (
        lambda x: F.resample(x, 2, 5, resampling_method="linear"),
        ValueError,
        "Invalid resampling method: linear",
    ),
    "resample, width": (lambda x: F.resample(x, 2, 5, 0), ValueError, "width should be positive"),
    "resample, integers": (lambda x: F.resample(x.long(), 2, 5), TypeError, "floating point type"),
    "normalized": (lambda x: T.Spectrogram(normalized="no")(x), ValueError, "Invalid normalized"),
    "normalized, type": (lambda x: T.Spectrogram(normalized=3)(x), TypeError, "bool or str"),
    "inverse": (lambda x: T.InverseSpectrogram()(x), ValueError, "to be complex dtype"),
    "momentum": (lambda x: T.GriffinLim(momentum=1.0), ValueError, "in the range \\[0, 1\\)"),
    "stretch": (
        lambda x: T.TimeStretch()(plait.ones(2, 201, 4, dtype=plait.complex64)),
        ValueError,
        "must pass a valid rate",
    ),
    "mel norm": (lambda x: T.MelScale(norm="l2"), ValueError, "\"slaney\", got 'l2'"),
    "mel scale": (lambda x: T.MelScale(mel_scale="bark"), ValueError, "got 'bark'"),
    "mel range": (lambda x: T.MelScale(f_min=9e3), ValueError, "Require f_min"),
    "mel bins": (lambda x: T.InverseMelScale(201)(x), ValueError, "128 mel bins. Found: 2"),
    "driver": (lambda x: T.InverseMelScale(201, driver="qr"), ValueError, "Found qr"),
    "mfcc": (lambda x: T.MFCC(n_mfcc=200), ValueError, "200 of 128"),
    "dct": (lambda x: T.MFCC(dct_type=3), ValueError, "DCT type not supported: 3"),
    "dct norm": (lambda x: F.create_dct(3, 4, "l2"), ValueError, '"ortho" or None'),
    "top_db": (lambda x: T.AmplitudeToDB(top_db=-1), ValueError, "positive value"),
    "mask axis": (lambda x: F.mask_along_axis(x, 3, 0.0, 2), ValueError, "axis 0 and axis 1"),
    "mask share": (lambda x: T.TimeMasking(3, p=2), ValueError, "between 0.0 and 1.0"),
    "mask rank": (lambda x: F.mask_along_axis_iid(x, 3, 0.0, 1), ValueError, "three dimensions"),
    "deltas": (lambda x: F.compute_deltas(x, 2), ValueError, "Found win_length 2"),
    "loudness": (lambda x: F.loudness(plait.zeros(6, 9), 8000), ValueError, "up to 5 channels"),
    "contrast": (lambda x: F.contrast(x, 101), ValueError, "0-100"),
    "riaa": (lambda x: F.riaa_biquad(x, 8000), ValueError, "got 8000"),
    "deemph": (lambda x: F.deemph_biquad(x, 8000), ValueError, "got 8000"),
    "noise": (lambda x: F.add_noise(x, x, plait.zeros(())), ValueError, "dimensions don't match"),
    "noise, length": (
        lambda x: F.add_noise(x, x[:, 1:], plait.zeros(2)),
        ValueError,
        "got 400 and 399",
    ),
    "convolve": (lambda x: F.convolve(x, x[0]), ValueError, "got 2 and 1"),
    "convolve, rows": (
        lambda x: F.fftconvolve(x, plait.ones(3, 4)),
        ValueError,
        "not broadcastable",
    ),
    "convolve, mode": (lambda x: T.Convolve("half"), ValueError, "Unrecognized mode"),
    "volume": (lambda x: T.Vol(-1.0), ValueError, "must be positive"),
    "frechet": (lambda x: F.frechet_distance(x, x, x, x), ValueError, "covariances"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(name: str) -> None:
    call, kind, words = MISTAKES[name]
    with pytest.raises(kind, match=words):
        call(plait.zeros(2, 400))


def test_buffers_have_torchaudios_names() -> None:
    assert list(T.Spectrogram().state_dict()) == ["window"]
    assert list(T.MelScale().state_dict()) == ["fb"]
    assert list(T.Resample(3, 2).state_dict()) == ["kernel"]
    assert list(T.TimeStretch().state_dict()) == ["phase_advance"]
    mfcc = T.MFCC(melkwargs={"n_mels": 40}).state_dict()
    assert sorted(mfcc) == [
        "MelSpectrogram.mel_scale.fb",
        "MelSpectrogram.spectrogram.window",
        "dct_mat",
    ]


def direct(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A filter by its definition, in float64."""
    y = np.zeros_like(x)
    for t in range(x.size):
        y[t] = sum(b[k] * x[t - k] for k in range(min(t + 1, b.size)))
        y[t] -= sum(a[k] * y[t - k] for k in range(1, min(t + 1, a.size)))
    return y


@pytest.mark.parametrize("radius", [0.5, 0.99, 0.9999, 1.0, 1.003])
@pytest.mark.parametrize("time", [1, 63, 64, 65, 700])
def test_recursion_in_blocks_is_the_recursion(radius: float, time: int) -> None:
    """Also where poles lie on the unit circle, or a little outside."""
    x = np.random.RandomState(0).standard_normal(time)
    a = np.array([1.0, -2 * radius * np.cos(0.1), radius**2])
    b = np.array([0.5, 0.2, 0.1])
    found = F.lfilter(*(plait.from_numpy(v) for v in (x, a, b)), clamp=False).numpy()
    expected = direct(x, a, b)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def test_gradients_of_coefficients() -> None:
    draw = np.random.RandomState(1)
    x, a, b = (
        plait.from_numpy(v).requires_grad_()
        for v in (
            draw.standard_normal((2, 70)),
            np.array([[1.5, -0.4, 0.3], [1.0, 0.2, 0.1]]),
            draw.standard_normal((2, 3)),
        )
    )
    assert plait.autograd.gradcheck(lambda *v: F.lfilter(*v, clamp=False), (x, a, b))


def test_a_long_filter_takes_few_operations() -> None:
    """A loop over time would record hundreds of thousands."""
    a, b = plait.tensor([1.0, -0.9, 0.2]), plait.tensor([0.1, 0.2, 0.1])
    wave = plait.zeros(1, 1 << 17)
    wave[0, 0] = 1
    found = F.lfilter(wave, a, b)
    assert len(capture([found._cell.node]).graph.instructions) < 300
    assert found[0, :3].tolist() == pytest.approx([0.1, 0.29, 0.341])
    assert found[0, -1].item() == 0


def test_complex_draws_are_pytorchs() -> None:
    """What GriffinLim starts from; values of PyTorch 2.13."""
    plait.manual_seed(0)
    first = plait.rand(2, dtype=plait.complex64)
    assert plait.view_as_real(first).reshape(-1).tolist() == pytest.approx(
        [0.4962565898895264, 0.7682217955589294, 0.08847743272781372, 0.13203048706054688]
    )
    plait.manual_seed(0)
    second = plait.view_as_real(plait.randn(2, dtype=plait.complex64)).reshape(-1)
    plait.manual_seed(0)
    np.testing.assert_allclose(second.numpy(), plait.randn(4).numpy() * 0.5**0.5, rtol=1e-6)


def test_backends_and_names_to_come() -> None:
    assert audio.list_audio_backends() in ([], ["soundfile"])
    with pytest.raises(NotImplementedError, match=r"torchaudio\.functional\.vad is not built"):
        F.vad  # noqa: B018  # the access is what is tested
    with pytest.raises(NotImplementedError, match=r"torchaudio\.pipelines is not built"):
        audio.pipelines  # noqa: B018  # the access is what is tested
    assert not hasattr(T, "MVDR")


def test_torchaudio_means_plait(tmp_path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import torch, torchaudio\n"
        "import torchaudio.transforms as T\n"
        "from torchaudio.functional import resample\n"
        "import plait\n"
        "assert torchaudio is plait.audio and T is plait.audio.transforms\n"
        "x = torch.sin(torch.arange(800.0) / 9).unsqueeze(0)\n"
        "torchaudio.save('a.wav', x, 8000)\n"
        "y, rate = torchaudio.load('a.wav')\n"
        "print(rate, torch.equal(x, y), T.MFCC(8000)(resample(y, 8000, 4000)).shape)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "plait", "run", str(script)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.stdout.strip() == "8000 True torch.Size([1, 40, 3])", done.stderr
