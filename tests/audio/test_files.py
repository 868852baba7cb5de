"""Sound files: what is written and read, against Python's own reader; other formats; faults."""

from __future__ import annotations

import io
import struct
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import plait
from plait import audio

WAVE = np.array([[0.0, 0.5, -0.5, 0.25, -1.0], [0.125, -0.25, 0.75, 0.999, 0.0]], np.float32)


def write(path: Path, **options: Any) -> bytes:
    audio.save(path, plait.from_numpy(WAVE), 8000, **options)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("options", "bits", "encoding", "step"),
    [
        ({}, 32, "PCM_F", 0),
        ({"encoding": "PCM_F", "bits_per_sample": 64}, 64, "PCM_F", 0),
        ({"encoding": "PCM_S", "bits_per_sample": 16}, 16, "PCM_S", 2**-15),
        ({"bits_per_sample": 24}, 24, "PCM_S", 2**-23),
        ({"encoding": "PCM_S"}, 32, "PCM_S", 2**-24),
        ({"encoding": "PCM_U"}, 8, "PCM_U", 2**-7),
    ],
)
def test_round_trip(tmp_path, options, bits, encoding, step) -> None:
    path = tmp_path / "a.wav"
    write(path, **options)
    found, rate = audio.load(path)
    assert (rate, found.dtype, tuple(found.shape)) == (8000, plait.float32, (2, 5))
    np.testing.assert_allclose(found.numpy(), WAVE, rtol=0, atol=step)
    told = audio.info(path)
    assert told == audio.AudioMetaData(8000, 5, 2, bits, encoding)


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_python_reads_the_same_samples(tmp_path, bits) -> None:
    path = tmp_path / "a.wav"
    write(path, encoding="PCM_U" if bits == 8 else "PCM_S", bits_per_sample=bits)
    with wave.open(str(path)) as file:
        assert file.getparams()[:4] == (2, bits // 8, 8000, 5)
        raw = file.readframes(5)
    whole = [
        int.from_bytes(raw[i : i + bits // 8], "little", signed=bits > 8)
        for i in range(0, len(raw), bits // 8)
    ]
    expected = np.clip(
        np.rint(WAVE.T.astype(np.float64) * 2 ** (bits - 1)), None, 2 ** (bits - 1) - 1
    )
    assert whole == (expected + (128 if bits == 8 else 0)).reshape(-1).astype(int).tolist()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_samples_keep_their_type(tmp_path, dtype) -> None:
    samples = plait.tensor([[1, 100, 3], [7, 0, 255 if dtype == "uint8" else -5]])
    samples = samples.to(getattr(plait, dtype))
    audio.save(tmp_path / "a.wav", samples, 44100)
    found, _ = audio.load(tmp_path / "a.wav", normalize=False)
    assert found.dtype == samples.dtype and plait.equal(found, samples)


def test_parts_and_order_of_axes(tmp_path) -> None:
    path = tmp_path / "a.wav"
    audio.save(path, plait.from_numpy(np.ascontiguousarray(WAVE.T)), 8000, channels_first=False)
    found, _ = audio.load(path, frame_offset=1, num_frames=2)
    assert np.array_equal(found.numpy(), WAVE[:, 1:3])
    assert audio.load(path, frame_offset=4, num_frames=9)[0].shape == (2, 1)
    assert audio.load(path, frame_offset=9)[0].shape == (2, 0)
    assert np.array_equal(audio.load(path, channels_first=False)[0].numpy(), WAVE.T)


def test_file_objects(tmp_path) -> None:
    buffer = io.BytesIO()
    audio.save(buffer, plait.from_numpy(WAVE), 8000, format="wav")
    assert buffer.getvalue() == write(tmp_path / "a.wav")
    buffer.seek(0)
    assert audio.info(buffer).num_frames == 5
    buffer.seek(0)
    assert np.array_equal(audio.load(buffer)[0].numpy(), WAVE)


def test_extensible_files_and_foreign_chunks(tmp_path) -> None:
    plain = write(tmp_path / "a.wav", bits_per_sample=16)
    head, data = plain[20:36], plain[plain.index(b"data") :]
    wide = struct.pack("<H", 0xFFFE) + head[2:] + struct.pack("<HHIH", 22, 16, 3, 1) + bytes(14)
    chunks = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    chunks += b"fmt " + struct.pack("<I", len(wide)) + wide + data
    whole = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks
    found, rate = audio.load(io.BytesIO(whole))
    assert rate == 8000
    assert plait.equal(found, audio.load(io.BytesIO(plain))[0])


def test_a_cut_off_file_gives_its_whole_frames(tmp_path) -> None:
    data = write(tmp_path / "a.wav")
    assert audio.load(io.BytesIO(data[:-5]))[0].shape == (2, 4)


def test_without_soundfile_the_extra_is_named(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    for data in (b"fLaC", b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x07\0" + bytes(14)):
        with pytest.raises(ImportError, match=r"pip install 'plait\[audio\]'"):
            audio.load(io.BytesIO(data))
    with pytest.raises(ImportError, match=r"'flac' needs soundfile"):
        write(tmp_path / "a.flac")
    assert not list(tmp_path.iterdir())


def test_what_does_not_fit(tmp_path) -> None:
    path = tmp_path / "a.wav"
    with pytest.raises(ValueError, match="Expected 2D Tensor, got 1D"):
        audio.save(path, plait.zeros(3), 8000)
    with pytest.raises(ValueError, match="float16 cannot be written"):
        audio.save(path, plait.zeros(1, 3, dtype=plait.float16), 8000)
    with pytest.raises(ValueError, match="does not support encoding=PCM_S with 8 bits"):
        write(path, encoding="PCM_S", bits_per_sample=8)
    with pytest.raises(ValueError, match="num_frames must be -1 or greater than 0"):
        audio.load(path, num_frames=0)
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        audio.load(path)


def test_other_formats(tmp_path) -> None:
    pytest.importorskip("soundfile", reason="reads and writes all but WAVE files; an extra")
    path = tmp_path / "a.flac"
    write(path, bits_per_sample=16)
    found, rate = audio.load(path, frame_offset=1, num_frames=3)
    assert rate == 8000
    np.testing.assert_allclose(found.numpy(), WAVE[:, 1:4], rtol=0, atol=2**-15)
    told = audio.info(path)
    assert (told.num_frames, told.num_channels, told.bits_per_sample) == (5, 2, 16)
    with pytest.raises(RuntimeError, match="cannot read"):
        audio.load(io.BytesIO(b"no sound at all"))
    with pytest.raises(ValueError, match="cannot write"):
        write(tmp_path / "a.xyz")
    with pytest.raises(ValueError, match="flac does not support encoding"):
        write(path, encoding="PCM_S")


def test_soundfile_reads_our_files(tmp_path) -> None:
    package = pytest.importorskip("soundfile", reason="a second reader of WAVE files")
    for options in ({}, {"bits_per_sample": 24}, {"encoding": "PCM_F", "bits_per_sample": 64}):
        write(tmp_path / "a.wav", **options)
        found, rate = package.read(tmp_path / "a.wav")
        assert rate == 8000
        np.testing.assert_allclose(found, WAVE.T, rtol=0, atol=2**-23)
