"""The workloads on JAX: pure functions of a dictionary of parameters, one jitted step, optax.

Parameters have the names and, but for convolution kernels, the layouts of `models.py`; images are
channels-last and donated buffers are reused, as JAX's documents advise for speed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from bench.workloads import Workload

Params = dict[str, Any]

# -- layers -------------------------------------------------------------------------------------


def linear(p: Params, name: str, x: Any) -> Any:
    """In the type of the weights, as under PyTorch's autocast."""
    weight = p[f"{name}.weight"]
    y = x.astype(weight.dtype) @ weight.T
    return y + p[f"{name}.bias"].astype(y.dtype) if f"{name}.bias" in p else y


def dense(p: Params, prefix: str, widths: Sequence[int], x: Any) -> Any:
    for layer in range(len(widths) - 1):
        x = linear(p, f"{prefix}{2 * layer}", jax.nn.relu(x) if layer else x)
    return x


def conv(p: Params, name: str, x: Any, stride: int = 1, padding: int = 0) -> Any:
    y = lax.conv_general_dilated(
        x,
        p[f"{name}.weight"],  # stored HWIO
        (stride, stride),
        [(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return y + p[f"{name}.bias"] if f"{name}.bias" in p else y


def layer_norm(p: Params, name: str, x: Any) -> Any:
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]


class Statistics:
    """Batch norm, and the running statistics: that training leaves, that inference reads."""

    def __init__(self, held: Params, trains: bool = True) -> None:
        self.held = dict(held)
        self.trains = trains

    def norm(self, p: Params, name: str, x: Any) -> Any:
        if not self.trains:
            scale = p[f"{name}.weight"] * lax.rsqrt(self.held[f"{name}.running_var"] + 1e-5)
            return (x - self.held[f"{name}.running_mean"]) * scale + p[f"{name}.bias"]
        axes = tuple(range(x.ndim - 1))
        mean, variance = x.mean(axes), x.var(axes)
        count = x.size // x.shape[-1]
        for leaf, new in (("mean", mean), ("var", variance * count / (count - 1))):
            key = f"{name}.running_{leaf}"
            self.held[key] = 0.9 * self.held[key] + 0.1 * lax.stop_gradient(new)
        scale = p[f"{name}.weight"] * lax.rsqrt(variance + 1e-5)
        return (x - mean) * scale + p[f"{name}.bias"]


# -- models: (sizes, parameters, statistics, inputs) -> output ----------------------------------


def dense_model(sizes: Any, p: Params, stats: Statistics, x: Any) -> Any:
    return dense(p, "", sizes["widths"], x)


def convnet(sizes: Any, p: Params, stats: Statistics, x: Any) -> Any:
    layers = len(sizes["channels"]) - 1
    for layer in range(layers):
        x = jax.nn.relu(conv(p, f"{3 * layer}", x))
        n, h, w, c = x.shape
        x = x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))
    flat = jnp.transpose(x, (0, 3, 1, 2)).reshape(x.shape[0], -1)
    return dense(p, f"{3 * layers + 1}.", sizes["widths"], flat)


def sequence(sizes: Any, p: Params, stats: Statistics, x: Any) -> Any:
    gates = jnp.swapaxes(x, 0, 1) @ p["lstm.weight_ih_l0"].T
    gates = gates + p["lstm.bias_ih_l0"] + p["lstm.bias_hh_l0"]

    def cell(state: Any, given: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(given + h @ p["lstm.weight_hh_l0"].T, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zero = jnp.zeros((x.shape[0], sizes["hidden"]), x.dtype)
    (h, _), _ = lax.scan(cell, (zero, zero), gates)
    return linear(p, "out", h)


def recommender(sizes: Any, p: Params, stats: Statistics, users: Any, items: Any) -> Any:
    both = jnp.concatenate([p["users.weight"][users], p["items.weight"][items]], 1)
    return dense(p, "head.", (1, 1, 1), both)


def resnet18(sizes: Any, p: Params, stats: Statistics, x: Any) -> Any:
    x = jax.nn.relu(stats.norm(p, "stem.1", conv(p, "stem.0", x, 1, 1)))
    given, block = 64, 0
    for made in (64, 128, 256, 512):
        for stride in (1 if made == 64 else 2, 1):
            name = f"blocks.{block}"
            y = conv(p, f"{name}.body.0", x, stride, 1)
            y = jax.nn.relu(stats.norm(p, f"{name}.body.1", y))
            y = stats.norm(p, f"{name}.body.4", conv(p, f"{name}.body.3", y, 1, 1))
            if stride != 1 or given != made:
                x = conv(p, f"{name}.shortcut.0", x, stride)
                x = stats.norm(p, f"{name}.shortcut.1", x)
            x = jax.nn.relu(y + x)
            given, block = made, block + 1
    return linear(p, "head", x.mean((1, 2)))


def resnet50(sizes: Any, p: Params, stats: Statistics, x: Any) -> Any:
    x = jax.nn.relu(stats.norm(p, "stem.1", conv(p, "stem.0", x, 2, 3)))
    window, strides = (1, 3, 3, 1), (1, 2, 2, 1)
    edges = ((0, 0), (1, 1), (1, 1), (0, 0))
    x = lax.reduce_window(x, -jnp.inf, lax.max, window, strides, edges)
    block = 0
    for stage, depth in enumerate((3, 4, 6, 3)):
        for place in range(depth):
            name, stride = f"blocks.{block}", 2 if stage and not place else 1
            y = jax.nn.relu(stats.norm(p, f"{name}.body.1", conv(p, f"{name}.body.0", x)))
            y = conv(p, f"{name}.body.3", y, stride, 1)
            y = jax.nn.relu(stats.norm(p, f"{name}.body.4", y))
            y = stats.norm(p, f"{name}.body.7", conv(p, f"{name}.body.6", y))
            if place == 0:
                x = conv(p, f"{name}.shortcut.0", x, stride)
                x = stats.norm(p, f"{name}.shortcut.1", x)
            x = jax.nn.relu(y + x)
            block += 1
    return linear(p, "head", x.mean((1, 2)))


def attend(sizes: Any, p: Params, name: str, x: Any, causal: bool) -> Any:
    n, t, d = x.shape
    qkv = linear(p, f"{name}.qkv", x)
    q, k, v = jnp.moveaxis(qkv.reshape(n, t, 3, sizes["heads"], -1), 2, 0)
    y = jax.nn.dot_product_attention(q, k, v, is_causal=causal)
    return linear(p, f"{name}.out", y.reshape(n, t, d))


def mlp(p: Params, name: str, x: Any, approximate: bool = False) -> Any:
    hidden = jax.nn.gelu(linear(p, f"{name}.mlp.0", x), approximate=approximate)
    return linear(p, f"{name}.mlp.2", hidden)


def decoded(sizes: Any, p: Params, ids: Any, approximate: bool) -> Any:
    """What the blocks of a GPT make of tokens."""
    x = p["tokens.weight"][ids] + p["positions.weight"][: ids.shape[1]]
    for layer in range(sizes["layers"]):
        name = f"blocks.{layer}"
        x = x + attend(sizes, p, name, layer_norm(p, f"{name}.norm1", x), True)
        x = x + mlp(p, name, layer_norm(p, f"{name}.norm2", x), approximate)
    return x


def gpt(sizes: Any, p: Params, stats: Statistics, ids: Any) -> Any:
    return linear(p, "head", layer_norm(p, "norm", decoded(sizes, p, ids, False)))


def gpt2(sizes: Any, p: Params, stats: Statistics, ids: Any) -> Any:
    return linear(p, "tokens", layer_norm(p, "norm", decoded(sizes, p, ids, True)[:, -1]))


def encoder(sizes: Any, p: Params, stats: Statistics, ids: Any) -> Any:
    x = p["tokens.weight"][ids] + p["positions.weight"][: ids.shape[1]]
    x = layer_norm(p, "norm", x)
    for layer in range(sizes["layers"]):
        name = f"blocks.{layer}"
        x = layer_norm(p, f"{name}.norm1", x + attend(sizes, p, name, x, False))
        x = layer_norm(p, f"{name}.norm2", x + mlp(p, name, x))
    return x.mean(1)


def generator(p: Params, stats: Statistics, noise: Any) -> Any:
    x = stats.norm(p, "generator.1", linear(p, "generator.0", noise))
    return jnp.tanh(linear(p, "generator.3", jax.nn.relu(x)))


def discriminator(p: Params, x: Any) -> Any:
    x = jax.nn.leaky_relu(linear(p, "discriminator.0", x), 0.2)
    return linear(p, "discriminator.2", x)


MODELS: dict[str, Callable[..., Any]] = {
    "dense": dense_model,
    "convnet": convnet,
    "sequence": sequence,
    "recommender": recommender,
    "resnet18": resnet18,
    "resnet50": resnet50,
    "gpt": gpt,
    "gpt2": gpt2,
    "encoder": encoder,
}

# -- losses and steps -----------------------------------------------------------------------------


def cross_entropy(scores: Any, labels: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean()


def bce(scores: Any, wanted: Any) -> Any:
    return optax.sigmoid_binary_cross_entropy(scores, wanted).mean()


LOSSES: dict[str, Callable[..., Any]] = {
    "cross_entropy": cross_entropy,
    "mse": lambda made, wanted: ((made - wanted) ** 2).mean(),
    "bce": bce,
}


def optimizer_of(workload: Workload) -> Any:
    options = dict(workload.options)
    rate = options.pop("lr")
    if workload.optimizer == "SGD":
        return optax.sgd(rate, momentum=options.get("momentum"))
    if workload.optimizer == "Adam":
        return optax.adam(rate)
    return optax.adamw(rate, weight_decay=options["weight_decay"])


def build(
    workload: Workload,
    batches: Sequence[tuple[np.ndarray, ...]],
    parameters: dict[str, np.ndarray],
    statistics: dict[str, np.ndarray],
) -> tuple[Callable[..., Any], list[tuple[Any, ...]]]:
    """(step, batches), as `models.build` gives them; parameters are those of its model, by name."""
    held = {name: jnp.asarray(_layout(value)) for name, value in parameters.items()}
    kept = {name: jnp.asarray(value) for name, value in statistics.items()}
    tensors = [tuple([jnp.asarray(_layout(array, True)) for array in b]) for b in batches]
    if workload.loss is None:
        return jax.jit(partial(_infer, workload, held, kept)), tensors
    if workload.loss == "gan":
        return _adversarial(workload, held, kept), tensors
    return _training(workload, held, kept), tensors


def _layout(value: np.ndarray, image: bool = False) -> np.ndarray:
    """Kernels as HWIO, images as NHWC; the rest as it is."""
    if value.ndim != 4:
        return value
    return value.transpose(0, 2, 3, 1) if image else value.transpose(2, 3, 1, 0)


def _infer(workload: Workload, p: Params, kept: Params, *inputs: Any) -> Any:
    return MODELS[workload.model](workload.sizes, p, Statistics(kept, False), *inputs)


def _halved(p: Params) -> Params:
    """The weights of linear layers as bfloat16; tables of embeddings as they are."""
    tables = ("tokens.weight", "positions.weight")
    return {
        name: value.astype(jnp.bfloat16) if value.ndim == 2 and name not in tables else value
        for name, value in p.items()
    }


def _training(workload: Workload, held: Params, kept: Params) -> Callable[..., Any]:
    assert workload.loss is not None
    model, loss = MODELS[workload.model], LOSSES[workload.loss]
    optimizer = optimizer_of(workload)

    def objective(p: Params, kept: Params, *batch: Any) -> Any:
        *inputs, wanted = batch
        stats = Statistics(kept)
        p = _halved(p) if workload.bfloat16 else p
        outputs = model(workload.sizes, p, stats, *inputs)
        return loss(outputs.astype(jnp.float32), wanted), stats.held

    @partial(jax.jit, donate_argnums=(0, 1, 2))
    def step(p: Params, state: Any, kept: Params, *batch: Any) -> Any:
        (value, kept), grads = jax.value_and_grad(objective, has_aux=True)(p, kept, *batch)
        updates, state = optimizer.update(grads, state, p)
        return optax.apply_updates(p, updates), state, kept, value

    carried = [held, optimizer.init(held), kept]

    def run(*batch: Any) -> Any:
        *carried[:], value = step(*carried, *batch)
        return value

    return run


def _adversarial(workload: Workload, held: Params, kept: Params) -> Callable[..., Any]:
    optimizer = optimizer_of(workload)
    sides = [
        {name: value for name, value in held.items() if name.startswith(side)}
        for side in ("generator", "discriminator")
    ]

    def of_generator(made: Params, judge: Params, kept: Params, noise: Any) -> Any:
        scores = discriminator(judge, generator(made, Statistics(kept), noise))
        return bce(scores, jnp.ones_like(scores))

    def of_judge(judge: Params, fake: Any, real: Any) -> Any:
        on_real, on_fake = discriminator(judge, real), discriminator(judge, fake)
        return bce(on_real, jnp.ones_like(on_real)) + bce(on_fake, jnp.zeros_like(on_fake))

    @partial(jax.jit, donate_argnums=(0, 1, 2))
    def step(sides: Any, states: Any, kept: Params, noise: Any, real: Any) -> Any:
        (made, judge), (made_state, judge_state) = sides, states
        stats = Statistics(kept)
        fake = generator(made, stats, noise)
        judged, grads = jax.value_and_grad(of_judge)(judge, fake, real)
        updates, judge_state = optimizer.update(grads, judge_state, judge)
        judge = optax.apply_updates(judge, updates)
        fooled, grads = jax.value_and_grad(of_generator)(made, judge, kept, noise)
        updates, made_state = optimizer.update(grads, made_state, made)
        made = optax.apply_updates(made, updates)
        return (made, judge), (made_state, judge_state), stats.held, judged + fooled

    carried = [tuple(sides), tuple(optimizer.init(side) for side in sides), kept]

    def run(noise: Any, real: Any) -> Any:
        *carried[:], value = step(*carried, noise, real)
        return value

    return run
