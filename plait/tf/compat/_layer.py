"""The base of `tf.layers`: variables that are made at the first call, and a function of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait.core.ir.errors import error
from plait.tf._ops import neural
from plait.tf._ops.creation import convert_to_tensor
from plait.tf.compat._scopes import GraphKeys, default_graph, get_variable, variable_scope
from plait.tf.initializers import Zeros


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


def known(x: Any, axis: int, name: str) -> int:
    extent = x.shape[axis]
    if extent is None:
        raise error(
            ValueError,
            f"The channel dimension of the inputs to `{name}` should be defined. Found `None`.",
        )
    return extent


def function_of(cls: type, extra: tuple[str, ...] = ()) -> Callable[..., Any]:
    """The function that makes a layer and calls it. extra: options that the call takes."""

    def apply(inputs: Any, *args: Any, reuse: Any = None, **kwargs: Any) -> Any:
        called = {name: kwargs.pop(name) for name in extra if name in kwargs}
        return cls(*args, **kwargs)(inputs, reuse=reuse, **called)

    apply.__name__ = cls.__dict__["word"]
    apply.__doc__ = f"{cls.__doc__} reuse: take the variables that are there."
    return apply
