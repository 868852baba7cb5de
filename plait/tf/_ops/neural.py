"""Activations, losses, normalisation and embeddings of `tf.nn`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import plait
from plait.core.functional.activations import SELU_ALPHA, SELU_SCALE
from plait.core.ir.errors import error
from plait.nn import functional as F
from plait.tf import errors
from plait.tf._convert import (
    axes_of,
    convert,
    inner,
    known,
    one_axis,
    pair,
    require,
    shape_of,
    wrap,
)
from plait.tf._dispatch import op
from plait.tf._ops.slicing import _within, gathered


def _activation(
    public: str, compute: Callable[..., Any], kinds: str, doc: str
) -> Callable[..., Any]:
    def activate(features: Any) -> Any:
        return wrap(compute(require(public.capitalize(), features, kinds)))

    activate.__name__ = public
    activate.__doc__ = doc
    return op(activate)


relu = _activation("relu", F.relu, "fiu", "max(x, 0).")
relu6 = _activation("relu6", F.relu6, "fiu", "min(max(x, 0), 6).")
elu = _activation("elu", F.elu, "f", "x above 0, exp(x) - 1 below.")


def _selu(x: Any) -> Any:
    """With the slope of the upper branch at 0, as TensorFlow has it."""
    below = SELU_SCALE * SELU_ALPHA * plait.expm1(plait.clamp(x, max=0.0))
    return plait.where(x < 0, below, SELU_SCALE * x)


selu = _activation("selu", _selu, "f", "The scaled ELU of self-normalising networks.")
softplus = _activation("softplus", lambda x: F.softplus(x, threshold=1e30), "f", "log(1 + exp(x)).")
softsign = _activation("softsign", F.softsign, "f", "x / (1 + |x|).")
log_sigmoid = _activation("log_sigmoid", F.logsigmoid, "f", "log(1 / (1 + exp(-x))).")


@op
def silu(features: Any, beta: float = 1.0) -> Any:
    """x sigmoid(beta x)."""
    value = require("Silu", features, "f")
    return wrap(F.silu(value) if beta == 1.0 else value * plait.sigmoid(value * beta))


@op
def gelu(features: Any, approximate: bool = False) -> Any:
    """x times the normal distribution function of x, or its approximation by tanh."""
    value = require("Gelu", features, "f")
    return wrap(F.gelu(value, approximate="tanh" if approximate else "none"))


@op
def leaky_relu(features: Any, alpha: float = 0.2) -> Any:
    """x above 0, alpha x below."""
    return wrap(F.leaky_relu(require("LeakyRelu", features, "f"), alpha))


@op
def crelu(features: Any, axis: int = -1) -> Any:
    """relu of x and of -x, side by side."""
    value = require("Relu", features, "f")
    return wrap(F.relu(plait.cat((value, -value), dim=axis)))


@op
def softmax(logits: Any, axis: Any = None, dim: Any = None) -> Any:
    """exp(x) / sum(exp(x)) along an axis, the last by default."""
    value = require("Softmax", logits, "f")
    where = axis if axis is not None else dim
    return wrap(
        plait.softmax(value, one_axis(-1 if where is None else where, value.ndim, "Softmax"))
    )


@op
def log_softmax(logits: Any, axis: Any = None, dim: Any = None) -> Any:
    """The logarithm of `softmax`."""
    value = require("LogSoftmax", logits, "f")
    where = axis if axis is not None else dim
    return wrap(
        plait.log_softmax(value, one_axis(-1 if where is None else where, value.ndim, "LogSoftmax"))
    )


@op
def softmax_cross_entropy_with_logits(
    labels: Any = None, logits: Any = None, axis: int = -1, dim: int | None = None
) -> Any:
    """-sum(labels log(softmax(logits))) along an axis."""
    if labels is None or logits is None:
        raise error(ValueError, "Both `labels` and `logits` must be provided.")
    scores = require("SoftmaxCrossEntropyWithLogits", logits, "f")
    targets = convert(labels, hint=convert(logits).dtype).inner().to(scores.dtype)
    where = one_axis(axis if dim is None else dim, scores.ndim, "SoftmaxCrossEntropyWithLogits")
    targets, scores = _alike("logits and labels must be broadcastable", targets, scores)
    return wrap(-(targets * plait.log_softmax(scores, where)).sum(dim=where))


def _alike(message: str, a: Any, b: Any) -> tuple[Any, Any]:
    try:
        return tuple(plait.broadcast_tensors(a, b))  # type: ignore[return-value]  # two of them
    except RuntimeError:
        raise error(
            errors.InvalidArgumentError,
            f"{message}: logits_size={list(b.shape)} labels_size={list(a.shape)}",
        ) from None


@op
def sparse_softmax_cross_entropy_with_logits(labels: Any = None, logits: Any = None) -> Any:
    """-log(softmax(logits))[label] for integer labels."""
    if labels is None or logits is None:
        raise error(ValueError, "Both `labels` and `logits` must be provided.")
    scores = require("SparseSoftmaxCrossEntropyWithLogits", logits, "f")
    places = inner(labels)
    if places.ndim != scores.ndim - 1:
        raise error(
            ValueError,
            f"`labels.shape.rank` must equal `logits.shape.rank - 1`. Received: "
            f"labels.shape={tuple(places.shape)} of rank {places.ndim} and "
            f"logits.shape={tuple(scores.shape)} of rank {scores.ndim}",
        )
    if places.shape != scores.shape[:-1]:
        raise error(
            ValueError,
            "`labels.shape` must equal `logits.shape` except for the last dimension. Received: "
            f"labels.shape={tuple(places.shape)} and logits.shape={tuple(scores.shape)}",
        )
    classes = scores.shape[-1]
    values = known(places)
    if values is not None and values.size and not (values.min() >= 0 and values.max() < classes):
        bad = values[(values < 0) | (values >= classes)].reshape(-1)[0]
        raise error(
            errors.InvalidArgumentError,
            f"Received a label value of {bad} which is outside the valid range of [0, {classes}).",
        )
    flat = F.cross_entropy(
        scores.reshape((-1, classes)), places.reshape(-1).to(plait.int64), reduction="none"
    )
    return wrap(flat.reshape(places.shape))


@op
def sigmoid_cross_entropy_with_logits(labels: Any = None, logits: Any = None) -> Any:
    """The cross-entropy of sigmoid(logits) with labels in [0, 1], elementwise."""
    if labels is None or logits is None:
        raise error(ValueError, "Both `labels` and `logits` must be provided.")
    targets, scores = pair("SigmoidCrossEntropyWithLogits", labels, logits)
    if targets.shape != scores.shape:
        raise error(
            ValueError,
            "`logits` and `labels` must have the same shape, received "
            f"({tuple(scores.shape)} vs {tuple(targets.shape)}).",
        )
    return wrap(F.binary_cross_entropy_with_logits(scores, targets, reduction="none"))


@op
def weighted_cross_entropy_with_logits(labels: Any, logits: Any, pos_weight: Any) -> Any:
    """As `sigmoid_cross_entropy_with_logits`, with the positive term weighted."""
    targets, scores = pair("WeightedCrossEntropyWithLogits", labels, logits)
    weight = convert(pos_weight, hint=convert(logits).dtype).inner()
    return wrap(
        F.binary_cross_entropy_with_logits(scores, targets, reduction="none", pos_weight=weight)
    )


@op
def log_poisson_loss(targets: Any, log_input: Any, compute_full_loss: bool = False) -> Any:
    """exp(log_input) - targets log_input, and Stirling's terms where the full loss is asked."""
    z, c = pair("LogPoissonLoss", targets, log_input)
    made = plait.exp(c) - z * c
    if compute_full_loss:
        safe = plait.clamp(z, min=1.0)
        stirling = safe * plait.log(safe) - safe + 0.5 * plait.log(2 * np.pi * safe)
        made = made + plait.where(z > 1, stirling, plait.zeros_like(z))
    return wrap(made)


@op
def l2_loss(t: Any) -> Any:
    """sum(t^2) / 2."""
    value = require("L2Loss", t, "f")
    return wrap((value * value).sum() * 0.5)


@op
def bias_add(value: Any, bias: Any, data_format: str | None = None) -> Any:
    """A vector added to the channels (the last axis, or axis 1 for NC...)."""
    x, b = pair("BiasAdd", value, bias)
    first = data_format is not None and data_format.startswith("NC")
    if b.ndim != 1:
        raise error(
            errors.InvalidArgumentError, f"Must provide a vector bias, got {b.ndim}-D [Op:BiasAdd]"
        )
    axis = 1 if first else x.ndim - 1
    if x.shape[axis] != b.shape[0]:
        raise error(
            errors.InvalidArgumentError,
            "Must provide as many biases as the last dimension of the input tensor: "
            f"{list(b.shape)} vs. {list(x.shape)} [Op:BiasAdd]",
        )
    return wrap(x + (b.reshape((-1, *(1,) * (x.ndim - 2))) if first else b))


@op
def xw_plus_b(x: Any, weights: Any, biases: Any) -> Any:
    """x weights + biases."""
    return wrap(plait.matmul(inner(x), inner(weights)) + inner(biases))


@op
def dropout(
    x: Any, rate: Any = None, noise_shape: Any = None, seed: Any = None, keep_prob: Any = None
) -> Any:
    """Elements set to 0 with probability `rate`, the others scaled by 1 / (1 - rate)."""
    from plait.tf._ops.random import uniform_like

    value = require("Dropout", x, "f")
    share = float(rate) if keep_prob is None else 1.0 - float(keep_prob)
    if not 0 <= share < 1 and not share == 1:
        raise error(ValueError, f"`rate` must be in the range [0, 1]. Received: rate={rate}")
    if share == 0:
        return wrap(value.clone())
    if share == 1:
        return wrap(value * 0)
    shape = (
        value.shape
        if noise_shape is None
        else [value.shape[a] if e is None else e for a, e in enumerate(noise_shape)]
    )
    kept = uniform_like(shape_of(shape), value.dtype, seed) >= share
    return wrap(plait.where(kept, value * (1 / (1 - share)), plait.zeros_like(value)))


@op
def moments(
    x: Any, axes: Any, shift: Any = None, keepdims: bool = False, keep_dims: bool | None = None
) -> Any:
    """(mean, variance with divisor n) over axes."""
    value = require("Moments", x, "f")
    found = axes_of(axes, value.ndim, "Mean")
    over = tuple(range(value.ndim)) if found is None else found
    keep = bool(keepdims if keep_dims is None else keep_dims)
    mean = value.mean(dim=over, keepdim=True)
    deviation = value - mean.detach()
    variance = (deviation * deviation).mean(dim=over, keepdim=keep)
    if not keep:
        mean = mean.reshape(variance.shape)
    return wrap(mean), wrap(variance)


@op
def batch_normalization(
    x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: Any
) -> Any:
    """(x - mean) / sqrt(variance + epsilon) * scale + offset."""
    value, m, v = inner(x), inner(mean), inner(variance)
    factor = plait.rsqrt(v + float(variance_epsilon))
    if scale is not None:
        factor = factor * inner(scale)
    shift = -m * factor
    if offset is not None:
        shift = shift + inner(offset)
    return wrap(value * factor + shift)


@op
def embedding_lookup(
    params: Any, ids: Any, max_norm: Any = None, partition_strategy: str = "mod"
) -> Any:
    """The rows of a table; their gradient is a tensor of the table's shape."""
    if isinstance(params, (list, tuple)):
        if len(params) > 1:
            from plait._unbuilt import not_built

            raise not_built("tf.nn.embedding_lookup of a table in parts")
        params = next(iter(params))
    table, places = inner(params), inner(ids)
    _within("ResourceGather", places, table.shape[0])
    rows = gathered(table, places.to(plait.int64), 0, 0)
    if max_norm is not None:
        size = plait.sqrt((rows * rows).sum(dim=-1, keepdim=True))
        rows = rows * (float(max_norm) / plait.clamp(size, min=float(max_norm)))
    return wrap(rows)


@op
def local_response_normalization(
    input: Any, depth_radius: int = 5, bias: float = 1.0, alpha: float = 1.0, beta: float = 0.5
) -> Any:
    """x / (bias + alpha * sum of squares of neighbouring channels)^beta, channels last."""
    value = require("LRN", input, "f")
    channels = value.shape[-1]
    band = np.abs(np.subtract.outer(np.arange(channels), np.arange(channels))) <= depth_radius
    sums = plait.matmul(value * value, plait.from_numpy(band.astype(np.float32)).to(value.dtype))
    return wrap(value / (bias + alpha * sums) ** beta)


@op
def compute_average_loss(
    per_example_loss: Any, sample_weight: Any = None, global_batch_size: Any = None
) -> Any:
    """The sum of losses over the size of the whole batch."""
    losses = inner(per_example_loss)
    if sample_weight is not None:
        losses = losses * inner(sample_weight)
    size = losses.shape[0] if global_batch_size is None else int(global_batch_size)
    return wrap(losses.sum() / size)


@op
def scale_regularization_loss(regularization_loss: Any) -> Any:
    """The sum of losses: there is one replica."""
    return wrap(inner(regularization_loss).sum())


@op
def nce_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = False,
) -> Any:
    """Noise-contrastive estimation with classes drawn log-uniformly (one draw for the batch)."""
    true, sampled = _sampled_logits(
        weights,
        biases,
        labels,
        inputs,
        num_sampled,
        num_classes,
        num_true,
        remove_accidental_hits,
        sampled_values,
    )
    both = plait.cat((true, sampled), dim=1)
    targets = plait.cat((plait.full_like(true, 1.0 / num_true), plait.zeros_like(sampled)), dim=1)
    losses = F.binary_cross_entropy_with_logits(both, targets, reduction="none")
    return wrap(losses.sum(dim=1))


@op
def sampled_softmax_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = True,
    seed: Any = None,
) -> Any:
    """The softmax cross-entropy over the true classes and a sample of the others."""
    true, sampled = _sampled_logits(
        weights,
        biases,
        labels,
        inputs,
        num_sampled,
        num_classes,
        num_true,
        remove_accidental_hits,
        sampled_values,
    )
    rows = plait.log_softmax(plait.cat((true, sampled), dim=1), 1)
    return wrap(-rows[:, :num_true].sum(dim=1) / num_true)


def _sampled_logits(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    count: int,
    classes: int,
    trues: int,
    no_hits: bool,
    given: Any,
) -> tuple[Any, Any]:
    """The logits of the true classes and of classes drawn, less the logarithm of how often each is
    expected among those drawn."""
    from plait.tf._ops.random import log_uniform_candidates

    table, shift, x = inner(weights), inner(biases), inner(inputs)
    places = inner(labels).to(plait.int64).reshape((-1, trues))
    if given is None:
        drawn, times = log_uniform_candidates(count, classes)
        sample = plait.from_numpy(drawn)
        of_true, of_sample = times(places.to(plait.float64)), times(sample.to(plait.float64))
    else:
        sample, of_true, of_sample = (inner(v) for v in given)
        sample = sample.to(plait.int64)
    rows = plait.index_select(table, 0, places.reshape(-1)).reshape((*places.shape, -1))
    true = (rows * x.unsqueeze(1)).sum(dim=2) + plait.index_select(
        shift, 0, places.reshape(-1)
    ).reshape(places.shape)
    others = plait.index_select(table, 0, sample)
    sampled = plait.matmul(x, others.transpose(0, 1)) + plait.index_select(shift, 0, sample)
    true = true - plait.log(of_true).to(true.dtype)
    sampled = sampled - plait.log(of_sample).to(true.dtype)
    if no_hits:
        hit = (places.unsqueeze(2) == sample).any(dim=1)
        sampled = plait.where(
            hit, plait.full_like(sampled, plait.finfo(sampled.dtype).min), sampled
        )
    return true, sampled
