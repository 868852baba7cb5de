"""`torch.compile` and its surroundings.

Every program is recorded and compiled as it runs. `compile` saves the recording: a function (a
whole training step, best of all) is captured once and replayed as one program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait._unbuilt import unbuilt
from plait.core.ir.errors import error

__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "compile",
    "cudagraph_mark_step_begin",
    "disable",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "list_backends",
    "reset",
    "set_stance",
]


def compile(model: Any = None, **options: Any) -> Any:
    """The function or module, captured at its first call and then replayed; without one, a
    decorator.

    Options are PyTorch's: `disable` gives back the function itself, `fullgraph` raises where a call
    cannot be captured whole; the others (dynamic, backend, mode, options) are hints. Raises
    TypeError for what cannot be called, RuntimeError for `mode` and `options` together.
    """
    if options.get("mode") is not None and options.get("options") is not None:
        raise error(
            RuntimeError,
            "Either mode or options can be specified, but both can't be specified at the same "
            "time.",
        )
    if model is None:
        return lambda decorated: compile(decorated, **options)
    if not callable(model):
        raise error(
            TypeError, f"torch.compile: expected a callable, received {type(model).__name__}"
        )
    if options.get("disable"):
        return model
    from plait.compiler.compiled import Compiled  # not at the top: `import plait` stays light
    from plait.compiler.module import OptimizedModule
    from plait.nn import Module

    whole = bool(options.get("fullgraph"))
    if isinstance(model, (Compiled, OptimizedModule)):
        return model
    if isinstance(model, Module):
        return OptimizedModule(model, whole)
    return Compiled(model, whole)


def disable(fn: Any = None, recursive: bool = True, **kwargs: Any) -> Any:
    """The function itself; without it, a decorator."""
    return _unchanged if fn is None else fn


def _unchanged(fn: Any) -> Any:
    return fn


def allow_in_graph(fn: Any) -> Any:
    """The function itself."""
    return fn


def assume_constant_result(fn: Any) -> Any:
    """The function itself."""
    return fn


def substitute_in_graph(original_fn: Any, **kwargs: Any) -> Callable[[Any], Any]:
    """A decorator that changes nothing."""
    return _unchanged


def is_compiling() -> bool:
    """False: code runs as Python."""
    return False


def is_dynamo_compiling() -> bool:
    """False."""
    return False


def is_exporting() -> bool:
    """False."""
    return False


def reset() -> None:
    """Forget all programs."""
    from plait.compiler.compiled import reset_all

    reset_all()


def cudagraph_mark_step_begin() -> None:
    """Nothing to mark."""


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """PyTorch's default name, which is accepted, and Plait's own."""
    return ["inductor", "plait"]


class set_stance:
    """Accepted: how to treat recompilations; a context and a decorator."""

    def __init__(self, stance: str = "default", **kwargs: Any) -> None:
        self.stance = stance

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None

    def __call__(self, fn: Any) -> Any:
        return fn


__getattr__ = unbuilt(
    "torch.compiler", ("load_cache_artifacts", "save_cache_artifacts", "wrap_numpy")
)
