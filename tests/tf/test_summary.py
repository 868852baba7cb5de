"""`tf.summary` and Keras' TensorBoard callback: TensorBoard reads what they write."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import plait.tf as tf

accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator", reason="reads with TensorBoard"
)
pytestmark = pytest.mark.plain  # files are written


def read(folder: Any) -> Any:
    made = accumulator.EventAccumulator(str(folder), size_guidance={"histograms": 0, "images": 0})
    made.Reload()
    return made


def test_all_kinds(tmp_path: Path) -> None:
    writer = tf.summary.create_file_writer(str(tmp_path))
    with writer.as_default():
        for step in range(3):
            tf.summary.scalar("loss", 1.0 / (step + 1), step=step)
        tf.summary.histogram("weights", tf.constant([1.0, 2.0, 2.5, 4.0]), step=1, buckets=3)
        tf.summary.text("note", "some words", step=2)
        with tf.summary.record_if(False):
            tf.summary.scalar("never", 1.0, step=0)
    writer.close()
    found = read(tmp_path)
    assert set(found.Tags()["scalars"]) == {"loss"}
    assert [(e.step, round(e.value, 4)) for e in found.Scalars("loss")] == [
        (0, 1.0),
        (1, 0.5),
        (2, 0.3333),
    ]
    (event,) = found.Histograms("weights")
    value = event.histogram_value
    assert (event.step, value.min, value.max, value.num, value.sum) == (1, 1.0, 4.0, 4, 9.5)
    assert list(value.bucket) == [1, 2, 1]
    (event,) = found.Tensors("note")
    assert event.step == 2 and event.tensor_proto.string_val[0] == b"some words"


def test_images(tmp_path: Path) -> None:
    pytest.importorskip("PIL", reason="pictures are written by Pillow")
    with tf.summary.create_file_writer(str(tmp_path)).as_default(step=5):
        tf.summary.image("digit", np.zeros((1, 4, 6, 1), np.float32))
    (event,) = read(tmp_path).Images("digit")
    assert (event.step, event.height, event.width) == (5, 4, 6)


PROGRAM = """
import sys
import numpy as np
import tensorflow as tf

model = tf.keras.Sequential([tf.keras.Input((4,)), tf.keras.layers.Dense(1)])
model.compile("sgd", "mse", metrics=["mae"])
x = np.ones((8, 4), "float32")
board = tf.keras.callbacks.TensorBoard(sys.argv[1], histogram_freq=1, write_graph=False)
model.fit(x, x[:, :1], validation_data=(x, x[:, :1]), epochs=2, verbose=0, callbacks=[board])
"""


@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="the callback is Keras'")
def test_keras_callback_under_plait_run(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    command = [sys.executable, "-m", "plait", "run", str(script), str(tmp_path / "logs")]
    environment = {**os.environ, "KERAS_BACKEND": "plait"}
    subprocess.run(command, check=True, env=environment, timeout=120)
    for part in ("train", "validation"):
        found = read(tmp_path / "logs" / part)
        assert [e.step for e in found.Scalars("epoch_loss")] == [0, 1]
    assert any("kernel" in tag for tag in read(tmp_path / "logs" / "train").Tags()["histograms"])
