"""Models that make images: an autoencoder, a variational one, a GAN with two optimizers."""

import sys

import keras
import numpy as np
from keras import layers, ops

import plait as torch
from tests.keras.programs.data import digits


def autoencoder() -> None:
    (x, _), (x_test, _) = digits(flat=True)
    model = keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(16, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(784, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    history = model.fit(x, x, batch_size=64, epochs=8, verbose=0).history["loss"]
    assert model.evaluate(x_test, x_test, verbose=0) < 0.2 < history[0], history


class Sampling(layers.Layer):
    """A draw from the normal distribution that the encoder gives."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, inputs):
        mean, log_variance = inputs
        noise = keras.random.normal(ops.shape(mean), seed=self.seeds)
        return mean + ops.exp(0.5 * log_variance) * noise


class Variational(keras.Model):
    """A VAE with a training step of its own, in PyTorch's manner."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.hidden = layers.Dense(128, activation="relu")
        self.mean, self.log_variance = layers.Dense(8), layers.Dense(8)
        self.sampling = Sampling()
        self.decoder = keras.Sequential(
            [layers.Dense(128, activation="relu"), layers.Dense(784, activation="sigmoid")]
        )
        self.total = keras.metrics.Mean(name="total")
        self.divergence = keras.metrics.Mean(name="kl")

    @property
    def metrics(self):
        return [self.total, self.divergence]

    def call(self, x):
        hidden = self.hidden(x)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        return self.decoder(self.sampling((mean, log_variance))), mean, log_variance

    def train_step(self, data):
        x = data[0] if isinstance(data, tuple) else data
        made, mean, log_variance = self(x)
        error = ops.mean(
            ops.sum(keras.losses.binary_crossentropy(x[..., None], made[..., None]), 1)
        )
        spread = 1 + log_variance - ops.square(mean) - ops.exp(log_variance)
        divergence = ops.mean(ops.sum(-0.5 * spread, axis=1))
        loss = error + divergence
        weights = self.trainable_weights
        gradients = torch.autograd.grad(loss, [w.value for w in weights])
        with torch.no_grad():
            self.optimizer.apply(gradients, weights)
            self.total.update_state(loss)
            self.divergence.update_state(divergence)
        return {m.name: m.result() for m in self.metrics}


def vae() -> None:
    (x, _), _ = digits(flat=True)
    model = Variational()
    model.compile("adam")
    history = model.fit(x, batch_size=64, epochs=6, verbose=0).history
    assert history["total"][-1] < 0.75 * history["total"][0], history
    assert 1 < history["kl"][-1] < 40, history


class Gan(keras.Model):
    """A generator and a discriminator, each with its optimizer."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = keras.Sequential(
            [keras.Input((2,)), layers.Dense(32, activation="relu"), layers.Dense(2)]
        )
        self.discriminator = keras.Sequential(
            [keras.Input((2,)), layers.Dense(32, activation="relu"), layers.Dense(1)]
        )
        self.seeds = keras.random.SeedGenerator(7)
        self.built = True

    def compile(self, first, second, loss) -> None:
        super().compile()
        self.of_generator, self.of_discriminator = first, second
        self.measure = loss

    def train_step(self, data):
        real = data[0] if isinstance(data, tuple) else data
        noise = keras.random.normal((real.shape[0], 2), seed=self.seeds)
        made = self.generator(noise)
        judged = self.discriminator(ops.concatenate([real, ops.stop_gradient(made)]))
        truth = ops.concatenate([ops.ones((len(real), 1)), ops.zeros((len(real), 1))])
        loss_d = ops.mean(self.measure(truth, judged))
        self._update(self.of_discriminator, loss_d, self.discriminator)
        judged = self.discriminator(self.generator(noise))
        loss_g = ops.mean(self.measure(ops.ones((len(real), 1)), judged))
        self._update(self.of_generator, loss_g, self.generator)
        return {"d": loss_d.detach(), "g": loss_g.detach()}

    def _update(self, optimizer, loss, model) -> None:
        weights = model.trainable_weights
        gradients = torch.autograd.grad(loss, [w.value for w in weights])
        with torch.no_grad():
            optimizer.apply(gradients, weights)


def gan() -> None:
    rng = np.random.default_rng(0)
    real = (rng.normal(size=(2000, 2)) * [0.3, 0.1] + [2.0, -1.0]).astype("float32")
    model = Gan()
    model.compile(
        keras.optimizers.Adam(2e-3, beta_1=0.5),
        keras.optimizers.Adam(2e-3, beta_1=0.5),
        keras.losses.BinaryCrossentropy(from_logits=True),
    )
    model.fit(real, batch_size=100, epochs=30, verbose=0)
    made = keras.ops.convert_to_numpy(model.generator(rng.normal(size=(500, 2))))
    assert np.abs(made.mean(0) - [2.0, -1.0]).max() < 0.7, made.mean(0)


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    for name in sys.argv[1:] or ("autoencoder", "vae", "gan"):
        globals()[name]()
        print(name, "ok")
