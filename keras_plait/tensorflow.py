"""Keras in a TensorFlow program: `tf.keras` of `plait.tf`.

Layers and models take `tf.Tensor` and give it; inside they work with Plait's tensors, as Keras does
everywhere, and TensorFlow's functions take those too. Both record into one graph, so a
`GradientTape` sees through a model, and a compiled step holds both.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from keras.src import backend, tree
from keras.src.backend.common import global_state
from keras.src.layers.layer import Layer
from keras.src.layers.preprocessing.index_lookup import IndexLookup
from keras.src.losses.loss import Loss

import plait as torch
from keras_plait import tensorflow_backend
from keras_plait.src.steps import training
from plait.tf._convert import wrap
from plait.tf._dispatch import state
from plait.tf._dtypes import string
from plait.tf._tensor import Tensor
from plait.tf._variable import Variable


def connect() -> None:
    """Make Keras' layers, losses and data sets work as in TensorFlow. Once is enough."""
    if hasattr(Layer, "_plait_tensorflow"):
        return
    Layer._plait_tensorflow = True
    Layer.__call__ = _at_the_edge(Layer.__call__)
    Layer.add_loss = _taking(Layer.add_loss)
    Loss.__call__ = _at_the_edge(Loss.__call__)
    Layer._setattr_hook = _track(Layer._setattr_hook)
    tensorflow_backend.provide(
        functools.partial(_mapped, _inside), functools.partial(_mapped, _outside)
    )
    _take_files_that_are_there()


# -- tensors ---------------------------------------------------------------------------------------


def _inside(x: Any) -> Any:
    """Plait's tensor of a TensorFlow one; strings stay as they are."""
    if not isinstance(x, (Tensor, Variable)) or x.dtype is string:
        return x
    return x._as_core_tensor()


def _outside(x: Any) -> Any:
    """TensorFlow's tensor of one of Plait's, seen by the tapes that record now."""
    if type(x) is not torch.Tensor:
        return x
    made = wrap(x)
    if x.requires_grad:
        made._tapes = state.tapes
    if hasattr(x, "_keras_logits"):
        made._keras_logits = x._keras_logits
    return made


def _mapped(function: Callable[[Any], Any], structure: Any) -> Any:
    return tree.map_structure(function, structure, none_is_leaf=True)


def _at_the_edge(call: Callable[..., Any]) -> Callable[..., Any]:
    """A call that takes TensorFlow's tensors; one from outside of all layers gives them, too."""

    @functools.wraps(call)
    def edge(self: Any, *args: Any, **kwargs: Any) -> Any:
        inner = training.inside or global_state.get_global_attribute("current_call_ctx") is not None
        args, kwargs = _mapped(_inside, (args, kwargs))
        made = _mapped(_inside, call(self, *args, **kwargs))
        return made if inner or backend.in_stateless_scope() else _mapped(_outside, made)

    return edge


def _taking(add: Callable[..., None]) -> Callable[..., None]:
    """A method that also takes what TensorFlow's functions made of a layer's tensors."""

    @functools.wraps(add)
    def taking(self: Any, loss: Any) -> None:
        add(self, _mapped(_inside, loss))

    return taking


# -- variables -------------------------------------------------------------------------------------


def _track(hook: Callable[..., Any]) -> Callable[..., Any]:
    """A `tf.Variable` that becomes an attribute of a layer is one of its weights; those of Keras'
    tables of words are not: these count with TensorFlow's functions."""

    def tracked(self: Any, name: str, value: Any) -> tuple[str, Any]:
        if isinstance(value, Variable) and not isinstance(self, IndexLookup):
            value = backend.Variable(
                value.numpy(),
                dtype=value.dtype.name,
                trainable=value.trainable,
                name=_name_of(value),
            )
        return hook(self, name, value)

    return tracked


def _name_of(variable: Variable) -> str:
    return variable.name.split(":")[0].replace("/", "_")


# -- data sets -------------------------------------------------------------------------------------


def _take_files_that_are_there() -> None:
    """Images that lie in Keras' cache are taken without comparing their hash: without a network
    Keras would remove them. Their format holds arrays and no code."""
    from keras.src.datasets import fashion_mnist, mnist

    for module in (mnist, fashion_mnist):
        vars(module)["get_file"] = _from_cache(module.get_file)


def _from_cache(get_file: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(get_file)
    def found(fname: str | None = None, origin: Any = None, **options: Any) -> str:
        path = os.path.join(
            os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras"),
            options.get("cache_subdir", "datasets"),
            str(fname),
        )
        if fname and os.path.isfile(path):
            return path
        return get_file(fname, origin=origin, **options)

    return found
