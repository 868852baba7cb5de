"""What Keras' layers for text and categories call as its TensorFlow backend.

These layers work with TensorFlow on every backend of Keras, since they are parts of data pipelines.
In a TensorFlow program of Plait the functions they need are this backend's own, between tensors of
`plait.tf`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from keras.src import backend

_NAME = "keras.src.backend.tensorflow"


class _Functions(ModuleType):
    """A module whose functions are those of one of this backend's, from and to `tf.Tensor`s."""

    def __init__(
        self,
        name: str,
        functions: Any,
        inside: Callable[[Any], Any],
        outside: Callable[[Any], Any],
    ) -> None:
        super().__init__(name, __doc__)
        self._functions, self._inside, self._outside = functions, inside, outside

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self._functions, name)
        if isinstance(found, ModuleType):
            return _Functions(f"{self.__name__}.{name}", found, self._inside, self._outside)

        @functools.wraps(found)
        def between(*args: Any, **kwargs: Any) -> Any:
            args, kwargs = self._inside((args, kwargs))
            return self._outside(found(*args, **kwargs))

        return between


def provide(inside: Callable[[Any], Any], outside: Callable[[Any], Any]) -> None:
    """Let `import keras.src.backend.tensorflow` find this backend's functions.

    inside, outside: what takes a nest of `tf.Tensor`s to one of Plait's tensors, and back.
    """
    sys.modules.setdefault(_NAME, _Functions(_NAME, backend, inside, outside))
