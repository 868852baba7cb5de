"""The functions of `tf.nn` that TensorFlow 1 has with other arguments, or alone."""

from __future__ import annotations

from typing import Any

from plait.tf._ops import arrays, neural, reduction, windows
from plait.tf._ops.elementwise import cast, maximum


def softmax(logits: Any, axis: Any = None, name: Any = None, dim: Any = None) -> Any:
    """exp(x) over its sum along an axis, by default the last."""
    return neural.softmax(logits, _last(axis, dim), name=name)


def log_softmax(logits: Any, axis: Any = None, name: Any = None, dim: Any = None) -> Any:
    """The logarithm of softmax."""
    return neural.log_softmax(logits, _last(axis, dim), name=name)


def _last(axis: Any, dim: Any) -> Any:
    given = dim if axis is None else axis
    return -1 if given is None else given


def relu_layer(x: Any, weights: Any, biases: Any, name: Any = None) -> Any:
    """relu(x weights + biases)."""
    return neural.relu(neural.xw_plus_b(x, weights, biases), name=name)


def weighted_cross_entropy_with_logits(
    labels: Any = None,
    logits: Any = None,
    pos_weight: Any = None,
    name: Any = None,
    targets: Any = None,
) -> Any:
    """The cross-entropy of sigmoid(logits), its positive term times `pos_weight`."""
    given = labels if targets is None else targets
    return neural.weighted_cross_entropy_with_logits(given, logits, pos_weight, name=name)


def _convolution(function: Any) -> Any:
    """A convolution over two axes with TensorFlow 1's names, and strides for all four."""

    def convolve(
        input: Any,
        filter: Any = None,
        strides: Any = None,
        padding: Any = None,
        use_cudnn_on_gpu: bool = True,
        data_format: str = "NHWC",
        dilations: Any = (1, 1, 1, 1),
        name: Any = None,
        filters: Any = None,
    ) -> Any:
        weights = filter if filters is None else filters
        steps = 1 if strides is None else strides
        spread = dilations if isinstance(dilations, int) else list(dilations)
        return function(input, weights, steps, padding, data_format, spread, name=name)

    convolve.__name__, convolve.__doc__ = function.__name__, function.__doc__
    return convolve


conv2d = _convolution(windows.conv2d)


def conv2d_transpose(
    value: Any = None,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: str = "SAME",
    data_format: str = "NHWC",
    name: Any = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Any:
    """The transpose of `conv2d`: filters (height, width, out, in)."""
    return windows.conv2d_transpose(
        value if input is None else input,
        filter if filters is None else filters,
        output_shape,
        strides,
        padding,
        data_format,
        name=name,
    )


def fused_batch_norm(
    x: Any,
    scale: Any,
    offset: Any,
    mean: Any = None,
    variance: Any = None,
    epsilon: float = 0.001,
    data_format: str = "NHWC",
    is_training: bool = True,
    name: Any = None,
    exponential_avg_factor: float = 1.0,
) -> tuple[Any, Any, Any]:
    """(x normalised over all axes but the channels', mean, variance with divisor n - 1)."""
    first = data_format.startswith("NC")
    if first:
        x = arrays.transpose(x, [0, 2, 3, 1])
    if is_training:
        mean, spread = neural.moments(x, [0, 1, 2])
        extents = arrays.shape(x)
        count = reduction.reduce_prod(extents[:3])
        many = cast(count, spread.dtype)
        variance = spread * many / maximum(many - 1.0, 1.0)
    else:
        spread = variance
    made = neural.batch_normalization(x, mean, spread, offset, scale, epsilon)
    return (arrays.transpose(made, [0, 3, 1, 2]) if first else made), mean, variance


def in_top_k(predictions: Any, targets: Any, k: Any, name: Any = None) -> Any:
    """Whether each target is among the k greatest of its row."""
    return arrays.in_top_k(targets, predictions, k, name=name)
