"""What a Keras layer is besides: the home of variables of Plait's TensorFlow face."""

from __future__ import annotations

import sys
from typing import Any


class PlaitLayer:
    """The mixin of layers."""

    def _setattr_hook(self, name: str, value: Any) -> tuple[str, Any]:
        """Keras 2 tracked a `tf.Variable` that is an attribute, and programs count on it."""
        module = sys.modules.get("plait.tf._variable")
        if module is not None and isinstance(value, module.Variable) and value.cell() is not None:
            self._track_variable(_shared(value))  # type: ignore[attr-defined]  # a layer's
        return name, value


def _shared(variable: Any) -> Any:
    """A Keras variable over the memory of a TensorFlow one."""
    from keras_plait.src.core import Variable

    made = Variable(variable.numpy(), trainable=variable.trainable, dtype=variable.dtype.name)
    made._value = variable.cell()
    variable._is_parameter = variable.trainable
    return made
