"""One model of both worlds: modules, layers, optimizers, weights."""

import sys

import keras
import numpy as np
from keras import layers

import plait as torch
from keras_plait.crossing import LayerModule, ModuleLayer, apply_gradients, to_keras, to_torch
from plait import nn
from tests.keras.programs.data import digits

F = nn.functional


def module_in_model() -> None:
    (x, y), (x_test, y_test) = digits(flat=True)
    body = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Dropout(0.1))
    inputs = keras.Input((784,))
    outputs = layers.Dense(10, activation="softmax")(ModuleLayer(body)(inputs))
    model = keras.Model(inputs, outputs)
    assert len(model.trainable_weights) == 4
    before = body[0].weight.detach().clone()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=64, epochs=4, verbose=0)
    assert not torch.equal(before, body[0].weight)
    assert model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"] > 0.88


def layer_in_module() -> None:
    (x, y), (x_test, y_test) = digits(flat=True)
    dense = layers.Dense(64, activation="relu")
    dense.build((None, 784))
    model = nn.Sequential(LayerModule(dense), nn.Linear(64, 10))
    assert len(list(model.parameters())) == 4
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    x, y = torch.tensor(x), torch.tensor(y)
    for _ in range(4):
        for start in range(0, 4000, 64):
            loss = F.cross_entropy(model(x[start : start + 64]), y[start : start + 64])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        found = model(torch.tensor(x_test)).argmax(1) == torch.tensor(y_test)
    assert found.float().mean() > 0.88


class Both(keras.Model):
    """A module and a layer side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 5)
        self.second = layers.Dense(2)

    def call(self, x):
        return self.second(torch.tanh(self.first(x)))


def both_ways() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 6)).astype("float32")
    y = np.stack([x.sum(1), x[:, 0] * 2], 1)
    model = Both()
    model.compile(keras.optimizers.Adam(0.02), "mse")
    model.fit(x, y, epochs=30, verbose=0)
    assert len(model.trainable_weights) == 4
    assert model.evaluate(x, y, verbose=0) < 0.5


def optimizers() -> None:
    """Either side's optimizer on either side's weights."""
    x = torch.randn(64, 3)
    y = x @ torch.tensor([[1.0], [2.0], [3.0]])
    module = nn.Linear(3, 1)
    of_keras = keras.optimizers.Adam(0.1)
    layer = layers.Dense(1)
    layer.build((None, 3))
    of_torch = torch.optim.SGD([v.value for v in layer.trainable_weights], lr=0.1)
    for _ in range(150):
        module.zero_grad()
        F.mse_loss(module(x), y).backward()
        apply_gradients(of_keras, list(module.parameters()))
        of_torch.zero_grad()
        F.mse_loss(layer(x), y).backward()
        of_torch.step()
    assert F.mse_loss(module(x), y) < 1e-2 and F.mse_loss(layer(x), y) < 1e-2


def weights() -> None:
    """The same function with weights of the other convention."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 7, 3)).astype("float32")
    lstm, gru = nn.LSTM(3, 4, batch_first=True), nn.GRU(3, 4, batch_first=True)
    of_lstm, of_gru = layers.LSTM(4, return_sequences=True), layers.GRU(4, return_sequences=True)
    of_lstm.build((None, 7, 3))
    of_gru.build((None, 7, 3))
    bias = (lstm.bias_ih_l0 + lstm.bias_hh_l0).detach()
    of_lstm.set_weights(
        [to_keras(lstm.weight_ih_l0, "lstm"), to_keras(lstm.weight_hh_l0, "lstm"), np.asarray(bias)]
    )
    biases = [to_keras(b, "gru_bias") for b in (gru.bias_ih_l0, gru.bias_hh_l0)]
    kernels = [to_keras(w, "gru") for w in (gru.weight_ih_l0, gru.weight_hh_l0)]
    of_gru.set_weights([*kernels, np.stack(biases)])
    for module, layer in ((lstm, of_lstm), (gru, of_gru)):
        np.testing.assert_allclose(module(torch.tensor(x))[0], layer(x), atol=1e-5)
    image = rng.normal(size=(1, 8, 8, 3)).astype("float32")
    first = torch.tensor(image).movedim(-1, 1)
    for kind, module, layer in (
        ("conv", nn.Conv2d(3, 5, 3), layers.Conv2D(5, 3)),
        ("conv_transpose", nn.ConvTranspose2d(3, 5, 3), layers.Conv2DTranspose(5, 3)),
        ("depthwise", nn.Conv2d(3, 3, 3, groups=3), layers.DepthwiseConv2D(3)),
    ):
        layer.build((None, 8, 8, 3))
        layer.set_weights([to_keras(module.weight, kind), np.asarray(module.bias.detach())])
        np.testing.assert_allclose(module(first).movedim(1, -1), layer(image), atol=1e-5)
        again = to_torch(layer.get_weights()[0], kind)
        np.testing.assert_array_equal(again, module.weight)


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    torch.manual_seed(0)
    names = ("module_in_model", "layer_in_module", "both_ways", "optimizers", "weights")
    for name in sys.argv[1:] or names:
        globals()[name]()
        print(name, "ok")
