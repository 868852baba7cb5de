"""Every result goes through Plait's graph, and a step of `fit` is one program."""

import sys

import keras
import numpy as np

import plait as torch
from plait.compiler.step import MISS, Step

STEPS: list[object] = []


def counted(replay):
    """`Step.replay`, noting the steps that were replayed."""

    def call(self, arguments):
        made = replay(self, arguments)
        if made is not MISS:
            STEPS.append(self)
        return made

    return call


if __name__ == "__main__":
    Step.replay = counted(Step.replay)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dropout(0.5)])
    model.compile("adam", "mse", metrics=["mae"])
    x, y = np.ones((60, 4), "float32"), np.ones((60, 3), "float32")
    model.fit(x, y, batch_size=10, epochs=1, verbose=0, shuffle=False)
    STEPS.clear()
    data = (torch.tensor(x[:10]), torch.tensor(y[:10]))
    for _ in range(5):
        model.train_function([data])
    assert len(STEPS) == 5 and len(set(map(id, STEPS))) == 1, len(STEPS)

    others = [f"keras.src.backend.{name}" for name in ("jax", "tensorflow", "torch", "numpy")]
    assert not [name for name in others if name in sys.modules]
    assert type(keras.ops.sin(1.0)) is torch.Tensor
    print("graph ok")
