"""Checkpoints and idx files that are not whole, or not what they say: refused, with the line."""

from __future__ import annotations

import gzip
import os
import pickle
from pathlib import Path

import pytest

import plait
from plait.vision.datasets import MNIST
from tests.errors.case import raised_by, user_line


class _Command:
    """Its pickle would make a folder when it is loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def _saved(folder: Path) -> Path:
    path = folder / "model.pt"
    plait.save({"weight": plait.ones(64, 64)}, path)
    return path


def _fault(path: Path) -> Exception:
    fault = raised_by(lambda: plait.load(path))
    assert str(fault).endswith(f"\n  at {user_line(fault, __file__)}"), str(fault)
    return fault


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated_checkpoint(tmp_path, share):
    path = _saved(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    fault = _fault(path)
    assert isinstance(fault, RuntimeError)
    assert "model.pt" in str(fault)


def test_malicious_checkpoint_runs_nothing(tmp_path):
    path, made = tmp_path / "model.pt", tmp_path / "made"
    plait.save({"weight": _Command(made)}, path)
    fault = _fault(path)
    assert isinstance(fault, pickle.UnpicklingError)
    assert "mkdir" in str(fault)
    assert "weights_only" in str(fault)
    assert not made.exists()


def test_checkpoint_that_is_something_else(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"not a checkpoint at all" * 10)
    assert isinstance(_fault(path), pickle.UnpicklingError)


def test_missing_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.pt"):
        plait.load(tmp_path / "nothing.pt")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x00\x00\x08\x03\x00\x00", "header"),
        (b"\x00\x00\x08\x03" + b"\x00\x00\x00\x02" * 3 + b"\x00" * 7, "7"),
        (b"\x01\x02\x08\x03" + b"\x00" * 20, "magic"),
    ],
    ids=["short_header", "short_data", "magic"],
)
def test_wrong_idx_file(tmp_path, content, said):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        with gzip.open(raw / f"{name}.gz", "wb") as file:
            file.write(content)
        (raw / name).write_bytes(content)
    fault = raised_by(lambda: MNIST(tmp_path, train=True))
    assert isinstance(fault, (ValueError, RuntimeError))
    assert "train-images-idx3-ubyte" in str(fault)
    assert said in str(fault)
    assert str(fault).endswith(f"\n  at {user_line(fault, __file__)}")


def test_missing_data_set(tmp_path):
    fault = raised_by(lambda: MNIST(tmp_path))
    assert isinstance(fault, RuntimeError)
    assert "download=True" in str(fault)
    assert str(fault).endswith(f"\n  at {user_line(fault, __file__)}")
