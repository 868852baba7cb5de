"""Everyday PyTorch programs, each run in a fresh process under `plait run`.

`expected/NAME.txt` is what real PyTorch (2.13, CPU) prints for the same file. Seeded draws and
initial weights are PyTorch's own, so the whole output is compared: the words exactly, the numbers
within a tolerance. Float32 sums in another order differ by parts in a million, and training
magnifies that by some powers of ten over the tens of steps run here: 2% of a number, or 0.005,
leaves room for that and none for another gradient, another draw or another default.

To renew an expected output: `python NAME.py > expected/NAME.txt` in an environment with PyTorch.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROGRAMS = sorted(path.stem for path in (HERE / "expected").glob("*.txt"))

NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?")
RELATIVE, ABSOLUTE = 0.02, 0.005


def test_every_program_has_its_output() -> None:
    written = [path.stem for path in HERE.glob("*.py")]
    assert sorted(set(written) - {"__init__", "test_programs"}) == PROGRAMS


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str, tmp_path: Path) -> None:
    printed = _run(name, tmp_path)
    expected = (HERE / "expected" / f"{name}.txt").read_text()
    assert _words(printed) == _words(expected)
    for line, (got, wanted) in enumerate(
        zip(printed.splitlines(), expected.splitlines(), strict=True), start=1
    ):
        numbers = [float(x) for x in NUMBER.findall(got)]
        assert numbers == pytest.approx(
            [float(x) for x in NUMBER.findall(wanted)], rel=RELATIVE, abs=ABSOLUTE
        ), f"line {line}: {got!r} where PyTorch prints {wanted!r}"


def _run(name: str, folder: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PLAIT_ALIASES"}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "plait", "run", str(HERE / f"{name}.py")],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def _words(text: str) -> list[str]:
    """The text between the numbers, without what only lays it out: padding and line breaks."""
    return NUMBER.sub("#", text).split()
