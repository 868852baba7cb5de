"""`tf.autograph`: Python's control flow runs as Python's; these change nothing."""

from __future__ import annotations

import types
from typing import Any

from plait._unbuilt import not_built

experimental = types.SimpleNamespace(
    do_not_convert=lambda func=None: (lambda f: f) if func is None else func,
    set_loop_options=lambda *args, **kwargs: None,
    Feature=types.SimpleNamespace(ALL="ALL", LISTS="LISTS", EQUALITY_OPERATORS="EQUALITY"),
)


def set_verbosity(level: int, alsologtostdout: bool = False) -> None:
    """Nothing: nothing is converted."""


def trace(*args: Any) -> None:
    """Print the arguments."""
    print(*args)


def to_code(entity: Any, *args: Any, **kwargs: Any) -> str:
    """Not built: functions are not converted."""
    raise not_built("tf.autograph.to_code (functions are captured, not converted)")


def to_graph(entity: Any, *args: Any, **kwargs: Any) -> Any:
    """The function itself."""
    return entity
