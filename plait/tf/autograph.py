"""`tf.autograph`: Python's control flow on tensors (see `plait.tf._autograph`)."""

from __future__ import annotations

import ast
import enum
import functools
import types
from collections.abc import Callable
from typing import Any

from plait.core.ir.errors import error
from plait.tf._autograph import bodies, convert


class Feature(enum.Enum):
    """Optional parts of TensorFlow's AutoGraph: accepted."""

    ALL = "ALL"
    AUTO_CONTROL_DEPS = "AUTO_CONTROL_DEPS"
    ASSERT_STATEMENTS = "ASSERT_STATEMENTS"
    BUILTIN_FUNCTIONS = "BUILTIN_FUNCTIONS"
    EQUALITY_OPERATORS = "EQUALITY_OPERATORS"
    LISTS = "LISTS"
    NAME_SCOPES = "NAME_SCOPES"


def _do_not_convert(func: Any = None) -> Any:
    """The function, left as it is by `tf.function` and by those that call it."""
    if func is None:
        return _do_not_convert

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    call.__dict__[convert.MARK] = "left alone"
    return call


def _set_loop_options(
    parallel_iterations: Any = None,
    swap_memory: Any = None,
    maximum_iterations: Any = None,
    shape_invariants: Any = None,
) -> None:
    """Accepted. A loop whose tensors change their shapes runs as Python does."""
    if shape_invariants is not None:
        bodies.refuse("tensors change their shapes")


experimental = types.SimpleNamespace(
    do_not_convert=_do_not_convert, set_loop_options=_set_loop_options, Feature=Feature
)


def set_verbosity(level: int, alsologtostdout: bool = False) -> None:
    """Accepted: `PLAIT_LOG=breaks` says where functions run as Python does, and why."""


def trace(*args: Any) -> None:
    """Print the arguments."""
    print(*args)


def _function(entity: Any) -> types.FunctionType:
    function = getattr(entity, "python_function", entity)
    function = getattr(function, "__func__", function)
    if not isinstance(function, types.FunctionType):
        raise error(
            ValueError, f"tf.autograph converts functions, got {type(entity).__name__}: {entity!r}"
        )
    return function


def to_code(
    entity: Callable[..., Any], recursive: bool = True, experimental_optional_features: Any = None
) -> str:
    """The source of a function with its control flow rewritten. Raises ValueError for what has no
    source."""
    try:
        return ast.unparse(convert.rewritten(_function(entity)))
    except convert.NotConvertible as fault:
        raise error(ValueError, f"{entity!r} cannot be converted: {fault}") from None


def to_graph(
    entity: Callable[..., Any], recursive: bool = True, experimental_optional_features: Any = None
) -> Callable[..., Any]:
    """The function with its control flow rewritten. Raises ValueError for what has no source."""
    try:
        return convert.converted(_function(entity))
    except convert.NotConvertible as fault:
        raise error(ValueError, f"{entity!r} cannot be converted: {fault}") from None
