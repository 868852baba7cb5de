"""`tf.nn`."""

from __future__ import annotations

from typing import Any

from plait.tf._ops.arrays import depth_to_space, in_top_k, space_to_depth, top_k
from plait.tf._ops.elementwise import sigmoid, tanh
from plait.tf._ops.matrix import l2_normalize
from plait.tf._ops.neural import (
    batch_normalization,
    bias_add,
    compute_average_loss,
    crelu,
    dropout,
    elu,
    embedding_lookup,
    gelu,
    l2_loss,
    leaky_relu,
    local_response_normalization,
    log_poisson_loss,
    log_softmax,
    moments,
    nce_loss,
    relu,
    relu6,
    sampled_softmax_loss,
    scale_regularization_loss,
    selu,
    sigmoid_cross_entropy_with_logits,
    silu,
    softmax,
    softmax_cross_entropy_with_logits,
    softplus,
    softsign,
    sparse_softmax_cross_entropy_with_logits,
    weighted_cross_entropy_with_logits,
    xw_plus_b,
)  # fmt: skip
from plait.tf._ops.reduction import zero_fraction
from plait.tf._ops.windows import (
    avg_pool,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    conv1d,
    conv1d_transpose,
    conv2d,
    conv2d_transpose,
    conv3d,
    conv3d_transpose,
    convolution,
    depthwise_conv2d,
    max_pool,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    pool,
    separable_conv2d,
)  # fmt: skip

lrn = local_response_normalization
swish = silu


def __getattr__(name: str) -> Any:
    """Names of TensorFlow 1 that old programs look for here."""
    from plait.tf.compat import v1

    if not name.startswith("_") and name in vars(v1.nn):
        return vars(v1.nn)[name]
    raise AttributeError(f"module 'tensorflow.nn' has no attribute {name!r}")
