"""What a checkpoint knows of Keras' layers and optimizers, without importing Keras.

The variables of a layer are told by its own place among the layers of the one around it, not by a
number among all variables: those that are built first are not always those that come first.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


def is_layer(value: Any) -> bool:
    """Whether an object is a layer (or a model) of Keras."""
    return hasattr(value, "_flatten_layers") and hasattr(value, "add_weight")


def parts_of_layer(layer: Any) -> Iterator[tuple[str, Any]]:
    """The layers within a layer, and the variables that are in none of them, by their places.

    A layer that stands for an input does not count: a model gets one when it is built.
    """
    inner = [
        part
        for part in layer._flatten_layers(include_self=False, recursive=False)
        if type(part).__name__ != "InputLayer"
    ]
    for number, part in enumerate(inner):
        yield f"layers/{number}", part
    theirs = {id(variable) for part in inner for variable in part.variables}
    own = [variable for variable in layer.variables if id(variable) not in theirs]
    for number, variable in enumerate(own):
        yield str(number), variable


def when_built(built: Any, then: Callable[[], None]) -> None:
    """Call a function once a layer, or an optimizer, is built; never where it is built already."""
    if getattr(built, "built", True) or not hasattr(built, "build"):
        return
    build = built.build

    @functools.wraps(build)
    def and_then(*args: Any, **kwargs: Any) -> Any:
        result = build(*args, **kwargs)
        if built.__dict__.get("build") is and_then:
            object.__setattr__(built, "build", build)
        then()
        return result

    object.__setattr__(built, "build", and_then)


def restore_variable(variable: Any, value: np.ndarray) -> None:
    """Give a variable its value: at once, or when it gets memory, for one of Keras that is noted
    while a model is tried out on shapes. Raises ValueError for another shape."""
    if getattr(variable, "_value", variable) is None and hasattr(variable, "_initializer"):
        if tuple(variable.shape) != value.shape:
            raise ValueError(
                f"the checkpoint has a value of shape {value.shape} for {variable.path!r}, which "
                f"has shape {tuple(variable.shape)}"
            )
        variable._initializer = lambda shape, dtype=None: value
    else:
        variable.assign(value)
