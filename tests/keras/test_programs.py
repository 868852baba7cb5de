"""Keras programs of each kind, on Plait, in processes of their own: Keras has one backend for all
of a process, and says there that arrays of tensors are copies."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Not imported here: this process would have to have its backend.
if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras, an extra, is not installed", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]

PROGRAMS = (
    *(
        "classifiers",
        "generative",
        "training",
        "crossing",
        "two_worlds",
        "sparse",
        "idioms",
        "exporting",
    ),
)


def run(program: str, *arguments: str, backend: str = "plait", **environment: str) -> str:
    """What `python -m tests.keras.programs.<program>` prints."""
    start = "import keras_plait.hook; keras_plait.hook.install_if_asked(); import runpy, sys; "
    name = f"tests.keras.programs.{program}"
    code = start + f"sys.argv[0] = {name!r}; runpy.run_module({name!r}, run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": backend, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program: str) -> None:
    assert run(program)


def test_saved_models_are_read_by_another_backend(tmp_path: Path) -> None:
    assert "write ok" in run("saving", "write", str(tmp_path))
    assert "read ok" in run("saving", "read", str(tmp_path))
    assert "refuse ok" in run("saving", "refuse", str(tmp_path))
    if importlib.util.find_spec("jax") is not None:  # Keras' NumPy backend needs it, too
        for other in ("jax", "numpy"):
            assert "read ok" in run("saving", "read", str(tmp_path), backend=other)


def test_steps_are_programs_of_plait() -> None:
    assert "graph ok" in run("graph", PLAIT_BACKEND="compiled")
