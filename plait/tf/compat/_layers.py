"""`tf.layers` of TensorFlow 1: functions (and classes) that make variables and use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf._ops import arrays, elementwise, matrix, neural, windows
from plait.tf._ops.control import cond
from plait.tf._ops.creation import convert_to_tensor
from plait.tf._variable import assign
from plait.tf.compat._scopes import GraphKeys, default_graph, get_variable, variable_scope
from plait.tf.initializers import Ones, Zeros


class Layer:
    """Variables that are made when the layer is first called, and a function of them."""

    word = "layer"

    def __init__(
        self, name: str | None = None, trainable: bool = True, dtype: Any = None, **options: Any
    ) -> None:
        self.options = options
        self._given, self._trainable = name, trainable
        self._scope: Any = None
        self._made: list[Any] = []

    @property
    def name(self) -> Any:
        return self._given or self.word

    @property
    def variables(self) -> list[Any]:
        return list(self._made)

    weights = variables

    @property
    def trainable_variables(self) -> list[Any]:
        return [v for v in self._made if v.trainable]

    trainable_weights = trainable_variables

    @property
    def losses(self) -> list[Any]:
        return default_graph().get_collection(
            GraphKeys.REGULARIZATION_LOSSES, self._scope.name if self._scope else None
        )

    def __call__(self, inputs: Any, *args: Any, reuse: Any = None, **kwargs: Any) -> Any:
        x = convert_to_tensor(inputs)
        if self._scope is None:
            scope = variable_scope(self._given, default_name=self.word, reuse=reuse)
            with scope as self._scope:
                return self.call(x, *args, **kwargs)
        with variable_scope(self._scope, reuse=True):
            return self.call(x, *args, **kwargs)

    apply = __call__

    def call(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The function of the inputs."""
        raise NotImplementedError

    def variable(
        self,
        name: str,
        shape: Any,
        initializer: Any,
        trainable: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
    ) -> Any:
        """The layer's variable of a name."""
        made = get_variable(
            name,
            shape,
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable and self._trainable,
            constraint=constraint,
        )
        if all(v is not made for v in self._made):
            self._made.append(made)
        return made

    def activated(self, x: Any) -> Any:
        """The activation, if there is one, of a result."""
        activation = self.options.get("activation")
        return x if activation is None else activation(x)

    def kernel(self, shape: Any, name: str = "kernel") -> Any:
        """The weights, by the layer's options."""
        get = self.options.get
        return self.variable(
            name,
            shape,
            get(f"{name}_initializer"),
            regularizer=get(f"{name}_regularizer"),
            constraint=get(f"{name}_constraint"),
        )

    def plus_bias(self, x: Any, channels: int, data_format: Any = None) -> Any:
        """x, with a bias where the options ask for one."""
        if not self.options.get("use_bias", True):
            return x
        get = self.options.get
        bias = self.variable(
            "bias",
            [channels],
            get("bias_initializer") or Zeros(),
            regularizer=get("bias_regularizer"),
            constraint=get("bias_constraint"),
        )
        return neural.bias_add(x, bias, data_format=data_format)


def _known(x: Any, axis: int, name: str) -> int:
    extent = x.shape[axis]
    if extent is None:
        raise error(
            ValueError,
            f"The channel dimension of the inputs to `{name}` should be defined. Found `None`.",
        )
    return extent


class Dense(Layer):
    """activation(x kernel + bias) over the last axis."""

    word = "dense"

    def __init__(self, units: int, activation: Any = None, **options: Any) -> None:
        super().__init__(activation=activation, **options)
        self.units = int(units)

    def call(self, x: Any) -> Any:
        w = self.kernel([_known(x, -1, "dense"), self.units])
        if x.shape.rank == 2:
            made = matrix.matmul(x, w)
        else:
            made = matrix.tensordot(x, w, [[x.shape.rank - 1], [0]])
        return self.activated(self.plus_bias(made, self.units))


def _letters(data_format: str, rank: int) -> str:
    spatial = "DHW"[3 - rank :] if rank > 1 else "W"
    return f"NC{spatial}" if data_format == "channels_first" else f"N{spatial}C"


class _Conv(Layer):
    rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: Any = 1,
        activation: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(activation=activation, **options)
        self.filters = int(filters)
        self.window = _each(kernel_size, self.rank)
        self.strides, self.dilations = _each(strides, self.rank), _each(dilation_rate, self.rank)
        self.padding, self.data_format = padding.upper(), data_format

    def call(self, x: Any) -> Any:
        form = _letters(self.data_format, self.rank)
        channels = _known(x, 1 if form.startswith("NC") else -1, self.word)
        w = self.kernel([*self.window, channels, self.filters])
        made = windows.convolution(
            x, w, list(self.strides), self.padding, form, list(self.dilations)
        )
        return self.activated(self.plus_bias(made, self.filters, form))


def _each(value: Any, rank: int) -> tuple[int, ...]:
    return (int(value),) * rank if np.ndim(value) == 0 else tuple(int(v) for v in value)


class Conv1D(_Conv):
    """Convolution over one axis."""

    word, rank = "conv1d", 1


class Conv2D(_Conv):
    """Convolution over two axes."""

    word, rank = "conv2d", 2


class Conv3D(_Conv):
    """Convolution over three axes."""

    word, rank = "conv3d", 3


class Conv2DTranspose(_Conv):
    """The transpose of a convolution over two axes."""

    word, rank = "conv2d_transpose", 2

    def call(self, x: Any) -> Any:
        form = _letters(self.data_format, 2)
        first = form.startswith("NC")
        w = self.kernel([*self.window, self.filters, _known(x, 1 if first else -1, self.word)])
        places = x.shape[2:] if first else x.shape[1:3]
        sizes = arrays.shape(x)
        spatial = [
            self._extent(sizes[a + (2 if first else 1)] if e is None else e, a)
            for a, e in enumerate(places)
        ]
        made = windows.conv2d_transpose(x, w, spatial, list(self.strides), self.padding, form)
        return self.activated(self.plus_bias(made, self.filters, form))

    def _extent(self, extent: Any, axis: int) -> Any:
        whole = extent * self.strides[axis]
        if self.padding == "VALID":
            whole = whole + max(self.window[axis] - self.strides[axis], 0)
        return whole


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
        size = [_known(x, axis, self.word)]
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


def _function(cls: type, extra: tuple[str, ...] = ()) -> Callable[..., Any]:
    """The function that makes a layer and calls it. extra: options that the call takes."""

    def apply(inputs: Any, *args: Any, reuse: Any = None, **kwargs: Any) -> Any:
        called = {name: kwargs.pop(name) for name in extra if name in kwargs}
        return cls(*args, **kwargs)(inputs, reuse=reuse, **called)

    apply.__name__ = cls.__dict__["word"]
    apply.__doc__ = f"{cls.__doc__} reuse: take the variables that are there."
    return apply


dense = _function(Dense)
conv1d, conv2d, conv3d = _function(Conv1D), _function(Conv2D), _function(Conv3D)
conv2d_transpose = _function(Conv2DTranspose)
batch_normalization = _function(BatchNormalization, ("training",))
dropout = _function(Dropout, ("training",))
flatten = _function(Flatten)


def _pooling(rank: int, largest: bool) -> Callable[..., Any]:
    function = windows.max_pool if largest else windows.avg_pool

    def pool(
        inputs: Any,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str = "channels_last",
        name: Any = None,
    ) -> Any:
        return function(
            convert_to_tensor(inputs),
            list(_each(pool_size, rank)),
            list(_each(strides, rank)),
            padding.upper(),
            _letters(data_format, rank),
        )

    pool.__name__ = f"{'max' if largest else 'average'}_pooling{rank}d"
    pool.__doc__ = f"The {'maxima' if largest else 'means'} of windows over {rank} axes."
    return pool


max_pooling1d, max_pooling2d, max_pooling3d = (_pooling(r, True) for r in (1, 2, 3))
average_pooling1d, average_pooling2d, average_pooling3d = (_pooling(r, False) for r in (1, 2, 3))
