"""`tf.contrib.layers`."""

from __future__ import annotations

from typing import Any

from plait.tf._ops import neural
from plait.tf.compat import _layers
from plait.tf.compat._layers import flatten
from plait.tf.initializers import GlorotNormal, GlorotUniform, VarianceScaling


def xavier_initializer(uniform: bool = True, seed: Any = None, dtype: Any = None) -> Any:
    """The initializer of Glorot and Bengio."""
    return GlorotUniform(seed) if uniform else GlorotNormal(seed)


xavier_initializer_conv2d = xavier_initializer
variance_scaling_initializer = VarianceScaling


def fully_connected(
    inputs: Any,
    num_outputs: int,
    activation_fn: Any = neural.relu,
    weights_initializer: Any = None,
    biases_initializer: Any = None,
    reuse: Any = None,
    scope: Any = None,
    **kwargs: Any,
) -> Any:
    """A dense layer, with relu by default."""
    layer = _layers.Dense(
        num_outputs,
        activation_fn,
        kernel_initializer=weights_initializer or xavier_initializer(),
        bias_initializer=biases_initializer,
        name=scope,
    )
    layer.word = "fully_connected"
    return layer(inputs, reuse=reuse)


def l2_regularizer(scale: float, scope: Any = None) -> Any:
    """A penalty: half the sum of squares, times a scale."""
    return lambda weights: scale * neural.l2_loss(weights)
