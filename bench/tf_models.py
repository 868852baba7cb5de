"""The workloads on TensorFlow: one `tf.function` a step, Keras's optimizers.

Parameters have the names of `models.py`; convolution kernels are HWIO and images channels-last, as
TensorFlow wants them on CPUs. There is no LSTM: Keras's layer has one bias where PyTorch's trains
two, so that their losses part after one update.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.workloads import Workload


class Parameters:
    """The variables by name, and whether this is training."""

    def __init__(self, values: dict[str, np.ndarray], statistics: dict[str, np.ndarray]) -> None:
        self.trained = {name: tf.Variable(_layout(value)) for name, value in values.items()}
        self.statistics = {name: tf.Variable(v, trainable=False) for name, v in statistics.items()}
        self.trains = True
        #: What products are computed in.
        self.dtype = tf.float32

    def __getitem__(self, name: str) -> Any:
        return self.trained[name]

    def __contains__(self, name: str) -> bool:
        return name in self.trained

    def of(self, prefix: str) -> list[Any]:
        return [value for name, value in self.trained.items() if name.startswith(prefix)]


def _layout(value: np.ndarray, image: bool = False) -> np.ndarray:
    """Kernels as HWIO, images as NHWC; the rest as it is."""
    if value.ndim != 4:
        return value
    return value.transpose(0, 2, 3, 1) if image else value.transpose(2, 3, 1, 0)


# -- layers -------------------------------------------------------------------------------------


def linear(p: Parameters, name: str, x: Any) -> Any:
    weight = tf.cast(p[f"{name}.weight"], p.dtype)
    rows = tf.reshape(tf.cast(x, p.dtype), (-1, x.shape[-1]))  # one product, not one for each batch
    y = tf.matmul(rows, weight, transpose_b=True)
    if f"{name}.bias" in p:
        y = tf.nn.bias_add(y, tf.cast(p[f"{name}.bias"], p.dtype))
    return tf.reshape(y, (*x.shape[:-1], weight.shape[0]))


def dense(p: Parameters, prefix: str, x: Any) -> Any:
    layer = 0
    while f"{prefix}{layer}.weight" in p:
        x = linear(p, f"{prefix}{layer}", tf.nn.relu(x) if layer else x)
        layer += 2
    return x


def conv(p: Parameters, name: str, x: Any, stride: int = 1, padding: int = 0) -> Any:
    edges = [[0, 0], [padding] * 2, [padding] * 2, [0, 0]] if padding else "VALID"
    y = tf.nn.conv2d(x, p[f"{name}.weight"], stride, edges)
    return tf.nn.bias_add(y, p[f"{name}.bias"]) if f"{name}.bias" in p else y


def batch_norm(p: Parameters, name: str, x: Any) -> Any:
    flat = x.shape.rank == 2
    x = x[:, None, None, :] if flat else x
    norm = tf.compat.v1.nn.fused_batch_norm
    mean, var = (p.statistics[f"{name}.running_{leaf}"] for leaf in ("mean", "var"))
    scale, shift = p[f"{name}.weight"], p[f"{name}.bias"]
    if p.trains:
        y, batch_mean, batch_var = norm(x, scale, shift, epsilon=1e-5)
        mean.assign_add(0.1 * (batch_mean - mean))
        var.assign_add(0.1 * (batch_var - var))
    else:
        y, _, _ = norm(x, scale, shift, mean, var, epsilon=1e-5, is_training=False)
    return y[:, 0, 0, :] if flat else y


def layer_norm(p: Parameters, name: str, x: Any) -> Any:
    mean, var = tf.nn.moments(x, -1, keepdims=True)
    return (x - mean) * tf.math.rsqrt(var + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]


# -- models: (sizes, parameters, inputs) -> output ------------------------------------------------


def dense_model(sizes: Any, p: Parameters, x: Any) -> Any:
    return dense(p, "", x)


def convnet(sizes: Any, p: Parameters, x: Any) -> Any:
    layers = len(sizes["channels"]) - 1
    for layer in range(layers):
        x = tf.nn.max_pool2d(tf.nn.relu(conv(p, f"{3 * layer}", x)), 2, 2, "VALID")
    flat = tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (x.shape[0], -1))
    return dense(p, f"{3 * layers + 1}.", flat)


def recommender(sizes: Any, p: Parameters, users: Any, items: Any) -> Any:
    rows = [tf.gather(p["users.weight"], users), tf.gather(p["items.weight"], items)]
    return dense(p, "head.", tf.concat(rows, 1))


def resnet(
    depths: Sequence[int], convs: Sequence[tuple[int, int]], sizes: Any, p: Parameters, x: Any
) -> Any:
    """convs: place in the block's body and kernel of each; the first of 3x3 has the stride."""
    large = convs[0][1] == 1
    x = tf.nn.relu(batch_norm(p, "stem.1", conv(p, "stem.0", x, *((2, 3) if large else (1, 1)))))
    if large:
        x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])  # zeros do: nothing is negative
        x = tf.nn.max_pool2d(x, 3, 2, "VALID")
    block = 0
    for stage, depth in enumerate(depths):
        for place in range(depth):
            name, stride, y = f"blocks.{block}", 2 if stage and not place else 1, x
            for step, kernel in convs:
                used = stride if kernel == 3 else 1
                stride = 1 if kernel == 3 else stride
                y = conv(
                    p, f"{name}.body.{step}", y if step == 0 else tf.nn.relu(y), used, kernel // 2
                )
                y = batch_norm(p, f"{name}.body.{step + 1}", y)
            if f"{name}.shortcut.0.weight" in p:
                x = conv(p, f"{name}.shortcut.0", x, 2 if stage else 1)
                x = batch_norm(p, f"{name}.shortcut.1", x)
            x = tf.nn.relu(x + y)
            block += 1
    return linear(p, "head", tf.reduce_mean(x, (1, 2)))


def attend(sizes: Any, p: Parameters, name: str, x: Any, causal: bool) -> Any:
    n, t, d = x.shape
    heads = sizes["heads"]
    qkv = tf.reshape(linear(p, f"{name}.qkv", x), (n, t, 3, heads, d // heads))
    q, k, v = tf.unstack(tf.transpose(qkv, (2, 0, 3, 1, 4)))
    scores = tf.cast(tf.matmul(q, k, transpose_b=True), tf.float32) * (d // heads) ** -0.5
    if causal:
        scores += tf.constant(np.triu(np.full((t, t), -1e9, np.float32), 1))
    y = tf.matmul(tf.cast(tf.nn.softmax(scores), v.dtype), v)
    y = linear(p, f"{name}.out", tf.reshape(tf.transpose(y, (0, 2, 1, 3)), (n, t, d)))
    return tf.cast(y, tf.float32)


def mlp(p: Parameters, name: str, x: Any, approximate: bool = False) -> Any:
    hidden = tf.nn.gelu(linear(p, f"{name}.mlp.0", x), approximate=approximate)
    return tf.cast(linear(p, f"{name}.mlp.2", hidden), tf.float32)


def embedded(p: Parameters, ids: Any) -> Any:
    return tf.gather(p["tokens.weight"], ids) + p["positions.weight"][: ids.shape[1]]


def decoded(sizes: Any, p: Parameters, ids: Any, approximate: bool) -> Any:
    x = embedded(p, ids)
    for layer in range(sizes["layers"]):
        name = f"blocks.{layer}"
        x = x + attend(sizes, p, name, layer_norm(p, f"{name}.norm1", x), True)
        x = x + mlp(p, name, layer_norm(p, f"{name}.norm2", x), approximate)
    return x


def gpt(sizes: Any, p: Parameters, ids: Any) -> Any:
    return linear(p, "head", layer_norm(p, "norm", decoded(sizes, p, ids, False)))


def gpt2(sizes: Any, p: Parameters, ids: Any) -> Any:
    return linear(p, "tokens", layer_norm(p, "norm", decoded(sizes, p, ids, True)[:, -1]))


def encoder(sizes: Any, p: Parameters, ids: Any) -> Any:
    x = layer_norm(p, "norm", embedded(p, ids))
    for layer in range(sizes["layers"]):
        name = f"blocks.{layer}"
        x = layer_norm(p, f"{name}.norm1", x + attend(sizes, p, name, x, False))
        x = layer_norm(p, f"{name}.norm2", x + mlp(p, name, x))
    return tf.reduce_mean(x, 1)


def generator(p: Parameters, noise: Any) -> Any:
    x = batch_norm(p, "generator.1", linear(p, "generator.0", noise))
    return tf.tanh(linear(p, "generator.3", tf.nn.relu(x)))


def discriminator(p: Parameters, x: Any) -> Any:
    x = tf.nn.leaky_relu(linear(p, "discriminator.0", x), 0.2)
    return linear(p, "discriminator.2", x)


MODELS: dict[str, Callable[..., Any]] = {
    "dense": dense_model,
    "convnet": convnet,
    "recommender": recommender,
    "resnet18": partial(resnet, (2, 2, 2, 2), ((0, 3), (3, 3))),
    "resnet50": partial(resnet, (3, 4, 6, 3), ((0, 1), (3, 3), (6, 1))),
    "gpt": gpt,
    "gpt2": gpt2,
    "encoder": encoder,
}

# -- losses and steps -----------------------------------------------------------------------------


def cross_entropy(scores: Any, labels: Any) -> Any:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))


def bce(scores: Any, wanted: Any) -> Any:
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(wanted, scores))


LOSSES: dict[str, Callable[..., Any]] = {
    "cross_entropy": cross_entropy,
    "mse": lambda made, wanted: tf.reduce_mean((made - wanted) ** 2),
    "bce": bce,
}


def optimizer_of(workload: Workload, variables: Sequence[Any]) -> Any:
    options: dict[str, Any] = dict(workload.options)
    rate = options.pop("lr")
    if workload.optimizer != "SGD":
        options["epsilon"] = 1e-8  # PyTorch's
    optimizer = getattr(keras.optimizers, workload.optimizer)(rate, **options)
    optimizer.build(variables)
    return optimizer


def build(
    workload: Workload,
    batches: Sequence[tuple[np.ndarray, ...]],
    parameters: dict[str, np.ndarray],
    statistics: dict[str, np.ndarray],
    threads: int,
) -> tuple[Callable[..., Any], list[tuple[Any, ...]]]:
    """(step, batches), as `models.build` gives them; parameters are those of its model, by name."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    p = Parameters(parameters, statistics)
    p.dtype = tf.bfloat16 if workload.bfloat16 else tf.float32
    tensors = [tuple([tf.constant(_layout(array, True)) for array in b]) for b in batches]
    if workload.loss is None:
        p.trains = False
        return tf.function(partial(MODELS[workload.model], workload.sizes, p)), tensors
    step = _adversarial(workload, p) if workload.loss == "gan" else _training(workload, p)
    return tf.function(step), tensors


def _training(workload: Workload, p: Parameters) -> Callable[..., Any]:
    assert workload.loss is not None
    model, loss = MODELS[workload.model], LOSSES[workload.loss]
    variables = p.of("")
    optimizer = optimizer_of(workload, variables)

    def step(*batch: Any) -> Any:
        *inputs, wanted = batch
        with tf.GradientTape() as tape:
            value = loss(tf.cast(model(workload.sizes, p, *inputs), tf.float32), wanted)
        optimizer.apply(tape.gradient(value, variables), variables)
        return value

    return step


def _adversarial(workload: Workload, p: Parameters) -> Callable[..., Any]:
    made, judge = p.of("generator."), p.of("discriminator.")
    of_made, of_judge = (optimizer_of(workload, side) for side in (made, judge))

    def step(noise: Any, real: Any) -> Any:
        with tf.GradientTape() as tape:
            fake = generator(p, noise)
            with tape.stop_recording():
                with tf.GradientTape() as inner:
                    on_real, on_fake = discriminator(p, real), discriminator(p, fake)
                    judged = bce(on_real, tf.ones_like(on_real))
                    judged += bce(on_fake, tf.zeros_like(on_fake))
                of_judge.apply(inner.gradient(judged, judge), judge)
            on_fake = discriminator(p, fake)
            fooled = bce(on_fake, tf.ones_like(on_fake))
        of_made.apply(tape.gradient(fooled, made), made)
        return judged + fooled

    return step
