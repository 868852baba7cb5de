"""`tf.saved_model`: what is saved comes back, without code, whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import plait.tf as tf

pytestmark = pytest.mark.plain  # files are written


class Net(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable([[1.0, 2.0], [3.0, -4.0]])
        self.parts = [tf.Variable([0.5, 0.5]), tf.Variable(0, trainable=False)]
        self.scale = tf.constant(2.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def __call__(self, x: Any) -> Any:
        y = tf.nn.softmax(x @ self.w + self.parts[0]) * self.scale
        if tf.reduce_sum(x) > 0:
            y = y + 1.0
        self.parts[1].assign_add(1)
        return {"y": y, "rest": (tf.reshape(x, [-1]), tf.reduce_mean(y))}

    @tf.function
    def double(self, x: Any) -> Any:
        return x * 2


def test_a_model_comes_back(tmp_path: Path) -> None:
    net = Net()
    net.double(tf.constant([1.0, 2.0]))
    net.double(tf.constant([3]))
    tf.saved_model.save(net, tmp_path / "m", signatures={"serve": net.__call__})
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    for rows in (1, 3, 8):
        x = np.random.RandomState(rows).randn(rows, 2).astype("float32")
        a, b = net(x), loaded(x)
        np.testing.assert_allclose(a["y"], b["y"], rtol=1e-6)
        np.testing.assert_allclose(a["rest"][0], b["rest"][0])
        np.testing.assert_allclose(a["rest"][1], b["rest"][1], rtol=1e-6)
    assert net.parts[1].numpy() == loaded.parts[1].numpy() == 3
    assert loaded.double(tf.constant([1.0, 5.0])).numpy().tolist() == [2.0, 10.0]
    assert loaded.double(tf.constant([4])).numpy().tolist() == [8]
    with pytest.raises(ValueError, match="Could not find matching concrete function"):
        loaded.double(tf.constant([1.0, 2.0, 3.0]))
    served = loaded.signatures["serve"](x=tf.constant([[1.0, 2.0]]))
    np.testing.assert_allclose(served["y"], net(tf.constant([[1.0, 2.0]]))["y"], rtol=1e-6)
    assert [len(v) for v in (loaded.variables, loaded.trainable_variables)] == [3, 2]


def test_a_loaded_model_can_be_trained(tmp_path: Path) -> None:
    tf.saved_model.save(Net(), tmp_path / "m")
    loaded = tf.saved_model.load(tmp_path / "m")
    x = tf.constant([[1.0, -2.0], [0.5, 0.25]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(loaded(x)["y"]))
    gradient = tape.gradient(loss, loaded.w)
    own = Net()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(own(x)["y"]))
    np.testing.assert_allclose(gradient, tape.gradient(loss, own.w), rtol=1e-5, atol=1e-6)


def test_the_layout(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("a b c")
    net = Net()
    net.words = tf.saved_model.Asset(words)  # type: ignore[attr-defined]  # as programs add them
    tf.saved_model.save(net, tmp_path / "m")
    tf.saved_model.save(net, tmp_path / "m")  # in the place of the first
    found = sorted(str(p.relative_to(tmp_path / "m")) for p in (tmp_path / "m").rglob("*.*"))
    assert found == [
        "assets/words.txt",
        "saved_model.plait.json",
        "variables/variables.plait.npz",
    ]
    assert sorted(os.listdir(tmp_path)) == ["m", "words.txt"]
    assert tf.saved_model.contains_saved_model(tmp_path / "m")
    assert Path(tf.saved_model.load(tmp_path / "m").words.asset_path).read_text() == "a b c"


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    class Bad(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([2], tf.float32)])
        def f(self, x: Any) -> Any:
            return x * float(x[0].numpy())

    class Odd(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def f(self, x: Any) -> Any:
            return x * float(1 / x.shape[0])

    tf.saved_model.save(Net(), tmp_path / "m")
    before = (tmp_path / "m" / "saved_model.plait.json").read_text()
    with pytest.raises((tf.errors.InvalidArgumentError, RuntimeError), match="value of a tensor"):
        tf.saved_model.save(Bad(), tmp_path / "m")
    with pytest.raises(ValueError, match="must do the same for every extent"):
        tf.saved_model.save(Odd(), tmp_path / "m")
    assert (tmp_path / "m" / "saved_model.plait.json").read_text() == before
    assert os.listdir(tmp_path) == ["m"]


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="does not exist"):
        tf.saved_model.load(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(OSError, match="which Plait does not read"):
        tf.saved_model.load(tmp_path)
    (tmp_path / "saved_model.plait.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(ValueError, match="format 99"):
        tf.saved_model.load(tmp_path)


def test_signatures_must_be_known(tmp_path: Path) -> None:
    net = Net()
    with pytest.raises(ValueError, match="must have one signature"):
        tf.saved_model.save(net, tmp_path / "m", signatures=net.double)
    concrete = net.double.get_concrete_function(tf.TensorSpec([None], tf.int32))
    tf.saved_model.save(net, tmp_path / "m", signatures=concrete)
    served = tf.saved_model.load(tmp_path / "m").signatures["serving_default"]
    assert served(tf.constant([1, 2, 3]))["output_0"].numpy().tolist() == [2, 4, 6]
