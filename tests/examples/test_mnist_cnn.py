"""The project's main job: `plait run examples/mnist_cnn.py` learns real digits and leaves its
results."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run_example(tmp_path, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PLAIT_SAMPLE_DATA": "1"}
    environment.pop("PLAIT_ALIASES", None)
    script = str(ROOT / "examples" / "mnist_cnn.py")
    command = [sys.executable, "-m", "plait", "run", script, *arguments]
    return subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1200
    )


def last_accuracy(output):
    return float(re.findall(r"test accuracy ([\d.]+)%", output)[-1])


def test_a_short_run_learns_and_writes_its_results(tmp_path):
    pytest.importorskip("matplotlib.pyplot", reason="the example's picture needs matplotlib")
    from PIL import Image

    import plait

    done = run_example(tmp_path, "--epochs", "2", "--train-digits", "1500", "--test-digits", "500")
    assert done.returncode == 0, done.stderr
    assert "using the 4000 training digits of the sample" in done.stderr
    # Two epochs on 1,500 digits give about 85 %; 10 % would be chance.
    assert last_accuracy(done.stdout) > 70
    weights = plait.load(tmp_path / "out" / "mnist_cnn.pt")
    assert tuple(weights["conv2.weight"].shape) == (16, 8, 3, 3)
    picture = Image.open(tmp_path / "out" / "mnist_cnn.png")
    assert picture.size[0] > 800 and len(set(picture.convert("L").tobytes())) > 20


@pytest.mark.skipif(
    os.environ.get("PLAIT_TEST_MATRIX") != "all",
    reason="trains for minutes on the reference executor: part of make test-all",
)
def test_the_full_run_is_above_95_percent(tmp_path):
    done = run_example(tmp_path, "--no-picture")
    assert done.returncode == 0, done.stderr
    assert last_accuracy(done.stdout) > 95
