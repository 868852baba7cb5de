"""Models made of both: PyTorch-style modules in Keras models, Keras layers in modules.

Weights are shared, not copied: what an optimizer of either side updates, both see. A module that is
set as an attribute of a layer or model becomes one of its layers by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras.src.backend import Variable

import plait as torch


class ModuleLayer(keras.layers.Layer):
    """A `torch.nn.Module` as a Keras layer.

    Its parameters are the layer's weights. `training` puts the module into its mode; its buffers
    (running means and the like) are updated by itself, and kept with it. compute_shape gives the
    shape of the output where it is not found by running the module on a stand-in.
    """

    def __init__(self, module: torch.nn.Module, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        object.__setattr__(self, "module", module)
        self._shared: list[Any] = []
        for path, parameter in module.named_parameters():
            self._shared.append(
                Variable(
                    parameter,
                    dtype=parameter.dtype.name,
                    trainable=parameter.requires_grad,
                    name=path.replace(".", "_"),
                )
            )
        self.built = True

    def call(self, *args: Any, training: bool = False, **kwargs: Any) -> Any:
        self.module.train(bool(training))
        return self.module(*args, **kwargs)

    def get_config(self) -> Any:
        raise NotImplementedError(
            "ModuleLayer: a module of PyTorch's kind has no configuration; save its state_dict, or "
            "only the weights of the model"
        )


class LayerModule(torch.nn.Module):
    """A built Keras layer or model as a `torch.nn.Module`.

    Its trainable weights are the module's parameters, the others buffers. `train()` and `eval()`
    decide `training`. Raises ValueError for a layer that is not built: it has no weights yet.
    """

    def __init__(self, layer: keras.layers.Layer) -> None:
        super().__init__()
        if not layer.built:
            raise ValueError(
                f"LayerModule: the layer {layer.name!r} is not built and has no weights yet; call "
                "it once, or layer.build(input_shape)"
            )
        object.__setattr__(self, "layer", layer)
        for variable in layer.weights:
            name = variable.path.replace("/", "_").replace(".", "_")
            if variable.trainable:
                self.register_parameter(name, variable._value)
            else:
                self.register_buffer(name, variable._value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self.layer._call_has_training_arg:
            kwargs.setdefault("training", self.training)
        return self.layer(*args, **kwargs)


def apply_gradients(optimizer: Any, parameters: list[Any]) -> None:
    """Let a Keras optimizer update tensors by their `.grad`, as `optimizer.step()` does.

    The variables that stand for the tensors are made once for each optimizer.
    """
    known = optimizer.__dict__.setdefault("_plait_variables", {})
    pairs = []
    for parameter in parameters:
        if parameter.grad is None:
            continue
        variable = known.get(id(parameter))
        if variable is None:
            held = parameter
            if not isinstance(held, torch.nn.Parameter):
                raise TypeError(
                    "apply_gradients: expected parameters of a module, received "
                    f"{type(parameter).__name__}"
                )
            variable = known[id(parameter)] = Variable(held, name=f"parameter_{len(known)}")
        pairs.append((parameter.grad, variable))
    with torch.no_grad():
        optimizer.apply_gradients(pairs)


# -- weights of one convention in the other --------------------------------------------------------


def to_keras(weight: Any, kind: str) -> np.ndarray:
    """A weight of PyTorch's convention in Keras'. kind: "dense" (out, in) -> (in, out);
    "conv" (out, in, *window) -> (*window, in, out); "depthwise" (channels * m, 1, *window) ->
    (*window, channels, m) of m = 1; "conv_transpose" (in, out, *window) -> (*window, out, in);
    "lstm" (4 * units, in) -> (in, 4 * units); "gru" (3 * units, in) -> (in, 3 * units), with the
    gates reset, update, new in Keras' order update, reset, new.

    Biases of an LSTM are PyTorch's two added up; of a GRU both, as rows (2, 3 * units), each with
    kind "gru_bias". Raises ValueError for another kind.
    """
    return _converted(weight, kind, _TO_KERAS)


def to_torch(weight: Any, kind: str) -> np.ndarray:
    """A weight of Keras' convention in PyTorch's: the other way round of `to_keras`."""
    return _converted(weight, kind, _TO_TORCH)


def _converted(weight: Any, kind: str, rules: dict[str, Callable[[Any], Any]]) -> np.ndarray:
    if kind not in rules:
        raise ValueError(f"unknown kind of weight {kind!r}; there are {', '.join(rules)}")
    array = np.asarray(weight.detach() if isinstance(weight, torch.Tensor) else weight)
    return np.ascontiguousarray(rules[kind](array))


def _window_first(x: np.ndarray) -> np.ndarray:
    return np.transpose(x, (*range(2, x.ndim), 1, 0))


def _window_last(x: np.ndarray) -> np.ndarray:
    return np.transpose(x, (x.ndim - 1, x.ndim - 2, *range(x.ndim - 2)))


def _exchanged(x: np.ndarray) -> np.ndarray:
    """The first two of three gates, along the last axis, in each other's place."""
    first, second, third = np.split(x, 3, -1)
    return np.concatenate([second, first, third], -1)


_TO_KERAS: dict[str, Callable[[Any], Any]] = {
    "dense": np.transpose,
    "conv": _window_first,
    "depthwise": lambda x: np.moveaxis(_window_first(x), -1, -2),
    "conv_transpose": _window_first,
    "lstm": np.transpose,
    "gru": lambda x: _exchanged(np.transpose(x)),
    "gru_bias": _exchanged,
}
_TO_TORCH: dict[str, Callable[[Any], Any]] = {
    "dense": np.transpose,
    "conv": _window_last,
    "depthwise": lambda x: _window_last(np.moveaxis(x, -1, -2)),
    "conv_transpose": _window_last,
    "lstm": np.transpose,
    "gru": lambda x: np.transpose(_exchanged(x)),
    "gru_bias": _exchanged,
}
