"""`tf.layers` of TensorFlow 1: functions (and classes) that make variables and use them."""

from __future__ import annotations

from typing import Any

from plait.core.ir.errors import error
from plait.tf._ops import arrays, elementwise, matrix, neural
from plait.tf._ops.control import cond
from plait.tf._variable import assign
from plait.tf.compat._convolution_layers import (
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
    SeparableConv2D,
    conv1d,
    conv2d,
    conv2d_transpose,
    conv3d,
    conv3d_transpose,
    separable_conv2d,
)  # fmt: skip
from plait.tf.compat._layer import Layer, function_of, known
from plait.tf.compat._pooling_layers import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
    average_pooling1d,
    average_pooling2d,
    average_pooling3d,
    max_pooling1d,
    max_pooling2d,
    max_pooling3d,
)  # fmt: skip
from plait.tf.compat._scopes import GraphKeys, default_graph
from plait.tf.initializers import Ones, Zeros


class Dense(Layer):
    """activation(x kernel + bias) over the last axis."""

    word = "dense"

    def __init__(self, units: int, activation: Any = None, **options: Any) -> None:
        super().__init__(activation=activation, **options)
        self.units = int(units)

    def call(self, x: Any) -> Any:
        w = self.kernel([known(x, -1, "dense"), self.units])
        if x.shape.rank == 2:
            made = matrix.matmul(x, w)
        else:
            made = matrix.tensordot(x, w, [[x.shape.rank - 1], [0]])
        return self.activated(self.plus_bias(made, self.units))


class Dropout(Layer):
    """Elements set to 0 in training, the others scaled up."""

    word = "dropout"

    def __init__(
        self, rate: float = 0.5, noise_shape: Any = None, seed: Any = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed

    def call(self, x: Any, training: Any = False) -> Any:
        def dropped() -> Any:
            return neural.dropout(x, self.rate, self.noise_shape, self.seed)

        if isinstance(training, (bool, int)):
            return dropped() if training else x
        return cond(training, dropped, lambda: x)


class Flatten(Layer):
    """All axes but the first made one."""

    word = "flatten"

    def call(self, x: Any) -> Any:
        return flatten_all_but_first(x)


def flatten_all_but_first(x: Any) -> Any:
    """All axes but the first made one."""
    rest = x.shape[1:]
    size = rest.num_elements()
    if size is None:
        return arrays.reshape(x, [arrays.shape(x)[0], -1])
    first = x.shape[0]
    return arrays.reshape(x, [-1 if first is None else first, size])


class BatchNormalization(Layer):
    """Normalisation by the batch's mean and variance in training, by running ones otherwise.

    The updates of the running ones are put into the collection UPDATE_OPS.
    """

    word = "batch_normalization"

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = None,
        gamma_initializer: Any = None,
        moving_mean_initializer: Any = None,
        moving_variance_initializer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.axis, self.momentum, self.epsilon = axis, momentum, epsilon
        self.center, self.scale = center, scale
        self.starts = (
            beta_initializer or Zeros(),
            gamma_initializer or Ones(),
            moving_mean_initializer or Zeros(),
            moving_variance_initializer or Ones(),
        )

    def call(self, x: Any, training: Any = False) -> Any:
        rank = x.shape.rank
        axis = self.axis % rank
        size = [known(x, axis, self.word)]
        beta_start, gamma_start, mean_start, variance_start = self.starts
        gamma = self.variable("gamma", size, gamma_start) if self.scale else None
        beta = self.variable("beta", size, beta_start) if self.center else None
        mean = self.variable("moving_mean", size, mean_start, trainable=False)
        variance = self.variable("moving_variance", size, variance_start, trainable=False)
        over = [a for a in range(rank) if a != axis]
        row = [size[0] if a == axis else 1 for a in range(rank)]

        def normal(m: Any, v: Any) -> Any:
            parts = [
                p if p is None or axis == rank - 1 else arrays.reshape(p, row)
                for p in (m, v, beta, gamma)
            ]
            return neural.batch_normalization(x, *parts, self.epsilon)

        if isinstance(training, (bool, int)) and not training:
            return normal(mean, variance)
        batch_mean, batch_variance = neural.moments(x, over)
        if isinstance(training, (bool, int)):
            self._update(mean, batch_mean, variance, batch_variance, None)
            return normal(batch_mean, batch_variance)
        self._update(mean, batch_mean, variance, batch_variance, training)
        return cond(
            training, lambda: normal(batch_mean, batch_variance), lambda: normal(mean, variance)
        )

    def _update(self, mean: Any, m: Any, variance: Any, v: Any, training: Any) -> None:
        updates = []
        for held, new in ((mean, m), (variance, v)):
            moved = held * self.momentum + new * (1 - self.momentum)
            if training is not None:
                moved = elementwise.where(training, moved, held)
            updates.append(assign(held, moved))
        for update in updates:
            default_graph().add_to_collection(GraphKeys.UPDATE_OPS, update)


dense = function_of(Dense)
batch_normalization = function_of(BatchNormalization, ("training",))
dropout = function_of(Dropout, ("training",))
flatten = function_of(Flatten)
