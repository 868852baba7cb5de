"""Gradients for both TensorFlows: of the sum of weighted results, by every argument."""

# one case to a line, whatever its length

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

CASES: dict[str, Callable[[Any], Any]] = {}


def weights(tf: Any, result: Any) -> Any:
    """A different weight for each element of a result, so that no gradient cancels."""
    count = tf.cast(tf.size(result), tf.float32)
    return tf.reshape(tf.cos(tf.range(count)), tf.shape(result))


def gradient(text: str, *arguments: Any) -> None:
    """A case: the gradients of an expression of x (and y)."""
    function = eval(f"lambda tf, x, y: {text}", {"np": np})

    def run(tf: Any) -> Any:
        given = [tf.constant(a, tf.float32) for a in arguments]
        with tf.GradientTape() as tape:
            tape.watch(given)
            made = function(tf, given[0], given[-1])
            parts = made if isinstance(made, (list, tuple)) else [made]
            total = tf.add_n([tf.reduce_sum(p * weights(tf, p)) for p in parts])
        found = tape.gradient(total, given)
        return [None if g is None else tf.convert_to_tensor(g) for g in found]

    CASES[f"gradient of {text} at {arguments}"] = run


POINTS = [[0.3, -1.2, 2.0], [0.0, 1.0, -0.5]]
POSITIVE = [[0.3, 1.2, 2.0], [0.1, 1.0, 3.5]]
INSIDE = [[0.3, -0.2, 0.7]]
for word in (
    *("sin", "cos", "tan", "tanh", "sinh", "cosh", "asinh", "atan", "exp", "sigmoid", "square"),
    *("negative", "abs", "sign", "floor", "round", "math.expm1", "math.erf", "math.erfc"),
    *("nn.relu", "nn.relu6", "nn.elu", "nn.selu", "nn.gelu", "nn.silu", "nn.softplus"),
    *("nn.softsign", "nn.leaky_relu", "nn.softmax", "nn.log_softmax", "nn.crelu", "nn.l2_loss"),
    *("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod", "math.reduce_std"),
    *("math.reduce_variance", "reduce_logsumexp", "math.log_sigmoid", "linalg.l2_normalize"),
    *("cumsum", "transpose", "identity", "stop_gradient", "sort"),
):
    gradient(f"tf.{word}(x)", POINTS)
for word in ("sqrt", "math.rsqrt", "math.log", "math.log1p", "math.reciprocal", "math.lgamma",
             "math.digamma", "norm", "math.reduce_euclidean_norm", "math.cumprod"):  # fmt: skip
    gradient(f"tf.{word}(x)", POSITIVE)
for word in ("asin", "acos", "atanh"):
    gradient(f"tf.{word}(x)", INSIDE)
for word in ("add", "subtract", "multiply", "divide", "maximum", "minimum", "pow",
             "math.squared_difference", "math.atan2", "math.xlogy", "math.xdivy",
             "math.divide_no_nan", "math.floormod"):  # fmt: skip
    gradient(f"tf.{word}(x, y)", POSITIVE, [[1.5, 1.2, 0.7]])
for text in (
    *("tf.reduce_sum(x, 0)", "tf.reduce_max(x, 1)", "tf.concat([x, x * x], 1)", "tf.stack([x, x])"),
    *("tf.split(x, 3, 1)[1]", "tf.pad(x, [[1, 0], [0, 2]], 'REFLECT')", "tf.tile(x, [2, 1])"),
    *("tf.gather(x, [1, 1, 0])", "tf.gather_nd(x, [[0, 1], [1, 2]])", "tf.reverse(x, [0])"),
    *("tf.clip_by_norm(x, 1.0)", "tf.clip_by_value(x, -0.5, 1.0)", "tf.where(x > 0, x * 2, x / 3)"),
    *("tf.einsum('ij,kj->ik', x, x)", "tf.matmul(x, x, transpose_b=True)", "x[:, ::-2] * x[0, 0]"),
    *("tf.nn.moments(x, [0])", "tf.math.top_k(x, 2).values", "tf.repeat(x, 2, axis=1)"),
    *("tf.scatter_nd([[1], [0]], x, [3, 3])", "tf.boolean_mask(x, [True, False])"),
    *("tf.tensor_scatter_nd_update(x, [[0]], x[1:] * 3)", "tf.roll(x, 1, 1)", "tf.unstack(x)[1]"),
    *("tf.map_fn(lambda r: r * r, x)", "tf.broadcast_to(x[:, None], [2, 2, 3])"),
    *("tf.linalg.diag(x)", "tf.linalg.trace(tf.matmul(x, x, transpose_a=True))"),
    *("tf.math.segment_sum(x, [0, 0])", "tf.math.unsorted_segment_max(x, [1, 0], 2)"),
    *("tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), (0, x))[1]",),
    *(
        "tf.cond(tf.constant(True), lambda: x * 2, lambda: x)",
        "tf.image.flip_left_right(x[..., None])",
    ),
):
    gradient(text, POINTS)
for text in (
    *("tf.linalg.inv(x)", "tf.linalg.det(x)", "tf.linalg.cholesky(x)", "tf.linalg.solve(x, x * x)"),
    *("tf.linalg.logdet(x)", "tf.linalg.eigvalsh(x)", "tf.linalg.svd(x, compute_uv=False)"),
):
    gradient(text, [[2.0, 0.5], [0.5, 1.0]])
